//! Finding, or fetching, a Rust that can compile for the guest.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use crate::process::{self, clean_command};
use crate::{BuildError, Options, distribution};

/// The target that plugins are compiled for. It has no system interface, so nothing but the contract can be imported.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Forces one toolchain.
const VARIABLE: &str = "WAYSTATION_GUEST_TOOLCHAIN";

const QUESTION_LIMIT: Duration = Duration::from_secs(60);
const RUSTUP_LIMIT: Duration = Duration::from_secs(300);

/// Where the compiler for plugins comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The `cargo` on the path, whose compiler has the target's libraries already.
    Installed,
    /// The same, after `rustup target add`.
    Rustup,
    /// The packages of Debian or one of its relatives, which bring the standard library as source.
    Distribution,
}

impl Toolchain {
    /// In the order tried: the cheapest first.
    pub const ALL: [Toolchain; 3] =
        [Toolchain::Installed, Toolchain::Rustup, Toolchain::Distribution];

    /// The word used in `WAYSTATION_GUEST_TOOLCHAIN`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Toolchain::Installed => "installed",
            Toolchain::Rustup => "rustup",
            Toolchain::Distribution => "distribution",
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Toolchain {
    type Err = BuildError;

    fn from_str(value: &str) -> Result<Self, BuildError> {
        let known = Toolchain::ALL.into_iter().find(|toolchain| toolchain.name() == value);
        known.ok_or_else(|| BuildError::UnknownToolchain { value: value.to_owned() })
    }
}

/// A toolchain that is ready for use.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) toolchain: Toolchain,
    cargo: PathBuf,
    environment: Vec<(&'static str, String)>,
    /// Given to `cargo build`.
    pub(crate) build_arguments: &'static [&'static str],
    /// Folder of cargo's intermediate files. Two compilers that share one would undo each other's work.
    pub(crate) folder: &'static str,
}

impl Tools {
    /// The `cargo` on the path.
    fn on_path(toolchain: Toolchain) -> Self {
        Tools {
            toolchain,
            cargo: "cargo".into(),
            environment: Vec::new(),
            build_arguments: &[],
            folder: "cargo",
        }
    }

    pub(crate) fn of_distribution(rust: &distribution::Rust) -> Self {
        Tools {
            toolchain: Toolchain::Distribution,
            cargo: rust.cargo.clone(),
            environment: rust.environment(),
            build_arguments: distribution::BUILD_ARGUMENTS,
            folder: "cargo-distribution",
        }
    }

    /// A cargo call that runs in `dir`.
    pub(crate) fn cargo(&self, dir: &Path) -> Command {
        let mut command = clean_command(&self.cargo, dir);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The toolchain that the options or the environment name, or the first that works.
pub(crate) fn resolve(dir: &Path, options: &Options<'_>) -> Result<Tools, BuildError> {
    if !dir.is_dir() {
        return Err(BuildError::not_a_plugin(dir, "there is no such folder"));
    }
    let forced = match (options.toolchain, std::env::var_os(VARIABLE)) {
        (Some(toolchain), _) => Some(toolchain),
        (None, Some(value)) if !value.is_empty() => Some(value.to_string_lossy().parse()?),
        (None, _) => None,
    };
    let candidates = forced.as_ref().map_or(&Toolchain::ALL[..], std::slice::from_ref);
    let mut attempts = Vec::new();
    for &toolchain in candidates {
        let tools = match toolchain {
            Toolchain::Installed => installed(dir),
            Toolchain::Rustup => rustup(dir, options.progress),
            Toolchain::Distribution => {
                distribution::ready(dir, options.progress).map(|rust| Tools::of_distribution(&rust))
            }
        };
        match tools {
            Ok(tools) => return Ok(tools),
            Err(reason) => attempts.push((toolchain, reason)),
        }
    }
    Err(BuildError::NoToolchain { attempts })
}

/// The compiler on the path, if it has the target's libraries.
fn installed(dir: &Path) -> Result<Tools, String> {
    if has_libraries(dir)? {
        return Ok(Tools::on_path(Toolchain::Installed));
    }
    Err(format!(
        "the rustc on the path has no libraries for {TARGET}; with rustup, run `rustup target add {TARGET}`"
    ))
}

fn has_libraries(dir: &Path) -> Result<bool, String> {
    let mut command = clean_command("rustc", dir);
    command.args(["--print", "target-libdir", "--target", TARGET]);
    let libraries = PathBuf::from(answer(command)?);
    let has_std =
        |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("libstd-");
    Ok(std::fs::read_dir(&libraries).is_ok_and(|entries| entries.flatten().any(has_std)))
}

/// Lets rustup fetch the target's libraries. It does nothing if they are there.
fn rustup(dir: &Path, progress: &dyn Fn(&str)) -> Result<Tools, String> {
    // Rustup itself does not keep two of its runs apart.
    let _lock = rustup_lock();
    let mut command = clean_command("rustup", dir);
    command.args(["target", "add", TARGET]);
    let finished =
        process::run(command, RUSTUP_LIMIT, progress).map_err(|error| error.to_string())?;
    if !finished.success {
        return Err(format!("`rustup target add {TARGET}` failed: {}", finished.stderr.trim()));
    }
    // A rustc from elsewhere, earlier on the path, has nothing of what rustup fetched.
    if has_libraries(dir)? {
        Ok(Tools::on_path(Toolchain::Rustup))
    } else {
        Err("the rustc on the path is not rustup's; put rustup's folder, ~/.cargo/bin, before the other".to_owned())
    }
}

/// Best effort: without the lock, two first builds at once may fail, and the next one succeeds.
fn rustup_lock() -> Option<File> {
    let home = std::env::var_os("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".rustup")))?;
    let file = File::create(home.join("waystation.lock")).ok()?;
    file.lock().ok()?;
    Some(file)
}

/// Runs a command that answers in one line.
pub(crate) fn answer(command: Command) -> Result<String, String> {
    let text = process::written(&command);
    let finished =
        process::run(command, QUESTION_LIMIT, &|_| {}).map_err(|error| error.to_string())?;
    if finished.success {
        Ok(finished.stdout.join("\n"))
    } else {
        Err(format!("`{text}` failed: {}", finished.stderr.trim()))
    }
}
