//! The `plugin` attribute: the items that it adds to an `impl`, and the callbacks that it exports.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Error, Ident, ImplItem, ItemImpl, Type, parse_quote};

/// The callbacks of the `Plugin` trait that become exports.
const CALLBACKS: [&str; 9] = [
    "on_request_headers",
    "on_request_body",
    "on_request_trailers",
    "on_response_headers",
    "on_response_body",
    "on_response_trailers",
    "on_log",
    "on_tick",
    "on_queue_ready",
];

/// Callbacks that are exported together with others, although the plug-in does not implement them.
const EXPORTED_WITH: [(&str, &[&str]); 2] = [
    // The kind of stream of a body is in the headers before it, and it may end with trailers.
    ("on_request_body", &["on_request_headers", "on_request_trailers"]),
    ("on_response_body", &["on_request_headers", "on_response_headers", "on_response_trailers"]),
];

/// The same with `call_outs`: a message that waits must hold its body, because a body that continues would take the headers
/// along.
const EXPORTED_WITH_WAITING: [(&str, &[&str]); 2] = [
    ("on_request_headers", &["on_request_body", "on_request_trailers"]),
    ("on_response_headers", &["on_response_body", "on_response_trailers"]),
];

/// Callbacks with a constant that tells the SDK at compile time that they are implemented.
const CONSTANTS: [(&str, &str); 3] =
    [("on_request_body", "REQUEST_BODY"), ("on_response_body", "RESPONSE_BODY"), ("on_tick", "TICKS")];

