//! The lock of a workspace, and files that appear whole or not at all.

use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::workspace::{Package, Workspace};
use crate::{BuildError, component};

/// Raised when the same module would give another component; the crate's version covers a change of the encoder.
const ENCODING: &str = concat!("waystation-build ", env!("CARGO_PKG_VERSION"), " 1");

/// Waits until no other process, or thread, builds in this workspace; dropping the file lets the next one in.
pub(crate) fn lock(workspace: &Workspace) -> Result<File, BuildError> {
    let folder = workspace.output();
    std::fs::create_dir_all(&folder).map_err(BuildError::file(&folder))?;
    let path = folder.join("build.lock");
    let file = File::create(&path).map_err(BuildError::file(&path))?;
    file.lock().map_err(BuildError::file(&path))?;
    Ok(file)
}

/// Makes the component of a module unless the present one was made of the same; says whether it was kept.
pub(crate) fn componentize(
    workspace: &Workspace,
    package: &Package,
    module: &Path,
    progress: &dyn Fn(&str),
) -> Result<(PathBuf, bool), BuildError> {
    let wasm = workspace.output().join(format!("{}.wasm", package.name));
    let stamp = wasm.with_extension("made-of");
    let module = std::fs::read(module).map_err(BuildError::file(module))?;
    let made_of = made_of(&module);
    if wasm.exists() && std::fs::read_to_string(&stamp).is_ok_and(|present| present == made_of) {
        return Ok((wasm, true));
    }
    // Whatever fails from here on, a stamp must not stand beside a component it does not describe.
    match std::fs::remove_file(&stamp) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(BuildError::file(&stamp)(error));
        }
        _ => {}
    }
    let component = component::component_from(&package.name, &module)?;
    write(&wasm, &component)?;
    write(&stamp, made_of.as_bytes())?;
    progress(&format!("made {} ({} KiB)", wasm.display(), component.len().div_ceil(1024)));
    Ok((wasm, false))
}

fn made_of(module: &[u8]) -> String {
    let digest: String = Sha256::digest(module).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{ENCODING}\n{digest}\n")
}

/// Readers see the old file or the new one, never a part. The workspace's lock keeps other writers away.
fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let part = path.with_added_extension("part");
    std::fs::write(&part, bytes).map_err(BuildError::file(&part))?;
    std::fs::rename(&part, path).map_err(BuildError::file(path))
}
