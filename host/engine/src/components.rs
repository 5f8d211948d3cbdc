//! Where the components of releases are: in a folder of this host, and in the database where hosts share it.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tracing::info;
use waystation_store::records::ReleaseRow;

use crate::error::EngineError;
use crate::workshop::{Workshop, file_error};

impl Workshop {
    /// Installs a release: its component is on the disk before it is recorded. Hosts that share the database find the
    /// component there.
    ///
    /// # Errors
    /// [`EngineError::File`] if the file cannot be written, and if the database fails.
    pub async fn install(
        &self,
        release: ReleaseRow,
        component: Vec<u8>,
    ) -> Result<(), EngineError> {
        let shared = self.store.is_shared().then(|| component.clone());
        self.write(self.release_file(&release.digest), component).await?;
        Ok(self.store.install(release, shared).await?)
    }

    /// The component of an installed release: the host's own file, or what another host installed.
    pub(crate) async fn component(&self, of: &str) -> Result<Vec<u8>, EngineError> {
        let file = self.release_file(of);
        match tokio::fs::read(&file).await {
            Err(error) if error.kind() == ErrorKind::NotFound && self.store.is_shared() => {}
            read => return read.map_err(|error| file_error(&file, error)),
        }
        let Some(component) = self.store.component(of).await? else {
            return Err(EngineError::Invalid(format!(
                "the component of the release {of} is neither in {} nor in the database; install it again",
                file.display()
            )));
        };
        let digest: String =
            Sha256::digest(&component).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != of {
            return Err(EngineError::Invalid(format!(
                "the component of the release {of} was damaged in the database; install it again"
            )));
        }
        info!(release = of, "a component was fetched from the database");
        self.write(file, component.clone()).await?;
        Ok(component)
    }

    async fn write(&self, path: PathBuf, bytes: Vec<u8>) -> Result<(), EngineError> {
        self.off_thread(move || write(&path, &bytes)).await
    }
}

/// Writes a file whole and durably, or not at all.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}