/// Returns the `impl` with the items that most plug-ins omit, and the exports.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let call_outs = match arguments.to_string().as_str() {
        "" => false,
        "call_outs" => true,
        _ => {
            return Err(Error::new_spanned(
                arguments,
                "write `#[plugin]`, or `#[plugin(call_outs)]` for a plug-in whose requests wait",
            ));
        }
    };
    let mut item = parse(item)?;
    let subject = subject(&item)?;
    let written: Vec<Ident> = item.items.iter().filter_map(callback).collect();
    let is_written = |name: &str| written.iter().any(|callback| callback == name);

    let mut exports = written.clone();
    let mut export = |name: &str| {
        if !exports.iter().any(|callback| callback == name) {
            exports.push(Ident::new(name, Span::call_site()));
        }
    };
    let waiting = if call_outs { &EXPORTED_WITH_WAITING[..] } else { &[] };
    for (_, others) in EXPORTED_WITH.iter().chain(waiting).filter(|(callback, _)| is_written(callback)) {
        others.iter().copied().for_each(&mut export);
    }
    if call_outs {
        export("call_outs");
    }

    // Most plug-ins have the name of their package and no state.
    if !has(&item, |item| matches!(item, ImplItem::Const(constant) if constant.ident == "NAME")) {
        item.items.push(parse_quote! { const NAME: &'static str = ::core::env!("CARGO_PKG_NAME"); });
    }
    if !has(&item, |item| matches!(item, ImplItem::Type(of) if of.ident == "State")) {
        item.items.push(parse_quote! { type State = (); });
    }
    for (_, constant) in CONSTANTS.iter().filter(|(callback, _)| is_written(callback)) {
        let constant = Ident::new(constant, Span::call_site());
        item.items.push(parse_quote! { const #constant: bool = true; });
    }
    // The export needs the conditions of the `impl`.
    let conditions: Vec<&Attribute> =
        item.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
    let mut output = quote! { #(#conditions)* ::sdk::__export! { #subject #(, #exports)* } };
    if call_outs {
        let configurations = item.items.iter().filter_map(|item| match item {
            ImplItem::Type(of) if of.ident == "Config" => Some(of),
            _ => None,
        });
        for of in configurations {
            let of_conditions = of.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
            let config = &of.ty;
            output.extend(quote! {
                #(#conditions)* #(#of_conditions)*
                impl ::sdk::call::CallOuts<#subject> for #config {}
            });
        }
        item.items.push(parse_quote! { const CALL_OUTS: bool = true; });
    }
    let mut whole = item.into_token_stream();
    whole.extend(output);
    Ok(whole)
}

fn parse(item: TokenStream) -> Result<ItemImpl, Error> {
    syn::parse2(item.clone()).map_err(|error| {
        let is_impl = item.into_iter().any(|token| token.to_string() == "impl");
        if is_impl { error } else { Error::new(error.span(), WHERE) }
    })
}

const WHERE: &str = "`#[plugin]` must be placed before `impl Plugin for Name { … }`, without generics";

/// Returns the type of the plug-in.
fn subject(item: &ItemImpl) -> Result<Ident, Error> {
    let Some(_) = &item.trait_ else {
        return Err(Error::new_spanned(&item.self_ty, WHERE));
    };
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, WHERE));
    }
    match &*item.self_ty {
        Type::Path(path) => path.path.get_ident().cloned(),
        _ => None,
    }
    .ok_or_else(|| Error::new_spanned(&item.self_ty, WHERE))
}

fn callback(item: &ImplItem) -> Option<Ident> {
    match item {
        ImplItem::Fn(function) => {
            let name = &function.sig.ident;
            CALLBACKS.iter().any(|callback| name == callback).then(|| name.clone())
        }
        _ => None,
    }
}

fn has(item: &ItemImpl, is: impl Fn(&ImplItem) -> bool) -> bool {
    item.items.iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the expansion as text without spaces.
    fn expanded(arguments: TokenStream, item: TokenStream) -> String {
        match expand(arguments, item) {
            Ok(tokens) => tokens.to_string().replace(' ', ""),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn attributes_and_documentation_are_allowed_anywhere() {
        let output = expanded(
            quote!(),
            quote! {
                /// What it does.
                #[allow(dead_code)]
                #[cfg(feature = "x")]
                impl Plugin for Sample {
                    /// Its name.
                    const NAME: &'static str = "sample";
                    /// What it takes.
                    #[doc(hidden)]
                    type Config = Config;
                    type State = State;
                    /// What it looks at.
                    #[inline]
                    fn on_request_body(body: &mut RequestBody, _: &Config) -> Flow { inner! { fn on_tick() {} } }
                }
            },
        );
        let exports = "#[cfg(feature=\"x\")]::sdk::__export!{Sample,on_request_body,on_request_headers,on_request_trailers}";
        assert!(output.ends_with(exports), "{output}");
        assert!(output.contains("constREQUEST_BODY:bool=true;") && !output.contains("TICKS"), "{output}");
        assert!(!output.contains("CARGO_PKG_NAME") && !output.contains("typeState=();"), "{output}");
    }

    #[test]
    fn call_outs_adds_the_exports_that_a_waiting_message_needs() {
        let output = expanded(
            quote!(call_outs),
            quote! {
                impl sdk::Plugin for Sample {
                    type Config = other::Config<u8>;
                    fn on_response_headers(response: &mut ResponseHeaders, _: &Config) -> Flow { Flow::Continue }
                }
            },
        );
        assert!(output.contains("impl::sdk::call::CallOuts<Sample>forother::Config<u8>{}"), "{output}");
        let exports = "{Sample,on_response_headers,on_response_body,on_response_trailers,call_outs}";
        assert!(output.contains(exports) && !output.contains("RESPONSE_BODY"), "{output}");
    }

    #[test]
    fn other_items_are_rejected() {
        for (item, error) in [
            (quote! { struct Sample; }, WHERE),
            (quote! { impl Sample {} }, WHERE),
            (quote! { impl<T> Plugin for Sample<T> {} }, WHERE),
            (quote! { impl Plugin for (Sample,) {} }, WHERE),
        ] {
            assert_eq!(expanded(quote!(), item), format!("error: {error}"));
        }
        let other = expanded(quote!(callouts), quote! { impl Plugin for Sample {} });
        assert!(other.starts_with("error: write `#[plugin]`, or `#[plugin(call_outs)]`"), "{other}");
    }
}
