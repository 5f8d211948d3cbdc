//! The generated bindings. Nothing outside this crate names this module but the export macros.
//!
//! Each kind has a module of its own, made from a world of its own, so that a plugin exports only the kinds it names and
//! may name several: the worlds of one component are merged when it is made. The types that interfaces share exist once,
//! in [`host`]. The crate in `bindgen/` writes these files, and `tests/bindings.rs` notices when the contract has
//! moved on.

/// The imports, and the `plugin` interface that every component exports.
#[rustfmt::skip]
pub mod host;

#[rustfmt::skip]
pub mod action;
#[rustfmt::skip]
pub mod channel;
#[rustfmt::skip]
pub mod coupon;
#[rustfmt::skip]
pub mod trigger_source;
