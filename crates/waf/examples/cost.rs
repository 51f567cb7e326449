//! The cost of the Core Rule Set for ordinary requests: `cargo run --release -p portcullis-waf --example cost`.
//!
//! `CRS` is the folder of a release. Counted in instructions, the same in every run:
//! `valgrind --tool=callgrind --collect-atstart=no --toggle-collect='cost::measure*' target/release/examples/cost get 1`.

use std::rc::Rc;
use std::time::Instant;
use std::{env, hint};

use anyhow::{Context, Result, bail, ensure};
use waf::{Denial, Request, Waf};

type Headers = [(&'static str, &'static str)];

const GET: &Headers = &[
    ("host", "shop.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-language", "en-us,en;q=0.5"),
    ("accept-encoding", "gzip, deflate"),
    ("referer", "https://shop.example.com/a"),
    ("cookie", "session=5f2c8e1b9a; theme=dark; a=b; c=d"),
    ("x-a", "1"),
    ("x-b", "22"),
    ("x-c", "three"),
    ("x-d", "four four"),
    ("x-e", "abcdef0123456789"),
    ("x-f", "f"),
    ("x-g", "g"),
    ("x-h", "h"),
    ("x-i", "i"),
    ("x-j", "j"),
    ("x-k", "k"),
    ("x-l", "l"),
    ("x-m", "m"),
];

const FORM: &Headers = &[
    ("host", "shop.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "text/html,application/xhtml+xml"),
    ("content-type", "application/x-www-form-urlencoded"),
];

const JSON: &Headers = &[
    ("host", "shop.example.com"),
    ("accept", "*/*"),
    ("user-agent", "app/1.0"),
    ("content-type", "application/json"),
];

const PROSE: &str = "The+lamp+arrived+on+Tuesday%2C+well+packed%2C+and+my+daughter+likes+it+very+much.+\
    We+put+it+next+to+the+window+so+that+it+lights+the+whole+table%3B+reading+there+in+the+evening+is+now+a+pleasure.+\
    The+shade+is+a+little+darker+than+in+the+photographs%2C+but+that+is+a+matter+of+taste.+Would+I+buy+it+again%3F+Yes%21+";

fn body(kind: &str) -> (&'static str, &'static str, &'static Headers, String) {
    match kind {
        "form" => (
            "POST",
            "/reviews",
            FORM,
            format!("title=A+good+lamp&text={}", PROSE.repeat(10_000 / PROSE.len())),
        ),
        "json" => (
            "POST",
            "/api/orders",
            JSON,
            r#"{"items":[{"id":17,"count":2,"note":"please ring the bell"}],"total":34.5}"#.to_owned(),
        ),
        _ => ("GET", "/products?category=garden&sort=price&page=2&colour=black&q=lamp", GET, String::new()),
    }
}

/// One request up to the end of its body.
fn judge(waf: &Rc<Waf>, request: &Request<'_>, body: &[u8]) -> Option<Denial> {
    let mut transaction = waf.transaction();
    transaction.request_headers(request).or_else(|| transaction.request_body(body))
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "get".to_owned());
    let level = arguments.next().unwrap_or_else(|| "1".to_owned());
    let rounds: u32 = arguments.next().as_deref().unwrap_or("1").parse()?;
    let folder = env::var("CRS").context("set CRS to the folder of a release of the Core Rule Set")?;
    let before = format!(
        "SecRequestBodyAccess On\nSecAction \"id:900001,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level={level}\""
    );
    let compiled =
        seclang::compile_folder(folder.as_ref(), &before, "").map_err(|error| anyhow::anyhow!("{error}"))?;
    let waf = Waf::new(compiled.program)?;

    let (method, uri, headers, body) = body(&kind);
    let length = body.len().to_string();
    let mut all: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    if !body.is_empty() {
        all.push((b"content-length", length.as_bytes()));
    }
    let request = |uri: &'static str| Request {
        method: method.as_bytes(),
        uri: uri.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &all,
        client: "192.0.2.7".parse().ok(),
        id: b"1",
    };
    // Compiles the expressions that the request needs, and shows that the rules are applied.
    let attack = judge(&waf, &request("/?id=1%27%20OR%20%271%27=%271"), body.as_bytes());
    ensure!(attack.is_some_and(|denial| denial.rule == 949_110), "an attack is let through");
    if let Some(denial) = judge(&waf, &request(uri), body.as_bytes()) {
        let mut transaction = waf.transaction();
        let _ =
            transaction.request_headers(&request(uri)).or_else(|| transaction.request_body(body.as_bytes()));
        let hits: Vec<_> = transaction.hits().iter().map(|hit| (hit.rule, &hit.variable)).collect();
        if level == "1" {
            bail!("refused by {}: {hits:?}", denial.rule);
        }
    }
    let start = Instant::now();
    measure(&waf, &request(uri), body.as_bytes(), rounds);
    println!("{kind} at level {level}: {:?} for each of {rounds}", start.elapsed() / rounds.max(1));
    let needed = waf.memory();
    let more = std::iter::repeat_with(|| waf.compile_next()).take_while(|compiled| *compiled).count();
    let all = waf.memory();
    println!(
        "{} KiB of expressions, and {} KiB with the {more} others that it reached",
        needed >> 10,
        all >> 10
    );
    Ok(())
}

/// The requests that are counted.
#[inline(never)]
fn measure(waf: &Rc<Waf>, request: &Request<'_>, body: &[u8], rounds: u32) {
    for _ in 0..rounds {
        hint::black_box(judge(waf, request, body));
    }
}
