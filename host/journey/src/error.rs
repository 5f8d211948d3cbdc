//! What can go wrong while a journey runs.

use thiserror::Error;

/// An expression could not be evaluated for this customer and event. `path` says where it stands in the journey file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A field that the expression reads is not there.
    #[error("{path}: there is no `{field}`; ask `has(…)` before reading what may be absent")]
    Absent {
        /// Where the expression stands.
        path: String,
        /// The field.
        field: String,
    },
    /// The value is of a type that is of no use there.
    #[error("{path}: the expression gives a value of type {found} where {expected} is needed")]
    Type {
        /// Where the expression stands.
        path: String,
        /// What is needed.
        expected: &'static str,
        /// The CEL type of the value.
        found: String,
    },
    /// The value is larger than what may be kept.
    #[error(
        "{path}: the value is longer than {limit} bytes; keep something shorter, such as an identifier"
    )]
    TooLong {
        /// Where the expression stands.
        path: String,
        /// The bound in bytes.
        limit: usize,
    },
    /// The expression's macros take too many turns.
    #[error(
        "{path}: the expression takes more than {limit} turns over lists; look at fewer values"
    )]
    TooLongRunning {
        /// Where the expression stands.
        path: String,
        /// The bound in turns.
        limit: u32,
    },
    /// `last` or `days_since` of an event that never happened to the customer.
    #[error(
        "{path}: no event `{event}` of the customer is known; ask `count(\"{event}\", \"3650d\") > 0` before"
    )]
    Unhappened {
        /// Where the expression stands.
        path: String,
        /// The event's name.
        event: String,
    },
    /// Anything else: a division by zero, an operator that does not take these types.
    #[error("{path}: {detail}")]
    Failed {
        /// Where the expression stands.
        path: String,
        /// What CEL says.
        detail: String,
    },
}
