//! The `plugin` attribute of the SDK.
//!
//! A gateway enters the VM for every callback that a module exports, so a module must export those that
//! its plug-in has and no others. Only a macro sees which ones an `impl` writes.

use proc_macro::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};

/// The callbacks of the `Plugin` trait that become exports.
const CALLBACKS: [&str; 4] = [
    "on_request_headers",
    "on_request_body",
    "on_response_headers",
    "on_response_body",
];

/// Makes `impl Plugin for …` the plug-in of this module. See `sdk::Plugin`.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match expand(&arguments, item) {
        Ok(tokens) => tokens,
        Err(message) => compile_error(message),
    }
}

fn expand(arguments: &TokenStream, item: TokenStream) -> Result<TokenStream, &'static str> {
    if !arguments.is_empty() {
        return Err("`#[plugin]` takes no arguments");
    }
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
    let callbacks: Vec<Ident> = names_after(&inner, "fn")
        .into_iter()
        .filter(|name| CALLBACKS.contains(&name.to_string().as_str()))
        .collect();

    // What every plug-in has and few write: the name is the package's, and most keep no state.
    let mut stream = body.stream();
    if !names_after(&inner, "const")
        .iter()
        .any(|name| name.to_string() == "NAME")
    {
        stream.extend(parse(
            "const NAME: &'static str = ::core::env!(\"CARGO_PKG_NAME\");",
        ));
    }
    if !names_after(&inner, "type")
        .iter()
        .any(|name| name.to_string() == "State")
    {
        stream.extend(parse("type State = ();"));
    }
    let mut body = Group::new(Delimiter::Brace, stream);
    body.set_span(Span::call_site());
    tokens.pop();
    tokens.push(TokenTree::Group(body));

    let mut output: TokenStream = tokens.into_iter().collect();
    output.extend(parse("::sdk::__export!"));
    let mut list = TokenStream::from(TokenTree::Ident(subject));
    for callback in callbacks {
        list.extend([
            TokenTree::Punct(Punct::new(',', Spacing::Alone)),
            TokenTree::Ident(callback),
        ]);
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
