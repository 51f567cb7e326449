;; What it costs to pass a consumer on, and nothing else: reads all headers, and sets the property and the header of an
;; authentication plug-in for every request, without looking at it.
;; Not a floor that a plug-in could come under: memory is handed out at the same place again and again.
;;
;;   cargo xtask bench key-auth --engine envoy --against crates/bench/floors/consumer.wat
(module
  (import "env" "proxy_get_header_map_pairs" (func $all (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value"
    (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "portcullis.consumer")
  (data (i32.const 48) "consumer-7")
  (data (i32.const 64) "x-mse-consumer")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
  (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $all (i32.const 0) (i32.const 96) (i32.const 100)))
    (drop (call $set_property (i32.const 16) (i32.const 19) (i32.const 48) (i32.const 10)))
    (drop (call $set (i32.const 0) (i32.const 64) (i32.const 14) (i32.const 48) (i32.const 10)))
    i32.const 0)
  (func (export "proxy_on_delete") (param i32)))
