//! The model of a request, in JSON and in forms, read and changed in place.

use std::borrow::Cow;

use super::Spellings;
use crate::json::edit::{self, Edited};
use crate::json::{self, DotPath, DotPathError};
use crate::multipart::{Part, Reader};

/// The ends of paths of requests with a model: OpenAI's API, Anthropic's Messages, and what compatible servers add.
pub const MODEL_PATHS: &[&str] = &[
    "/completions",
    "/embeddings",
    "/images/generations",
    "/audio/speech",
    "/fine_tuning/jobs",
    "/moderations",
    "/image-synthesis",
    "/video-synthesis",
    "/rerank",
    "/messages",
    "/responses",
];

/// Ends of the paths of requests whose answers have tokens.
const TOKEN_PATHS: &[&str] = &["/completions", "/embeddings", "/responses", "/messages"];

/// Returns [`MODEL_PATHS`] as the default of a field.
#[must_use]
pub fn model_paths<T: TryFrom<String>>() -> Vec<T> {
    paths(MODEL_PATHS)
}

/// Returns the ends of the paths of requests whose answers have tokens, as the default of a field.
#[must_use]
pub fn token_paths<T: TryFrom<String>>() -> Vec<T> {
    paths(TOKEN_PATHS)
}

fn paths<T: TryFrom<String>>(paths: &[&str]) -> Vec<T> {
    paths.iter().filter_map(|path| T::try_from((*path).to_owned()).ok()).collect()
}

/// Returns true if a path ends with one of these texts, as [`path_ends_with`](super::path_ends_with) compares them. `*` is
/// every path.
#[must_use]
pub fn has_suffix<S: AsRef<str>>(path: &[u8], suffixes: &[S]) -> bool {
    let path = Spellings::new(path);
    suffixes.iter().any(|suffix| suffix.as_ref() == "*" || path.end_with(suffix.as_ref()))
}

/// Returns true if the body of a request is read as JSON, if it begins like an object. On paths that are known to have a
/// model, the content type does not matter, because servers ignore it; on others that `*` selects, uploads are not held.
#[must_use]
pub fn reads_json<S: AsRef<str>>(path: &[u8], suffixes: &[S], content_type: Option<&[u8]>) -> bool {
    if may_be_json(content_type) {
        return true;
    }
    let path = Spellings::new(path);
    let named = suffixes.iter().map(AsRef::as_ref).filter(|suffix| *suffix != "*");
    named.chain(MODEL_PATHS.iter().copied()).any(|suffix| path.end_with(suffix))
}

/// Returns true if a body with this content type, or without one, may be JSON: clients send it as text or as a form too, and
/// many servers do not mind.
#[must_use]
pub fn may_be_json(content_type: Option<&[u8]>) -> bool {
    content_type.is_none_or(|content_type| {
        let media = super::media_type(content_type);
        media.is_empty()
            || super::is_json(content_type)
            || media.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/"))
            || media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

/// The byte order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Returns a body without a byte order mark, which is not JSON, but which Python and others accept.
#[must_use]
pub fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(BOM).unwrap_or(body)
}

/// Returns true if bytes at the start of a body begin a JSON object, or `None` if the next ones decide. White space and a byte
/// order mark may come before it.
#[must_use]
pub fn begins_object(bytes: &[u8]) -> Option<bool> {
    if BOM.starts_with(bytes) {
        return None;
    }
    let first = without_bom(bytes).iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    first.map(|byte| *byte == b'{')
}

/// Returns true if bytes at the start of a body can begin a JSON object.
#[must_use]
pub fn may_begin_object(bytes: &[u8]) -> bool {
    begins_object(bytes) != Some(false)
}

/// Where requests have their model: a path in JSON, which is also the name of a field of forms.
#[derive(Debug, Clone)]
pub struct ModelKey {
    path: DotPath,
    field: Vec<u8>,
}

impl ModelKey {
    /// Parses a key such as `model` or `request.model`.
    ///
    /// # Errors
    ///
    /// It is not a path, or one to many values.
    pub fn parse(key: &str) -> Result<Self, DotPathError> {
        let path = DotPath::parse(key)?.in_any_case()?;
        if path.has_each() {
            return Err(DotPathError(
                "has `#`, which names many values: write an index, or `\\#` for the key",
            ));
        }
        Ok(Self { path, field: key.as_bytes().to_vec() })
    }

    /// Returns the model of a JSON body. `None` without one, or if it is not a string. Keys are read in any case, as by Go's
    /// `encoding/json`, and of duplicate ones the last counts.
    ///
    /// # Errors
    ///
    /// The body is not valid JSON.
    pub fn read<'d>(&self, body: &'d [u8]) -> Result<Option<Cow<'d, str>>, json::JsonError> {
        Ok(edit::get_last(body, &self.path)?.and_then(json::decode))
    }

    /// Changes the model of a JSON body, or adds it. With `None` it stays. All but the last of duplicate keys are removed, and
    /// the last is written as in the configuration, so that every upstream reads the same.
    ///
    /// # Errors
    ///
    /// The body is not valid JSON.
    pub fn write(&self, body: &[u8], model: Option<&str>) -> Edited {
        match model {
            Some(model) => edit::set_last(body, &self.path, json::encode(model).as_bytes()),
            None => edit::keep_last(body, &self.path),
        }
    }
}

