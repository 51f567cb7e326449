;; A filter that changes nothing and tells everything: between two plug-ins, it logs what passes. One line for each
;; callback:
;;
;;   <what> <end of stream> <nanoseconds> <size> <content in hex> <the plug-in's own report in hex>
;;
;; What is `h`, `b` or `t` for headers, body and trailers of the request, in capitals for the response. The content of
;; headers is the ABI's list of pairs. All callbacks return 0, Continue, and nothing is ever written to the host.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))

  ;; 0: the property's name. 64: results of host calls (address, size, time). 64 KiB: the line. 4 MiB: what the host
  ;; allocates, from the beginning again in each callback.
  (memory (export "memory") 128)
  (data (i32.const 0) "portcullis.trace")
  (global $line (mut i32) (i32.const 0))
  (global $free (mut i32) (i32.const 0))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))

  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $free))
    ;; More than there is room for: the host gives up the call, and the line goes without.
    (if (i32.gt_u (local.get $size) (i32.sub (i32.const 8388608) (local.get $at)))
      (then (return (i32.const 0))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func $byte (param $byte i32)
    (i32.store8 (global.get $line) (local.get $byte))
    (global.set $line (i32.add (global.get $line) (i32.const 1))))

  (func $digit (param $digit i32)
    (call $byte (i32.add (local.get $digit)
      (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get $digit) (i32.const 9))))))

  ;; A space, and a number in decimal.
  (func $number (param $number i64)
    (call $byte (i32.const 32))
    (call $digits (local.get $number)))
  (func $digits (param $number i64)
    (if (i64.gt_u (local.get $number) (i64.const 9))
      (then (call $digits (i64.div_u (local.get $number) (i64.const 10)))))
    (call $digit (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))

  ;; A space, and what the last host call has left at 64 and 68; nothing where it failed.
  (func $hex (param $status i32)
    (local $at i32) (local $end i32)
    (call $byte (i32.const 32))
    (if (local.get $status) (then (return)))
    (local.set $at (i32.load (i32.const 64)))
    (local.set $end (i32.add (local.get $at) (i32.load (i32.const 68))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (call $digit (i32.shr_u (i32.load8_u (local.get $at)) (i32.const 4)))
        (call $digit (i32.and (i32.load8_u (local.get $at)) (i32.const 15)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))

  ;; The line up to its content.
  (func $begin (param $what i32) (param $end i32) (param $size i32)
    (global.set $line (i32.const 65536))
    (global.set $free (i32.const 4194304))
    (call $byte (local.get $what))
    (call $number (i64.extend_i32_u (local.get $end)))
    (drop (call $time (i32.const 72)))
    (call $number (i64.load (i32.const 72)))
    (call $number (i64.extend_i32_u (local.get $size))))

  ;; The line from its content on, at level info.
  (func $end (result i32)
    (call $hex (call $property (i32.const 0) (i32.const 16) (i32.const 64) (i32.const 68)))
    (drop (call $log (i32.const 2) (i32.const 65536) (i32.sub (global.get $line) (i32.const 65536))))
    (i32.const 0))

  (func $fields (param $what i32) (param $map i32) (param $end i32) (result i32)
    (call $begin (local.get $what) (local.get $end) (i32.const 0))
    (call $hex (call $pairs (local.get $map) (i32.const 64) (i32.const 68)))
    (call $end))

  ;; Of a body at most 1 MiB at once.
  (func $body (param $what i32) (param $kind i32) (param $size i32) (param $end i32) (result i32)
    (call $begin (local.get $what) (local.get $end) (local.get $size))
    (call $hex (call $buffer (local.get $kind) (i32.const 0)
      (select (local.get $size) (i32.const 1048576) (i32.lt_u (local.get $size) (i32.const 1048576)))
      (i32.const 64) (i32.const 68)))
    (call $end))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $fields (i32.const 104) (i32.const 0) (local.get 2)))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (call $body (i32.const 98) (i32.const 0) (local.get 1) (local.get 2)))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
    (call $fields (i32.const 116) (i32.const 1) (i32.const 1)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $fields (i32.const 72) (i32.const 2) (local.get 2)))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (call $body (i32.const 66) (i32.const 1) (local.get 1) (local.get 2)))
  (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
    (call $fields (i32.const 84) (i32.const 3) (i32.const 1)))
)
