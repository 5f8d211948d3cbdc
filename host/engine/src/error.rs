//! What can go wrong in the engine.

use thiserror::Error;
use waystation_sandbox::{CallError, SandboxError};
use waystation_store::StoreError;

/// Why the engine could not do what it was asked.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The database failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A plugin could not be loaded or set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A call to a plugin failed.
    #[error("connection {connection}: {error}")]
    Call {
        /// The connection's name.
        connection: String,
        /// What happened.
        #[source]
        error: CallError,
    },
    /// What was handed over is not valid; the text says what, where and how to mend it.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for does not exist.
    #[error("there is no {0}")]
    Missing(String),
    /// It does not fit what is there; nothing changed.
    #[error("{0}")]
    Conflict(String),
    /// A file of the data folder cannot be read or written.
    #[error("cannot access {path}: {error}")]
    File {
        /// Its path.
        path: String,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// Too much is waiting already.
    #[error("too many events are waiting; send these again in {after_s} s")]
    Overloaded {
        /// Seconds after which there should be room.
        after_s: u64,
    },
}
