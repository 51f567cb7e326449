//! The attributes of the SDK: `plugin` and `configuration`.
//!
//! A gateway enters the VM for every callback that a module exports, so a module must export those that
//! its plug-in has and no others. Only a macro sees which ones an `impl` writes.

mod configuration;
mod plugin;

use proc_macro::TokenStream;

/// Makes `impl Plugin for …` the plug-in of this module. See `sdk::Plugin`; with `call_outs` its requests can
/// wait, see `sdk::call`.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::expand(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Makes a struct or an enum one that a configuration is read into, and that describes itself: it derives
/// `Deserialize`, and for native tools a schema. See `sdk::configuration`.
#[proc_macro_attribute]
pub fn configuration(arguments: TokenStream, item: TokenStream) -> TokenStream {
    configuration::expand(&arguments, item).unwrap_or_else(compile_error)
}

fn compile_error(message: &str) -> TokenStream {
    parse(&format!("::core::compile_error!({message:?});"))
}

/// Source text that this file holds, so it always parses; a slip would show as a missing item.
fn parse(source: &str) -> TokenStream {
    source.parse().unwrap_or_default()
}
