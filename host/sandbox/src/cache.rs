//! Compiled plugins on disk, so that a restart need not compile.
//!
//! A file is named by the digest of the plugin and that of wasmtime's version and settings. It begins with a header of
//! [`MAGIC`] and the SHA-256 of the rest. Whatever is damaged, foreign or writable for others is compiled again.

use std::{
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use crate::{error::SandboxError, hex, native};

/// Marks the file's format. A new format gets a new number.
const MAGIC: &[u8; 16] = b"waystation-aot-1";
const DIGEST_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + DIGEST_BYTES;
/// Machine code is a few times larger than WebAssembly; what is larger than this is not ours.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Bytes that this cache vouches for.
pub(crate) struct Trusted {
    file: Vec<u8>,
    offset: usize,
}

impl Trusted {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.file[self.offset..]
    }
}

/// A folder of compiled plugins.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Of a file that this process made.
    own: fs::Metadata,
    settings: u64,
}

impl Cache {
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, SandboxError> {
        let fail =
            |detail: String| SandboxError::Cache { folder: folder.display().to_string(), detail };
        create_private(folder).map_err(|error| fail(error.to_string()))?;
        let metadata = fs::metadata(folder).map_err(|error| fail(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(fail("it is not a folder".to_owned()));
        }
        // A file made here shows who this process is, and that it can write.
        let own = tempfile::tempfile_in(folder).and_then(|file| file.metadata());
        let own = own.map_err(|error| fail(error.to_string()))?;
        if let Some(reason) = writable_by_others(&metadata, &own) {
            return Err(fail(reason));
        }
        // This covers wasmtime's version and the processor as well as what `engine` sets.
        let mut settings = Fnv::default();
        engine.precompile_compatibility_hash().hash(&mut settings);
        Ok(Self { folder: folder.to_owned(), own, settings: settings.finish() })
    }

    /// The compiled form of a plugin, from disk if it is there. Blocks for the time that compiling takes.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        digest: &str,
        wasm: &[u8],
    ) -> wasmtime::Result<Component> {
        let path = self.path(digest);
        match read(&path, &self.own) {
            Ok(None) => {}
            Ok(Some(code)) => match native::deserialize(engine, &code) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::info!(
                    plugin.digest = digest,
                    error = format!("{error:#}"),
                    "A compiled plugin is of another engine and is compiled again"
                ),
            },
            Err(reason) => {
                tracing::warn!(
                    plugin.digest = digest,
                    reason,
                    "A compiled plugin is not usable and is compiled again"
                );
            }
        }
        let code = Trusted { file: engine.precompile_component(wasm)?, offset: 0 };
        if let Err(error) = self.write(&path, code.bytes()) {
            tracing::warn!(plugin.digest = digest, %error, "A compiled plugin cannot be kept; the next start compiles it again");
        }
        native::deserialize(engine, &code)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}-{:016x}.aot", self.settings))
    }

    /// Writes beside the file and renames, so that a reader sees all of it or nothing.
    fn write(&self, path: &Path, code: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Reads and checks a file. `None` if it is not there; the reason if it cannot be trusted.
fn read(path: &Path, own: &fs::Metadata) -> Result<Option<Trusted>, String> {
    let mut opened = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let metadata = opened.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err("it is not a file of compiled code".to_owned());
    }
    if let Some(reason) = writable_by_others(&metadata, own) {
        return Err(reason);
    }
    let mut file = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    opened.read_to_end(&mut file).map_err(|error| error.to_string())?;
    if file.len() < HEADER_BYTES || !file.starts_with(MAGIC) {
        return Err("its header is not that of compiled code".to_owned());
    }
    if file[MAGIC.len()..HEADER_BYTES] != *Sha256::digest(&file[HEADER_BYTES..]) {
        return Err("it is damaged".to_owned());
    }
    Ok(Some(Trusted { file, offset: HEADER_BYTES }))
}

#[cfg(unix)]
fn create_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

/// Why others could put their own code there, if they could. `own` is a file of this process.
#[cfg(unix)]
fn writable_by_others(metadata: &fs::Metadata, own: &fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    const ROOT: u32 = 0;
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Some(format!(
            "others may write to it (mode {mode:03o}); forbid it with chmod go-w"
        ));
    }
    let owner = metadata.uid();
    (owner != own.uid() && owner != ROOT)
        .then(|| format!("it belongs to another user ({owner}); give it to this one with chown"))
}

#[cfg(not(unix))]
fn writable_by_others(_metadata: &fs::Metadata, _own: &fs::Metadata) -> Option<String> {
    None
}

/// FNV-1a. The standard library's hasher may change between compilers, which would lose the cache for nothing.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// SHA-256 of a plugin in lower case hex, which names it.
pub(crate) fn digest(wasm: &[u8]) -> String {
    hex::encode(&Sha256::digest(wasm))
}
