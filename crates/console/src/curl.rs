//! A request from a command line of curl, as browsers copy it.

use std::str::Chars;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::client::header_line;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::problem::Problem;
use crate::trial::TryRequest;

/// What `--data-urlencode` encodes: all but unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Options without a value that make no difference here.
const FLAGS: [&str; 22] = [
    "-s",
    "--silent",
    "-S",
    "--show-error",
    "-i",
    "--include",
    "-k",
    "--insecure",
    "-L",
    "--location",
    "-v",
    "--verbose",
    "--compressed",
    "--http1.1",
    "--http2",
    "--http2-prior-knowledge",
    "-f",
    "--fail",
    "-g",
    "--globoff",
    "-N",
    "--no-buffer",
];

/// Options with a value that make no difference here.
const VALUES: [&str; 14] = [
    "-o",
    "--output",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--resolve",
    "--cacert",
    "-w",
    "--write-out",
    "-x",
    "--proxy",
    "--noproxy",
    "--max-redirs",
];

/// Reads a command line of curl.
pub(crate) fn parse(text: &str) -> Result<TryRequest, Problem> {
    let words = words(text).map_err(|reason| invalid(&reason))?;
    let mut words = words.into_iter().peekable();
    // A prompt may have been copied as well.
    words.next_if(|word| word == "$" || word == "%");
    if words.next().as_deref() != Some("curl") {
        return Err(invalid("it does not begin with `curl`"));
    }
    let mut request = Parsed::default();
    while let Some(word) = words.next() {
        let (option, mut joined) = split(&word);
        if !option.starts_with('-') || option == "-" {
            request.url.get_or_insert(word);
            continue;
        }
        let mut value = || {
            let own = joined.take().or_else(|| words.next());
            own.ok_or_else(|| invalid(&format!("`{option}` has no value")))
        };
        match option.as_str() {
            "-X" | "--request" => request.method = Some(value()?),
            "-H" | "--header" => request.header(&value()?)?,
            "-A" | "--user-agent" => request.headers.push(("user-agent".into(), value()?)),
            "-e" | "--referer" => request.headers.push(("referer".into(), value()?)),
            "-b" | "--cookie" => request.headers.push(("cookie".into(), value()?)),
            "-u" | "--user" => {
                let credentials = format!("Basic {}", BASE64_STANDARD.encode(value()?));
                request.headers.push(("authorization".into(), credentials));
            }
            "-d" | "--data" | "--data-raw" | "--data-ascii" | "--data-binary" => {
                let data = value()?;
                request.data(option.as_str(), data)?;
            }
            "--data-urlencode" => {
                let data = value()?;
                let (name, text) = data.split_once('=').unwrap_or(("", &data));
                let equals = if name.is_empty() { "" } else { "=" };
                request
                    .data("--data-raw", format!("{name}{equals}{}", utf8_percent_encode(text, ESCAPED)))?;
            }
            "--json" => {
                let data = value()?;
                request.data("--data-raw", data)?;
                for (name, value) in [("content-type", "application/json"), ("accept", "application/json")] {
                    request.default_header(name, value);
                }
            }
            "-I" | "--head" => request.method = Some("HEAD".into()),
            "-G" | "--get" => request.get = true,
            "--url" => request.url = Some(value()?),
            known if FLAGS.contains(&known) => {}
            known if VALUES.contains(&known) => {
                value()?;
            }
            // Several flags in one word, such as `-sSL`.
            short
                if !short.starts_with("--")
                    && short.chars().skip(1).all(|flag| "sSikLvfgN".contains(flag)) => {}
            unknown => return Err(invalid(&format!("the option `{unknown}` is not known here: remove it"))),
        }
    }
    request.finish()
}

fn invalid(reason: &str) -> Problem {
    Problem::new("curl_invalid", format_args!("this is not a command line of curl: {reason}"))
        .with("reason", reason)
        .of_field("text")
}

/// An option and a value that is joined to it: `-XPOST`, `--request=POST`.
fn split(word: &str) -> (String, Option<String>) {
    if let Some((option, value)) = word.split_once('=').filter(|(option, _)| option.starts_with("--")) {
        return (option.into(), Some(value.into()));
    }
    let takes_value = ["-X", "-H", "-A", "-e", "-b", "-u", "-d", "-o", "-m", "-w", "-x"];
    let joined = takes_value.iter().find_map(|option| word.strip_prefix(option).map(|rest| (*option, rest)));
    match joined {
        Some((option, rest)) if !rest.is_empty() => (option.into(), Some(rest.into())),
        _ => (word.into(), None),
    }
}

#[derive(Default)]
struct Parsed {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    get: bool,
}

impl Parsed {
    fn header(&mut self, line: &str) -> Result<(), Problem> {
        let Some((name, value)) = header_line(line) else {
            return Err(invalid(&format!("`{line}` is not a header: write `Name: value`")));
        };
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn default_header(&mut self, name: &str, value: &str) {
        if !self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            self.headers.push((name.into(), value.into()));
        }
    }

