//! Tokens: the examples of RFC 7515, 7520 and 8037, and attacks.

#![cfg(feature = "jwt")]
#![allow(clippy::unwrap_used, reason = "a test that fails may stop")]

use auth::json::{self, Json};
use auth::jwk::{Algorithm, KeySet, Origin};
use auth::jws::{Compact, JwsError, MAX_HEADER, MAX_TRIES, SignatureError};
use auth::jwt::{Rejection, Requirements, Token};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const VECTORS: &[u8] = include_bytes!("vectors.json");

fn text<'a>(object: &'a Json, name: &str) -> &'a str {
    object.as_object().unwrap()[name].as_str().unwrap()
}

fn keys(text: &str) -> KeySet {
    KeySet::parse(text.as_bytes(), Origin::Configuration).unwrap()
}

#[test]
fn examples_of_the_rfcs_are_valid_and_each_changed_bit_is_not() {
    let vectors = json::parse(VECTORS).unwrap();
    let vectors = vectors["vectors"].as_list().unwrap();
    assert_eq!(vectors.len(), 9);
    for vector in vectors {
        let (name, token) = (text(vector, "name"), text(vector, "token"));
        let keys = keys(text(vector, "keys"));
        let message = Compact::parse(token.as_bytes()).unwrap();
        assert_eq!(message.verify(&keys), Ok(()), "{name}");

        // The first and last characters of the parts, because each bit of all takes long.
        let parts: Vec<&str> = token.split('.').collect();
        for (index, part) in parts.iter().enumerate() {
            for at in [0, part.len() / 2, part.len() - 2] {
                let mut part = part.as_bytes().to_vec();
                part[at] = if part[at] == b'A' { b'B' } else { b'A' };
                let part = String::from_utf8(part).unwrap();
                let mut changed = parts.clone();
                changed[index] = &part;
                let changed = changed.join(".");
                let is_valid =
                    Compact::parse(changed.as_bytes()).is_ok_and(|message| message.verify(&keys).is_ok());
                assert!(!is_valid, "{name}: part {index}, character {at}");
            }
        }
        // Every other key fails.
        for other in vectors.iter().filter(|other| text(other, "keys") != text(vector, "keys")) {
            let other = self::keys(text(other, "keys"));
            assert!(message.verify(&other).is_err(), "{name}");
        }
    }
}

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

fn secret() -> KeySet {
    keys(&format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, URL_SAFE_NO_PAD.encode(SECRET)))
}

fn signed_with(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).unwrap().chain_update(&message);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn signed(header: &str, claims: &str) -> String {
    signed_with(SECRET, header, claims)
}

fn verify(token: &str) -> Result<(), Rejection> {
    Token::parse(token.as_bytes())?.verify(&secret()).map(|_| ())
}

#[test]
fn the_public_key_is_not_the_secret_of_an_hmac() {
    let vectors = json::parse(VECTORS).unwrap();
    for vector in &vectors["vectors"].as_list().unwrap()[1..4] {
        let set = text(vector, "keys");
        let jwk = json::parse(set.as_bytes()).unwrap();
        let jwk = jwk["keys"].as_list().unwrap()[0].as_object().unwrap();
        let public = jwk.get("n").or(jwk.get("x")).unwrap().as_str().unwrap();
        for secret in [set.as_bytes(), public.as_bytes(), &URL_SAFE_NO_PAD.decode(public).unwrap()] {
            let token = signed_with(secret, r#"{"alg":"HS256"}"#, "{}");
            let message = Compact::parse(token.as_bytes()).unwrap();
            assert_eq!(message.verify(&keys(set)), Err(SignatureError::UnknownKey));
        }
    }
}

#[test]
fn none_and_other_unknown_algorithms_are_rejected() {
    for name in
        ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "RS1", "ES256K", "HS1", "dir", "Ed448"]
    {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        assert_eq!(verify(&signed(&header, "{}")), Err(Rejection::Algorithm), "{name}");
        let unsigned = format!("{}.e30.", URL_SAFE_NO_PAD.encode(&header));
        assert_eq!(verify(&unsigned), Err(Rejection::Algorithm), "{name}");
    }
    for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"ALG":"HS256"}"#, r#"{"alg":1}"#] {
        assert_eq!(verify(&signed(header, "{}")), Err(Rejection::Malformed), "{header}");
    }
    assert_eq!(verify("eyJhbGciOiJIUzI1NiJ9.e30."), Err(Rejection::Signature), "an empty signature");
}

