//! The host calls of proxy-wasm ABI 0.2.1: they find their arguments in the module's memory, ask the host, and leave
//! the answer where the module wants it.
//!
//! Sources: `abi-versions/v0.2.1` of the proxy-wasm specification; where it is silent, proxy-wasm-cpp-host, which Envoy
//! has.

use std::cell::RefMut;

use wasmi::Linker;

use super::memory::{Call, Guest, hand_over, passed, store};
use crate::host::{Answer, MockHost, OutgoingGrpc, OutgoingHttp, Status};

fn host<'c>(call: &'c Call<'_>) -> RefMut<'c, MockHost> {
    call.data().host.borrow_mut()
}

fn status(answer: Answer<()>) -> i32 {
    answer.err().unwrap_or(Status::OK).0.cast_signed()
}

/// Defines functions of the module `env` that return a status.
macro_rules! calls {
    ($linker:ident; $(fn $name:ident($call:ident $(, $argument:ident: $type:ty)*) $body:block)*) => {$(
        $linker.func_wrap("env", stringify!($name), |$call: Call<'_> $(, $argument: $type)*| -> i32 {
            #[allow(unused_mut, reason = "not every call leaves something")]
            let mut $call = $call;
            #[allow(unused_mut, reason = "likewise")]
            let mut answer = || -> Answer<()> { $body };
            status(answer())
        })?;
    )*};
}

/// Defines every host call.
pub(super) fn define(linker: &mut Linker<Guest>) -> Result<(), wasmi::Error> {
    general(linker)?;
    messages(linker)?;
    shared(linker)?;
    call_outs(linker)
}

/// The log, time, and the stream as a whole.
fn general(linker: &mut Linker<Guest>) -> Result<(), wasmi::Error> {
    calls! { linker;
        fn proxy_log(call, level: i32, message: i32, size: i32) {
            let message = passed(&call, message, size)?;
            host(&call).log(level.cast_unsigned(), &message)
        }
        fn proxy_get_log_level(call, at: i32) {
            let level = host(&call).log_level()?;
            store(&mut call, at, &level.to_le_bytes())
        }
        fn proxy_get_current_time_nanoseconds(call, at: i32) {
            let time = host(&call).time()?;
            store(&mut call, at, &time.to_le_bytes())
        }
        fn proxy_set_tick_period_milliseconds(call, period: i32) {
            host(&call).set_tick_period(period.cast_unsigned())
        }
        fn proxy_get_property(call, path: i32, path_size: i32, data: i32, size: i32) {
            let path = passed(&call, path, path_size)?;
            let value = host(&call).property(&path)?;
            hand_over(&mut call, &value, data, size)
        }
        fn proxy_set_property(call, path: i32, path_size: i32, value: i32, value_size: i32) {
            let (path, value) = (passed(&call, path, path_size)?, passed(&call, value, value_size)?);
            host(&call).set_property(&path, &value)
        }
        fn proxy_call_foreign_function(
            call, name: i32, name_size: i32, argument: i32, argument_size: i32, data: i32, size: i32
        ) {
            let (name, argument) = (passed(&call, name, name_size)?, passed(&call, argument, argument_size)?);
            let value = host(&call).call_foreign_function(&name, &argument)?;
            hand_over(&mut call, &value, data, size)
        }
        fn proxy_continue_stream(call, stream: i32) { host(&call).continue_stream(stream.cast_unsigned()) }
        fn proxy_close_stream(call, stream: i32) { host(&call).close_stream(stream.cast_unsigned()) }
        fn proxy_set_effective_context(call, context: i32) {
            host(&call).set_effective_context(context.cast_unsigned())
        }
        fn proxy_done(call) { host(&call).done() }
        fn proxy_get_status(call, code: i32, data: i32, size: i32) {
            let status = host(&call).status()?;
            store(&mut call, code, &status.to_le_bytes())?;
            hand_over(&mut call, &[], data, size)
        }
        // Of ABI 0.1.0, which modules in C++ still import.
        fn proxy_continue_request(call) { host(&call).continue_stream(0) }
        fn proxy_continue_response(call) { host(&call).continue_stream(1) }
        fn proxy_clear_route_cache(call) {
            host(&call).call_foreign_function(b"clear_route_cache", &[]).map(drop)
        }
    }
    Ok(())
}

