//! The cargo call.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::toolchain::{TARGET, Tools};
use crate::workspace::{Package, Target, Workspace};
use crate::{BuildError, process};

/// A first build may fetch and compile the standard library on a slow machine.
const LIMIT: Duration = Duration::from_secs(1800);

/// A core module that cargo made, or found to be up to date.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) path: PathBuf,
    pub(crate) fresh: bool,
}

/// The part of cargo's messages that says what it made.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    #[serde(default)]
    fresh: bool,
}

/// Compiles crates of one workspace: one module for each, in order.
pub(crate) fn compile(
    workspace: &Workspace,
    packages: &[&Package],
    tools: &Tools,
    progress: &dyn Fn(&str),
) -> Result<Vec<Module>, BuildError> {
    for package in packages {
        package.require_module()?;
    }
    let mut command = tools.cargo(&workspace.root);
    command.args([
        "build",
        "--release",
        "--lib",
        "--target",
        TARGET,
        "--message-format",
        "json-render-diagnostics",
    ]);
    command.arg("--target-dir").arg(workspace.output().join(tools.folder));
    command.args(tools.build_arguments);
    if workspace.root.join("Cargo.lock").exists() {
        command.arg("--locked");
    }
    for package in packages {
        command.args(["--package", &package.name]);
    }
    let finished = process::run(command, LIMIT, progress)?;
    let failed = |output: String| BuildError::Compile { crates: names(packages), output };
    if !finished.success {
        return Err(failed(finished.stderr));
    }
    let messages: Vec<Message> =
        finished.stdout.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let module_of = |package: &&Package| {
        module_of(package, &messages)
            .ok_or_else(|| failed(format!("cargo named no module for {}", package.name)))
    };
    packages.iter().map(module_of).collect()
}

fn module_of(package: &Package, messages: &[Message]) -> Option<Module> {
    let made = messages.iter().find(|message| {
        message.reason == "compiler-artifact"
            && message.package_id.as_ref() == Some(&package.id)
            && message.target.as_ref().is_some_and(Target::is_module)
    })?;
    let path = made
        .filenames
        .iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "wasm"))?;
    Some(Module { path: path.clone(), fresh: made.fresh })
}

fn names(packages: &[&Package]) -> String {
    packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ")
}
