//! The data folder: one process at a time works in it, and knows what the one before it was.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use waystation_store::records::Joined;

use crate::private::make_folder;

/// A number that this machine has from when it starts until it stops.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
/// Longest note that is read, in bytes; it takes about a hundred.
const NOTE: u64 = 1024;

/// A data folder that is this process's alone for as long as the value lives.
///
/// The locked file holds a note: the session that the process has begun among hosts that share a database. Whoever finds the
/// note and has the lock knows that the process which wrote it is gone.
pub(crate) struct Folder {
    lock: Mutex<File>,
}

impl Folder {
    /// Makes the folder for its owner only, unless it is there, and takes its lock.
    ///
    /// # Errors
    /// If it cannot be made, is open to others, or another process has it.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        make_folder(data)?;
        make_folder(&data.join("releases"))?;
        let mode = std::fs::metadata(data)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!(
                "others may look into {}; take that from them with `chmod 700 {}`",
                data.display(),
                data.display()
            );
        }
        let place = data.join("lock");
        // What is in it is another's until the lock is ours.
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&place)
            .with_context(|| format!("cannot make {}", place.display()))?;
        if lock.try_lock().is_err() {
            bail!(
                "another server uses the folder {}; stop it, or choose another folder with --data",
                data.display()
            );
        }
        Ok(Self { lock: Mutex::new(lock) })
    }

    /// The session of the process that had this folder before, if it is certain that it is gone: a folder that was copied, or
    /// that came from another machine, where locks may be others, tells of none.
    pub(crate) fn former_session(&self) -> Option<Joined> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        lock.rewind().ok()?;
        (&*lock).take(NOTE).read_to_string(&mut text).ok()?;
        // A line that was not written to its end says nothing.
        let words: Vec<&str> = text.strip_suffix('\n')?.split(' ').collect();
        let [boot, file, epoch, started_at] = words[..] else { return None };
        let here = Here::of(&lock).ok()?;
        if boot != here.boot || file != here.file {
            return None;
        }
        Some(Joined { epoch: epoch.parse().ok()?, started_at: started_at.parse().ok()? })
    }

    /// Notes the session of this process.
    ///
    /// # Errors
    /// If the file cannot be written, or the machine does not tell when it started.
    pub(crate) fn remember(&self, joined: Joined) -> io::Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Here { boot, file } = Here::of(&lock)?;
        let Joined { epoch, started_at } = joined;
        lock.set_len(0)?;
        lock.rewind()?;
        lock.write_all(format!("{boot} {file} {epoch} {started_at}\n").as_bytes())
    }
}

/// Where a note is valid: on one running machine, in one file.
struct Here {
    boot: String,
    file: String,
}

impl Here {
    fn of(lock: &File) -> io::Result<Self> {
        let about = lock.metadata()?;
        let boot = std::fs::read_to_string(BOOT)?.trim().to_owned();
        Ok(Self { boot, file: format!("{}:{}", about.dev(), about.ino()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOINED: Joined = Joined { epoch: 12, started_at: 1_795_000_000_000 };

    #[test]
    fn the_next_process_learns_the_session_of_the_one_before() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("data");
        let first = Folder::open(&data).unwrap();
        assert_eq!(first.former_session(), None);
        first.remember(Joined { epoch: 9_999_999, ..JOINED }).unwrap();
        first.remember(JOINED).unwrap();
        let refused = Folder::open(&data).err().unwrap();
        assert!(refused.to_string().contains("another server uses the folder"), "{refused}");
        drop(first);
        assert_eq!(Folder::open(&data).unwrap().former_session(), Some(JOINED));
    }

    #[test]
    fn a_note_that_may_be_of_a_living_process_is_not_believed() {
        let parent = tempfile::tempdir().unwrap();
        let (data, copy) = (parent.path().join("data"), parent.path().join("copy"));
        Folder::open(&data).unwrap().remember(JOINED).unwrap();
        let note = std::fs::read_to_string(data.join("lock")).unwrap();
        let believed = |folder: &Path, text: &str| {
            Folder::open(folder).unwrap();
            std::fs::write(folder.join("lock"), text).unwrap();
            Folder::open(folder).unwrap().former_session()
        };
        let (boot, rest) = note.split_once(' ').unwrap();
        assert_eq!(believed(&data, &format!("another-machine {rest}")), None);
        assert_eq!(believed(&data, &format!("{boot} 0:{rest}")), None, "another file");
        assert_eq!(believed(&data, note.trim_end()), None, "half a line");
        assert_eq!(believed(&data, &format!("{} x\n", note.trim_end())), None);
        assert_eq!(believed(&data, ""), None);
        assert_eq!(believed(&copy, &note), None, "a copied folder");
        assert_eq!(believed(&data, &note), Some(JOINED));
    }
}
