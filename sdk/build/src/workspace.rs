//! Which crate is meant, and where its workspace puts things.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::toolchain::Tools;
use crate::{BuildError, process};

const LIMIT: Duration = Duration::from_secs(60);

/// The cargo workspace that a plugin belongs to.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    target: PathBuf,
    packages: Vec<Package>,
}

/// A crate of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    crate_types: Vec<String>,
}

impl Target {
    /// Only this kind of target becomes a module of its own.
    pub(crate) fn is_module(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

impl Workspace {
    /// Asks cargo which workspace the crate in `dir` belongs to.
    pub(crate) fn of(dir: &Path, tools: &Tools) -> Result<Self, BuildError> {
        if !dir.join("Cargo.toml").is_file() {
            return Err(BuildError::not_a_plugin(dir, "there is no Cargo.toml in it"));
        }
        let mut command = tools.cargo(dir);
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let finished = process::run(command, LIMIT, &|_| {})?;
        let unreadable = |output: String| BuildError::Workspace { dir: dir.to_owned(), output };
        if !finished.success {
            return Err(unreadable(finished.stderr));
        }
        serde_json::from_str(&finished.stdout.concat())
            .map_err(|error| unreadable(error.to_string()))
    }

    /// The crate whose `Cargo.toml` is in `dir`, if it is one of this workspace.
    pub(crate) fn package_in(&self, dir: &Path) -> Option<Package> {
        let manifest = dir.join("Cargo.toml").canonicalize().ok()?;
        let same = |package: &&Package| {
            package.manifest_path.canonicalize().is_ok_and(|path| path == manifest)
        };
        self.packages.iter().find(same).cloned()
    }

    /// Folder of the finished components, and of what is needed to make them.
    pub(crate) fn output(&self) -> PathBuf {
        self.target.join("waystation")
    }
}

impl Package {
    /// Cargo compiles a crate without a `cdylib` gladly, but no module comes of it.
    pub(crate) fn require_module(&self) -> Result<(), BuildError> {
        if self.targets.iter().any(Target::is_module) {
            return Ok(());
        }
        let dir = self.manifest_path.parent().unwrap_or(&self.manifest_path);
        let detail = "its Cargo.toml needs `crate-type = [\"cdylib\"]` under `[lib]`";
        Err(BuildError::not_a_plugin(dir, detail))
    }
}