/// Headers, trailers, bodies and answers.
fn messages(linker: &mut Linker<Guest>) -> Result<(), wasmi::Error> {
    calls! { linker;
        fn proxy_get_buffer_bytes(call, buffer: i32, start: i32, max: i32, data: i32, size: i32) {
            let bytes = host(&call).buffer(buffer.cast_unsigned(), length(start), length(max))?;
            hand_over(&mut call, &bytes, data, size)
        }
        fn proxy_get_buffer_status(call, buffer: i32, size: i32, flags: i32) {
            let bytes = host(&call).buffer(buffer.cast_unsigned(), 0, usize::MAX)?;
            let length = u32::try_from(bytes.len()).map_err(|_| Status::INTERNAL_FAILURE)?;
            store(&mut call, size, &length.to_le_bytes())?;
            store(&mut call, flags, &[0; 4])
        }
        fn proxy_set_buffer_bytes(call, buffer: i32, start: i32, size: i32, data: i32, data_size: i32) {
            let value = passed(&call, data, data_size)?;
            host(&call).set_buffer(buffer.cast_unsigned(), length(start), length(size), &value)
        }
        fn proxy_get_header_map_size(call, map: i32, at: i32) {
            let size = host(&call).header_pairs(map.cast_unsigned())?.len();
            let size = u32::try_from(size).map_err(|_| Status::INTERNAL_FAILURE)?;
            store(&mut call, at, &size.to_le_bytes())
        }
        fn proxy_get_header_map_pairs(call, map: i32, data: i32, size: i32) {
            let pairs = host(&call).header_pairs(map.cast_unsigned())?;
            hand_over(&mut call, &pairs, data, size)
        }
        fn proxy_set_header_map_pairs(call, map: i32, data: i32, size: i32) {
            let pairs = passed(&call, data, size)?;
            host(&call).set_header_pairs(map.cast_unsigned(), &pairs)
        }
        fn proxy_get_header_map_value(call, map: i32, name: i32, name_size: i32, data: i32, size: i32) {
            let name = passed(&call, name, name_size)?;
            let value = host(&call).header(map.cast_unsigned(), &name)?;
            hand_over(&mut call, &value, data, size)
        }
        fn proxy_add_header_map_value(call, map: i32, name: i32, name_size: i32, value: i32, value_size: i32) {
            let (name, value) = (passed(&call, name, name_size)?, passed(&call, value, value_size)?);
            host(&call).add_header(map.cast_unsigned(), &name, &value)
        }
        fn proxy_replace_header_map_value(
            call, map: i32, name: i32, name_size: i32, value: i32, value_size: i32
        ) {
            let (name, value) = (passed(&call, name, name_size)?, passed(&call, value, value_size)?);
            host(&call).replace_header(map.cast_unsigned(), &name, &value)
        }
        fn proxy_remove_header_map_value(call, map: i32, name: i32, name_size: i32) {
            let name = passed(&call, name, name_size)?;
            host(&call).remove_header(map.cast_unsigned(), &name)
        }
        fn proxy_send_local_response(
            call, code: i32, details: i32, details_size: i32, body: i32, body_size: i32, headers: i32,
            headers_size: i32, grpc_status: i32
        ) {
            let (details, body) = (passed(&call, details, details_size)?, passed(&call, body, body_size)?);
            let headers = passed(&call, headers, headers_size)?;
            host(&call).send_local_response(code.cast_unsigned(), &details, &body, &headers, grpc_status)
        }
    }
    Ok(())
}

/// What workers share: data, queues and metrics.
fn shared(linker: &mut Linker<Guest>) -> Result<(), wasmi::Error> {
    calls! { linker;
        fn proxy_get_shared_data(call, key: i32, key_size: i32, data: i32, size: i32, version: i32) {
            let key = passed(&call, key, key_size)?;
            let (value, number) = host(&call).shared_data(&key)?;
            hand_over(&mut call, &value, data, size)?;
            store(&mut call, version, &number.to_le_bytes())
        }
        fn proxy_set_shared_data(call, key: i32, key_size: i32, value: i32, value_size: i32, version: i32) {
            let (key, value) = (passed(&call, key, key_size)?, passed(&call, value, value_size)?);
            host(&call).set_shared_data(&key, &value, version.cast_unsigned())
        }
        fn proxy_register_shared_queue(call, name: i32, name_size: i32, at: i32) {
            let name = passed(&call, name, name_size)?;
            let queue = host(&call).register_queue(&name)?;
            store(&mut call, at, &queue.to_le_bytes())
        }
        fn proxy_resolve_shared_queue(call, vm: i32, vm_size: i32, name: i32, name_size: i32, at: i32) {
            let (vm, name) = (passed(&call, vm, vm_size)?, passed(&call, name, name_size)?);
            let queue = host(&call).resolve_queue(&vm, &name)?;
            store(&mut call, at, &queue.to_le_bytes())
        }
        fn proxy_dequeue_shared_queue(call, queue: i32, data: i32, size: i32) {
            let value = host(&call).dequeue(queue.cast_unsigned())?;
            hand_over(&mut call, &value, data, size)
        }
        fn proxy_enqueue_shared_queue(call, queue: i32, data: i32, size: i32) {
            let value = passed(&call, data, size)?;
            host(&call).enqueue(queue.cast_unsigned(), &value)
        }
        fn proxy_define_metric(call, kind: i32, name: i32, name_size: i32, at: i32) {
            let name = passed(&call, name, name_size)?;
            let metric = host(&call).define_metric(kind.cast_unsigned(), &name)?;
            store(&mut call, at, &metric.to_le_bytes())
        }
        fn proxy_increment_metric(call, metric: i32, offset: i64) {
            host(&call).increment_metric(metric.cast_unsigned(), offset)
        }
        fn proxy_record_metric(call, metric: i32, value: i64) {
            host(&call).record_metric(metric.cast_unsigned(), value.cast_unsigned())
        }
        fn proxy_get_metric(call, metric: i32, at: i32) {
            let value = host(&call).metric(metric.cast_unsigned())?;
            store(&mut call, at, &value.to_le_bytes())
        }
    }
    Ok(())
}

