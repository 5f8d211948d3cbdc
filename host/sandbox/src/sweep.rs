//! Deleting files that nothing needs any more.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

/// How a file that is being written is named, by `tempfile`.
const UNFINISHED: &str = ".tmp";
/// Nothing takes that long to write, so an unfinished file that is older was left behind.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What to do about what nothing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Count it.
    Look,
    /// Delete it.
    Delete,
}

/// What was found, or deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Number of files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// Deletes the files of a folder whose names are garbage, and unfinished ones that are older than an hour. Folders and links
/// stay. A file that cannot be deleted is reported to the log and not counted. Blocks for the file operations.
///
/// # Errors
/// If the folder cannot be read; one that does not exist is empty.
pub fn sweep(folder: &Path, sweep: Sweep, is_garbage: impl Fn(&str) -> bool) -> io::Result<Swept> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Swept::default()),
        Err(error) => return Err(error),
    };
    let mut swept = Swept::default();
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let abandoned = || {
            let age =
                metadata.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            name.starts_with(UNFINISHED) && age.is_some_and(|age| age > ABANDONED)
        };
        if !metadata.is_file() || !(is_garbage(name) || abandoned()) {
            continue;
        }
        if sweep == Sweep::Delete
            && let Err(error) = fs::remove_file(entry.path())
        {
            tracing::warn!(file = %entry.path().display(), %error, "A file that nothing needs cannot be deleted");
            continue;
        }
        swept += Swept { files: 1, bytes: metadata.len() };
    }
    Ok(swept)
}
