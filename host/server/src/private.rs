//! Files and folders that are their owner's alone.

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;

/// Makes a folder with all above it, unless it is there.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Writes a file that must not exist, down to the disk.
pub(crate) fn write_new(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let place = file.display();
    let mut handle =
        File::options().write(true).create_new(true).mode(0o600).open(file).with_context(|| {
            format!("cannot make {place}; a file that is there is never overwritten")
        })?;
    handle
        .write_all(bytes)
        .and_then(|()| handle.sync_all())
        .with_context(|| format!("cannot write {place}"))
}