#[test]
fn keys_in_the_header_or_behind_its_urls_are_ignored() {
    let own = URL_SAFE_NO_PAD.encode(b"an attacker's secret of thirty-two bytes");
    for member in [
        format!(r#""jwk":{{"kty":"oct","k":"{own}"}}"#),
        r#""jku":"https://attacker.example.com/keys""#.to_owned(),
        r#""x5u":"https://attacker.example.com/keys""#.to_owned(),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""kid":"/dev/null""#.to_owned(),
        r#""kid":"https://attacker.example.com/keys""#.to_owned(),
        r#""kid":"' OR 1=1 --""#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        let forged = signed_with(b"an attacker's secret of thirty-two bytes", &header, "{}");
        assert_eq!(verify(&forged), Err(Rejection::Signature), "{member}");
        assert_eq!(verify(&signed(&header, "{}")), Ok(()), "{member}");
    }
}

#[test]
fn critical_extensions_are_rejected() {
    for crit in [r#"["b64"]"#, "[]", r#"["exp"]"#, "null", r#""b64""#] {
        let token = signed(&format!(r#"{{"alg":"HS256","b64":true,"crit":{crit}}}"#), "{}");
        assert_eq!(verify(&token), Err(Rejection::Critical), "{crit}");
    }
}

#[test]
fn encodings_are_strict() {
    let token = signed(r#"{"alg":"HS256"}"#, r#"{"sub":"a?>b~~"}"#);
    assert_eq!(verify(&token), Ok(()));
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts") };
    for changed in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{header}.{claims}"),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!(".{token}"),
        format!("{token}="),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}==.{signature}"),
        format!("{header}.{claims}\0.{signature}"),
        token.replace(['-', '_'], "+"),
        token.replace('.', ".\n"),
        token.replace('.', ","),
        format!("{header}.{}.{signature}", "A".repeat(5)),
    ] {
        assert_eq!(verify(&changed), Err(Rejection::Malformed), "{changed:?}");
    }
    // The last character of 32 bytes has two unused bits.
    let last = signature.as_bytes()[42];
    let spellings = (b'!'..=b'~').filter(|other| {
        let changed = format!("{header}.{claims}.{}{}", &signature[..42], char::from(*other));
        verify(&changed).is_ok()
    });
    assert_eq!(spellings.collect::<Vec<_>>(), [last], "one spelling");
}

#[test]
fn headers_and_claims_are_objects_without_duplicates() {
    let header = r#"{"alg":"HS256"}"#;
    for claims in
        ["", "[]", "1", "null", r#""a""#, r#"{"sub":"a","sub":"b"}"#, r#"{"a":{"b":1,"b":2}}"#, "{}{}"]
    {
        assert_eq!(verify(&signed(header, claims)), Err(Rejection::Malformed), "{claims}");
    }
    for header in
        [r#"{"alg":"HS256","alg":"HS256"}"#, r#"{"alg":"none","alg":"HS256"}"#, r#"["HS256"]"#, "HS256"]
    {
        assert_eq!(verify(&signed(header, "{}")), Err(Rejection::Malformed), "{header}");
    }
    let nested = |levels| format!(r#"{{"alg":"HS256","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    assert_eq!(verify(&signed(&nested(20), "{}")), Ok(()));
    assert_eq!(verify(&signed(&nested(3_000), "{}")), Err(Rejection::Malformed));
    let long = format!(r#"{{"alg":"HS256","x":"{}"}}"#, "a".repeat(MAX_HEADER));
    assert_eq!(Compact::parse(signed(&long, "{}").as_bytes()).err(), Some(JwsError::Malformed));
}

#[test]
fn a_token_selects_keys_by_kid() {
    let key = |kid: &str, secret: &[u8]| {
        let kid = if kid.is_empty() { String::new() } else { format!(r#""kid":"{kid}","#) };
        format!(r#"{{{kid}"kty":"oct","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(secret))
    };
    let other = b"another secret of at least thirty-two bytes".as_slice();
    let set = |list: &[String]| keys(&format!(r#"{{"keys":[{}]}}"#, list.join(",")));
    let verify = |header: &str, set: &KeySet| {
        let token = signed(header, "{}");
        Compact::parse(token.as_bytes()).unwrap().verify(set)
    };
    let two = set(&[key("a", SECRET), key("b", other)]);
    assert_eq!(verify(r#"{"alg":"HS256","kid":"a"}"#, &two), Ok(()));
    assert_eq!(verify(r#"{"alg":"HS256","kid":"b"}"#, &two), Err(SignatureError::Invalid));
    assert_eq!(verify(r#"{"alg":"HS256","kid":"c"}"#, &two), Err(SignatureError::UnknownKey));
    assert_eq!(verify(r#"{"alg":"HS256","kid":""}"#, &two), Err(SignatureError::UnknownKey));
    assert_eq!(verify(r#"{"alg":"HS384","kid":"a"}"#, &two), Err(SignatureError::UnknownKey), "37 bytes");
    assert_eq!(verify(r#"{"alg":"HS256"}"#, &two), Ok(()));
    assert_eq!(verify(r#"{"alg":"HS256","kid":"c"}"#, &set(&[key("", SECRET)])), Ok(()));
    // Several keys may have one `kid` (RFC 7517, section 4.5).
    assert_eq!(verify(r#"{"alg":"HS256","kid":"a"}"#, &set(&[key("a", other), key("a", SECRET)])), Ok(()));

    let behind = |count| set(&[vec![key("", other); count], vec![key("", SECRET)]].concat());
    assert_eq!(verify(r#"{"alg":"HS256"}"#, &behind(MAX_TRIES - 1)), Ok(()));
    assert_eq!(verify(r#"{"alg":"HS256"}"#, &behind(MAX_TRIES)), Err(SignatureError::Invalid));
}

/// A key of RFC 7517, appendix A.1, and other members.
fn ec(members: &str) -> String {
    format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
           "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"{members}}}]}}"#
    )
}

fn error(text: &str) -> String {
    KeySet::parse(text.as_bytes(), Origin::Configuration).unwrap_err().to_string()
}

#[test]
fn a_key_is_bound_to_its_purpose_and_algorithm() {
    for members in ["", r#","use":"sig""#, r#","key_ops":["verify"]"#, r#","alg":"ES256","ext":true"#] {
        let set = keys(&ec(members));
        let all = ["HS256", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"];
        for name in all.map(|name| Algorithm::named(name).unwrap()) {
            assert_eq!(set.keys()[0].permits(name), name == Algorithm::Es256, "{members} {}", name.name());
        }
    }
    for members in [
        r#","use":"enc""#,
        r#","key_ops":["deriveKey"]"#,
        r#","key_ops":[]"#,
        r#","alg":"ECDH-ES""#,
        r#","alg":"none""#,
    ] {
        assert!(error(&ec(members)).starts_with("has no key that verifies signatures"), "{members}");
    }
    for (members, expected) in [
        (r#","alg":"ES384""#, "keys[0]: `alg` ES384 does not fit"),
        (r#","alg":"HS256""#, "keys[0]: `alg` HS256 does not fit"),
        (r#","d":"AAAA""#, "keys[0]: is a private key"),
        (r#","alg":1"#, "keys[0]: `alg` must be a string"),
        (r#","use":null"#, "keys[0]: `use` must be a string"),
        (r#","key_ops":"verify""#, "keys[0]: `key_ops` must be a list"),
        (r#","kid":1"#, "keys[0]: `kid` must be a string"),
        (r#","x":"AAAA""#, "JSON with a duplicate name"),
    ] {
        let error = error(&ec(members));
        assert!(error.starts_with(expected), "{members}: {error}");
    }
}

#[test]
fn invalid_and_weak_keys_are_rejected() {
    let set = |key: &str| format!(r#"{{"keys":[{key}]}}"#);
    let zeros = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0; bytes]);
    let rsa = |bits: usize, e: &str| {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0xc1;
        set(&format!(r#"{{"kty":"RSA","n":"{}","e":"{e}"}}"#, URL_SAFE_NO_PAD.encode(n)))
    };
    assert!(KeySet::parse(rsa(2048, "AQAB").as_bytes(), Origin::Configuration).is_ok());
    for (text, expected) in [
        ("{}".to_owned(), "has no list `keys`"),
        (r#"{"keys":{}}"#.to_owned(), "has no list `keys`"),
        (r#"{"keys":[]}"#.to_owned(), "has no key that verifies signatures"),
        ("[]".to_owned(), "not a JSON object"),
        ("keys".to_owned(), "invalid JSON"),
        (set("1"), "keys[0]: must be an object"),
        (set("{}"), "keys[0]: `kty` is missing"),
        (set(r#"{"kty":"oct"}"#), "keys[0]: `k` is missing"),
        (set(r#"{"kty":"oct","k":"AA=="}"#), "keys[0]: `k` must be base64url"),
        (
            set(&format!(r#"{{"kty":"oct","k":"{}"}}"#, zeros(31))),
            "keys[0]: `k` is too short: HS256 needs a secret of at least 32 bytes",
        ),
        (
            set(&format!(r#"{{"kty":"oct","alg":"HS512","k":"{}"}}"#, zeros(63))),
            "keys[0]: `k` is too short: HS512 needs a secret of at least 64 bytes",
        ),
        (
            set(&format!(r#"{{"kty":"oct","alg":"RS256","k":"{}"}}"#, zeros(64))),
            "keys[0]: `alg` RS256 does not fit",
        ),
        (rsa(1024, "AQAB"), "keys[0]: has 1024 bits"),
        (rsa(2040, "AQAB"), "keys[0]: has 2040 bits"),
        (rsa(8200, "AQAB"), "keys[0]: has 8200 bits"),
        (rsa(2048, "AQ"), "keys[0]: `e` is not part of a valid public key"),
        (rsa(2048, "Ag"), "keys[0]: `e` is not part of a valid public key"),
        (rsa(2048, "AAAA"), "keys[0]: `e` is not part of a valid public key"),
        (rsa(2048, ""), "keys[0]: `e` is not part of a valid public key"),
        (set(r#"{"kty":"EC"}"#), "keys[0]: `crv` is missing"),
        (
            set(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#, zeros(32))),
            "keys[0]: `x` is not part",
        ),
        (
            set(&format!(r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#, zeros(33))),
            "keys[0]: `x` is not part",
        ),
        (set(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, zeros(32))), "keys[0]: `x` is not part"),
        (set(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, zeros(31))), "keys[0]: `x` is not part"),
        (set(r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#), "has no key that verifies signatures"),
        (set(r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#), "has no key that verifies signatures"),
        (set(&vec![r#"{"kty":"AKP"}"#; 101].join(",")), "has more than 100 keys"),
    ] {
        let error = error(&text);
        assert!(error.starts_with(expected), "{error}: {expected}");
    }
}

#[test]
fn a_service_may_publish_keys_that_are_not_understood_but_no_secrets() {
    let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(SECRET));
    let point = ec("");
    let good = point.trim().strip_prefix(r#"{"keys":["#).unwrap().strip_suffix("]}").unwrap();
    let text = format!(r#"{{"keys":[1,{{}},{secret},{{"kty":"RSA","n":"AQAB","e":"AQAB"}},{good}]}}"#);
    let set = KeySet::parse(text.as_bytes(), Origin::Service).unwrap();
    assert_eq!(set.keys().len(), 1);
    assert!(set.keys()[0].permits(Algorithm::Es256));
    assert!(KeySet::parse(format!(r#"{{"keys":[{secret}]}}"#).as_bytes(), Origin::Service).is_err());
}

#[test]
fn nothing_shows_a_key() {
    let shown = format!("{:?}", secret());
    assert!(!shown.contains(&format!("{}", SECRET[0])) && shown.contains("Key"), "{shown}");
}

fn check(claims: &str, now: u64, requirements: &Requirements) -> Result<Option<u64>, Rejection> {
    let token = signed(r#"{"alg":"HS256"}"#, claims);
    let token = Token::parse(token.as_bytes())?;
    token.verify(&secret())?.check(now, requirements)
}

#[test]
fn times_are_compared_with_the_tolerance_at_both_edges() {
    let skewed = Requirements { clock_skew: 60, allow_no_expiry: true, ..Requirements::default() };
    let exact = Requirements { clock_skew: 0, ..skewed.clone() };
    for (claims, now, requirements, expected) in [
        (r#"{"exp":1000}"#, 999, &exact, Ok(Some(1000))),
        (r#"{"exp":1000}"#, 1000, &exact, Err(Rejection::Expired)),
        (r#"{"exp":1000}"#, 1059, &skewed, Ok(Some(1060))),
        (r#"{"exp":1000}"#, 1060, &skewed, Err(Rejection::Expired)),
        (r#"{"exp":1000.9}"#, 999, &exact, Ok(Some(1000))),
        (r#"{"exp":1000.9}"#, 1000, &exact, Err(Rejection::Expired)),
        (r#"{"exp":1e3}"#, 999, &exact, Ok(Some(1000))),
        (r#"{"exp":-1}"#, 0, &exact, Err(Rejection::Expired)),
        (r#"{"exp":1e300}"#, 1000, &skewed, Ok(Some(u64::MAX))),
        (r#"{"exp":18446744073709551615}"#, 1000, &skewed, Ok(Some(u64::MAX))),
        (r#"{"exp":"1000"}"#, 1, &exact, Err(Rejection::InvalidTime)),
        (r#"{"exp":null}"#, 1, &exact, Err(Rejection::InvalidTime)),
        ("{}", 1, &exact, Ok(None)),
        ("{}", 1, &Requirements::default(), Err(Rejection::NoExpiry)),
        (r#"{"nbf":1000}"#, 1000, &exact, Ok(None)),
        (r#"{"nbf":1000}"#, 999, &exact, Err(Rejection::NotYetValid)),
        (r#"{"nbf":1000}"#, 940, &skewed, Ok(None)),
        (r#"{"nbf":1000}"#, 939, &skewed, Err(Rejection::NotYetValid)),
        (r#"{"nbf":999.1}"#, 999, &exact, Err(Rejection::NotYetValid)),
        (r#"{"nbf":true}"#, 1000, &exact, Err(Rejection::InvalidTime)),
        (r#"{"iat":1000}"#, 1000, &exact, Ok(None)),
        (r#"{"iat":1000}"#, 999, &exact, Err(Rejection::NotYetValid)),
        (r#"{"iat":1000}"#, 940, &skewed, Ok(None)),
        (r#"{"iat":1000}"#, 939, &skewed, Err(Rejection::NotYetValid)),
        (r#"{"iat":[]}"#, 1000, &exact, Err(Rejection::InvalidTime)),
    ] {
        assert_eq!(check(claims, now, requirements), expected, "{claims} at {now}");
    }
}

#[test]
fn issuer_audience_and_required_claims_are_compared() {
    let any = Requirements { allow_no_expiry: true, ..Requirements::default() };
    let issuer = Requirements { issuer: Some("https://a.example.com".into()), ..any.clone() };
    for claims in [
        "{}",
        r#"{"iss":"https://a.example.com/"}"#,
        r#"{"iss":["https://a.example.com"]}"#,
        r#"{"iss":null}"#,
    ] {
        assert_eq!(check(claims, 0, &issuer), Err(Rejection::Issuer), "{claims}");
        assert_eq!(check(claims, 0, &any), Ok(None), "{claims}");
    }
    assert_eq!(check(r#"{"iss":"https://a.example.com"}"#, 0, &issuer), Ok(None));

    let audience = Requirements { audiences: vec!["a".into(), "b".into()], ..any.clone() };
    for claims in [
        "{}",
        r#"{"aud":"c"}"#,
        r#"{"aud":["c"]}"#,
        r#"{"aud":[]}"#,
        r#"{"aud":[["a"]]}"#,
        r#"{"aud":"a b"}"#,
        r#"{"aud":{"a":1}}"#,
    ] {
        assert_eq!(check(claims, 0, &audience), Err(Rejection::Audience), "{claims}");
    }
    for claims in [r#"{"aud":"a"}"#, r#"{"aud":["c","b"]}"#] {
        assert_eq!(check(claims, 0, &audience), Ok(None), "{claims}");
    }

    let claim = |name: &str, values: &[&str]| Requirements {
        claims: vec![(name.into(), values.iter().map(ToString::to_string).collect())],
        ..any.clone()
    };
    for (claims, requirements, is_met) in [
        (r#"{"sub":"a"}"#, claim("sub", &[]), true),
        (r#"{"sub":null}"#, claim("sub", &[]), false),
        ("{}", claim("sub", &[]), false),
        (r#"{"role":"admin"}"#, claim("role", &["admin", "root"]), true),
        (r#"{"role":"admins"}"#, claim("role", &["admin"]), false),
        (r#"{"role":["user","admin"]}"#, claim("role", &["admin"]), true),
        (r#"{"role":[["admin"]]}"#, claim("role", &["admin"]), false),
        (r#"{"role":{"admin":1}}"#, claim("role", &["admin"]), false),
        (r#"{"a":{"b":{"c":7}}}"#, claim("a.b.c", &["7"]), true),
        (r#"{"a":{"b":{"c":7}}}"#, claim("a.b.d", &[]), false),
        (r#"{"https://x.example.com/roles":["r"]}"#, claim("https://x.example.com/roles", &["r"]), true),
        (r#"{"email_verified":true}"#, claim("email_verified", &["true"]), true),
        (r#"{"scope":"read write"}"#, claim("scope", &["write"]), true),
        (r#"{"scope":"read writer"}"#, claim("scope", &["write"]), false),
        (r#"{"role":"read write"}"#, claim("role", &["write"]), false),
    ] {
        let expected = if is_met { Ok(None) } else { Err(Rejection::Claim) };
        assert_eq!(check(claims, 0, &requirements), expected, "{claims} {:?}", requirements.claims);
    }
}

#[test]
fn claims_become_texts_that_are_safe_in_headers() {
    let claims = r#"{"s":"é","n":12345678901234567890,"m":-1,"f":1.5,"i":1e3,"huge":1e300,"b":false,"z":null,
        "l":["a",1,true],"c":["a,b"],"e":[],"ll":[["a"]],"o":{"p":{"q":"r"}},"x":"a\r\nb","y":"a\u0000","t":"a\tb"}"#;
    let token = signed(r#"{"alg":"HS256"}"#, claims);
    let token = Token::parse(token.as_bytes()).unwrap();
    let secret = secret();
    let claims = token.verify(&secret).unwrap();
    for (name, expected) in [
        ("s", Some("é")),
        ("n", Some("12345678901234567890")),
        ("m", Some("-1")),
        ("f", Some("1.5")),
        ("i", Some("1000")),
        ("huge", None),
        ("b", Some("false")),
        ("z", None),
        ("l", Some("a,1,true")),
        ("c", None),
        ("e", Some("")),
        ("ll", None),
        ("o", None),
        ("o.p.q", Some("r")),
        ("o.p.q.r", None),
        ("x", None),
        ("y", None),
        ("t", None),
        ("missing", None),
    ] {
        assert_eq!(claims.text(name).as_deref(), expected, "{name}");
    }
}
