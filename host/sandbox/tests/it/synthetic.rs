//! Plugins made from nothing but WIT: a core module whose functions crash, but for those that every plugin is asked before it
//! does anything. So a plugin can be built against a contract that nobody has written yet.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::WasmType;
use wit_parser::{
    Function, ManglingAndAbi, Resolve, WasmExport, WasmExportKind, WasmImport, WorldId, WorldItem,
    WorldKey,
};

const MANGLING: ManglingAndAbi = ManglingAndAbi::Standard32;
/// Where the answers lie in the plugin's memory.
const MANIFEST: u32 = 1024;
const TRAITS: u32 = 2048;
const TEXTS: u32 = 4096;

/// What a plugin is made of.
pub(crate) struct Synthetic<'a> {
    /// Version of the contract that it is built against, such as `1.1.0`.
    pub(crate) contract: &'a str,
    /// What that version has otherwise than the present one: text of the WIT files, and what stands there instead.
    pub(crate) changes: &'a [(&'a str, &'a str)],
    /// What its world says; `C` stands for the contract's version.
    pub(crate) world: &'a str,
    /// Functions of imported interfaces that it does not call.
    pub(crate) unused: &'a [&'a str],
    /// JSON Schema of its configuration.
    pub(crate) schema: &'a str,
}

impl Default for Synthetic<'_> {
    fn default() -> Self {
        Self {
            contract: "1.0.0",
            changes: &[],
            world: "export waystation:plugin/plugin@C; export waystation:plugin/channel@C;",
            unused: &[],
            schema: "",
        }
    }
}

impl Synthetic<'_> {
    /// The component.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let folder = tempfile::tempdir().expect("a folder can be made");
        self.write_contract(folder.path());
        resolve.push_path(folder.path()).expect("the changed contract is WIT");
        let world = self.world.replace("@C", &format!("@{}", self.contract));
        let package = resolve
            .push_str("test.wit", &format!("package a:test; world test {{ {world} }}"))
            .expect("the world is WIT");
        let world = resolve.select_world(&[package], None).expect("there is one world");
        let mut module = self.module(&resolve, world);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .expect("the module takes its description");
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|encoder| encoder.encode())
            .expect("the module makes a component")
    }

    fn write_contract(&self, folder: &Path) {
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut applied = vec![false; self.changes.len()];
        for entry in std::fs::read_dir(contract).expect("the contract is there") {
            let path = entry.expect("it can be listed").path();
            let mut text = std::fs::read_to_string(&path).expect("WIT is text").replace(
                "package waystation:plugin@1.0.0;",
                &format!("package waystation:plugin@{};", self.contract),
            );
            for ((from, to), applied) in self.changes.iter().zip(&mut applied) {
                *applied |= text.contains(from);
                text = text.replace(from, to);
            }
            std::fs::write(folder.join(path.file_name().expect("a file has a name")), text)
                .expect("it can be copied");
        }
        assert_eq!(applied, vec![true; self.changes.len()], "the contract has not what is changed");
    }

    fn module(&self, resolve: &Resolve, world: WorldId) -> Vec<u8> {
        let mut text = String::from("(module\n");
        let world = &resolve.worlds[world];
        for (interface, function) in functions(resolve, &world.imports) {
            if self.unused.contains(&function.name.as_str()) {
                continue;
            }
            let import = WasmImport::Func { interface: Some(interface), func: function };
            let (module, name) = resolve.wasm_import_name(MANGLING, import);
            let signature = resolve.wasm_signature(MANGLING.import_variant(), function);
            let types = types(&signature.params, &signature.results);
            text += &format!("(import {module:?} {name:?} (func{types}))\n");
        }
        for (interface, function) in functions(resolve, &world.exports) {
            let export = WasmExport::Func {
                interface: Some(interface),
                func: function,
                kind: WasmExportKind::Normal,
            };
            let name = resolve.wasm_export_name(MANGLING, export);
            let signature = resolve.wasm_signature(MANGLING.export_variant(), function);
            let types = types(&signature.params, &signature.results);
            let body = match function.name.as_str() {
                "describe" => format!("i32.const {MANIFEST}"),
                "get-traits" => format!("i32.const {TRAITS}"),
                _ => "unreachable".to_owned(),
            };
            text += &format!("(func (export {name:?}){types} {body})\n");
        }
        text += "(memory (export \"cm32p2_memory\") 4)\n\
                 (func (export \"cm32p2_realloc\") (param i32 i32 i32 i32) (result i32) i32.const 131072)\n\
                 (func (export \"cm32p2_initialize\"))\n";
        for (address, bytes) in self.memory() {
            let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            text += &format!("(data (i32.const {address}) \"{bytes}\")\n");
        }
        text += ")";
        wat::parse_str(&text).expect("the module is text of WebAssembly")
    }

    /// The answers, as the canonical ABI lays records out.
    fn memory(&self) -> Vec<(u32, Vec<u8>)> {
        let mut texts = Vec::new();
        let mut text = |value: &str| {
            let address = TEXTS + u32::try_from(texts.len()).expect("it is short");
            texts.extend(value.as_bytes());
            let length = u32::try_from(value.len()).expect("it is short");
            [address.to_le_bytes(), length.to_le_bytes()].concat()
        };
        let nothing = [0; 8].to_vec();
        let manifest = [
            text("synthetic"),
            text("1.0.0"),
            text("Synthetic"),
            text(""),
            text(""),
            text(""),
            text(self.schema),
            nothing.clone(),
            nothing.clone(),
        ]
        .concat();
        // Of a channel: address, contents, max-batch, dedupe-window, finds, reports, extras.
        let traits = [
            text("phone"),
            nothing.clone(),
            [7, 0, 0, 0, 0, 0, 0, 0].to_vec(),
            [0; 16].to_vec(),
            [0; 4].to_vec(),
            nothing,
            [0; 4].to_vec(),
        ]
        .concat();
        vec![(MANIFEST, manifest), (TRAITS, traits), (TEXTS, texts)]
    }
}

/// Functions of the interfaces that a world imports, or exports.
fn functions<'a>(
    resolve: &'a Resolve,
    items: impl IntoIterator<Item = (&'a WorldKey, &'a WorldItem)>,
) -> impl Iterator<Item = (&'a WorldKey, &'a Function)> {
    items.into_iter().flat_map(|(key, item)| {
        let interface = match item {
            WorldItem::Interface { id, .. } => Some(&resolve.interfaces[*id]),
            _ => None,
        };
        interface.into_iter().flat_map(|one| one.functions.values()).map(move |one| (key, one))
    })
}

fn types(params: &[WasmType], results: &[WasmType]) -> String {
    let list = |word: &str, types: &[WasmType]| {
        let names: Vec<&str> = types
            .iter()
            .map(|one| match one {
                WasmType::I64 | WasmType::PointerOrI64 => "i64",
                WasmType::F32 => "f32",
                WasmType::F64 => "f64",
                WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
            })
            .collect();
        if names.is_empty() { String::new() } else { format!(" ({word} {})", names.join(" ")) }
    };
    format!("{}{}", list("param", params), list("result", results))
}