    fn data(&mut self, option: &str, data: String) -> Result<(), Problem> {
        if option != "--data-raw" && data.starts_with('@') {
            return Err(invalid("it reads a file, which is not here: write the text itself"));
        }
        match &mut self.body {
            Some(body) => {
                body.push('&');
                body.push_str(&data);
            }
            None => self.body = Some(data),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<TryRequest, Problem> {
        let mut url = self.url.take().ok_or_else(|| invalid("it has no URL"))?;
        if self.get
            && let Some(query) = self.body.take()
        {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&query);
        }
        let usual = if self.body.is_some() { "POST" } else { "GET" };
        if self.body.is_some() {
            self.default_header("content-type", "application/x-www-form-urlencoded");
        }
        Ok(TryRequest {
            method: self.method.unwrap_or_else(|| usual.into()),
            url,
            headers: self.headers,
            body: self.body,
        })
    }
}

/// Splits a command line as a shell does.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => word.get_or_insert_default().push_str(&until(&mut chars, '\'')?),
            '"' => word.get_or_insert_default().push_str(&double(&mut chars)?),
            '$' if chars.as_str().starts_with('\'') => {
                chars.next();
                word.get_or_insert_default().push_str(&escaped(&mut chars)?);
            }
            '\\' => match chars.next() {
                Some('\r') => {
                    chars.next();
                }
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_default().push(c),
            },
            // What comes next is another command.
            '|' | ';' | '&' | '>' | '<' => {
                return Err(format!("`{c}` outside of quotes is for the shell: remove it"));
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn until(chars: &mut Chars<'_>, end: char) -> Result<String, String> {
    let mut text = String::new();
    for c in chars {
        if c == end {
            return Ok(text);
        }
        text.push(c);
    }
    Err(format!("a {end} is not closed"))
}

fn double(chars: &mut Chars<'_>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(text),
            '\\' => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => text.push(c),
                Some('\n') => {}
                Some(c) => text.extend(['\\', c]),
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("a \" is not closed".into())
}

/// `$'…'`, which browsers write for line breaks and quotes.
fn escaped(chars: &mut Chars<'_>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\'' => return Ok(text),
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(kind @ ('x' | 'u')) => {
                    let length = if kind == 'x' { 2 } else { 4 };
                    let digits: String = chars.by_ref().take(length).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    text.push(code.ok_or_else(|| format!("`\\{kind}{digits}` is not a character"))?);
                }
                Some(c) => text.push(c),
                None => break,
            },
            c => text.push(c),
        }
    }
    Err("a ' is not closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_copy_is_read() {
        let text = "curl 'http://shop.example.com/cart?a=b' \\\n  -X PUT \\\n  -H 'Accept: */*' -H \"X-A: \\\"q\\\"\" \\\n  \
                    --data-raw $'{\"a\":\"\\u4f60\\n\"}' --compressed -sS";
        let request = parse(text).unwrap();
        assert_eq!(
            (request.method.as_str(), request.url.as_str()),
            ("PUT", "http://shop.example.com/cart?a=b")
        );
        assert_eq!(request.body.as_deref(), Some("{\"a\":\"你\n\"}"));
        let header = |name: &str| {
            let found = request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(header("x-a"), Some("\"q\""));
        assert_eq!(header("content-type"), Some("application/x-www-form-urlencoded"));
    }

    #[test]
    fn options_have_curls_meaning() {
        let request = parse("$ curl -d a=1 --data b=2 -u me:secret /x").unwrap();
        assert_eq!((request.method.as_str(), request.body.as_deref()), ("POST", Some("a=1&b=2")));
        assert!(request.headers.contains(&("authorization".into(), "Basic bWU6c2VjcmV0".into())));
        let request = parse("curl -G /x --data-urlencode 'q=a b' -XDELETE").unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("DELETE", "/x?q=a%20b"));
        assert_eq!(parse("curl -I --url=/y").unwrap().method, "HEAD");
        let request = parse("curl --json '{}' /").unwrap();
        assert!(request.headers.contains(&("content-type".into(), "application/json".into())));
    }

    #[test]
    fn what_is_no_command_line_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "does not begin"),
            ("wget /", "does not begin"),
            ("curl", "no URL"),
            ("curl 'a", "not closed"),
            ("curl \"a", "not closed"),
            ("curl $'a", "not closed"),
            ("curl / -d @file", "reads a file"),
            ("curl / -H nothing", "not a header"),
            ("curl / -H", "no value"),
            ("curl / --upload-file x", "not known here"),
            ("curl / | sh", "for the shell"),
            ("curl $'\\uZZZZ'", "not a character"),
        ] {
            let problem = parse(text).unwrap_err();
            assert_eq!(problem.code, "curl_invalid");
            assert!(problem.message.contains(reason), "{text}: {}", problem.message);
        }
    }
}