/// A form (`multipart/form-data`) whose model is changed while it passes. Files are not held.
#[derive(Debug)]
pub struct ModelForm {
    reader: Reader,
    field: Vec<u8>,
    model: Option<Vec<u8>>,
}

impl ModelForm {
    /// Begins a form, or returns `None` if the content type is another.
    #[must_use]
    pub fn new(content_type: &[u8], key: &ModelKey) -> Option<Self> {
        Some(Self { reader: Reader::new(content_type)?, field: key.field.clone(), model: None })
    }

    /// Reads the next chunk, and returns what to send instead. `change` returns another model for the first one, or `None`.
    /// Later fields with the same name are removed, because servers differ in which they use.
    pub fn push(
        &mut self,
        chunk: &[u8],
        is_last: bool,
        mut change: impl FnMut(&str) -> Option<String>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(chunk.len());
        for part in self.reader.feed(chunk) {
            match part {
                Part::Bytes(bytes) => out.extend(bytes),
                Part::End => {}
                Part::Field(mut field) => {
                    if field.name == self.field {
                        if self.model.is_some() {
                            continue;
                        }
                        if let Some(new) = str::from_utf8(&field.value).ok().and_then(&mut change) {
                            field.value = new.into_bytes();
                        }
                        self.model = Some(field.value.clone());
                    }
                    self.reader.write(&field, &mut out);
                }
            }
        }
        if is_last {
            out.extend(self.reader.finish());
        }
        out
    }

