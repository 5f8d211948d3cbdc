//! Module to component, and the check against the contract.

use wit_component::{ComponentEncoder, DecodedWasm};

use crate::BuildError;

/// What a component must export to be of any use, beside `plugin` itself.
const KINDS: [&str; 4] = ["channel", "trigger-source", "coupon", "action"];

/// Wraps the core module of the crate `name` into a component that keeps to the contract.
pub(crate) fn component_from(name: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encode = || ComponentEncoder::default().validate(true).module(module)?.encode();
    let component = encode().map_err(|error| BuildError::Componentize {
        name: name.to_owned(),
        detail: format!("{error:#}"),
    })?;
    let problems = problems(&component)
        .map_err(|detail| BuildError::Componentize { name: name.to_owned(), detail })?;
    if problems.is_empty() {
        Ok(component)
    } else {
        Err(BuildError::Contract { name: name.to_owned(), problems })
    }
}

/// What the component imports and exports that it should not, and what it should export and does not.
fn problems(component: &[u8]) -> Result<Vec<String>, String> {
    let decoded = wit_component::decode(component).map_err(|error| format!("{error:#}"))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("it is a package of WIT, not a component".to_owned());
    };
    let world = &resolve.worlds[world];
    let names = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>();
    let imports = names(&mut world.imports.keys().map(|key| resolve.name_world_key(key)));
    let exports = names(&mut world.exports.keys().map(|key| resolve.name_world_key(key)));

    let mut problems = Vec::new();
    for import in imports.iter().filter(|import| interface_of_contract(import).is_none()) {
        problems.push(format!(
            "it imports `{import}`; a plugin may import only `waystation:plugin/…@1.x`"
        ));
    }
    let exported: Vec<&str> =
        exports.iter().filter_map(|export| interface_of_contract(export)).collect();
    if !exported.contains(&"plugin") {
        problems.push("it does not export `waystation:plugin/plugin`".to_owned());
    }
    if !KINDS.iter().any(|kind| exported.contains(kind)) {
        problems.push(format!(
            "it exports none of {}; without one of them it can do nothing",
            KINDS.join(", ")
        ));
    }
    Ok(problems)
}

/// `clock` of `waystation:plugin/clock@1.0.0`, if the package is the contract in its first major version.
fn interface_of_contract(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix("waystation:plugin/")?.split_once('@')?;
    version.starts_with("1.").then_some(interface)
}

#[cfg(test)]
mod tests {
    use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
    use wit_parser::{ManglingAndAbi, Resolve};

    use super::*;

    /// Makes a component of a world that does nothing, and compares what is said of it.
    #[track_caller]
    fn check(world: &str, expected: &str) {
        let mut resolve = Resolve::default();
        resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
        let foreign = "package foreign:thing@1.0.0; interface api { call: func(); }";
        resolve.push_str("foreign.wit", foreign).unwrap();
        let later = "package waystation:plugin@2.0.0; interface channel { send: func(); }";
        resolve.push_str("later.wit", later).unwrap();
        let package = resolve
            .push_str("test.wit", &format!("package a:test; world test {{ {world} }}"))
            .unwrap();
        let world = resolve.select_world(&[package], None).unwrap();

        let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        let said = component_from("sample", &module)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert_eq!(said, expected);
    }

    #[test]
    fn each_kind_is_a_plugin() {
        for kind in KINDS {
            check(
                &format!(
                    "export waystation:plugin/plugin@1.0.0; export waystation:plugin/{kind}@1.0.0;"
                ),
                "",
            );
        }
    }

    #[test]
    fn every_import_of_the_contract_may_be_used() {
        check(
            "include waystation:plugin/channel-plugin@1.0.0; include waystation:plugin/coupon-plugin@1.0.0;",
            "",
        );
    }

    #[test]
    fn what_is_off_is_named() {
        check(
            "include waystation:plugin/action-plugin@1.0.0; import foreign:thing/api@1.0.0;",
            "sample does not keep to the plugin contract:\n\
             - it imports `foreign:thing/api@1.0.0`; a plugin may import only `waystation:plugin/…@1.x`",
        );
        check(
            "export waystation:plugin/plugin@1.0.0;",
            "sample does not keep to the plugin contract:\n\
             - it exports none of channel, trigger-source, coupon, action; without one of them it can do nothing",
        );
        check(
            "export waystation:plugin/plugin@1.0.0; export waystation:plugin/channel@2.0.0; import call: func();",
            "sample does not keep to the plugin contract:\n\
             - it imports `call`; a plugin may import only `waystation:plugin/…@1.x`\n\
             - it exports none of channel, trigger-source, coupon, action; without one of them it can do nothing",
        );
        check(
            "export waystation:plugin/coupon@1.0.0;",
            "sample does not keep to the plugin contract:\n- it does not export `waystation:plugin/plugin`",
        );
    }
}
