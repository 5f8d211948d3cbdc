//! Reading customers that match a condition, with the fields that the operator granted.

use crate::bindings::host::waystation::plugin::audience;

pub use crate::bindings::host::waystation::plugin::audience::{Error, Member, Page};

/// Customers that match a CEL condition, in the order of their identifiers. `after` is [`Page::next`] of the part before,
/// `limit` is bounded to 1 .. 10,000.
///
/// # Errors
/// The connection may not read customers, the condition is not valid, or they could not be read.
pub fn read(condition: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
    audience::read(condition, after, limit)
}
