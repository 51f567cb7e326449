//! The values of attributes, and the texts of the access log, as pure functions over bytes.

use text::json;

use crate::config::{Attribute, Config, Rule, Source};
use crate::{Facts, State};

/// A value in JSON.
pub type Literal = String;

/// Returns a text as JSON, shortened to a number of characters.
pub fn text(text: &str, max_length: usize) -> Literal {
    match text.char_indices().nth(max_length) {
        Some((end, _)) => json::encode(text.get(..end).unwrap_or_default()),
        None => json::encode(text),
    }
}

/// Returns a value of a body, shortened: what is too long becomes a text.
fn value(literal: &[u8], max_length: usize) -> Literal {
    let written = String::from_utf8_lossy(literal);
    match json::decode(literal) {
        Some(decoded) if literal.starts_with(b"\"") => text(&decoded, max_length),
        _ if written.chars().nth(max_length).is_none() => written.into_owned(),
        _ => text(&written, max_length),
    }
}

/// Returns the text of a value, without the quotes of a string.
pub fn plain(literal: &str) -> String {
    json::decode(literal.as_bytes()).map_or_else(|| literal.to_owned(), Into::into)
}

/// Evaluates the attributes of a source.
pub fn evaluate(
    config: &Config,
    state: &mut State,
    source: Source,
    get: impl Fn(&Attribute) -> Option<Literal>,
) {
    state.values.resize(config.attributes.len(), None);
    for (attribute, place) in config.attributes.iter().zip(&mut state.values) {
        if attribute.source == source {
            let default = || attribute.default.as_ref().map(|default| text(default, config.max_length));
            *place = place.take().or_else(|| get(attribute)).or_else(default);
        }
    }
}

/// Returns the value of an attribute in a complete body.
pub fn in_body(config: &Config, attribute: &Attribute, body: Option<&[u8]>) -> Option<Literal> {
    Some(value(&attribute.path.get(body?)?, config.max_length))
}

/// Adds the values of an event of a stream.
pub fn add_event(config: &Config, values: &mut Vec<Option<Literal>>, event: &[u8]) {
    values.resize(config.attributes.len(), None);
    for (attribute, place) in config.attributes.iter().zip(values) {
        let is_done = attribute.rule == Rule::First && place.is_some();
        if attribute.source != Source::ResponseStreamingBody || is_done {
            continue;
        }
        let Some(found) = attribute.path.get(event) else { continue };
        let found = value(&found, config.max_length);
        *place = Some(match (place.take(), attribute.rule) {
            (Some(before), Rule::Append) => text(&(plain(&before) + &plain(&found)), config.max_length),
            _ => found,
        });
    }
}

/// Returns the JSON of `ai_log`: what was written before, the facts, and the attributes.
pub fn log(config: &Config, state: &State, facts: &Facts, before: Option<&[u8]>) -> String {
    let mut fields: Vec<(&str, Literal)> = Vec::new();
    let mut set = |key, value: Literal| match fields.iter_mut().find(|(other, _)| *other == key) {
        Some((_, old)) => *old = value,
        None => fields.push((key, value)),
    };
    if let Some(model) = &facts.model {
        set("model", text(model, config.max_length));
    }
    let numbers = [
        ("input_token", facts.input),
        ("output_token", facts.output),
        ("total_token", facts.total),
        ("estimated_output_token", facts.estimated),
        ("llm_first_token_duration", facts.first),
        ("llm_service_duration", facts.service),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            set(key, number.to_string());
        }
    }
    if let Some(is_stream) = facts.is_stream {
        set("response_type", text(if is_stream { "stream" } else { "normal" }, usize::MAX));
    }
    for (attribute, value) in config.attributes.iter().zip(&state.values) {
        if let (true, Some(value)) = (attribute.in_log, value) {
            set(&attribute.key, value.clone());
        }
    }
    let fields: Vec<String> =
        fields.iter().map(|(key, value)| format!("{}:{value}", json::encode(key))).collect();
    escape(&merge(before, &fields.join(",")))
}

/// Returns the object with fields added to those that another plug-in has written.
fn merge(before: Option<&[u8]>, fields: &str) -> String {
    let quoted = before.map(|before| [b"\"", before, b"\""].concat());
    let object = quoted.as_deref().and_then(json::decode);
    let inside = object.as_deref().and_then(|object| object.strip_prefix('{')?.strip_suffix('}'));
    match inside {
        Some(inside) if !inside.is_empty() && !fields.is_empty() => format!("{{{inside},{fields}}}"),
        Some(inside) => format!("{{{inside}{fields}}}"),
        None => format!("{{{fields}}}"),
    }
}

/// Escapes a text for the inside of a JSON string, as log formats have it.
pub fn escape(text: &str) -> String {
    let quoted = json::encode(text);
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shortened() {
        assert_eq!(text("ab\"c", 3), r#""ab\"""#);
        assert_eq!(value("\"通义千问\"".as_bytes(), 2), "\"通义\"");
        assert_eq!(value(b"123", 2), "\"12\"");
        assert_eq!(value(b"{\"a\":1}", 7), "{\"a\":1}");
        assert_eq!(plain("\"a\\n\""), "a\n");
        assert_eq!(plain("12"), "12");
    }

    #[test]
    fn fields_of_other_plug_ins_stay() {
        assert_eq!(merge(None, "\"a\":1"), "{\"a\":1}");
        assert_eq!(merge(Some(br#"{\"b\":\"x\"}"#), "\"a\":1"), "{\"b\":\"x\",\"a\":1}");
        assert_eq!(merge(Some(b"{}"), "\"a\":1"), "{\"a\":1}");
        assert_eq!(merge(Some(b"{}"), ""), "{}");
        assert_eq!(merge(Some(b"text"), "\"a\":1"), "{\"a\":1}");
        assert_eq!(merge(Some(b"\\"), "\"a\":1"), "{\"a\":1}");
        assert_eq!(escape("{\"a\":\"b\\n\"}"), r#"{\"a\":\"b\\n\"}"#);
    }
}
