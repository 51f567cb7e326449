//! From the classic style to [`Plugin`]: the same plug-in both ways.
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
//! # What became of the parts
//!
//! | classic | here |
//! |---|---|
//! | `MyPluginRoot`, `on_configure`, `SharedRuleMatcher` | gone: the SDK reads the document and chooses |
//! | `rule_matcher.borrow().get_match_config()` | the argument `config`; without one the callback is not called |
//! | `create_http_context` | gone: [`State`](Plugin::State) is made by its `Default` |
//! | fields of `MyPlugin` | fields of `State`; `log` and `context_id` are not needed |
//! | `on_http_request_headers` … | [`on_request_headers`](Plugin::on_request_headers) … |
//! | `Action::Continue` | [`Flow::Continue`](crate::Flow::Continue) |
//! | `Action::Pause` in a body callback | [`Flow::Hold`](crate::Flow::Hold) |
//! | `Action::Pause` until a call is answered | [`Flow::Wait`](crate::Flow::Wait), by [`wait`](crate::RequestHeaders::wait) |
//! | `send_http_response` and `Action::Pause` | [`Flow::Reply`](crate::Flow::Reply) |
//! | `self.log.info(&format!(…))` | [`info!(…)`](crate::info), which formats only what is written |
//! | `proxy_wasm::main!` | [`#[plugin]`](crate::plugin) |
//!
//! # What is different
//!
//! - **Nothing panics.** The proxy-wasm crate stops the VM on header values that are not UTF-8 and on host calls
//!   that fail, and then the gateway answers 503 until it is configured anew. Write for untrusted traffic with
//!   [`Plugin`].
//! - **Values are bytes**, and names and values of a configuration are checked when it loads: `String` became
//!   [`config::SettableHeaderName`] and [`config::HeaderValue`].
//! - **Only the callbacks that are written are exported**, so a gateway does not enter the VM for others.
//! - **The end of a body** is told in one place, trailers or not: see [`bodies`](super::bodies).
//! - **Configurations need no `Default`.** An empty document is refused when a field is missing that has none;
//!   in the classic style it is `Default::default()`.
//!
//! # Step by step
//!
//! 1. In `Cargo.toml`, depend on `sdk` and `config` instead of `higress-wasm-rust` and `proxy-wasm`. A module has one
//!    style: `cargo xtask build` refuses a plug-in that depends on both.
//! 2. Keep the configuration's struct; remove `Default`, `Clone` and `Serialize`, and give fields the types of
//!    [`config`] where they fit.
//! 3. Turn the `HttpContext` into an `impl Plugin`, and its own fields into `State`.
//! 4. Write [cases](super::testing) before, and let them pass after: they run on both styles.

#[cfg(doc)]
use crate::Plugin;
