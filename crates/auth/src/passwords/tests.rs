//! Published hashes, hashes of other implementations at the limits, and the number of hashes that are computed.

use std::cell::Cell;
use std::convert::Infallible;

use super::*;

/// Hashes with their passwords: of the specification of SHA-crypt, of jBCrypt, of the reference implementation of Argon2, of
/// Apache's `htpasswd`, and of `openssl passwd`.
const PUBLISHED: [(&str, &str); 14] = [
    ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    ("Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
    (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (
        "This is just a test",
        "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
    ),
    ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
    ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
    ("abcdefghijklmnopqrstuvwxyz", "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz."),
    ("myPassword", "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"),
    ("password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
    ("password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
    ("myPassword", "$apr1$EXfBN1bF$nuywSFTnPTcqbH5z4x6IG/"),
    ("Hello world!", "$apr1$saltstri$aGfuB7Lcvs2TUeFTqUVfN0"),
    ("Hello world!", "$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1"),
    ("myPassword", "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE="),
];

/// Hashes of `0123456789abcdef` eight times, which is the longest password, by libxcrypt 4.4.
const OF_THE_LONGEST: [&str; 4] = [
    "$1$abcdefgh$GQ1AlCKc1EKsyEq.KyZTX0",
    "$5$rounds=1000$a$YNKqOk2rcfJmremlJqfXSdshuur72bGZuu1ioG8nmo4",
    "$6$rounds=1000$$Riy59ta0ElKJjSC.jZ4DcwlPVVFdIfugQ4zMTVyWku0iTqIWrmtqIBKlQ63EdfcANCH9PppZOEVfxyqKCv36Y/",
    "$2b$04$abcdefghijklmnopqrstuuWTSHkTgWdsWag7rtSY2APXG6jxP2cuq",
];

fn hash(text: &str) -> Hash {
    Hash::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn published_hashes_match_their_passwords_only() {
    for (password, text) in PUBLISHED {
        let hash = hash(text);
        assert!(hash.matches(password.as_bytes()), "{text}");
        for other in [format!("{password}x"), format!("X{password}"), password.to_uppercase() + "\0"] {
            assert!(!hash.matches(other.as_bytes()), "{text}: {other:?}");
        }
    }
}

#[test]
fn a_changed_hash_does_not_match() {
    for (password, text) in PUBLISHED {
        // The last character has unused bits in most forms, so the one before it is changed.
        let (start, end) = text.split_at(text.trim_end_matches('=').len() - 2);
        let changed = if end.starts_with('A') { "B" } else { "A" };
        let changed = format!("{start}{changed}{}", &end[1..]);
        assert!(!hash(&changed).matches(password.as_bytes()), "{changed}");
    }
}

#[test]
fn the_longest_password_matches_and_longer_ones_do_not() {
    let longest = "0123456789abcdef".repeat(8);
    assert_eq!(longest.len(), MAX_PASSWORD);
    for text in OF_THE_LONGEST {
        assert!(hash(text).matches(longest.as_bytes()), "{text}");
        // bcrypt ignores all but the first 72 bytes.
        assert!(!hash(text).matches(format!("{longest}0").as_bytes()), "{text}");
        assert!(!hash(text).matches(&[longest.as_bytes(), b"\0"].concat()[1..]), "{text}");
    }
    assert!(hash(OF_THE_LONGEST[3]).matches(&longest.as_bytes()[..72]));
    assert!(!hash(OF_THE_LONGEST[3]).matches(&longest.as_bytes()[..71]));
}

#[test]
fn what_follows_a_nul_is_not_ignored() {
    for (password, text) in PUBLISHED {
        let hash = hash(text);
        assert!(!hash.matches(&[password.as_bytes(), b"\0"].concat()), "{text}");
        assert!(!hash.matches(&[password.as_bytes(), b"\0x"].concat()), "{text}");
    }
}

#[test]
fn passwords_of_other_bytes_match() {
    let hash =
        hash("$6$x$qvptcfvyULp3qKRS7Elmqu.NxEpWpc0tBIXGCBUKjcu6dk.YoMqjb3T0eMP7ZOY/Af/ITF442I.Zinnx66fZC1");
    assert!(hash.matches("ü你".as_bytes()));
    assert!(!hash.matches(b"\xff"));
}

#[test]
fn texts_that_are_not_hashes_are_rejected() {
    let unknown = [
        "",
        "password",
        "rqXexS6ZhobKA",
        "{PLAIN}x",
        "{SSHA}98JUfJee5Wb13m5683sLku40P3Y2VjNX",
        "$",
        "$7$a$b",
        "$2x$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
        "$argon2i$v=19$m=256,t=2,p=1$a$b",
        "x$6$a$b",
        "$y$j9T$a$b",
    ];
    for text in unknown {
        assert_eq!(Hash::parse(text).err(), Some(HashError::Unknown), "{text}");
    }
    for text in unknown {
        assert!(!Hash::is_hash(text));
    }
    for (form, text) in [
        ("{SHA}", "{SHA}"),
        ("{SHA}", "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE"),
        ("{SHA}", "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKA=="),
        ("$1$", "$1$saltstri"),
        ("$1$", "$1$saltstri$"),
        ("$1$", "$1$saltstrin$YMyguxXMBpd2TEZ.vS/3q1"),
        ("$1$", "$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1$"),
        ("$apr1$", "$apr1$saltstri$YMyguxXMBpd2TEZ.vS/3q"),
        (
            "$5$",
            "$5$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        ("$5$", "$5$rounds=999$a$YNKqOk2rcfJmremlJqfXSdshuur72bGZuu1ioG8nmo4"),
        ("$5$", "$5$rounds=+1000$a$YNKqOk2rcfJmremlJqfXSdshuur72bGZuu1ioG8nmo4"),
        ("$5$", "$5$saltstringsaltstr$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("$5$", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc!"),
        ("$6$", "$6$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("$6$", "$6$rounds=5000$saltstring"),
        ("$2y$", "$2y$5$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"),
        ("$2y$", "$2y$03$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"),
        ("$2y$", "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRq"),
        ("$2b$", "$2b$05$é4WoMPo3SXsafkva.HHaéuXQZWr7oboPiC2bT/r7q1BB8I2s0BRq"),
        (
            "$argon2id$",
            "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ),
        (
            "$argon2id$",
            "$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ),
        (
            "$argon2id$",
            "$argon2id$v=19$m=256,t=2,p=1,q=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ),
        (
            "$argon2id$",
            "$argon2id$v=19$m=256,t=2,p=33$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ),
        (
            "$argon2id$",
            "$argon2id$v=19$m=256,t=2,p=536870912$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ),
        ("$argon2id$", "$argon2id$v=19$m=256,t=2,p=1$c29tZQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
        ("$argon2id$", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EA"),
    ] {
        assert_eq!(Hash::parse(text).err(), Some(HashError::Malformed(form)), "{text}");
    }
}

#[test]
fn expensive_hashes_are_rejected_with_advice() {
    let digest = "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    for (text, remedy) in [
        (format!("$6$rounds=20834$s${digest}"), "fewer rounds"),
        (format!("$6$rounds=999999999$s${digest}"), "fewer rounds"),
        ("$2y$09$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC".into(), "lower cost"),
        ("$2y$31$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC".into(), "lower cost"),
        (
            "$argon2id$v=19$m=4097,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".into(),
            "m=4096",
        ),
        (
            "$argon2id$v=19$m=4096,t=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".into(),
            "less `m` or `t`",
        ),
        (
            "$argon2id$v=19$m=8,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
                .into(),
            "less `m` or `t`",
        ),
    ] {
        let error = Hash::parse(&text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.to_string().contains(remedy), "{text}: {error}");
    }
    for text in [
        format!("$6$rounds=20833$s${digest}"),
        "$2y$08$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC".into(),
        "$argon2id$v=19$m=4096,t=7,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".into(),
    ] {
        hash(&text);
    }
}

/// The clock is read once for each hash that is computed.
struct Clock {
    now: Cell<u64>,
    reads: Cell<u32>,
}

impl Clock {
    fn read(&self) -> Result<u64, Infallible> {
        self.reads.set(self.reads.get() + 1);
        Ok(self.now.get())
    }
}

/// Users with a limit of four hashes per second.
struct Users(Passwords, Clock);

impl Users {
    fn new(users: &[(&str, &str)]) -> Self {
        let passwords = Passwords::new(4, users.iter().map(|(user, text)| (*user, hash(text))));
        // Gateways have a clock that counts from 1970.
        Users(passwords, Clock { now: Cell::new(1_700_000_000 * SECOND), reads: Cell::new(0) })
    }

    fn check(&self, user: &str, password: &str) -> Outcome {
        let Ok(outcome) = self.0.check(user.as_bytes(), password.as_bytes(), || self.1.read());
        outcome
    }

    fn computed(&self) -> u32 {
        self.1.reads.replace(0)
    }

    fn pass(&self, nanoseconds: i64) {
        self.1.now.set(self.1.now.get().saturating_add_signed(nanoseconds));
    }
}

const HELLO: &str = "$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1";
const MINE: &str = "$apr1$EXfBN1bF$nuywSFTnPTcqbH5z4x6IG/";

#[test]
fn each_pair_is_computed_once() {
    let users = Users::new(&[("alice", HELLO), ("bob", MINE)]);
    for computed in [1, 0, 0] {
        assert_eq!(users.check("alice", "Hello world!"), Outcome::Right(0));
        assert_eq!(users.computed(), computed);
    }
    for computed in [1, 0, 0] {
        assert_eq!(users.check("alice", "wrong"), Outcome::Wrong);
        assert_eq!(users.computed(), computed);
    }
    // A pair is not its concatenation.
    assert_eq!(users.check("alicewrong", ""), Outcome::Wrong);
    assert_eq!(users.computed(), 1);
    assert_eq!(users.check("bob", "Hello world!"), Outcome::Wrong);
    assert_eq!(users.computed(), 1);
    assert_eq!(users.check("alice", "Hello world!"), Outcome::Right(0));
    assert_eq!(users.computed(), 0);
}

#[test]
fn unknown_users_cost_as_much_and_have_no_password() {
    let users = Users::new(&[("alice", HELLO)]);
    assert_eq!(users.check("mallory", "Hello world!"), Outcome::Wrong);
    assert_eq!(users.computed(), 1);
    assert_eq!(users.check("mallory", "Hello world!"), Outcome::Wrong);
    assert_eq!(users.computed(), 0);
    let Ok(outcome) = Passwords::new(4, []).check(b"alice", b"", || Ok::<u64, Infallible>(0));
    assert_eq!(outcome, Outcome::Wrong);
}

#[test]
fn a_user_may_have_several_passwords() {
    let users = Users::new(&[("alice", HELLO), ("alice", MINE)]);
    assert_eq!(users.check("alice", "myPassword"), Outcome::Right(1));
    assert_eq!(users.computed(), 2);
    assert_eq!(users.check("alice", "Hello world!"), Outcome::Right(0));
    assert_eq!(users.computed(), 1);
    assert_eq!(users.check("alice", "myPassword"), Outcome::Right(1));
    assert_eq!(users.computed(), 0);
}

#[test]
fn no_more_hashes_are_computed_than_permitted() {
    let users = Users::new(&[("alice", HELLO)]);
    for number in 0..4 {
        assert_eq!(users.check("alice", &format!("guess {number}")), Outcome::Wrong);
        users.pass(100_000_000);
    }
    users.pass(599_999_999);
    for user in ["alice", "mallory"] {
        assert_eq!(users.check(user, "Hello world!"), Outcome::Later);
    }
    // Known results do not wait.
    assert_eq!(users.check("alice", "guess 3"), Outcome::Wrong);
    users.pass(1);
    assert_eq!(users.check("alice", "Hello world!"), Outcome::Right(0));
    assert_eq!(users.check("mallory", "Hello world!"), Outcome::Later);
    assert_eq!(users.check("alice", "Hello world!"), Outcome::Right(0));
    users.pass(100_000_000);
    assert_eq!(users.check("mallory", "Hello world!"), Outcome::Wrong);
}

#[test]
fn a_clock_that_is_set_back_does_not_lock_users_out() {
    let users = Users::new(&[("alice", HELLO)]);
    for number in 0..4 {
        assert_eq!(users.check("alice", &format!("guess {number}")), Outcome::Wrong);
    }
    assert_eq!(users.check("alice", "Hello world!"), Outcome::Later);
    users.pass(-86_400_000_000_000);
    assert_eq!(users.check("alice", "Hello world!"), Outcome::Right(0));
}

#[test]
fn fast_hashes_are_not_limited() {
    let users = Users::new(&[("alice", "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=")]);
    for number in 0..9 {
        assert_eq!(users.check("alice", &format!("guess {number}")), Outcome::Wrong);
    }
    assert_eq!(users.check("alice", "myPassword"), Outcome::Right(0));
    assert_eq!(users.computed(), 0);
}

#[test]
fn the_memory_of_failures_is_bounded() {
    let users = Users::new(&[("alice", "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=")]);
    for number in 0..5000 {
        assert_eq!(users.check("alice", &number.to_string()), Outcome::Wrong);
    }
    let failed = users.0.failed.borrow();
    assert_eq!(failed.0.len(), FAILED);
    let used = failed.0.iter().filter(|digest| **digest != Digest::default()).count();
    assert!(used > 900, "{used}");
}

#[test]
fn an_error_of_the_clock_is_not_a_result() {
    let passwords = Passwords::new(4, [("alice", hash(HELLO))]);
    assert_eq!(passwords.check(b"alice", b"wrong", || Err(10)), Err(10));
    assert_eq!(passwords.check(b"mallory", b"wrong", || Err(10)), Err(10));
}
