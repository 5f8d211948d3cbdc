//! What can go wrong, seen from outside.

use std::time::Duration;

use crate::release::Kind;

/// Why the sandbox could not be made, a plugin not be loaded, or a connection not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The options are out of bounds.
    #[error("the sandbox cannot be started: {0}")]
    Options(String),
    /// wasmtime cannot run on this machine.
    #[error("no WebAssembly engine can be started on this machine: {0}")]
    Engine(String),
    /// The folder for compiled code cannot be used.
    #[error(
        "compiled plugins cannot be kept in {folder}: {detail}; choose another folder, or let only the server's user write to it"
    )]
    Cache {
        /// The folder as it was given.
        folder: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The file is larger than plugins may be.
    #[error(
        "the plugin has {bytes} bytes, more than the {limit} allowed; strip debug information and names from it"
    )]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// Largest size.
        limit: usize,
    },
    /// The bytes do not begin like WebAssembly.
    #[error("the file is not WebAssembly; give the .wasm file that `waystation plugin build` made")]
    NotWasm,
    /// The bytes are a core module.
    #[error(
        "the file is a core WebAssembly module, not a component; build it with `waystation plugin build`"
    )]
    CoreModule,
    /// The component is broken, or uses what is not switched on here.
    #[error("the component does not compile: {0}; it may be truncated, so build or copy it again")]
    Invalid(String),
    /// The component needs functions that are not there.
    #[error("the plugin imports what this host does not offer: {}", .0.join("; "))]
    MissingImports(Vec<String>),
    /// An import or export has another shape than the contract gives it.
    #[error("the plugin does not fit the contract: {0}; build it against waystation:plugin@1.0.0")]
    Misfit(String),
    /// The component does not say who it is.
    #[error("the component does not export waystation:plugin/plugin, which every plugin must")]
    NoPlugin,
    /// The component is of no kind.
    #[error(
        "the plugin exports no kind; it must export at least one of channel, trigger-source, coupon and action of waystation:plugin"
    )]
    NoKind,
    /// `describe` failed.
    #[error("the plugin could not describe itself: {0}")]
    Describe(#[source] CallError),
    /// `describe` answered outside the contract.
    #[error("the plugin's manifest is not valid: {0}")]
    Manifest(String),
    /// The connection's settings are out of bounds.
    #[error("the connection {connection} cannot be set up: {detail}")]
    Settings {
        /// Name of the connection.
        connection: String,
        /// What is wrong and what is allowed.
        detail: String,
    },
    /// The mail relay's URL is not understood.
    #[error(
        "the mail relay is not usable: {0}; give smtp://[user:password@]host[:port][?tls=none|opportunistic|required], smtps://... or file:///folder"
    )]
    Relay(String),
}

/// Why a call to a plugin gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The plugin is not of the kind that was asked for. The call did not begin.
    #[error("the plugin is not a {0}")]
    NotExported(Kind),
    /// Too many calls were running for too long. The call did not begin.
    #[error(
        "no sandbox was free within {0:?}; the connection's or the host's concurrency is used up"
    )]
    Busy(Duration),
    /// The sandbox could not be set up. The call did not begin.
    #[error("the plugin could not be started: {0}")]
    Start(String),
    /// The call took longer than the connection allows.
    #[error("the plugin took longer than the {0:?} that the connection allows")]
    Timeout(Duration),
    /// The plugin asked for more memory than the connection allows.
    #[error("the plugin needs more memory than the {0} bytes that the connection allows")]
    Memory(u64),
    /// The plugin handed over more data at once than the connection allows.
    #[error("the plugin hands over more than the {0} bytes at once that the connection allows")]
    TooMuchData(usize),
    /// The plugin crashed.
    #[error("the plugin crashed: {0}")]
    Trap(String),
    /// The plugin answered something that the contract forbids.
    #[error("the plugin's answer breaks the contract: {0}")]
    Answer(String),
    /// The plugin itself says that it cannot answer.
    #[error("the plugin says: {0}")]
    Plugin(String),
}

impl CallError {
    /// The cause in a word, for counting.
    #[must_use]
    pub fn cause(&self) -> &'static str {
        match self {
            Self::NotExported(_) => "not_exported",
            Self::Busy(_) => "busy",
            Self::Start(_) => "start",
            Self::Timeout(_) => "timeout",
            Self::Memory(_) => "memory",
            Self::TooMuchData(_) => "too_much_data",
            Self::Trap(_) => "trap",
            Self::Answer(_) => "answer",
            Self::Plugin(_) => "plugin",
        }
    }

    /// Whether the plugin's function may have begun, and so may have had an effect.
    #[must_use]
    pub fn began(&self) -> bool {
        !matches!(self, Self::NotExported(_) | Self::Busy(_) | Self::Start(_))
    }
}
