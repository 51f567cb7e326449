//! The attributes of the SDK: `plugin` and `configuration`.
//!
//! A gateway enters the VM for every callback that a module exports, so a module must export those that
//! its plug-in has and no others. Only a macro sees which ones an `impl` writes.

mod configuration;

use proc_macro::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};

/// The callbacks of the `Plugin` trait that become exports.
const CALLBACKS: [&str; 8] = [
    "on_request_headers",
    "on_request_body",
    "on_request_trailers",
    "on_response_headers",
    "on_response_body",
    "on_response_trailers",
    "on_tick",
    "on_queue_ready",
];

/// The bodies behind the heads.
const BODIES: [(&str, &str); 2] =
    [("on_request_headers", "on_request_body"), ("on_response_headers", "on_response_body")];

/// A body may end with trailers, so whoever looks at bodies hears of those.
const ENDS: [(&str, &str); 2] =
    [("on_request_body", "on_request_trailers"), ("on_response_body", "on_response_trailers")];

/// Whether the plug-in itself looks at bodies, for the SDK.
const KINDS: [(&str, &str); 2] = [("on_request_body", "REQUEST_BODY"), ("on_response_body", "RESPONSE_BODY")];

/// Makes `impl Plugin for …` the plug-in of this module. See `sdk::Plugin`; with `call_outs` its requests can
/// wait, see `sdk::call`.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match expand(&arguments, item) {
        Ok(tokens) => tokens,
        Err(message) => compile_error(message),
    }
}

/// Makes a struct or an enum one that a configuration is read into, and that describes itself: it derives
/// `Deserialize`, and for native tools a schema. See `sdk::configuration`.
#[proc_macro_attribute]
pub fn configuration(arguments: TokenStream, item: TokenStream) -> TokenStream {
    configuration::expand(&arguments, item).unwrap_or_else(compile_error)
}

fn expand(arguments: &TokenStream, item: TokenStream) -> Result<TokenStream, &'static str> {
    let call_outs = match arguments.to_string().as_str() {
        "" => false,
        "call_outs" => true,
        _ => return Err("write `#[plugin]`, or `#[plugin(call_outs)]` for a plug-in whose requests wait"),
    };
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let (subject, body) = match tokens.as_slice() {
        [
            TokenTree::Ident(first),
            ..,
            TokenTree::Ident(word),
            TokenTree::Ident(subject),
            TokenTree::Group(body),
        ] if first.to_string() == "impl"
            && word.to_string() == "for"
            && body.delimiter() == Delimiter::Brace =>
        {
            (subject.clone(), body.clone())
        }
        _ => return Err("`#[plugin]` stands before `impl Plugin for Name { … }`, without generics"),
    };
    let inner: Vec<TokenTree> = body.stream().into_iter().collect();
    let mut callbacks: Vec<Ident> = names_after(&inner, "fn")
        .into_iter()
        .filter(|name| CALLBACKS.contains(&name.to_string().as_str()))
        .collect();

    // What every plug-in has and few write: the name is the package's, and most keep no state.
    let mut stream = body.stream();
    if !names_after(&inner, "const").iter().any(|name| name.to_string() == "NAME") {
        stream.extend(parse("const NAME: &'static str = ::core::env!(\"CARGO_PKG_NAME\");"));
    }
    if !names_after(&inner, "type").iter().any(|name| name.to_string() == "State") {
        stream.extend(parse("type State = ();"));
    }
    let has = |callbacks: &[Ident], name: &str| callbacks.iter().any(|callback| callback.to_string() == name);
    // What kind of stream a body belongs to is in the heads before it.
    for (body, constant) in KINDS {
        if has(&callbacks, body) {
            stream.extend(parse(&format!("const {constant}: bool = true;")));
            for headers in ["on_request_headers", "on_response_headers"] {
                let before = headers == "on_request_headers" || body == "on_response_body";
                if before && !has(&callbacks, headers) {
                    callbacks.push(Ident::new(headers, Span::call_site()));
                }
            }
        }
    }
    // A message that waits holds its body back, and a body that nobody looks at would take the head along.
    for (headers, body) in BODIES {
        if call_outs && has(&callbacks, headers) && !has(&callbacks, body) {
            callbacks.push(Ident::new(body, Span::call_site()));
        }
    }
    for (body, trailers) in ENDS {
        if has(&callbacks, body) && !has(&callbacks, trailers) {
            callbacks.push(Ident::new(trailers, Span::call_site()));
        }
    }
    if has(&callbacks, "on_tick") {
        stream.extend(parse("const TICKS: bool = true;"));
    }
    if call_outs {
        stream.extend(parse("const CALL_OUTS: bool = true;"));
        callbacks.push(Ident::new("call_outs", Span::call_site()));
    }
    let mut body = Group::new(Delimiter::Brace, stream);
    body.set_span(Span::call_site());
    tokens.pop();
    tokens.push(TokenTree::Group(body));

    let mut output: TokenStream = tokens.into_iter().collect();
    output.extend(parse("::sdk::__export!"));
    let mut list = TokenStream::from(TokenTree::Ident(subject));
    for callback in callbacks {
        list.extend([TokenTree::Punct(Punct::new(',', Spacing::Alone)), TokenTree::Ident(callback)]);
    }
    output.extend([TokenTree::Group(Group::new(Delimiter::Brace, list))]);
    Ok(output)
}

/// The identifiers that follow a keyword at the top of the `impl`: nested blocks are single tokens.
fn names_after(tokens: &[TokenTree], keyword: &str) -> Vec<Ident> {
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    pairs
        .filter_map(|pair| match pair {
            (TokenTree::Ident(word), TokenTree::Ident(name)) if word.to_string() == keyword => {
                Some(name.clone())
            }
            _ => None,
        })
        .collect()
}

fn compile_error(message: &str) -> TokenStream {
    parse(&format!("::core::compile_error!({message:?});"))
}

/// Source text that this file holds, so it always parses; a slip would show as a missing item.
fn parse(source: &str) -> TokenStream {
    source.parse().unwrap_or_default()
}
