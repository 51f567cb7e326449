//! The expansion of `#[plugin]`: the entry points of a module, or natively a value that holds them.

/// Exports a plug-in with its callbacks.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ident $(, $callback:ident)*) => {
        ::std::thread_local! {
            static __VM: ::core::cell::RefCell<$crate::__private::Vm<$plugin>> =
                const { ::core::cell::RefCell::new($crate::__private::Vm::empty()) };
        }

        /// Runs `call` on this VM, or `otherwise` if the host enters a VM that is already running, or whose thread ends.
        fn __with<__T>(
            otherwise: impl FnOnce() -> __T,
            call: impl FnOnce(&mut $crate::__private::Vm<$plugin>) -> __T,
        ) -> __T {
            let entered = __VM.try_with(|vm| match vm.try_borrow_mut() {
                ::core::result::Result::Ok(mut vm) => ::core::option::Option::Some(call(&mut vm)),
                ::core::result::Result::Err(_) => ::core::option::Option::None,
            });
            match entered {
                ::core::result::Result::Ok(::core::option::Option::Some(answer)) => answer,
                _ => otherwise(),
            }
        }

        type __Vm = $crate::__private::Vm<$plugin>;

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "a gateway finds its entry points by their unmangled names")]
        mod __exports {
            unsafe extern "C" {
                fn __wasm_call_ctors();
            }

            #[unsafe(no_mangle)]
            extern "C" fn _initialize() {
                // SAFETY: defined by the linker, and called once before anything else, as WASI requires of reactors.
                unsafe { __wasm_call_ctors() }
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_abi_version_0_2_1() {}

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
                $crate::__private::allocate(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_context_create(context: u32, root: u32) {
                super::__with(|| (), |vm| vm.on_context_create(context, root))
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
                super::__with(|| 0, |vm| u32::from(vm.on_configure(root, size)))
            }

            #[unsafe(no_mangle)]
            extern "C" fn proxy_on_delete(context: u32) {
                super::__with(|| (), |vm| vm.on_delete(context))
            }

            $($crate::__export_callback!($callback);)*
        }

        /// The plug-in for native tests and tools.
        #[cfg(not(target_family = "wasm"))]
        #[doc(hidden)]
        pub fn entry() -> $crate::native::Entry {
            #[allow(unused_mut, reason = "a plug-in may have no callback")]
            let mut entry = $crate::native::Entry::new(
                <$plugin as $crate::Plugin>::NAME,
                |context, root| __with(|| (), |vm| vm.on_context_create(context, root)),
                |root, size| __with(|| false, |vm| vm.on_configure(root, size)),
                |context| __with(|| (), |vm| vm.on_delete(context)),
            );
            entry.live = ::core::option::Option::Some(|| __with(|| 0, |vm| vm.live()));
            $($crate::__native_callback!(entry, $callback);)*
            entry
        }

        /// The plug-in's configuration for native tools.
        #[cfg(not(target_family = "wasm"))]
        #[doc(hidden)]
        pub fn description() -> $crate::describe::Description {
            use $crate::describe::{Fields, Undescribed as _};
            let fields = Fields::<<$plugin as $crate::Plugin>::Config>::of();
            $crate::describe::Description::new::<$plugin>(fields.schema())
        }
    };
}

