//! A folder in the place of a mail server, to see what would be sent.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{Failure, Letter};
use crate::hex;

#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(path: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&path)
            .map_err(|error| format!("the folder {} cannot be made: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// Success says the file's name.
    pub(super) async fn submit(&self, letter: &Letter) -> Result<String, Failure> {
        let folder = self.0.clone();
        let bytes = letter.message.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, &bytes)).await;
        match written {
            Ok(Ok(name)) => Ok(format!("250 kept as {name}")),
            Ok(Err(error)) => Err(Failure::Deferred(format!("the letter cannot be kept: {error}"))),
            Err(error) => {
                Err(Failure::Interrupted(format!("the letter may not have been kept: {error}")))
            }
        }
    }
}

/// Writes under another name first, so that whoever watches the folder sees whole letters only.
fn write(folder: &Path, bytes: &[u8]) -> std::io::Result<String> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(std::io::Error::other)?;
    let name = format!("{}.eml", hex::encode(&token));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(folder.join(&name)).map_err(|error| error.error)?;
    Ok(name)
}
