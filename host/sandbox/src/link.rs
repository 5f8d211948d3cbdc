//! Linking: which functions the host offers, and saying which ones a plugin lacks.

use wasmtime::{
    Engine,
    component::{Component, HasSelf, InstancePre, Linker, types::ComponentItem},
};

use crate::{bindings::Everything, error::SandboxError, guest::Guest, sandbox::Sandbox};

/// The package whose interfaces plugins import and export.
const PACKAGE: &str = "waystation:plugin/";

/// Said of every other major version.
const KNOWN: &str = "this host knows version 1 of the contract";

/// What this host offers, by interface. `types` has no functions.
const OFFERED: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("log", &["write"]),
    ("config", &["get"]),
    ("clock", &["now"]),
    ("random", &["bytes"]),
    ("secrets", &["placeholder", "hmac", "reveal"]),
    ("http", &["send", "send-all"]),
    ("mail", &["submit"]),
    ("codes", &["take", "give-back"]),
    ("store", &["get", "set", "swap"]),
    ("audience", &["read"]),
];

pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    Everything::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

/// Links a plugin, or names everything that is missing.
pub(crate) fn pre(
    sandbox: &Sandbox,
    component: &Component,
) -> Result<InstancePre<Guest>, SandboxError> {
    let missing = missing(sandbox, component);
    if !missing.is_empty() {
        return Err(SandboxError::MissingImports(missing));
    }
    sandbox
        .linker
        .instantiate_pre(component)
        .map_err(|error| SandboxError::Misfit(format!("{error:#}")))
}

/// Names of the interfaces that a plugin imports.
pub(crate) fn imports(sandbox: &Sandbox, component: &Component) -> Vec<String> {
    component.component_type().imports(&sandbox.engine).map(|(name, _)| name.to_owned()).collect()
}

/// Names of the interfaces that a plugin exports.
pub(crate) fn exports(sandbox: &Sandbox, component: &Component) -> Vec<String> {
    component.component_type().exports(&sandbox.engine).map(|(name, _)| name.to_owned()).collect()
}

/// `mail` of `waystation:plugin/mail@1.0.0`; `None` for an interface of another package or major version.
pub(crate) fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with("1.").then_some(interface)
}

/// Says so if a plugin exports the contract in another major version.
pub(crate) fn other_major(exports: &[String]) -> Option<String> {
    let other =
        exports.iter().find(|export| export.starts_with(PACKAGE) && interface(export).is_none())?;
    Some(format!("it exports {other}, but {KNOWN}"))
}

fn missing(sandbox: &Sandbox, component: &Component) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, item) in component.component_type().imports(&sandbox.engine) {
        let Some(interface) = interface(name) else {
            missing.push(if name.starts_with(PACKAGE) {
                format!("{name} ({KNOWN})")
            } else {
                format!("{name} (a plugin imports nothing but {PACKAGE}*@1; build it without WASI)")
            });
            continue;
        };
        let offered = OFFERED
            .iter()
            .find(|(offered, _)| *offered == interface)
            .map_or(&[][..], |(_, names)| *names);
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            missing.push(format!("{name} (it must be an interface)"));
            continue;
        };
        for (function, item) in instance.exports(&sandbox.engine) {
            if matches!(item.ty, ComponentItem::ComponentFunc(_)) && !offered.contains(&function) {
                missing.push(format!(
                    "{interface}.{function} (this host does not know it; a newer host may)"
                ));
            }
        }
    }
    missing
}
