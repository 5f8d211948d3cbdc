//! A small key-value store of the connection's own, shared by all its calls.

use crate::bindings::host::waystation::plugin::store;

pub use crate::bindings::host::waystation::plugin::store::Error;

/// Values of the keys, in order; `None` for those that have none.
///
/// # Errors
/// The store could not be read, or more than 1,000 keys were asked for.
pub fn get(keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
    store::get(keys)
}

/// Sets or, with `None`, deletes values: all of them or, on an error, none. Keys have at most 256 bytes, values 64 KiB.
///
/// # Errors
/// Something is too large, the connection's space is used up, or the store could not be written.
pub fn set(entries: &[(String, Option<Vec<u8>>)]) -> Result<(), Error> {
    store::set(entries)
}

/// Sets a value if the present one equals `old`; says whether it did.
///
/// # Errors
/// As [`set`].
pub fn swap(key: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool, Error> {
    store::swap(key, old, new)
}
