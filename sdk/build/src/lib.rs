//! Turns the source of a plugin into a component that Waystation can install.
//!
//! [`build`] compiles a crate for `wasm32-unknown-unknown`, wraps the module into a component, and checks that the
//! component keeps to the plugin contract. It prints nothing: progress goes to a callback, failures come back as
//! [`BuildError`]. The command line and the tests both use it, so what the tests run is what an author gets.
//!
//! ```no_run
//! use std::path::Path;
//! use waystation_build::{Options, build};
//!
//! let built = build(Path::new("plugins/http-events"), &Options::default())?;
//! println!("{}", built.wasm.display());
//! # Ok::<(), waystation_build::BuildError>(())
//! ```
//!
//! # Layout
//! - `workspace`: which crate is meant and where its workspace puts things
//! - `toolchain`: finding, or fetching, a Rust that can compile for the guest; `distribution`: the one from Debian
//! - `compile`: the cargo call
//! - `component`: module to component, and the check against the contract
//! - `output`: the lock, and files that appear whole or not at all
//! - `process`: running a program with a clean environment and a time limit

use std::path::{Path, PathBuf};
use std::time::Instant;

mod compile;
mod component;
mod distribution;
mod error;
mod output;
mod process;
mod toolchain;
mod workspace;

pub use error::BuildError;
pub use toolchain::Toolchain;

use workspace::{Package, Workspace};

/// How to build.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The toolchain to use. `None` lets the environment variable `WAYSTATION_GUEST_TOOLCHAIN` decide and, where that
    /// is not set either, takes the first of [`Toolchain::ALL`] that works.
    pub toolchain: Option<Toolchain>,
    /// Called with one line of text, without a line break, whenever there is something to tell.
    pub progress: &'a dyn Fn(&str),
}

impl Default for Options<'_> {
    /// Any toolchain, nothing told.
    fn default() -> Self {
        Options { toolchain: None, progress: &|_| {} }
    }
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("toolchain", &self.toolchain).finish_non_exhaustive()
    }
}

/// A plugin that has been built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The component: `<target of the plugin's workspace>/waystation/<name of the crate>.wasm`.
    pub wasm: PathBuf,
    /// What compiled it.
    pub toolchain: Toolchain,
    /// True if nothing had changed since the last build, so that the file was left as it was.
    pub fresh: bool,
    /// When cargo had finished.
    pub compiled: Instant,
}

/// Builds the plugin whose `Cargo.toml` is in `plugin_dir`.
///
/// Builds of one workspace exclude each other across processes: a second caller waits for the first.
///
/// # Errors
/// See [`BuildError`]; each one names the file, crate or command it is about and how to mend it.
pub fn build(plugin_dir: &Path, options: &Options<'_>) -> Result<Built, BuildError> {
    let mut built = build_all(&[plugin_dir], options)?;
    Ok(built.remove(0))
}

/// Builds several plugins, with one cargo call for each workspace among them; answers in the order asked.
///
/// # Errors
/// As [`build`]. The first failure ends it: either all plugins are built or none is promised.
pub fn build_all<P: AsRef<Path>>(
    plugin_dirs: &[P],
    options: &Options<'_>,
) -> Result<Vec<Built>, BuildError> {
    let Some(first) = plugin_dirs.first() else { return Ok(Vec::new()) };
    let tools = toolchain::resolve(first.as_ref(), options)?;
    let mut groups: Vec<(Workspace, Vec<(usize, Package)>)> = Vec::new();
    for (position, dir) in plugin_dirs.iter().enumerate() {
        let dir = dir.as_ref();
        let known = groups
            .iter_mut()
            .find_map(|(workspace, wanted)| Some((workspace.package_in(dir)?, wanted)));
        if let Some((package, wanted)) = known {
            wanted.push((position, package));
            continue;
        }
        let workspace = Workspace::of(dir, &tools)?;
        let package = workspace.package_in(dir).ok_or_else(|| {
            BuildError::not_a_plugin(
                dir,
                "its Cargo.toml describes no package; name a crate's folder",
            )
        })?;
        groups.push((workspace, vec![(position, package)]));
    }

    let mut built: Vec<Option<Built>> = plugin_dirs.iter().map(|_| None).collect();
    for (workspace, wanted) in &groups {
        let _lock = output::lock(workspace)?;
        let packages: Vec<&Package> = wanted.iter().map(|(_, package)| package).collect();
        let modules = compile::compile(workspace, &packages, &tools, options.progress)?;
        let compiled = Instant::now();
        for ((position, package), module) in wanted.iter().zip(modules) {
            let (wasm, kept) =
                output::componentize(workspace, package, &module.path, options.progress)?;
            let fresh = kept && module.fresh;
            built[*position] = Some(Built { wasm, toolchain: tools.toolchain, fresh, compiled });
        }
    }
    Ok(built.into_iter().flatten().collect())
}
