//! The attributes of the SDK: `plugin` and `configuration`.
//!
//! A gateway enters the VM for every callback that a module exports, so a module should export only the callbacks that its
//! plug-in implements. Only a macro can see which ones an `impl` contains.

mod configuration;
mod plugin;

use proc_macro::TokenStream;

/// Exports an `impl Plugin for …` as the plug-in of this module; see `sdk::Plugin`. With `call_outs`, its requests can wait;
/// see `sdk::call`.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::expand(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Derives `Deserialize` for a struct or an enum of a configuration, and its schema for native tools. See
/// `sdk::configuration`.
#[proc_macro_attribute]
pub fn configuration(arguments: TokenStream, item: TokenStream) -> TokenStream {
    configuration::expand(&arguments, item).unwrap_or_else(compile_error)
}

fn compile_error(message: &str) -> TokenStream {
    parse(&format!("::core::compile_error!({message:?});"))
}

/// Parses a source text of this crate, which is always valid. A mistake in it would show as a missing item.
fn parse(source: &str) -> TokenStream {
    source.parse().unwrap_or_default()
}
