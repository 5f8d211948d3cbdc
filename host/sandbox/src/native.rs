//! The one place that trusts bytes from disk as machine code.

#![allow(
    unsafe_code,
    reason = "wasmtime cannot check serialised machine code, so its loading is unsafe"
)]

use wasmtime::{Engine, component::Component};

use crate::cache::Trusted;

/// Turns compiled code back into a component.
pub(crate) fn deserialize(engine: &Engine, code: &Trusted) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what `Engine::precompile_component` gave. `Trusted` is only made by the cache, from a
    // file that it wrote itself (its header holds the SHA-256 of what follows), in a folder and a file that nobody but
    // the owner can write to, or from bytes that were compiled a moment ago. The engine checks version and settings.
    unsafe { Component::deserialize(engine, code.bytes()) }
}
