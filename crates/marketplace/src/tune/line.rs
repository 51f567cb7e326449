//! One line of an access log, or one trace: what matched, and where.

use gateway::matches::{MAX_VARIABLE, RequestMatches, path};
use serde_json::Value;

/// Fields of access logs that contain a path, in the formats of gateways.
const PATHS: [&str; 8] =
    ["path", "request_path", "requestpath", "uri", "request_uri", "requesturi", "url", "original_path"];

/// The matches of a request, with its path.
pub(super) type Found = (RequestMatches, Option<String>);

/// Reads a JSON object: a line of a log, or a trace.
pub(super) fn in_json(document: &Value, field: Option<&str>) -> Result<Option<Found>, String> {
    let Value::Object(fields) = document else { return Err("not a JSON object".to_owned()) };
    if let Some(Value::Array(hops)) = fields.get("plugins") {
        return in_trace(hops);
    }
    let is_ours = |name: &str| match field {
        Some(field) => name == field,
        None => name.to_ascii_lowercase().contains("waf"),
    };
    let report = fields.iter().find(|(name, _)| is_ours(name)).map(|(_, value)| value);
    let text = match report {
        Some(Value::String(text)) => text.as_str(),
        Some(Value::Null) => return Ok(None),
        Some(_) => return Err("the field with the matches is not a string".to_owned()),
        None => {
            let name = field.map_or("whose name contains `waf`".to_owned(), |field| format!("`{field}`"));
            return Err(format!("no field {name}: name it with `--field`"));
        }
    };
    if matches!(text, "" | "-") {
        return Ok(None);
    }
    let matches = RequestMatches::parse(text)
        .ok_or_else(|| format!("not a report of the plug-in: `{}`", short(text)))?;
    let path = |name: &&str| {
        let (_, value) = fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        path(value.as_str()?)
    };
    Ok(Some((matches, PATHS.iter().find_map(path))))
}

/// Reads the trace of a request: the log lines of plug-ins have the report.
fn in_trace(hops: &[Value]) -> Result<Option<Found>, String> {
    let Some(hop) = hops.iter().find(|hop| {
        hop.get("plugin")
            .and_then(Value::as_str)
            .is_some_and(|name| name.to_ascii_lowercase().contains("waf"))
    }) else {
        return Err("the trace has no plug-in whose name contains `waf`".to_owned());
    };
    let lines = hop.get("log").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // The report of the response lists the matches of the request, too.
    let report = lines.iter().rev().find_map(|line| reports(line.get("line")?.as_str()?).pop());
    let Some(matches) = report else { return Ok(None) };
    let headers = hop.pointer("/request/before/headers").and_then(Value::as_array).into_iter().flatten();
    let path = headers
        .filter(|header| header.get(0).and_then(Value::as_str) == Some(":path"))
        .find_map(|header| path(header.get(1)?.as_str()?));
    Ok(Some((matches, path)))
}

/// Reads a line of text. The request is the one in Envoy's default format: `"GET /path HTTP/1.1"`.
pub(super) fn in_text(text: &str) -> Result<Option<Found>, String> {
    let mut found = reports(text);
    let Some(matches) = found.pop() else { return Ok(None) };
    if !found.is_empty() {
        return Err("several reports: one of them may be a header that the client has written".to_owned());
    }
    let mut words = text.split(' ');
    while let Some(word) = words.next() {
        let method = word.trim_start_matches(['"', '[']);
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        let mut rest = words.clone();
        if let (true, Some(target), Some(protocol)) = (is_method, rest.next(), rest.next())
            && protocol.starts_with("HTTP/")
        {
            return Ok(Some((matches, path(target))));
        }
    }
    Ok(Some((matches, None)))
}

/// Returns the reports in a text, between spaces or quotes, and perhaps after a name such as `waf=`.
fn reports(text: &str) -> Vec<RequestMatches> {
    let words = text.split(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    let report = |word: &str| {
        let start = word.find("score=")?;
        let is_begin = start == 0 || word.get(..start)?.ends_with(['=', ':', '|', '[', '(']);
        let report = word.get(start..)?.trim_end_matches([']', ')', ';', '|']);
        RequestMatches::parse(report).filter(|_| is_begin)
    };
    words.filter_map(report).collect()
}

/// Returns the variable as an exclusion names it; none for variables of the rules themselves, which no exclusion names.
pub(super) fn target(variable: &str) -> Option<String> {
    let (collection, name) = match variable.split_once(':') {
        Some((collection, name)) => (collection, Some(name)),
        None => (variable, None),
    };
    let is_ours = matches!(
        collection,
        "TX" | "MATCHED_VAR" | "MATCHED_VARS" | "MATCHED_VARS_NAMES" | "MATCHED_VAR_NAME"
    );
    if collection.is_empty() || is_ours {
        return None;
    }
    let Some(name) = name else { return Some(collection.to_owned()) };
    if collection == "XML" {
        return Some(variable.to_owned());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
    let is_cut = variable.len() >= MAX_VARIABLE;
    if !is_cut && !name.is_empty() && name.chars().all(is_plain) {
        return Some(variable.to_owned());
    }
    // Other names separate something in rules, so they are written as an expression.
    let mut pattern = String::from("^");
    for c in name.chars().filter(|c| *c != '\u{fffd}') {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => pattern.push(c),
            c if c.is_ascii() => pattern.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => pattern.push(c),
        }
    }
    if !is_cut && !name.contains('\u{fffd}') {
        pattern.push('$');
    }
    Some(format!("{collection}:/{pattern}/"))
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
