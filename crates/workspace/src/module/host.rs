//! The functions provided and called by the two kinds of hosts: Envoy's proxy-wasm host, and Higress's fork of it.
//!
//! Sources:
//! - the proxy-wasm ABI: <https://github.com/proxy-wasm/spec>, `abi-versions/v0.1.0` to `v0.2.1`;
//! - Envoy: each function and type below was queried from Envoy 1.40 itself, by loading a module that imports (or
//!   exports) the name with a wrong type and reading the expected one from the error message; they are
//!   those of `include/proxy-wasm/exports.h` and `wasm.h` in <https://github.com/proxy-wasm/proxy-wasm-cpp-host>;
//! - Higress: `registerCallbacks` in `src/wasm.cc` of <https://github.com/higress-group/proxy-wasm-cpp-host>,
//!   types from `proxywasm/internal/abi_hostcalls.go` of <https://github.com/higress-group/proxy-wasm-go-sdk>.

use std::fmt;

use super::inspect::Signature;

/// A family of gateways that share their WebAssembly host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// Upstream's: plain Envoy, Istio, Envoy Gateway.
    Envoy,
    /// Higress's fork of it, which MSE uses too.
    Higress,
}

/// A version of the proxy-wasm ABI, as a module declares it by exporting `proxy_abi_version_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Abi {
    V0_1_0,
    V0_2_0,
    V0_2_1,
    /// Higress's own: 0.2.1 with a headers callback that can hold headers during body callbacks.
    V0_2_100,
}

const ABI_EXPORT: &str = "proxy_abi_version_";

impl Abi {
    /// The version that a host uses: the first export that it recognises.
    pub(super) fn of<'a>(exports: impl Iterator<Item = &'a str>, host: Host) -> Option<Self> {
        exports.filter_map(Self::of_export).find(|abi| *abi != Self::V0_2_100 || host == Host::Higress)
    }

    fn of_export(name: &str) -> Option<Self> {
        match name.strip_prefix(ABI_EXPORT)? {
            "0_1_0" => Some(Self::V0_1_0),
            "0_2_0" => Some(Self::V0_2_0),
            "0_2_1" => Some(Self::V0_2_1),
            "0_2_100" => Some(Self::V0_2_100),
            _ => None,
        }
    }

    /// Whether the export declares an ABI version, known or unknown.
    pub(super) fn declared_by(export: &str) -> bool {
        export.starts_with(ABI_EXPORT)
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_2_1 => "0.2.1",
            Self::V0_2_100 => "0.2.100",
        })
    }
}

/// The ABI versions that have a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    Every,
    Only0_1_0,
    From0_2_0,
    From0_2_1,
}

impl In {
    fn has(self, abi: Abi) -> bool {
        match self {
            Self::Every => true,
            Self::Only0_1_0 => abi == Abi::V0_1_0,
            Self::From0_2_0 => abi >= Abi::V0_2_0,
            Self::From0_2_1 => abi >= Abi::V0_2_1,
        }
    }
}

