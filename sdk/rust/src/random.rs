//! Randomness fit for secrets.

use crate::bindings::host::waystation::plugin::random;

/// Random bytes from the operating system.
///
/// # Panics
/// The host ends the call if more than 65,536 are asked for at once.
#[must_use]
pub fn bytes(length: u32) -> Vec<u8> {
    random::bytes(length)
}