/// One callback, as the export of a module.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_callback {
    (on_request_headers) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_request_headers(context: u32, _: u32, end_of_stream: u32) -> u32 {
            super::__with(super::__Vm::refuse_request, |vm| {
                vm.on_request_headers(context, end_of_stream != 0)
            })
        }
    };
    (on_request_body) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_request_body(context: u32, size: usize, last: u32) -> u32 {
            super::__with(super::__Vm::refuse_request, |vm| vm.on_request_body(context, size, last != 0))
        }
    };
    (on_request_trailers) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_request_trailers(context: u32, _: u32) -> u32 {
            super::__with(super::__Vm::refuse_request, |vm| vm.on_request_trailers(context))
        }
    };
    (on_response_headers) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_response_headers(context: u32, _: u32, end_of_stream: u32) -> u32 {
            super::__with(super::__Vm::refuse_response, |vm| {
                vm.on_response_headers(context, end_of_stream != 0)
            })
        }
    };
    (on_response_body) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_response_body(context: u32, size: usize, last: u32) -> u32 {
            super::__with(super::__Vm::refuse_response, |vm| vm.on_response_body(context, size, last != 0))
        }
    };
    (on_response_trailers) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_response_trailers(context: u32, _: u32) -> u32 {
            super::__with(super::__Vm::refuse_response, |vm| vm.on_response_trailers(context))
        }
    };
    (on_log) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_log(context: u32) {
            super::__with(|| (), |vm| vm.on_log(context))
        }
    };
    (on_tick) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_tick(root: u32) {
            super::__with(|| (), |vm| vm.on_tick(root))
        }
    };
    (on_queue_ready) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_queue_ready(root: u32, queue: u32) {
            super::__with(|| (), |vm| vm.on_queue_ready(root, queue))
        }
    };
    (call_outs) => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_http_call_response(
            context: u32,
            token: u32,
            headers: usize,
            body: usize,
            trailers: usize,
        ) {
            super::__with(|| (), |vm| vm.on_http_call_response(context, token, headers, body, trailers))
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_grpc_receive(context: u32, token: u32, size: usize) {
            super::__with(|| (), |vm| vm.on_grpc_receive(context, token, size))
        }

        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_grpc_close(context: u32, token: u32, status: u32) {
            super::__with(|| (), |vm| vm.on_grpc_close(context, token, status))
        }

        $crate::__export_redis!();
    };
}

/// The callback for responses of Redis, in modules for Higress and MSE.
#[cfg(feature = "redis")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_redis {
    () => {
        #[unsafe(no_mangle)]
        extern "C" fn proxy_on_redis_call_response(context: u32, token: u32, status: u32, size: usize) {
            super::__with(|| (), |vm| vm.on_redis_call_response(context, token, status, size))
        }
    };
}

/// Without the feature `redis`, there is none.
#[cfg(not(feature = "redis"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_redis {
    () => {};
}

/// One callback, as a function for native tests.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __native_callback {
    ($entry:ident, on_request_headers) => {
        $entry.on_request_headers =
            Some(|context, _, end| __with(__Vm::refuse_request, |vm| vm.on_request_headers(context, end)));
    };
    ($entry:ident, on_request_body) => {
        $entry.on_request_body = Some(|context, size, end| {
            __with(__Vm::refuse_request, |vm| vm.on_request_body(context, size, end))
        });
    };
    ($entry:ident, on_request_trailers) => {
        $entry.on_request_trailers =
            Some(|context, _| __with(__Vm::refuse_request, |vm| vm.on_request_trailers(context)));
    };
    ($entry:ident, on_response_headers) => {
        $entry.on_response_headers =
            Some(|context, _, end| __with(__Vm::refuse_response, |vm| vm.on_response_headers(context, end)));
    };
    ($entry:ident, on_response_body) => {
        $entry.on_response_body = Some(|context, size, end| {
            __with(__Vm::refuse_response, |vm| vm.on_response_body(context, size, end))
        });
    };
    ($entry:ident, on_response_trailers) => {
        $entry.on_response_trailers =
            Some(|context, _| __with(__Vm::refuse_response, |vm| vm.on_response_trailers(context)));
    };
    ($entry:ident, on_log) => {
        $entry.on_log = Some(|context| __with(|| (), |vm| vm.on_log(context)));
    };
    ($entry:ident, on_tick) => {
        $entry.on_tick = Some(|root| __with(|| (), |vm| vm.on_tick(root)));
    };
    ($entry:ident, on_queue_ready) => {
        $entry.on_queue_ready = Some(|root, queue| __with(|| (), |vm| vm.on_queue_ready(root, queue)));
    };
    ($entry:ident, call_outs) => {
        $entry.on_http_call_response = Some(|context, token, headers, body, trailers| {
            __with(|| (), |vm| vm.on_http_call_response(context, token, headers, body, trailers))
        });
        $entry.on_grpc_receive =
            Some(|context, token, size| __with(|| (), |vm| vm.on_grpc_receive(context, token, size)));
        $entry.on_grpc_close =
            Some(|context, token, status| __with(|| (), |vm| vm.on_grpc_close(context, token, status)));
    };
}
