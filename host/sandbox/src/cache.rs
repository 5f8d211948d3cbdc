//! Compiled plugins on disk, so that a restart need not compile.
//!
//! A file is named by the digest of the plugin and by that of wasmtime's version and settings. It begins with a header of
//! [`MAGIC`] and a SHA-256 over these two and the code that follows, so that a file under another's name is as damaged as one
//! with a changed bit. Whatever is damaged, foreign, writable for others or not a plain file is compiled again.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

use crate::{
    error::SandboxError,
    hex, native,
    sweep::{Sweep, Swept, sweep},
};

/// Marks the file's format. A new format gets a new number.
const MAGIC: &[u8; 16] = b"waystation-aot-2";
const DIGEST_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + DIGEST_BYTES;
/// Machine code is a few times larger than WebAssembly; what is larger than this is not ours.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Hexadecimal digits of a plugin's digest.
const NAME_DIGITS: usize = 64;

/// Bytes that this cache vouches for.
pub(crate) struct Trusted {
    code: Vec<u8>,
}

impl Trusted {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.code
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
        match self.read(digest) {
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
        let code = Trusted { code: engine.precompile_component(wasm)? };
        if let Err(error) = self.write(digest, code.bytes()) {
            tracing::warn!(plugin.digest = digest, %error, "A compiled plugin cannot be kept; the next start compiles it again");
        }
        native::deserialize(engine, &code)
    }

    /// Deletes what was compiled of a plugin.
    pub(crate) fn forget(&self, digest: &str) -> io::Result<Swept> {
        sweep(&self.folder, Sweep::Delete, |name| {
            name.strip_prefix(digest).is_some_and(|rest| rest.starts_with('-'))
        })
    }

    /// Deletes what is of another engine, or of none of these plugins. Files that are not named like ours stay.
    pub(crate) fn tidy(&self, known: &BTreeSet<String>, how: Sweep) -> io::Result<Swept> {
        let ending = self.ending();
        sweep(&self.folder, how, |name| {
            let Some((digest, rest)) = name.split_at_checked(NAME_DIGITS) else { return false };
            digest.bytes().all(|digit| digit.is_ascii_hexdigit())
                && rest.starts_with('-')
                && rest.ends_with(".aot")
                && (rest != ending || !known.contains(digest))
        })
    }

    fn ending(&self) -> String {
        format!("-{:016x}.aot", self.settings)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("{digest}{}", self.ending()))
    }

    /// What a file with this code must hold in its header.
    fn checksum(&self, digest: &str, code: &[u8]) -> [u8; DIGEST_BYTES] {
        let mut hash = Sha256::new();
        hash.update(digest);
        hash.update(self.settings.to_be_bytes());
        hash.update(code);
        hash.finalize().into()
    }

    /// Reads and checks a plugin's file. `None` if it is not there; the reason if it cannot be trusted.
    fn read(&self, digest: &str) -> Result<Option<Trusted>, String> {
        self.check_folder()?;
        let path = self.path(digest);
        // Not followed, and not opened before it is known to be a file: a pipe would wait for its other end. Nobody but this
        // user can exchange it meanwhile, as the folder is written by nobody else.
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if !metadata.is_file() {
            return Err("it is not a plain file".to_owned());
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(format!("it has {} bytes, more than compiled code has", metadata.len()));
        }
        if let Some(reason) = writable_by_others(&metadata, &self.own) {
            return Err(reason);
        }
        let mut file = File::open(&path).map_err(|error| error.to_string())?;
        let mut header = [0; HEADER_BYTES];
        if file.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
            return Err("its header is not that of compiled code".to_owned());
        }
        let mut code = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.take(FILE_BYTES_MAX).read_to_end(&mut code).map_err(|error| error.to_string())?;
        if header[MAGIC.len()..] != self.checksum(digest, &code) {
            return Err("it is damaged, or belongs to another plugin".to_owned());
        }
        Ok(Some(Trusted { code }))
    }

    /// Writes beside the file and renames, so that a reader sees all of it or nothing.
    fn write(&self, digest: &str, code: &[u8]) -> io::Result<()> {
        self.check_folder().map_err(io::Error::other)?;
        let path = self.path(digest);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&self.checksum(digest, code))?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        // A folder in its place cannot be replaced by renaming, as everything else can.
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
            fs::remove_dir_all(&path)?;
        }
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Who may write to the folder can have changed since the start.
    fn check_folder(&self) -> Result<(), String> {
        let metadata = fs::metadata(&self.folder).map_err(|error| error.to_string())?;
        match writable_by_others(&metadata, &self.own) {
            None => Ok(()),
            Some(reason) => Err(format!("the folder {}: {reason}", self.folder.display())),
        }
    }
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