    /// Returns the model that the form has now, once its field has arrived.
    #[must_use]
    pub fn model(&self) -> Option<&[u8]> {
        self.model.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_a_model() {
        for (path, has) in [("/v1/chat/completions?a", true), ("/v1/messages/", true), ("/v1/models", false)]
        {
            assert_eq!(has_suffix(path.as_bytes(), MODEL_PATHS), has, "{path}");
        }
        assert!(has_suffix(b"/", &["a", "*"]) && !has_suffix::<&str>(b"/", &[]));
    }

    #[test]
    fn bodies_that_may_be_json() {
        for (content_type, may) in [
            (Some("application/json"), true),
            (Some("text/plain; charset=utf-8"), true),
            (Some("application/x-www-form-urlencoded"), true),
            (Some(""), true),
            (None, true),
            (Some("application/octet-stream"), false),
            (Some("multipart/form-data; boundary=x"), false),
        ] {
            assert_eq!(may_be_json(content_type.map(str::as_bytes)), may, "{content_type:?}");
        }
        for (path, suffixes, content_type, reads) in [
            ("/v1/chat/completions", &["*"][..], "application/octet-stream", true),
            ("/upload", &["*"], "application/octet-stream", false),
            ("/upload", &["*"], "text/plain", true),
            ("/generate", &["*", "/generate"], "image/png", true),
            ("/generate", &["/other"], "image/png", false),
        ] {
            assert_eq!(reads_json(path.as_bytes(), suffixes, Some(content_type.as_bytes())), reads, "{path}");
        }
        for (start, begins) in [
            (&b""[..], None),
            (b" \r\n\t", None),
            (b" {", Some(true)),
            (b"[", Some(false)),
            (b"\xef", None),
            (b"\xef\xbb\xbf \n", None),
            (b"\xef\xbb\xbf{", Some(true)),
            (b"\xef\xbb{", Some(false)),
            (b" \xef\xbb\xbf{", Some(false)),
            (b"a{", Some(false)),
            (b"\x1f\x8b{", Some(false)),
        ] {
            assert_eq!(begins_object(start), begins, "{start:?}");
            assert_eq!(may_begin_object(start), begins != Some(false), "{start:?}");
        }
        assert_eq!((without_bom(b"\xef\xbb\xbf{}"), without_bom(b"{}")), (&b"{}"[..], &b"{}"[..]));
    }

    #[test]
    fn the_model_of_json_is_changed_in_place() {
        let key = ModelKey::parse("request.model").unwrap();
        let write = |body: &str, model| {
            key.write(body.as_bytes(), model).unwrap().map(|body| String::from_utf8(body).unwrap())
        };
        let twice = r#"{"request": {"model": "a", "model": "\u0062"}, "n": 1e0}"#;
        assert_eq!(key.read(twice.as_bytes()).unwrap().as_deref(), Some("b"));
        let expected = r#"{"request": {"model": "\u0062"}, "n": 1e0}"#;
        assert_eq!(write(twice, None).as_deref(), Some(expected));
        let expected = r#"{"request": {"model": "c\""}, "n": 1e0}"#;
        assert_eq!(write(twice, Some("c\"")).as_deref(), Some(expected));
        let parents = r#"{"request":{"model":"a"}, "Request" : {"MODEL" : "b", "x":1}}"#;
        assert_eq!(key.read(parents.as_bytes()).unwrap().as_deref(), Some("b"));
        assert_eq!(write(parents, None).as_deref(), Some(r#"{"request" : {"model" : "b", "x":1}}"#));
        let empty = r#"{"request":{"model":"a"},"request":{}}"#;
        assert_eq!(key.read(empty.as_bytes()).unwrap(), None);
        assert_eq!(write(empty, Some("c")).as_deref(), Some(r#"{"request":{"model":"c"}}"#));
        let once = r#"{"request": {"model": "\u0062"}}"#;
        assert_eq!(write(once, None), None);
        assert_eq!(write("{}", None), None);
        assert_eq!(write("{}", Some("a")).as_deref(), Some(r#"{"request":{"model":"a"}}"#));
        assert_eq!(write("[]", Some("a")), None);
        for other in [r#"{"request":{"model":1}}"#, "{}", "[1]", r#"{"model":"a"}"#] {
            assert_eq!(key.read(other.as_bytes()).unwrap(), None, "{other}");
        }
        assert!(key.read(b"{").is_err() && key.write(b"{", None).is_err());
        assert!(ModelKey::parse("a..b").is_err() && ModelKey::parse("a.#.b").is_err());
    }

    #[test]
    fn duplicates_do_not_multiply_a_model() {
        let long = "x".repeat(10_000);
        let json = format!(r#"{{{}"model":"{long}"}}"#, r#""model":1,"#.repeat(10_000));
        let key = ModelKey::parse("model").unwrap();
        assert_eq!(key.write(json.as_bytes(), None).unwrap().unwrap().len(), long.len() + 12);
        let parents = format!("{{{}}}", [r#""model":{}"#; 10_000].join(","));
        let nested = ModelKey::parse("model.name").unwrap();
        assert_eq!(nested.write(parents.as_bytes(), Some(&long)).unwrap().unwrap().len(), long.len() + 21);

        let field =
            |value: &str| format!("--x\r\nContent-Disposition: form-data; name=model\r\n\r\n{value}\r\n");
        let form = [field(&long), field("").repeat(1000), "--x--\r\n".to_owned()].concat();
        let mut reader = ModelForm::new(b"multipart/form-data; boundary=x", &key).unwrap();
        let out = reader.push(form.as_bytes(), true, |_| None);
        assert_eq!(String::from_utf8(out).unwrap(), field(&long) + "--x--\r\n");
    }

    #[test]
    fn the_model_of_a_form_is_changed_while_it_passes() {
        let field = |name: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let file = "--x\r\nContent-Disposition: form-data; name=\"model\"; filename=\"a\"\r\n\r\nmodel\r\n";
        let form = |first: &str, second: &str| {
            [&field("a", "1"), &field("model", first), file, &field("model", second), "--x--\r\n"].concat()
        };
        let key = ModelKey::parse("model").unwrap();
        let expected = [&field("a", "1"), &field("model", "new"), file, "--x--\r\n"].concat();
        let body = form("old", "other");
        for chunk in 1..=body.len() {
            let mut reader = ModelForm::new(b"multipart/form-data; boundary=x", &key).unwrap();
            let mut out = Vec::new();
            assert_eq!(reader.model(), None);
            for chunk in body.as_bytes().chunks(chunk) {
                out.extend(reader.push(chunk, false, |model| (model == "old").then(|| "new".to_owned())));
            }
            out.extend(reader.push(b"", true, |_| None));
            assert_eq!(String::from_utf8_lossy(&out), expected, "{chunk}");
            assert_eq!(reader.model(), Some(&b"new"[..]));
        }
        assert!(ModelForm::new(b"application/json", &key).is_none());
    }
}
