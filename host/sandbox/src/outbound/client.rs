//! The HTTP client of one connection: made when it is first needed, with open connections of its own.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use ipnet::IpNet;
use reqwest::{Client, redirect::Policy};
use rustls::{
    ClientConfig, RootCertStore, client::Resumption, crypto::ring, pki_types::CertificateDer,
};

use super::{
    origin::Origin,
    resolve::{Checked, Resolve, System},
};

/// For resolving, connecting and encrypting.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// After this time a connection that nobody used is closed; servers do the same, mostly later.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Unused connections that are kept open to one origin: all that a call's requests need at the same time.
const IDLE_PER_ORIGIN: usize = super::CONCURRENT;
/// Origins to which connections are kept open. A plugin that may use every name below one could otherwise make the host
/// keep any number of them.
const ORIGINS_MAX: usize = 16;
/// Most TLS sessions that are remembered, so that connecting again is cheaper.
const SESSIONS: usize = 64;
/// Bounds of what a server may send ahead of being read, for one response and for all on a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 2 << 20;
const HEADERS_MAX: usize = 100;
pub(super) const HEADER_BYTES_MAX: u32 = 64 << 10;

/// What the clients of all connections share.
pub(crate) struct Network {
    tls: ClientConfig,
    resolver: Arc<dyn Resolve>,
}

impl Network {
    /// `extra_roots` are trusted besides the authorities that browsers trust.
    pub(crate) fn new(
        extra_roots: &[CertificateDer<'static>],
        resolver: Option<Arc<dyn Resolve>>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for (number, certificate) in (1..).zip(extra_roots) {
            roots.add(certificate.clone()).map_err(|error| {
                format!("number {number} of the extra root certificates is not usable: {error}")
            })?;
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be used: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { tls, resolver: resolver.unwrap_or_else(|| Arc::new(System)) })
    }
}

/// Makes the client and keeps it.
pub(super) struct Clients {
    network: Arc<Network>,
    networks: Arc<[IpNet]>,
    /// Not held across an await.
    current: Mutex<Option<Current>>,
}

struct Current {
    client: Client,
    /// To which it may hold open connections.
    origins: HashSet<Origin>,
}

impl Clients {
    pub(super) fn new(network: Arc<Network>, networks: Arc<[IpNet]>) -> Self {
        Self { network, networks, current: Mutex::new(None) }
    }

    /// A client for a request to an origin.
    pub(super) fn client(&self, origin: &Origin) -> Result<Client, String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Current { client, origins }) = &mut *current
            && (origins.len() < ORIGINS_MAX || origins.contains(origin))
        {
            origins.insert(origin.clone());
            return Ok(client.clone());
        }
        // With the old client go its unused connections; requests that are under way keep theirs.
        let client = self.make().map_err(|error| format!("no HTTP client can be made: {error}"))?;
        let origins = HashSet::from([origin.clone()]);
        *current = Some(Current { client: client.clone(), origins });
        Ok(client)
    }

    fn make(&self) -> reqwest::Result<Client> {
        let mut tls = self.network.tls.clone();
        tls.resumption = Resumption::in_memory_sessions(SESSIONS);
        let resolver = Checked {
            resolver: Arc::clone(&self.network.resolver),
            networks: Arc::clone(&self.networks),
        };
        Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver)
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            // What may be sent again is decided where it is known what that means.
            .retry(reqwest::retry::never())
            .gzip(true)
            .user_agent(concat!("waystation/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_PER_ORIGIN)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .build()
    }
}

/// A request's body that tells whether it began to go out: before it did, the server cannot have acted on the request.
pub(super) struct Watched {
    body: Bytes,
    begun: Arc<AtomicBool>,
}

impl Watched {
    pub(super) fn new(body: Bytes) -> (Self, Arc<AtomicBool>) {
        let begun = Arc::new(AtomicBool::new(false));
        (Self { body, begun: Arc::clone(&begun) }, begun)
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.begun.store(true, Ordering::Relaxed);
        let body = std::mem::take(&mut self.body);
        Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len() as u64)
    }
}
