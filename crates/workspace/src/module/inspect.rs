//! Reads a module's binary format: its imports and exports with their types, or why it is not a module.

use std::fmt;

use wasmparser::{
    CompositeInnerType, ExternalKind, MemoryType, Parser, Payload, TypeRef, ValType, Validator, WasmFeatures,
    types::TypesRef,
};

/// The features that gateways' engines support, as tested with Envoy 1.40's V8: WebAssembly 2.0 (SIMD, bulk memory, reference
/// types, multiple values, sign extension, saturating conversions) and tail calls.
const FEATURES: WasmFeatures = WasmFeatures::WASM2.union(WasmFeatures::TAIL_CALL);

/// A function's parameters and results, one letter each: `i` i32, `I` i64, `f` f32, `F` f64, `v` v128, `r` a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) params: String,
    pub(super) results: String,
}

impl Signature {
    /// Whether it has a v128, which crashes Envoy in an import or export.
    pub(super) fn has_v128(&self) -> bool {
        self.params.contains('v') || self.results.contains('v')
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_types(f, &self.params)?;
        f.write_str(" -> ")?;
        write_types(f, &self.results)
    }
}

fn write_types(f: &mut fmt::Formatter<'_>, letters: &str) -> fmt::Result {
    let words: Vec<&str> = letters.chars().map(type_name).collect();
    write!(f, "({})", words.join(", "))
}

fn type_name(letter: char) -> &'static str {
    match letter {
        'i' => "i32",
        'I' => "i64",
        'f' => "f32",
        'F' => "f64",
        'v' => "v128",
        _ => "ref",
    }
}

/// An import or export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Function(Signature),
    /// With its first size in bytes.
    Memory(u64),
    /// A table, a global or a tag.
    Other(&'static str),
}

/// An item that the host must provide.
#[derive(Debug, Clone)]
pub(super) struct Import {
    pub(super) module: String,
    pub(super) name: String,
    pub(super) item: Item,
}

/// An item that the host may call or read.
#[derive(Debug, Clone)]
pub(super) struct Export {
    pub(super) name: String,
    pub(super) item: Item,
}

/// A valid module, in the order of its sections.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) imports: Vec<Import>,
    pub(super) exports: Vec<Export>,
}

impl Module {
    /// The export of that name.
    pub(super) fn export(&self, name: &str) -> Option<&Item> {
        self.exports.iter().find(|export| export.name == name).map(|export| &export.item)
    }
}

/// Returns an error with a remedy if `bytes` are not a module that gateways can load.
///
/// # Errors
///
/// What they are instead, or the position of the error.
pub fn validate(bytes: &[u8]) -> Result<(), String> {
    inspect(bytes).map(|_| ())
}

/// Reads and validates `bytes`.
///
/// # Errors
///
/// The bytes are not a valid module: what they are instead, or the position of the error.
pub(super) fn inspect(bytes: &[u8]) -> Result<Module, String> {
    if !bytes.starts_with(b"\0asm\x01\0\0\0") {
        return Err(not_a_module(bytes));
    }
    let types = Validator::new_with_features(FEATURES).validate_all(bytes).map_err(|error| {
        let (message, offset, length) = (error.message(), error.offset(), bytes.len());
        if message.contains("end-of-file") || message.contains("extends past end") {
            format!(
                "unexpected end of file: the section at byte {offset} extends beyond the end at byte {length}; the file is \
                 truncated, build or download it again"
            )
        } else if error.missing_wasm_feature().is_some() {
            format!("{message} (at byte {offset}): build it for WebAssembly 2.0, which gateways load")
        } else {
            format!("{message} (at byte {offset}): the file is damaged, build it again")
        }
    })?;
    items(bytes, types.as_ref()).map_err(|error| error.to_string())
}

fn not_a_module(bytes: &[u8]) -> String {
    let what = match bytes {
        [] => "the file is empty",
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => {
            return "this is a WebAssembly component, and gateways load core modules: build for \
                    wasm32-wasip1, not for wasm32-wasip2"
                .into();
        }
        _ if bytes.len() < 8 && b"\0asm\x01\0\0\0".starts_with(bytes) => {
            "unexpected end of file in the header"
        }
        [0, b'a', b's', b'm', ..] => "this is not version 1 of the WebAssembly binary format",
        [0x1f, 0x8b, ..] => {
            return "this is a gzip archive: unpack the plugin.wasm in it and check that".into();
        }
        [0x7f, b'E', b'L', b'F', ..] => "this is a native program or library (ELF)",
        [b'(', ..] => {
            return "this is WebAssembly text: turn it into a binary, with wat2wasm for example".into();
        }
        _ => "this is not WebAssembly: it does not begin with `\\0asm`",
    };
    format!("{what}; build for the target wasm32-wasip1 and name the .wasm file of that")
}

/// A second pass over the valid bytes, which keeps the order of exports: gateways use the first ABI version that they
/// find.
fn items(bytes: &[u8], types: TypesRef<'_>) -> wasmparser::Result<Module> {
    let mut module = Module { imports: Vec::new(), exports: Vec::new() };
    let mut functions = 0;
    let mut memories = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let item = match import.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                            functions += 1;
                            Item::Function(signature(types, functions - 1))
                        }
                        TypeRef::Memory(memory) => {
                            memories.push(first_size(&memory));
                            Item::Memory(first_size(&memory))
                        }
                        TypeRef::Table(_) => Item::Other("table"),
                        TypeRef::Global(_) => Item::Other("global"),
                        TypeRef::Tag(_) => Item::Other("tag"),
                    };
                    module.imports.push(Import {
                        module: import.module.to_owned(),
                        name: import.name.to_owned(),
                        item,
                    });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    memories.push(first_size(&memory?));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let item = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => {
                            Item::Function(signature(types, export.index))
                        }
                        ExternalKind::Memory => {
                            let index = usize::try_from(export.index).unwrap_or(usize::MAX);
                            Item::Memory(memories.get(index).copied().unwrap_or_default())
                        }
                        ExternalKind::Table => Item::Other("table"),
                        ExternalKind::Global => Item::Other("global"),
                        ExternalKind::Tag => Item::Other("tag"),
                    };
                    module.exports.push(Export { name: export.name.to_owned(), item });
                }
            }
            _ => {}
        }
    }
    Ok(module)
}

fn first_size(memory: &MemoryType) -> u64 {
    memory.initial.saturating_mul(65_536)
}

fn signature(types: TypesRef<'_>, function: u32) -> Signature {
    let of = types.get(types.core_function_at(function)).map(|of| &of.composite_type.inner);
    match of {
        Some(CompositeInnerType::Func(of)) => {
            Signature { params: letters(of.params()), results: letters(of.results()) }
        }
        // The functions of a valid module have function types.
        _ => Signature { params: "r".into(), results: "r".into() },
    }
}

fn letters(types: &[ValType]) -> String {
    types
        .iter()
        .map(|of| match of {
            ValType::I32 => 'i',
            ValType::I64 => 'I',
            ValType::F32 => 'f',
            ValType::F64 => 'F',
            ValType::V128 => 'v',
            ValType::Ref(_) => 'r',
        })
        .collect()
}
