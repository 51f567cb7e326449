//! The body of a GraphQL request from the query of a path, and the headers that are passed on.

use std::borrow::Cow;

use sdk::names;
use text::percent::decode_form;
use text::{json, query};

use crate::graphql::{Operation, Scalar, Variable};

/// Builds the body of a GraphQL request.
///
/// # Errors
///
/// One message for each variable whose parameter is missing or invalid.
pub fn body(gql: &str, operation: &Operation, path: &[u8]) -> Result<String, Vec<String>> {
    let variables = &operation.variables;
    let mut values: Vec<Vec<Cow<'_, [u8]>>> = variables.iter().map(|_| Vec::new()).collect();
    for (name, value) in query::pairs(query::split(path).1.unwrap_or_default()) {
        let name = decode_form(name);
        let place = variables.binary_search_by(|variable| variable.name.as_bytes().cmp(&name));
        if let Some(values) = place.ok().and_then(|place| values.get_mut(place)) {
            values.push(decode_form(value));
        }
    }
    let mut body = format!("{{\"query\":{},\"variables\":{{", json::encode(gql));
    let mut problems = Vec::new();
    let mut separator = "";
    for (variable, values) in variables.iter().zip(&values) {
        match value(variable, values) {
            Ok(None) => {}
            Ok(Some(value)) => {
                for part in [separator, "\"", &variable.name, "\":", &value] {
                    body.push_str(part);
                }
                separator = ",";
            }
            Err(problem) => problems.push(format!("Query parameter {} {problem}.", variable.name)),
        }
    }
    body.push_str("}}");
    if problems.is_empty() { Ok(body) } else { Err(problems) }
}

/// Returns the value of a variable in JSON, or `None` if it is absent.
fn value(variable: &Variable, values: &[Cow<'_, [u8]>]) -> Result<Option<String>, &'static str> {
    match values {
        [] if variable.is_required => Err("is missing"),
        [] => Ok(None),
        values if variable.is_list => {
            let items: Vec<String> =
                values.iter().map(|value| scalar(variable.scalar, value)).collect::<Result<_, _>>()?;
            Ok(Some(format!("[{}]", items.join(","))))
        }
        [value] => scalar(variable.scalar, value).map(Some),
        _ => Err("has more than one value"),
    }
}

/// Returns a value in JSON. Only texts that JSON reads as a value of this type are copied as they are.
fn scalar(scalar: Scalar, value: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "is not valid UTF-8")?;
    match scalar {
        Scalar::Text => return Ok(json::encode(text)),
        Scalar::Int if !is_number(text) || text.parse::<i32>().is_err() => {
            return Err("is not an integer of 32 bits");
        }
        Scalar::Float if !is_number(text) || !text.parse().is_ok_and(f64::is_finite) => {
            return Err("is not a number");
        }
        Scalar::Boolean if !matches!(text, "true" | "false") => return Err("is neither true nor false"),
        _ => {}
    }
    Ok(text.to_owned())
}

/// Returns true for a number of JSON (RFC 8259, section 6).
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|character: char| character.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    let after_integer = |text: &str| match text.strip_prefix('0') {
        Some(rest) => Some(rest.len()),
        None => digits(text).map(str::len),
    };
    let text = text.strip_prefix('-').unwrap_or(text);
    let Some(mut rest) = after_integer(text).and_then(|length| text.get(text.len() - length..)) else {
        return false;
    };
    if let Some(fraction) = rest.strip_prefix('.') {
        let Some(after) = digits(fraction) else { return false };
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let Some(after) = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// Returns true for a header of the request that the GraphQL server receives: not those of the connection, of the body, of
/// conditions and ranges, which apply to another response, and of the gateway.
pub fn is_sent(name: &[u8]) -> bool {
    const NEVER: [&[u8]; 3] = [b"accept", b"expect", b"range"];
    const PREFIXES: [&[u8]; 3] = [b"content-", b"if-", b"x-envoy-"];
    names::check_request(name).is_ok()
        && !NEVER.contains(&name)
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns true for a header of the response that the client receives.
pub fn is_relayed(name: &[u8]) -> bool {
    names::check_response(name).is_ok() && !name.starts_with(b"x-envoy-")
}

/// Returns a response in the form of GraphQL's errors.
pub fn errors(problems: &[String]) -> String {
    let errors: Vec<String> =
        problems.iter().map(|problem| format!("{{\"message\":{}}}", json::encode(problem))).collect();
    format!("{{\"errors\":[{}]}}", errors.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for number in ["0", "-0", "1", "-12", "0.5", "10.25", "1e3", "1E+3", "0e-3", "-1.5e10"] {
            assert!(is_number(number), "{number}");
        }
        for wrong in [
            "", "-", "+1", "01", "00", "-01", ".5", "1.", "1.e3", "1e", "1e+", "0x1", "1_0", " 1", "1 ", "١",
            "NaN", "--1",
        ] {
            assert!(!is_number(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_value_has_the_type_of_its_variable() {
        for (kind, text, value) in [
            (Scalar::Int, "2147483647", Some("2147483647")),
            (Scalar::Int, "-2147483648", Some("-2147483648")),
            (Scalar::Int, "2147483648", None),
            (Scalar::Int, "1.0", None),
            (Scalar::Int, "1,\"a\":2", None),
            (Scalar::Float, "1", Some("1")),
            (Scalar::Float, "1e308", Some("1e308")),
            (Scalar::Float, "1e309", None),
            (Scalar::Float, "Infinity", None),
            (Scalar::Boolean, "true", Some("true")),
            (Scalar::Boolean, "True", None),
            (Scalar::Boolean, "null", None),
            (Scalar::Text, "a\"\\\n", Some("\"a\\\"\\\\\\n\"")),
            (Scalar::Text, "", Some("\"\"")),
        ] {
            assert_eq!(scalar(kind, text.as_bytes()).ok().as_deref(), value, "{text}");
        }
        assert!(scalar(Scalar::Text, b"\xff").is_err());
    }
}
