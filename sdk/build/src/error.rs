use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Toolchain;

/// Why a plugin was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds no crate that can become a plugin.
    #[error("{} is not a plugin: {detail}", dir.display())]
    NotAPlugin {
        /// The folder that was asked for.
        dir: PathBuf,
        /// What is missing and how to add it.
        detail: String,
    },

    /// `WAYSTATION_GUEST_TOOLCHAIN` holds an unknown word.
    #[error(
        "WAYSTATION_GUEST_TOOLCHAIN is `{value}`; use `installed`, `rustup` or `distribution`, or unset it"
    )]
    UnknownToolchain {
        /// What the variable holds.
        value: String,
    },

    /// No toolchain can compile for `wasm32-unknown-unknown`.
    #[error(
        "no Rust toolchain here can compile plugins for wasm32-unknown-unknown:{}",
        list(attempts)
    )]
    NoToolchain {
        /// What was tried and why it did not serve, in the order tried; the reason says what would mend it.
        attempts: Vec<(Toolchain, String)>,
    },

    /// A program could not be started.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A program did not end in time and was stopped.
    #[error("`{command}` did not end within {} s and was stopped; run it by hand to see what it waits for", limit.as_secs())]
    TimedOut {
        /// The command line.
        command: String,
        /// How long it was given.
        limit: Duration,
    },

    /// Cargo could not read the plugin's workspace.
    #[error("cargo cannot read the workspace of {}:\n{output}", dir.display())]
    Workspace {
        /// The plugin's folder.
        dir: PathBuf,
        /// What cargo said.
        output: String,
    },

    /// The crate does not compile.
    #[error("{crates} did not compile:\n{output}")]
    Compile {
        /// Names of the crates that were asked for.
        crates: String,
        /// What cargo and the compiler said, at most 256 KiB of it.
        output: String,
    },

    /// The module cannot become a component.
    #[error(
        "{name} compiled, but cannot become a component: {detail}\n\
         a plugin exports itself with one of the `export_…!` macros of waystation-sdk, and calls nothing but that crate"
    )]
    Componentize {
        /// The crate.
        name: String,
        /// What is wrong with the module.
        detail: String,
    },

    /// The component is sound, but it is no Waystation plugin.
    #[error("{name} does not keep to the plugin contract:{}", lines(problems))]
    Contract {
        /// The crate.
        name: String,
        /// What is off, each with the item's name.
        problems: Vec<String>,
    },

    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl BuildError {
    pub(crate) fn not_a_plugin(dir: &Path, detail: &str) -> Self {
        BuildError::NotAPlugin { dir: dir.to_owned(), detail: detail.to_owned() }
    }

    /// For `map_err` on operations on `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| BuildError::File { path, source }
    }
}

fn list(attempts: &[(Toolchain, String)]) -> String {
    attempts.iter().map(|(toolchain, reason)| format!("\n- {toolchain}: {reason}")).collect()
}

fn lines(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n- {problem}")).collect()
}
