//! A module that counts its allocations: in a global that it exports, raised where its allocator begins.
//!
//! The allocator is what `proxy_on_memory_allocate` (or `malloc`) calls, or is: Rust's on `wasm32-wasip1`, and C's, is
//! wasi-libc's `malloc`. A reallocation counts when it moves.

use anyhow::{Context, Result};
use testkit::wasm::ALLOCATIONS;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, GlobalSection, GlobalType, Instruction,
};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef};

/// What of a module says where to count.
#[derive(Default)]
struct Layout {
    /// Imported functions and globals come first in their index spaces.
    functions: u32,
    globals: u32,
    /// What the host allocates with.
    entry: Option<u32>,
    allocator: Option<u32>,
}

/// The module, counting. None for one whose allocator is not found.
pub(crate) fn counting(module: &[u8]) -> Result<Option<Vec<u8>>> {
    let layout = layout(module).context("looking for the allocator")?;
    let Some(allocator) = layout.allocator else { return Ok(None) };
    let mut counting = Counting { next: layout.functions, global: layout.globals, allocator };
    let mut out = wasm_encoder::Module::new();
    counting.parse_core_module(&mut out, Parser::new(0), module).context("counting allocations")?;
    Ok(Some(out.finish()))
}

fn layout(module: &[u8]) -> Result<Layout> {
    let mut layout = Layout::default();
    let mut next = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    match import?.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => layout.functions += 1,
                        TypeRef::Global(_) => layout.globals += 1,
                        _ => {}
                    }
                }
                next = layout.functions;
            }
            Payload::GlobalSection(section) => layout.globals += section.count(),
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let allocates = matches!(export.name, "proxy_on_memory_allocate" | "malloc");
                    if allocates && export.kind == ExternalKind::Func {
                        layout.entry = Some(export.index);
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                if layout.entry == Some(next) {
                    layout.allocator = allocator(next, &body)?;
                }
                next += 1;
            }
            _ => {}
        }
    }
    Ok(layout)
}

/// What an export for allocating calls: another function, if only one, or nothing because it is the allocator.
fn allocator(own: u32, body: &FunctionBody<'_>) -> Result<Option<u32>> {
    let mut called = Vec::new();
    for operator in body.get_operators_reader()? {
        if let Operator::Call { function_index } = operator? {
            called.push(function_index);
        }
    }
    called.sort_unstable();
    called.dedup();
    Ok(match called.as_slice() {
        [] => Some(own),
        [one] => Some(*one),
        _ => None,
    })
}

/// Copies a module and counts the calls of one function.
struct Counting {
    /// The number of the next function with a body.
    next: u32,
    /// The number of the counter.
    global: u32,
    allocator: u32,
}

impl Reencode for Counting {
    type Error = std::convert::Infallible;

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_global_section(self, globals, section)?;
        let kind = GlobalType { val_type: wasm_encoder::ValType::I64, mutable: true, shared: false };
        globals.global(kind, &ConstExpr::i64_const(0));
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_export_section(self, exports, section)?;
        exports.export(ALLOCATIONS, ExportKind::Global, self.global);
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Error> {
        let number = self.next;
        self.next += 1;
        if number != self.allocator {
            return utils::parse_function_body(self, code, body);
        }
        let mut function = self.new_function_with_parsed_locals(&body)?;
        for instruction in [
            Instruction::GlobalGet(self.global),
            Instruction::I64Const(1),
            Instruction::I64Add,
            Instruction::GlobalSet(self.global),
        ] {
            function.instruction(&instruction);
        }
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            function.instruction(&self.parse_instruction(&mut reader)?);
        }
        code.function(&function);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"(module
        (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
        (global i32 (i32.const 1))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (call 2 (local.get 0)))
        (func (param i32) (result i32) (i32.const 7))
        (func (export "three") (drop (call 2 (i32.const 1))) (drop (call 1 (i32.const 1))) (drop (call 2 (i32.const 1)))))"#;

    #[test]
    fn what_the_allocating_export_calls_is_counted() {
        let counting = counting(&wat::parse_str(MODULE).unwrap()).unwrap().unwrap();
        wasmparser::Validator::new().validate_all(&counting).unwrap();
        let raised = raised_by(&counting);
        // Raised in the allocator alone.
        assert_eq!(raised, [(2, 1)]);
    }

    #[test]
    fn a_module_without_an_allocator_is_not_counted() {
        let module = wat::parse_str(r#"(module (func (export "other")))"#).unwrap();
        assert!(counting(&module).unwrap().is_none());
    }

    /// The functions that raise the global, and which.
    fn raised_by(module: &[u8]) -> Vec<(u32, u32)> {
        let mut raising = Vec::new();
        let mut number = 1;
        for payload in Parser::new(0).parse_all(module) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                for operator in body.get_operators_reader().unwrap() {
                    if let Operator::GlobalSet { global_index } = operator.unwrap() {
                        raising.push((number, global_index));
                    }
                }
                number += 1;
            }
        }
        raising
    }
}
