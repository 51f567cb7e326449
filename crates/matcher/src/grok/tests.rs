//! Each name with something that it finds, and what it does not find.

use regex::Regex;

use super::*;

fn found<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
    Regex::new(&expand(pattern).unwrap()).unwrap().find(text).map(|found| found.as_str())
}

#[test]
fn names_are_sorted_and_expressions_are_not_recursive() {
    assert!(names().is_sorted(), "{:?}", names().collect::<Vec<_>>());
    let mut known: Vec<&str> = Vec::new();
    let mut left: Vec<_> = PATTERNS.to_vec();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(name, meaning)| {
            let mut rest = *meaning;
            while let Some((_, other, _, after)) = reference(rest) {
                if !known.contains(&other) {
                    return true;
                }
                rest = after;
            }
            known.push(name);
            false
        });
        assert!(left.len() < before, "these mean each other, or something unknown: {left:?}");
    }
}

#[test]
fn every_pattern_finds_its_texts() {
    for (name, text, expected) in [
        ("BASE10NUM", "x -1.50 y", "-1.50"),
        ("BASE16NUM", "0xCafe,", "0xCafe"),
        ("BOOL", "is true", "true"),
        ("CISCOMAC", "at 0011.2233.aabb", "0011.2233.aabb"),
        ("COMMONMAC", "00:11:22:33:aa:BB", "00:11:22:33:aa:BB"),
        ("DATE", "on 24/11/2026", "24/11/2026"),
        ("DATE", "on 11/24/2026", "11/24/2026"),
        ("DATESTAMP", "11/24/2026 10:20:30", "11/24/2026 10:20:30"),
        ("DAY", "Tuesday", "Tuesday"),
        ("EMAILADDRESS", "to a.b+c@mail.example.com.", "a.b+c@mail.example.com"),
        ("HOSTNAME", "https://a-b.example.com/", "https"),
        ("HOSTPORT", "db.local:5432", "db.local:5432"),
        ("IDCARD", "号码11010519491231002X。", "11010519491231002X"),
        ("IDCARD", "110105491231002", "110105491231002"),
        ("INT", "x-42", "-42"),
        ("IP", "at 192.0.2.255!", "192.0.2.255"),
        ("IP", "at 2001:db8::1!", "2001:db8::1"),
        ("IPORHOST", "192.0.2.1", "192.0.2.1"),
        ("ISO8601_TIMEZONE", "+08:00", "+08:00"),
        ("LOGLEVEL", "a WARNING", "WARNING"),
        ("MAC", "00-11-22-33-AA-bb", "00-11-22-33-AA-bb"),
        ("MOBILE", "电话13812345678", "13812345678"),
        ("MONTH", "in December", "December"),
        ("NUMBER", "3.14", "3.14"),
        ("PATH", "in /var/log/x.log", "/var/log/x.log"),
        ("PATH", r"in C:\Users\me\a.txt", r"C:\Users\me\a.txt"),
        ("QUOTEDSTRING", r#"say "a \" b" now"#, r#""a \" b""#),
        ("TIME", "at 23:59:60.5", "23:59:60.5"),
        ("TIMESTAMP_ISO8601", "2026-11-24T10:20:30.123+08:00", "2026-11-24T10:20:30.123+08:00"),
        ("URI", "see https://u:p@example.com:8443/a/b?c=d&e now", "https://u:p@example.com:8443/a/b?c=d&e"),
        ("USERNAME", "@a.user-1", "a.user-1"),
        ("UUID", "{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-426614174000"),
        ("WORD", "…word…", "word"),
        ("YEAR", "2026", "2026"),
    ] {
        assert_eq!(found(&format!("%{{{name}}}"), text), Some(expected), "{name}");
    }
}

#[test]
fn addresses_of_all_forms_are_found_whole() {
    for address in [
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1::8",
        "1:2:3::6:7:8",
        "::1",
        "fe80::1%eth0",
        "::ffff:192.0.2.128",
        "64:ff9b::192.0.2.33",
        "1:2:3:4:5:6:192.0.2.33",
        "1::5:192.0.2.33",
        "0.0.0.0",
        "255.255.255.255",
    ] {
        assert_eq!(found("%{IP}", &format!("[{address}]")), Some(address));
    }
    for none in ["std::string", "12:30:45", "a:b", "256.1.1", "::"] {
        assert_eq!(found("%{IP}", none), None, "{none}");
    }
}

#[test]
fn groups_and_other_text_are_kept() {
    let expanded = expand("a%{2}\\%{INT}%{EMAILLOCALPART}@%{HOSTNAME:domain}%{INT:n:int}$").unwrap();
    assert!(
        expanded.starts_with("a%{2}\\%{INT}(?:[0-9A-Za-z!") && expanded.ends_with("(?P<n>[+-]?[0-9]+)$"),
        "{expanded}"
    );
    let regex = Regex::new(&expand("%{EMAILLOCALPART}@%{HOSTNAME:domain}").unwrap()).unwrap();
    assert_eq!(&regex.captures("mail ann@example.com now").unwrap()["domain"], "example.com");
    for plain in ["", "%", "%{", "%{INT", "{INT}", "100%{1,2}"] {
        assert_eq!(expand(plain).unwrap(), plain);
    }
}

#[test]
fn errors_contain_the_unknown_name() {
    let error = |pattern: &str| expand(pattern).unwrap_err().to_string();
    assert_eq!(error("x%{MOBIL}"), "unknown grok pattern `MOBIL`: did you mean `MOBILE`?");
    assert!(error("%{FOOBARBAZ}").contains("write one of `BASE10NUM`, "));
    assert!(error("%{INT:1a}").contains("`1a` is not a valid name"));
    assert!(error("%{INT:a b}").contains("`a b` is not a valid name"));
}
