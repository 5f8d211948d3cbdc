//! The sandbox: one engine for all plugins of a process.

use std::{collections::BTreeSet, fmt, io, path::PathBuf, sync::Arc};

use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use wasmtime::{Engine, component::Linker};

use crate::{
    cache::Cache,
    engine,
    error::SandboxError,
    guest::Guest,
    link,
    outbound::{Network, Resolve},
    release,
    release::Release,
    sweep::{Sweep, Swept},
    ticker::Ticker,
};

/// How the sandbox is set up.
#[derive(Clone)]
pub struct Options {
    /// Folder for compiled plugins. It is made if it is missing; nobody but its owner may write to it, because what lies
    /// there is run as machine code.
    pub cache_dir: PathBuf,
    /// Calls that run at the same time over all connections, 1 .. 4,096. Each reserves up to 8 GiB of address space, but
    /// no memory until it is used.
    pub instances: u32,
    /// Certificates (DER) that servers' certificates may be signed by, besides the authorities that browsers trust.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Finds the addresses of the hosts that plugins send requests to; the operating system if it is `None`.
    pub resolver: Option<Arc<dyn Resolve>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("cache_dir", &self.cache_dir)
            .field("instances", &self.instances)
            .field("extra_roots", &self.extra_roots.len())
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Options for a process that keeps its compiled plugins in `cache_dir`.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            instances: 256,
            extra_roots: Vec::new(),
            resolver: None,
        }
    }
}

/// Loads plugins and has room to run them in.
pub struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Guest>,
    pub(crate) cache: Cache,
    /// How plugins' requests find and trust servers.
    pub(crate) network: Arc<Network>,
    /// One permit for every sandbox that may live, so that a call waits instead of finding the pool empty.
    pub(crate) places: Semaphore,
    /// Held for its thread, which ends with the sandbox.
    _ticker: Ticker,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("free", &self.places.available_permits())
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts the engine and a thread that belongs to it.
    ///
    /// # Errors
    /// [`SandboxError::Options`], [`SandboxError::Engine`], or [`SandboxError::Cache`] when the folder cannot be made or
    /// is writable for others.
    pub fn new(options: &Options) -> Result<Arc<Self>, SandboxError> {
        if !(1..=4096).contains(&options.instances) {
            return Err(SandboxError::Options(format!(
                "instances is {}; it must be from 1 to 4,096",
                options.instances
            )));
        }
        let network = Network::new(&options.extra_roots, options.resolver.clone())
            .map_err(SandboxError::Options)?;
        let engine = engine::start(options.instances)?;
        let linker =
            link::linker(&engine).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let cache = Cache::open(&options.cache_dir, &engine)?;
        let ticker = Ticker::start(engine.clone())
            .map_err(|error| SandboxError::Engine(error.to_string()))?;
        Ok(Arc::new(Self {
            engine,
            linker,
            cache,
            network: Arc::new(network),
            places: Semaphore::new(options.instances as usize),
            _ticker: ticker,
        }))
    }

    /// Compiles a plugin or takes it from the cache, links it, and lets it describe itself without any permission.
    ///
    /// Takes at most 64 MiB of WebAssembly. Compiling runs beside the async threads.
    ///
    /// # Errors
    /// Every variant of [`SandboxError`] that speaks of a plugin; nothing of it stays loaded.
    pub async fn load(self: &Arc<Self>, wasm: Arc<[u8]>) -> Result<Arc<Release>, SandboxError> {
        release::load(self, wasm).await
    }

    /// Deletes the compiled code of the release with this digest, for whatever engine it was compiled. What is loaded stays
    /// loaded. Blocks for some file operations.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn forget(&self, digest: &str) -> io::Result<Swept> {
        self.cache.forget(digest)
    }

    /// Deletes compiled code of other engines, of releases that are not `known`, and what an interrupted process left behind.
    /// `known` are digests. Blocks for some file operations.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn tidy(&self, known: &BTreeSet<String>, sweep: Sweep) -> io::Result<Swept> {
        self.cache.tidy(known, sweep)
    }
}
