//! `benign.yaml`: requests that no one would want to be refused.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Deserialize;
use testkit::crs::corpus::Sent;

/// What browsers send with each request.
const USUAL: [(&str, &str); 6] = [
    ("Host", "shop.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
    ("Referer", "https://shop.example.com/"),
    ("Connection", "close"),
];

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";

/// A request: one with `form`, `json`, `multipart` or `text` is a `POST`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benign {
    /// What it is.
    pub name: String,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    form: Option<BTreeMap<String, String>>,
    json: Option<serde_json::Value>,
    multipart: Option<Vec<Part>>,
    /// A body with the content type in `headers`.
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    name: String,
    filename: Option<String>,
    #[serde(rename = "type")]
    content_type: Option<String>,
    #[serde(default)]
    text: String,
    /// Bytes of no text, counting up.
    #[serde(default)]
    binary: usize,
}

/// Reads the requests.
pub fn load() -> Result<Vec<(String, Sent)>> {
    let requests: Vec<Benign> = serde_yaml::from_str(include_str!("../benign.yaml"))?;
    requests.iter().map(|request| Ok((request.name.clone(), request.sent()?))).collect()
}

impl Benign {
    fn sent(&self) -> Result<Sent> {
        let mut headers: Vec<(String, String)> = USUAL
            .iter()
            .filter(|(name, _)| !self.headers.keys().any(|own| own.eq_ignore_ascii_case(name)))
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut uri = self.path.clone();
        if !self.query.is_empty() {
            uri.push('?');
            uri.push_str(&encoded(&self.query));
        }
        let body = match (&self.form, &self.json, &self.multipart, &self.text) {
            (None, None, None, None) => None,
            (Some(form), None, None, None) => {
                Some(("application/x-www-form-urlencoded".to_owned(), encoded(form).into_bytes()))
            }
            (None, Some(json), None, None) => {
                Some(("application/json".to_owned(), serde_json::to_vec(json)?))
            }
            (None, None, Some(parts), None) => {
                Some((format!("multipart/form-data; boundary={BOUNDARY}"), multipart(parts)))
            }
            (None, None, None, Some(text)) => Some((String::new(), text.clone().into_bytes())),
            _ => bail!("{}: one body is enough", self.name),
        };
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.map(|(content_type, body)| {
            if !content_type.is_empty() {
                headers.push(("Content-Type".to_owned(), content_type));
            }
            headers.push(("Content-Length".to_owned(), body.len().to_string()));
            body
        });
        let body = body.unwrap_or_default();
        let mut wire = format!("{method} {uri} HTTP/1.1\r\n").into_bytes();
        for (name, value) in &headers {
            wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&body);
        let bytes = |(name, value): (String, String)| (name.into_bytes(), value.into_bytes());
        Ok(Sent {
            method: method.as_bytes().to_vec(),
            uri: uri.into_bytes(),
            protocol: b"HTTP/1.1".to_vec(),
            headers: headers.into_iter().map(bytes).collect(),
            body,
            wire,
        })
    }
}

/// The fields of a form as browsers encode them.
fn encoded(fields: &BTreeMap<String, String>) -> String {
    let field = |(name, value): (&String, &String)| format!("{}={}", percent(name), percent(value));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'\n' => out.push_str("%0D%0A"),
            byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn multipart(parts: &[Part]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n").as_bytes());
        body.extend_from_slice(format!("Content-Disposition: form-data; name=\"{}\"", part.name).as_bytes());
        if let Some(filename) = &part.filename {
            body.extend_from_slice(format!("; filename=\"{filename}\"").as_bytes());
        }
        if let Some(content_type) = &part.content_type {
            body.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(part.text.as_bytes());
        body.extend((0..=u8::MAX).cycle().take(part.binary));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}
