//! Sending HTTP requests for plugins: only where the operator allowed it, and without showing a secret.
//!
//! # Layout
//! - `origin`, `address`: where a request may go, by name and by address
//! - `resolve`: names to addresses, checked in the answer that is connected to
//! - `request`: what a plugin may ask for; `filling`: secrets in the place of placeholders
//! - `client`: connections, TLS and HTTP, one client for each connection of a plugin
//! - `exchange`: one request with its redirects
//! - `response`: reading within bounds, secrets covered
//! - `failure`: what became of a request that got no response

mod address;
mod client;
mod exchange;
mod failure;
mod filling;
mod origin;
mod request;
mod resolve;
mod response;

use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::Semaphore;

use self::client::Clients;
pub use self::resolve::Resolve;
pub(crate) use self::{
    client::Network, exchange::Sending, filling::Secrets, origin::Pattern, response::Room,
};
use crate::connection::HttpGrant;

/// Requests of one connection that are under way at the same time.
pub(crate) const CONCURRENT: usize = 64;

const ORIGINS_MAX: usize = 1_000;
const NETWORKS_MAX: usize = 1_000;
const REDIRECTS_MAX: u8 = 10;

/// Leave to send requests, with the client that sends them.
pub(crate) struct Outbound {
    origins: Vec<Pattern>,
    networks: Arc<[IpNet]>,
    redirects: u8,
    clients: Clients,
    turns: Semaphore,
}

impl Outbound {
    /// Reads what an operator granted, or says what is wrong with it. Nothing is connected yet.
    pub(crate) fn new(grant: &HttpGrant, network: Arc<Network>) -> Result<Self, String> {
        if grant.redirects > REDIRECTS_MAX {
            return Err(format!(
                "permissions.http.redirects is {}; it must be from 0 to {REDIRECTS_MAX}",
                grant.redirects
            ));
        }
        if grant.networks.len() > NETWORKS_MAX {
            return Err(format!(
                "permissions.http.networks has more than the {NETWORKS_MAX} entries allowed"
            ));
        }
        let origins = patterns("permissions.http.origins", &grant.origins)?;
        let networks: Arc<[IpNet]> = grant.networks.as_slice().into();
        let clients = Clients::new(network, Arc::clone(&networks));
        Ok(Self {
            origins,
            networks,
            redirects: grant.redirects,
            clients,
            turns: Semaphore::new(CONCURRENT),
        })
    }
}

/// Reads the origins that something is granted for; `what` is the name of the grant.
pub(crate) fn patterns<'a>(
    what: &str,
    origins: impl IntoIterator<Item = &'a String>,
) -> Result<Vec<Pattern>, String> {
    let patterns = origins
        .into_iter()
        .map(|text| Pattern::parse(text).map_err(|error| format!("{what}: {error}")))
        .collect::<Result<Vec<_>, _>>()?;
    if patterns.len() > ORIGINS_MAX {
        return Err(format!("{what} has more than the {ORIGINS_MAX} entries allowed"));
    }
    Ok(patterns)
}
