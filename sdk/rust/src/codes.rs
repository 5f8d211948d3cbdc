//! Pools of imported coupon codes.

use crate::bindings::host::waystation::plugin::codes;
use crate::values::SOON;
use crate::{Failure, Problem, coupon};

pub use crate::bindings::host::waystation::plugin::codes::Error;

const NOT_GRANTED: &str = "the connection may not use this pool; grant it to the connection";

/// Takes one code for each key, in order; `None` for keys that came after the pool was empty. A key that took a code before
/// gets the same one again.
///
/// # Errors
/// The pool could not be used, and nothing was taken.
///
/// # Panics
/// The host ends the call if there are more than 1,000 keys.
pub fn take(pool: &str, keys: &[String]) -> Result<Vec<Option<String>>, Error> {
    codes::take(pool, keys)
}

/// Returns the codes taken under these keys to the pool. Keys that hold none are passed over.
///
/// # Errors
/// The pool could not be used, and nothing was given back.
pub fn give_back(pool: &str, keys: &[String]) -> Result<(), Error> {
    codes::give_back(pool, keys)
}

/// Says for `check` that the pool, named at this place in the configuration, cannot be used.
#[must_use]
pub fn problem(path: &str, error: Error) -> Problem {
    match error {
        Error::NotGranted => Problem::new(path, NOT_GRANTED),
        Error::Unavailable(detail) => {
            Problem::new(path, format!("the pool is not available: {detail}"))
        }
    }
}

/// Not granted: refused. Unavailable: deferred for a minute, because nothing was changed.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted => Failure::refused(NOT_GRANTED),
            Error::Unavailable(detail) => {
                Failure::deferred(SOON, format!("the pool is not available: {detail}"))
            }
        }
    }
}

/// As for [`Failure`].
impl From<Error> for coupon::Failure {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}
