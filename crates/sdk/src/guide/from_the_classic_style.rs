//! Moving a plug-in from the classic style to [`Plugin`].
//!
//! In the classic style of the product documentation, a `RootContext` reads the configuration and creates an
//! `HttpContext` for each request, on the proxy-wasm crate. Code in that style compiles unchanged with the crate
//! `higress-wasm-rust`, whose documentation has a whole plug-in. The part that runs for a request:
//!
//! ```ignore
//! struct MyPlugin {
//!     log: Log,
//!     rule_matcher: SharedRuleMatcher<MyPluginConfig>,
//! }
//!
//! impl Context for MyPlugin {}
//!
//! impl HttpContext for MyPlugin {
//!     fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
//!         if let Some(config) = self.rule_matcher.borrow().get_match_config() {
//!             self.log.info(&format!("adding the header {}", config.header_name));
//!             self.add_http_request_header(&config.header_name, &config.header_value);
//!         }
//!         Action::Continue
//!     }
//! }
//! ```
//!
//! The same plug-in with [`Plugin`], whole:
//!
//! ```
//! use sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     header_name: config::SettableHeaderName,
//!     header_value: config::HeaderValue,
//! }
//!
//! struct MyPlugin;
//!
//! #[plugin]
//! impl Plugin for MyPlugin {
//!     type Config = Config;
//!
//!     fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
//!         info!("[my-plugin] adding the header {}", &*config.header_name);
//!         request.add(&config.header_name, &config.header_value);
//!         Flow::Continue
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! # Equivalents
//!
//! | classic | `Plugin` |
//! |---|---|
//! | `MyPluginRoot`, `on_configure`, `SharedRuleMatcher` | not needed: the SDK reads the document and selects the configuration |
//! | `rule_matcher.borrow().get_match_config()` | the argument `config`; without one the callback is not called |
//! | `create_http_context` | not needed: [`State`](Plugin::State) is created with `Default` |
//! | fields of `MyPlugin` | fields of `State`; `log` and `context_id` are not needed |
//! | `on_http_request_headers` … | [`on_request_headers`](Plugin::on_request_headers) … |
//! | `Action::Continue` | [`Flow::Continue`](crate::Flow::Continue) |
//! | `Action::Pause` in a body callback | [`Flow::Hold`](crate::Flow::Hold) |
//! | `Action::Pause` until a call has a response | [`Flow::Wait`](crate::Flow::Wait), by [`wait`](crate::RequestHeaders::wait) |
//! | `send_http_response` and `Action::Pause` | [`Flow::Reply`](crate::Flow::Reply) |
//! | `self.log.info(&format!(…))` | [`info!(…)`](crate::info), which formats only lines that are written |
//! | `proxy_wasm::main!` | [`#[plugin]`](crate::plugin) |
//!
//! # Differences
//!
//! - **No panics.** The proxy-wasm crate panics on header values that are not UTF-8 and on host calls that fail; the
//!   gateway then responds with 503 until the plug-in is configured again. Use [`Plugin`] for untrusted traffic.
//! - **Values are bytes**, and the names and values in a configuration are validated when it is loaded: `String` became
//!   [`config::SettableHeaderName`] and [`config::HeaderValue`].
//! - **Only implemented callbacks are exported**, so a gateway does not call the VM for others.
//! - **The end of a body** is reported in one callback, with and without trailers: see [`bodies`](super::bodies).
//! - **Configurations do not need `Default`.** An empty document is an error if a required field is missing; in the
//!   classic style it is `Default::default()`.
//!
//! # Step by step
//!
//! 1. In `Cargo.toml`, depend on `sdk` and `config` instead of `higress-wasm-rust` and `proxy-wasm`. A module has one
//!    style: `cargo xtask build` refuses a plug-in that depends on both.
//! 2. Keep the struct of the configuration; remove `Default`, `Clone` and `Serialize`, and use the types of [`config`] for
//!    its fields.
//! 3. Convert the `HttpContext` into an `impl Plugin`, and its fields into `State`.
//! 4. Write [cases](super::testing) before you start. They run on both styles, and must pass before and after.

#[cfg(doc)]
use crate::Plugin;
