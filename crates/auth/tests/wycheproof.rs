//! Project Wycheproof's vectors, through keys and signatures as a token has them.

#![cfg(feature = "jwt")]
#![allow(clippy::unwrap_used, reason = "a test that fails may stop")]

use auth::jwk::{Algorithm, KeySet, Origin};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wycheproof::TestResult;

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn key(jwk: &str) -> KeySet {
    KeySet::parse(format!("{{\"keys\":[{jwk}]}}").as_bytes(), Origin::Configuration).unwrap()
}

/// Compares one vector. Vectors that are merely acceptable may have either result.
fn compare(id: usize, comment: &str, expected: TestResult, is_valid: bool) {
    match expected {
        TestResult::Valid => assert!(is_valid, "{id} is valid: {comment}"),
        TestResult::Invalid => assert!(!is_valid, "{id} is invalid: {comment}"),
        TestResult::Acceptable => {}
    }
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};

    let sets = [
        (TestName::EcdsaSecp256r1Sha256P1363, "P-256", Algorithm::Es256, 32),
        (TestName::EcdsaSecp384r1Sha384P1363, "P-384", Algorithm::Es384, 48),
        (TestName::EcdsaSecp521r1Sha512P1363, "P-521", Algorithm::Es512, 66),
    ];
    for (name, curve, algorithm, length) in sets {
        let mut count = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let point: &[u8] = &group.key.key;
            let (x, y) = point[1..].split_at(length);
            let keys =
                key(&format!(r#"{{"kty":"EC","crv":"{curve}","x":"{}","y":"{}"}}"#, encode(x), encode(y)));
            for test in group.tests {
                let is_valid = keys.keys()[0].verify(algorithm, &test.msg, &test.sig);
                compare(test.tc_id, &test.comment, test.result, is_valid);
                count += 1;
            }
        }
        assert!(count > 100, "{curve}: {count}");
    }
}

#[test]
fn eddsa() {
    use wycheproof::eddsa::{TestName, TestSet};

    let mut count = 0;
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let keys = key(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(&group.key.pk)));
        for test in group.tests {
            let is_valid = keys.keys()[0].verify(Algorithm::EdDsa, &test.msg, &test.sig);
            compare(test.tc_id, &test.comment, test.result, is_valid);
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

    let sets = [
        (TestName::Rsa2048Sha256, Algorithm::Rs256),
        (TestName::Rsa2048Sha384, Algorithm::Rs384),
        (TestName::Rsa2048Sha512, Algorithm::Rs512),
        (TestName::Rsa3072Sha256, Algorithm::Rs256),
        (TestName::Rsa4096Sha384, Algorithm::Rs384),
        (TestName::Rsa8192Sha512, Algorithm::Rs512),
    ];
    for (name, algorithm) in sets {
        let mut count = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                let is_valid = keys.keys()[0].verify(algorithm, &test.msg, &test.sig);
                compare(test.tc_id, &test.comment, test.result, is_valid);
                count += 1;
            }
        }
        assert!(count > 50, "{name:?}: {count}");
    }
}

#[test]
fn rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};

    let sets = [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ];
    for (name, algorithm) in sets {
        let mut count = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let keys = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                let is_valid = keys.keys()[0].verify(algorithm, &test.msg, &test.sig);
                compare(test.tc_id, &test.comment, test.result, is_valid);
                count += 1;
            }
        }
        assert!(count > 50, "{name:?}: {count}");
    }
    // A salt of another length is valid in general, but not in a token (RFC 7518, section 3.5).
    for group in TestSet::load(TestName::RsaPss2048Sha256Mgf1SaltLen0).unwrap().test_groups {
        let keys = rsa(&group.key.n, &group.key.e);
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            assert!(!keys.keys()[0].verify(Algorithm::Ps256, &test.msg, &test.sig), "{}", test.tc_id);
        }
    }
}

fn rsa(n: &[u8], e: &[u8]) -> KeySet {
    key(&format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, encode(n), encode(e)))
}

#[test]
fn hmac() {
    use wycheproof::mac::{TestName, TestSet};

    let sets = [
        (TestName::HmacSha256, Algorithm::Hs256, 256),
        (TestName::HmacSha384, Algorithm::Hs384, 384),
        (TestName::HmacSha512, Algorithm::Hs512, 512),
    ];
    for (name, algorithm, bits) in sets {
        let mut count = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests.into_iter().filter(|test| test.key.len() * 8 >= bits) {
                let keys = key(&format!(r#"{{"kty":"oct","k":"{}"}}"#, encode(&test.key)));
                let is_valid = keys.keys()[0].verify(algorithm, &test.msg, &test.tag);
                // Truncated tags are valid in general, but not in a token.
                let expected = if group.tag_size == bits { test.result } else { TestResult::Invalid };
                compare(test.tc_id, &test.comment, expected, is_valid);
                count += 1;
            }
        }
        assert!(count > 50, "{name:?}: {count}");
    }
}