type Row = (&'static str, In, &'static str, &'static str);

/// Module `env`, on every host: name, ABI versions, parameters, results.
const ENV: &[Row] = &[
    ("emscripten_notify_memory_growth", In::Every, "i", ""),
    ("proxy_add_header_map_value", In::Every, "iiiii", "i"),
    ("proxy_call_foreign_function", In::Every, "iiiiii", "i"),
    ("proxy_clear_route_cache", In::Only0_1_0, "", "i"),
    ("proxy_close_stream", In::From0_2_0, "i", "i"),
    ("proxy_continue_request", In::Only0_1_0, "", "i"),
    ("proxy_continue_response", In::Only0_1_0, "", "i"),
    ("proxy_continue_stream", In::From0_2_0, "i", "i"),
    ("proxy_define_metric", In::Every, "iiii", "i"),
    ("proxy_dequeue_shared_queue", In::Every, "iii", "i"),
    ("proxy_done", In::Every, "", "i"),
    ("proxy_enqueue_shared_queue", In::Every, "iii", "i"),
    ("proxy_get_buffer_bytes", In::Every, "iiiii", "i"),
    ("proxy_get_buffer_status", In::Every, "iii", "i"),
    ("proxy_get_configuration", In::Only0_1_0, "ii", "i"),
    ("proxy_get_current_time_nanoseconds", In::Every, "i", "i"),
    ("proxy_get_header_map_pairs", In::Every, "iii", "i"),
    ("proxy_get_header_map_size", In::Every, "ii", "i"),
    ("proxy_get_header_map_value", In::Every, "iiiii", "i"),
    ("proxy_get_log_level", In::From0_2_1, "i", "i"),
    ("proxy_get_metric", In::Every, "ii", "i"),
    ("proxy_get_property", In::Every, "iiii", "i"),
    ("proxy_get_shared_data", In::Every, "iiiii", "i"),
    ("proxy_get_status", In::Every, "iii", "i"),
    ("proxy_grpc_call", In::Every, "iiiiiiiiiiii", "i"),
    ("proxy_grpc_cancel", In::Every, "i", "i"),
    ("proxy_grpc_close", In::Every, "i", "i"),
    ("proxy_grpc_send", In::Every, "iiii", "i"),
    ("proxy_grpc_stream", In::Every, "iiiiiiiii", "i"),
    ("proxy_http_call", In::Every, "iiiiiiiiii", "i"),
    ("proxy_increment_metric", In::Every, "iI", "i"),
    ("proxy_log", In::Every, "iii", "i"),
    ("proxy_record_metric", In::Every, "iI", "i"),
    ("proxy_register_shared_queue", In::Every, "iii", "i"),
    ("proxy_remove_header_map_value", In::Every, "iii", "i"),
    ("proxy_replace_header_map_value", In::Every, "iiiii", "i"),
    ("proxy_resolve_shared_queue", In::Every, "iiiii", "i"),
    ("proxy_send_local_response", In::Every, "iiiiiiii", "i"),
    ("proxy_set_buffer_bytes", In::Every, "iiiii", "i"),
    ("proxy_set_effective_context", In::Every, "i", "i"),
    ("proxy_set_header_map_pairs", In::Every, "iii", "i"),
    ("proxy_set_property", In::Every, "iiii", "i"),
    ("proxy_set_shared_data", In::Every, "iiiii", "i"),
    ("proxy_set_tick_period_milliseconds", In::Every, "i", "i"),
    ("pthread_equal", In::Every, "ii", "i"),
];

/// Module `env`, on Higress only.
const HIGRESS_ENV: &[Row] = &[
    ("proxy_get_upstream_hosts", In::From0_2_1, "ii", "i"),
    ("proxy_inject_encoded_data_to_filter_chain", In::From0_2_1, "iii", "i"),
    ("proxy_redis_call", In::Every, "iiiii", "i"),
    ("proxy_redis_init", In::Every, "iiiiiii", "i"),
    ("proxy_set_upstream_override_host", In::From0_2_1, "ii", "i"),
];

/// WASI preview 1, under either of its module names, on every host; most return "not supported".
const WASI: &[Row] = &[
    ("args_get", In::Every, "ii", "i"),
    ("args_sizes_get", In::Every, "ii", "i"),
    ("clock_res_get", In::Every, "ii", "i"),
    ("clock_time_get", In::Every, "iIi", "i"),
    ("environ_get", In::Every, "ii", "i"),
    ("environ_sizes_get", In::Every, "ii", "i"),
    ("fd_advise", In::Every, "iIIi", "i"),
    ("fd_allocate", In::Every, "iII", "i"),
    ("fd_close", In::Every, "i", "i"),
    ("fd_datasync", In::Every, "i", "i"),
    ("fd_fdstat_get", In::Every, "ii", "i"),
    ("fd_fdstat_set_flags", In::Every, "ii", "i"),
    ("fd_fdstat_set_rights", In::Every, "iII", "i"),
    ("fd_filestat_get", In::Every, "ii", "i"),
    ("fd_filestat_set_size", In::Every, "iI", "i"),
    ("fd_filestat_set_times", In::Every, "iIIi", "i"),
    ("fd_pread", In::Every, "iiiIi", "i"),
    ("fd_prestat_dir_name", In::Every, "iii", "i"),
    ("fd_prestat_get", In::Every, "ii", "i"),
    ("fd_pwrite", In::Every, "iiiIi", "i"),
    ("fd_read", In::Every, "iiii", "i"),
    ("fd_readdir", In::Every, "iiiIi", "i"),
    ("fd_renumber", In::Every, "ii", "i"),
    ("fd_seek", In::Every, "iIii", "i"),
    ("fd_sync", In::Every, "i", "i"),
    ("fd_tell", In::Every, "ii", "i"),
    ("fd_write", In::Every, "iiii", "i"),
    ("path_create_directory", In::Every, "iii", "i"),
    ("path_filestat_get", In::Every, "iiiii", "i"),
    ("path_filestat_set_times", In::Every, "iiiiIIi", "i"),
    ("path_link", In::Every, "iiiiii", "i"),
    ("path_open", In::Every, "iiiiiIIii", "i"),
    ("path_readlink", In::Every, "iiiiii", "i"),
    ("path_remove_directory", In::Every, "iii", "i"),
    ("path_rename", In::Every, "iiiiii", "i"),
    ("path_symlink", In::Every, "iiii", "i"),
    ("path_unlink_file", In::Every, "iii", "i"),
    ("poll_oneoff", In::Every, "iiii", "i"),
    ("proc_exit", In::Every, "i", ""),
    ("random_get", In::Every, "ii", "i"),
    ("sched_yield", In::Every, "", "i"),
    ("sock_accept", In::Every, "iii", "i"),
    ("sock_recv", In::Every, "iiiiii", "i"),
    ("sock_send", In::Every, "iiiii", "i"),
    ("sock_shutdown", In::Every, "ii", "i"),
];

/// The exports that a host looks up; all are optional, and none may have another type.
const CALLBACKS: &[Row] = &[
    ("_initialize", In::Every, "", ""),
    ("_start", In::Every, "", ""),
    ("main", In::Every, "ii", "i"),
    ("malloc", In::Every, "i", "i"),
    ("proxy_on_configure", In::Every, "ii", "i"),
    ("proxy_on_context_create", In::Every, "ii", ""),
    ("proxy_on_delete", In::Every, "i", ""),
    ("proxy_on_done", In::Every, "i", "i"),
    ("proxy_on_downstream_connection_close", In::Every, "ii", ""),
    ("proxy_on_downstream_data", In::Every, "iii", "i"),
    ("proxy_on_foreign_function", In::From0_2_0, "iii", ""),
    ("proxy_on_grpc_close", In::Every, "iii", ""),
    ("proxy_on_grpc_receive", In::Every, "iii", ""),
    ("proxy_on_grpc_receive_initial_metadata", In::Every, "iii", ""),
    ("proxy_on_grpc_receive_trailing_metadata", In::Every, "iii", ""),
    ("proxy_on_http_call_response", In::Every, "iiiii", ""),
    ("proxy_on_log", In::Every, "i", ""),
    ("proxy_on_memory_allocate", In::Every, "i", "i"),
    ("proxy_on_new_connection", In::Every, "i", "i"),
    ("proxy_on_queue_ready", In::Every, "ii", ""),
    ("proxy_on_request_body", In::Every, "iii", "i"),
    ("proxy_on_request_headers", In::Only0_1_0, "ii", "i"),
    ("proxy_on_request_headers", In::From0_2_0, "iii", "i"),
    ("proxy_on_request_metadata", In::Every, "ii", "i"),
    ("proxy_on_request_trailers", In::Every, "ii", "i"),
    ("proxy_on_response_body", In::Every, "iii", "i"),
    ("proxy_on_response_headers", In::Only0_1_0, "ii", "i"),
    ("proxy_on_response_headers", In::From0_2_0, "iii", "i"),
    ("proxy_on_response_metadata", In::Every, "ii", "i"),
    ("proxy_on_response_trailers", In::Every, "ii", "i"),
    ("proxy_on_tick", In::Every, "i", ""),
    ("proxy_on_upstream_connection_close", In::Every, "ii", ""),
    ("proxy_on_upstream_data", In::Every, "iii", "i"),
    ("proxy_on_vm_start", In::Every, "ii", "i"),
    ("proxy_validate_configuration", In::Every, "ii", "i"),
];

fn find(rows: &[Row], abi: Abi, name: &str) -> Option<Signature> {
    rows.iter()
        .find(|(row, versions, ..)| *row == name && versions.has(abi))
        .map(|(_, _, params, results)| Signature { params: (*params).into(), results: (*results).into() })
}

/// The type of the function with this name that a host provides to a module of this ABI version.
pub(super) fn offered(host: Host, abi: Abi, module: &str, name: &str) -> Option<Signature> {
    match module {
        "env" => find(ENV, abi, name)
            .or_else(|| if host == Host::Higress { find(HIGRESS_ENV, abi, name) } else { None }),
        "wasi_snapshot_preview1" | "wasi_unstable" => find(WASI, abi, name),
        _ => None,
    }
}

/// The ABI versions with a function that this version lacks, for a better message.
pub(super) fn offered_by_another(host: Host, module: &str, name: &str) -> Option<Abi> {
    [Abi::V0_2_1, Abi::V0_1_0].into_iter().find(|abi| offered(host, *abi, module, name).is_some())
}

/// The type that hosts require of an export, if they look it up.
pub(super) fn wanted(abi: Abi, name: &str) -> Option<Signature> {
    find(CALLBACKS, abi, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_goes_by_the_first_version_it_knows() {
        let of = |names: &[&'static str], host| Abi::of(names.iter().copied(), host);
        let both = ["memory", "proxy_abi_version_0_2_100", "proxy_abi_version_0_2_1"];
        assert_eq!(of(&both, Host::Envoy), Some(Abi::V0_2_1));
        assert_eq!(of(&both, Host::Higress), Some(Abi::V0_2_100));
        assert_eq!(of(&["proxy_abi_version_0_3_0"], Host::Higress), None);
        assert_eq!(of(&["proxy_abi_version_0_2_100"], Host::Envoy), None);
    }

    #[test]
    fn functions_belong_to_hosts_and_versions() {
        let has = |host, abi, name| offered(host, abi, "env", name).is_some();
        assert!(has(Host::Envoy, Abi::V0_2_1, "proxy_get_log_level"));
        assert!(!has(Host::Envoy, Abi::V0_2_0, "proxy_get_log_level"));
        assert!(!has(Host::Envoy, Abi::V0_2_1, "proxy_continue_request"));
        assert!(!has(Host::Envoy, Abi::V0_2_1, "proxy_redis_call"));
        assert!(has(Host::Higress, Abi::V0_2_1, "proxy_redis_call"));
        assert_eq!(offered_by_another(Host::Envoy, "env", "proxy_clear_route_cache"), Some(Abi::V0_1_0));
        assert!(offered(Host::Envoy, Abi::V0_2_1, "wasi_unstable", "fd_write").is_some());
        assert!(offered(Host::Envoy, Abi::V0_2_1, "wasi_snapshot_preview1", "proc_raise").is_none());
        assert_eq!(wanted(Abi::V0_1_0, "proxy_on_request_headers").map(|s| s.params), Some("ii".into()));
        assert_eq!(wanted(Abi::V0_2_1, "proxy_on_request_headers").map(|s| s.params), Some("iii".into()));
    }

    #[test]
    fn the_tables_are_sorted_and_hold_nothing_twice() {
        for rows in [ENV, HIGRESS_ENV, WASI, CALLBACKS] {
            for pair in rows.windows(2) {
                let twice_for_two_versions = pair[0].1 == In::Only0_1_0 && pair[0].0 == pair[1].0;
                assert!(pair[0].0 < pair[1].0 || twice_for_two_versions, "{} {}", pair[0].0, pair[1].0);
            }
        }
    }
}
