//! The connections in use.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use tokio::sync::Notify;
use waystation_journey::Connections;

use crate::workshop::Link;

/// The connections in use. Whoever takes a link keeps it for one batch, so a swap never breaks a call in flight.
#[derive(Default)]
pub(crate) struct Links {
    links: RwLock<BTreeMap<String, Arc<Link>>>,
    facts: RwLock<Arc<Connections>>,
    wakes: RwLock<BTreeMap<String, Arc<Notify>>>,
}

impl Links {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Link>> {
        self.links.read().ok()?.get(name).cloned()
    }

    /// What journeys need to know of all connections.
    pub(crate) fn facts(&self) -> Arc<Connections> {
        self.facts.read().map(|facts| Arc::clone(&facts)).unwrap_or_default()
    }

    /// Puts a link in place of the former of this name. Says whether the name is new.
    pub(crate) fn put(&self, link: Link) -> bool {
        let name = link.connection.name().to_owned();
        if let Ok(mut facts) = self.facts.write() {
            let mut next = Connections::clone(&facts);
            next.0.insert(name.clone(), link.facts.clone());
            *facts = Arc::new(next);
        }
        let known = self
            .links
            .write()
            .is_ok_and(|mut links| links.insert(name.clone(), Arc::new(link)).is_some());
        self.wake(&name).notify_one();
        !known
    }

    /// What wakes the connection's worker.
    pub(crate) fn wake(&self, name: &str) -> Arc<Notify> {
        if let Some(wake) = self.wakes.read().ok().and_then(|wakes| wakes.get(name).cloned()) {
            return wake;
        }
        match self.wakes.write() {
            Ok(mut wakes) => Arc::clone(wakes.entry(name.to_owned()).or_default()),
            Err(_) => Arc::default(),
        }
    }
}
