//! The library that loses what was not synced, compiled and put before a server. What it does is told in `lost_writes.c`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// How writes are lost that were not synced when the process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LostWrites {
    /// How many of a hundred writes reach the disk by themselves, in part and out of order.
    pub(crate) torn: u8,
}

impl LostWrites {
    /// Compiles the library into `folder`; gives the environment of a server whose files are in `data`.
    pub(crate) fn environment(
        self,
        source: &Path,
        folder: &Path,
        data: &Path,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let library = folder.join("lost_writes.so");
        let status = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .args(["-ldl", "-lpthread"])
            .status()
            .context("a C compiler is needed, under the name `cc`")?;
        ensure!(status.success(), "{} did not compile", source.display());
        let text = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
        Ok(vec![
            ("LD_PRELOAD".to_owned(), text(&library)?),
            // The library sees paths without links.
            ("UNSYNCED_FOLDER".to_owned(), text(&data.canonicalize()?)?),
            ("UNSYNCED_TORN".to_owned(), self.torn.to_string()),
        ])
    }
}
