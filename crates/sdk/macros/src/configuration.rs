//! The `configuration` attribute, for types that are read from a configuration.
//!
//! It edits tokens, without parsing Rust: it adds derives, and moves Chinese documentation from comments into the schema.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

use crate::parse;

/// The prefix of the Chinese part of a documentation comment.
const CHINESE: &str = "zh:";

/// Returns the type with its derives.
pub(crate) fn expand(arguments: &TokenStream, item: TokenStream) -> Result<TokenStream, &'static str> {
    if !arguments.is_empty() {
        return Err("`#[configuration]` takes no arguments: write serde's in `#[serde(…)]` below it");
    }
    let is_type = |token: &TokenTree| matches!(token.to_string().as_str(), "struct" | "enum");
    if !item.clone().into_iter().any(|token| is_type(&token)) {
        return Err("`#[configuration]` must be placed before a struct or an enum");
    }
    let mut output = parse(
        "#[derive(::sdk::__private::serde::Deserialize)] \
         #[serde(crate = \"::sdk::__private::serde\")] \
         #[cfg_attr(not(target_family = \"wasm\"), \
             derive(::sdk::__private::serde::Serialize, ::sdk::__private::schemars::JsonSchema), \
             schemars(crate = \"::sdk::__private::schemars\"))]",
    );
    output.extend(translated(item));
    Ok(output)
}

/// Replaces the Chinese part of each documentation comment with an extension of the schema, for native tools only.
fn translated(tokens: TokenStream) -> TokenStream {
    let mut output = TokenStream::new();
    let mut chinese: Option<String> = None;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let attribute = match (&token, tokens.peek()) {
            (TokenTree::Punct(hash), Some(TokenTree::Group(group))) if hash.as_char() == '#' => {
                Some(group.clone())
            }
            _ => None,
        };
        let Some(group) = attribute else {
            output.extend(chinese.take().map(|text| extension(&text)));
            output.extend([nested(token)]);
            continue;
        };
        tokens.next();
        let line = documentation(&group);
        match (line.as_deref().map(str::trim), &mut chinese) {
            (Some(line), Some(text)) => append(text, line),
            (Some(line), None) if line.starts_with(CHINESE) => {
                chinese = Some(line.trim_start_matches(CHINESE).trim().to_owned());
            }
            _ => output.extend([token, TokenTree::Group(group)]),
        }
    }
    output
}

/// Translates the fields of a struct or a variant. Other tokens stay unchanged.
fn nested(token: TokenTree) -> TokenTree {
    match token {
        TokenTree::Group(group) if group.delimiter() != Delimiter::Bracket => {
            let mut inner = Group::new(group.delimiter(), translated(group.stream()));
            inner.set_span(group.span());
            TokenTree::Group(inner)
        }
        other => other,
    }
}

/// Returns the line of a documentation comment, which the compiler passes as `#[doc = "…"]`.
fn documentation(attribute: &Group) -> Option<String> {
    let mut tokens = attribute.stream().into_iter();
    match (tokens.next()?, tokens.next()?, tokens.next()?) {
        (TokenTree::Ident(doc), TokenTree::Punct(_), TokenTree::Literal(text))
            if doc.to_string() == "doc" =>
        {
            unquoted(&text.to_string())
        }
        _ => None,
    }
}

/// Returns the text of a string literal.
fn unquoted(literal: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = literal.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                // `\u{…}`, which the compiler writes for characters that are not printable.
                'u' => {
                    let hex: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?
                }
                other => other,
            },
            other => other,
        });
    }
    Some(text)
}

/// Appends a line to the text. Chinese is joined without a space.
fn append(text: &mut String, line: &str) {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '`');
    if is_word(text.chars().last()) || is_word(line.chars().next()) {
        text.push(' ');
    }
    text.push_str(line);
}

fn extension(text: &str) -> TokenStream {
    parse(&format!(
        "#[cfg_attr(not(target_family = \"wasm\"), \
         schemars(extend(\"x-description-i18n\" = {{\"zh-CN\": {text:?}}})))]"
    ))
}
