//! The plugins of `tests/guests`, built once for all tests, and a sandbox to load them into.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use tempfile::TempDir;
use waystation_build::build_all;
use waystation_sandbox::{Connection, Options, Release, Sandbox, Settings};

const NAMES: &[&str] = &[
    "acts",
    "attacker",
    "crashes",
    "echo",
    "floods",
    "grows",
    "hasty",
    "mailer",
    "miscounts",
    "probe",
    "recurses",
    "spins",
    "two-way",
];

/// When it is, as far as plugins are told.
pub(crate) const NOW: u64 = 1_700_000_000_000;

static BUILT: LazyLock<BTreeMap<&str, Arc<[u8]>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
    let folders: Vec<PathBuf> = NAMES.iter().map(|name| folder.join(name)).collect();
    let built =
        build_all(&folders, &waystation_build::Options::default()).expect("the guests build");
    let read = |path: &Path| Arc::from(std::fs::read(path).expect("the component was written"));
    NAMES.iter().copied().zip(built.iter().map(|built| read(&built.wasm))).collect()
});

static SANDBOX: LazyLock<Arc<Sandbox>> =
    LazyLock::new(|| sandbox(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")));

/// The WebAssembly of a plugin.
pub(crate) fn wasm(name: &str) -> Arc<[u8]> {
    Arc::clone(BUILT.get(name).expect("one of NAMES"))
}

/// The sandbox that most tests share.
pub(crate) fn shared() -> Arc<Sandbox> {
    Arc::clone(&SANDBOX)
}

/// A folder that did not exist before and will not afterwards.
pub(crate) fn fresh_folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made")
}

/// A sandbox that keeps its compiled plugins in a folder.
pub(crate) fn sandbox(cache: &Path) -> Arc<Sandbox> {
    Sandbox::new(&Options { instances: 32, ..Options::new(cache) }).expect("the sandbox starts")
}

/// A plugin, loaded into the shared sandbox.
pub(crate) async fn release(name: &str) -> Arc<Release> {
    shared().load(wasm(name)).await.expect("the guest loads")
}

/// Settings without any permission, whose clock stands at [`NOW`].
pub(crate) fn settings(name: &str) -> Settings {
    Settings::new(name, Arc::new(|| NOW))
}

/// A connection over a plugin, with settings changed as a test wants them.
pub(crate) async fn connect(name: &str, change: impl FnOnce(&mut Settings)) -> Connection {
    let mut settings = settings(name);
    change(&mut settings);
    Connection::new(shared(), release(name).await, settings)
        .expect("the settings are within bounds")
}
