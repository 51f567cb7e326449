//! Plug-ins in the classic style, whose entry points are the proxy-wasm crate's own C functions.

/// The whole of a classic plug-in's `tests/cases.rs` (a test target with `harness = false`): what
/// [`cases!`](crate::cases) is for the `Plugin` style. Takes the plug-in's crate.
#[macro_export]
macro_rules! classic_cases {
    ($plugin:ident) => {
        // Its `_initialize` and the crate's callbacks are found by their symbols.
        use $plugin as _;

        mod classic {
            //! The callbacks that the proxy-wasm crate defines.
            #![allow(unsafe_code, reason = "they are C functions")]

            unsafe extern "C" {
                fn _initialize();
                fn proxy_on_context_create(context: u32, root: u32);
                fn proxy_on_configure(root: u32, size: usize) -> bool;
                fn proxy_on_done(context: u32) -> bool;
                fn proxy_on_log(context: u32);
                fn proxy_on_delete(context: u32);
                fn proxy_on_request_headers(context: u32, count: usize, end_of_stream: bool) -> u32;
                fn proxy_on_request_body(context: u32, size: usize, end_of_stream: bool) -> u32;
                fn proxy_on_request_trailers(context: u32, count: usize) -> u32;
                fn proxy_on_response_headers(context: u32, count: usize, end_of_stream: bool) -> u32;
                fn proxy_on_response_body(context: u32, size: usize, end_of_stream: bool) -> u32;
                fn proxy_on_response_trailers(context: u32, count: usize) -> u32;
            }

            pub(super) fn entry() -> $crate::native::Entry {
                // SAFETY: these are safe Rust functions with C's calling convention and these very types.
                unsafe {
                    _initialize();
                    let mut entry = $crate::native::Entry::new(
                        env!("CARGO_PKG_NAME"),
                        |context, root| proxy_on_context_create(context, root),
                        |root, size| proxy_on_configure(root, size),
                        |context| proxy_on_delete(context),
                    );
                    entry.on_done = Some(|context| proxy_on_done(context));
                    entry.on_log = Some(|context| proxy_on_log(context));
                    entry.on_request_headers = Some(|c, count, end| proxy_on_request_headers(c, count, end));
                    entry.on_request_body = Some(|c, size, end| proxy_on_request_body(c, size, end));
                    entry.on_request_trailers = Some(|c, count| proxy_on_request_trailers(c, count));
                    entry.on_response_headers =
                        Some(|c, count, end| proxy_on_response_headers(c, count, end));
                    entry.on_response_body = Some(|c, size, end| proxy_on_response_body(c, size, end));
                    entry.on_response_trailers = Some(|c, count| proxy_on_response_trailers(c, count));
                    entry
                }
            }
        }

        fn main() -> ::std::process::ExitCode {
            let native = $crate::native::Native::new(classic::entry);
            $crate::run(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"), native, |_| {
                $crate::Changes::none()
            })
        }
    };
}
