//! The time of day.

use crate::Timestamp;
use crate::bindings::host::waystation::plugin::clock;

/// Now, in milliseconds since 1970-01-01T00:00:00Z. It never runs backwards within one call of the host.
#[must_use]
pub fn now() -> Timestamp {
    clock::now()
}
