//! From names to addresses that may be connected to.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolving};

use super::address;

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// Finds the addresses of names. Whether they may be connected to is decided afterwards.
pub trait Resolve: Send + Sync {
    /// The addresses of a host name, the best first.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Asks the operating system.
#[derive(Debug)]
pub(crate) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves for the HTTP client, which connects to what it is given here and asks nobody else: an address is checked in the
/// very answer that is used, so that a second answer cannot slip past.
pub(super) struct Checked {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) networks: Arc<[IpNet]>,
}

/// All addresses of a name are refused; this says why the first is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, networks) = (Arc::clone(&self.resolver), Arc::clone(&self.networks));
        Box::pin(async move {
            let found = resolver.resolve(name.as_str()).await?;
            allowed(&found, &networks)
                .map_err(|error| Box::new(error) as Box<dyn Error + Send + Sync>)
        })
    }
}

fn allowed(found: &[IpAddr], networks: &[IpNet]) -> Result<Addrs, Refused> {
    let mut refused = None;
    let mut addresses = Vec::new();
    for address in found.iter().take(ADDRESSES_MAX) {
        match address::refusal(*address, networks) {
            // Zero stands for the URL's port.
            None => addresses.push(SocketAddr::new(address.to_canonical(), 0)),
            Some(why) => refused = refused.or(Some(why)),
        }
    }
    match refused {
        Some(why) if addresses.is_empty() => Err(Refused(why)),
        _ => Ok(Box::new(addresses.into_iter())),
    }
}