/// Calls to other services.
fn call_outs(linker: &mut Linker<Guest>) -> Result<(), wasmi::Error> {
    calls! { linker;
        fn proxy_http_call(
            call, cluster: i32, cluster_size: i32, headers: i32, headers_size: i32, body: i32, body_size: i32,
            trailers: i32, trailers_size: i32, timeout: i32, at: i32
        ) {
            let (cluster, headers) = (passed(&call, cluster, cluster_size)?, passed(&call, headers, headers_size)?);
            let (body, trailers) = (passed(&call, body, body_size)?, passed(&call, trailers, trailers_size)?);
            let token = host(&call).http_call(OutgoingHttp {
                cluster: &cluster,
                headers: &headers,
                body: &body,
                trailers: &trailers,
                timeout: timeout.cast_unsigned(),
            })?;
            store(&mut call, at, &token.to_le_bytes())
        }
        fn proxy_grpc_call(
            call, service: i32, service_size: i32, service_name: i32, service_name_size: i32, method: i32,
            method_size: i32, metadata: i32, metadata_size: i32, message: i32, message_size: i32, timeout: i32, at: i32
        ) {
            let (service, method) = (passed(&call, service, service_size)?, passed(&call, method, method_size)?);
            let service_name = passed(&call, service_name, service_name_size)?;
            let metadata = passed(&call, metadata, metadata_size)?;
            let message = passed(&call, message, message_size)?;
            let token = host(&call).grpc_call(OutgoingGrpc {
                service: &service,
                service_name: &service_name,
                method: &method,
                metadata: &metadata,
                message: &message,
                timeout: timeout.cast_unsigned(),
            })?;
            store(&mut call, at, &token.to_le_bytes())
        }
        fn proxy_grpc_stream(
            call, service: i32, service_size: i32, service_name: i32, service_name_size: i32, method: i32,
            method_size: i32, metadata: i32, metadata_size: i32, at: i32
        ) {
            let (service, method) = (passed(&call, service, service_size)?, passed(&call, method, method_size)?);
            let service_name = passed(&call, service_name, service_name_size)?;
            let metadata = passed(&call, metadata, metadata_size)?;
            let token = host(&call).grpc_stream(OutgoingGrpc {
                service: &service,
                service_name: &service_name,
                method: &method,
                metadata: &metadata,
                message: &[],
                timeout: 0,
            })?;
            store(&mut call, at, &token.to_le_bytes())
        }
        fn proxy_grpc_send(call, token: i32, message: i32, size: i32, last: i32) {
            let message = passed(&call, message, size)?;
            host(&call).grpc_send(token.cast_unsigned(), &message, last != 0)
        }
        fn proxy_grpc_cancel(call, token: i32) { host(&call).grpc_cancel(token.cast_unsigned()) }
        fn proxy_grpc_close(call, token: i32) { host(&call).grpc_close(token.cast_unsigned()) }
    }
    Ok(())
}

/// Higress's calls to Redis.
#[cfg(feature = "redis")]
pub(super) fn redis(linker: &mut Linker<Guest>) -> Result<(), wasmi::Error> {
    calls! { linker;
        fn proxy_redis_init(
            call, cluster: i32, cluster_size: i32, user: i32, user_size: i32, password: i32, password_size: i32,
            timeout: i32
        ) {
            let (cluster, user) = (passed(&call, cluster, cluster_size)?, passed(&call, user, user_size)?);
            let password = passed(&call, password, password_size)?;
            host(&call).redis_init(&cluster, &user, &password, timeout.cast_unsigned())
        }
        fn proxy_redis_call(call, cluster: i32, cluster_size: i32, command: i32, command_size: i32, at: i32) {
            let (cluster, command) = (passed(&call, cluster, cluster_size)?, passed(&call, command, command_size)?);
            let token = host(&call).redis_call(&cluster, &command)?;
            store(&mut call, at, &token.to_le_bytes())
        }
    }
    Ok(())
}

/// A length or place, which is unsigned.
fn length(number: i32) -> usize {
    usize::try_from(number.cast_unsigned()).unwrap_or(usize::MAX)
}
