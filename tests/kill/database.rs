//! The PostgreSQL server that several hosts share. It is killed as well, now and then, while they run on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use waystation_services::postgres;

/// The key that seals secrets is the same on all hosts: 32 bytes.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// A host has this time to find its way back to a database that is there again, before it is killed itself.
const FIND_BACK: Duration = Duration::from_millis(1_500);

/// A server of the run's own, with the database of the workspace.
pub(crate) struct Shared {
    server: Arc<postgres::Server>,
    url: String,
    standing: Arc<watch::Sender<Standing>>,
    outage: Option<JoinHandle<()>>,
}

/// Whether the database is there.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    outages: u32,
    away: bool,
}

/// Tells hosts' lives of outages. A database that is a file has none.
#[derive(Clone)]
pub(crate) struct Outages {
    standing: watch::Receiver<Standing>,
    /// Those that were over when this was last looked at.
    known: u32,
}

impl Outages {
    /// None ever.
    pub(crate) fn none() -> Self {
        Self { standing: watch::Sender::default().subscribe(), known: 0 }
    }

    /// From now on it is told what has been since.
    pub(crate) fn look(&mut self) {
        let standing = *self.standing.borrow();
        self.known = standing.outages - u32::from(standing.away);
    }

    /// Whether the database was away since the last look.
    pub(crate) fn been_away(&self) -> bool {
        self.standing.borrow().outages > self.known
    }

    /// If the database is away, waits until it is back and whoever uses it had time to notice.
    pub(crate) async fn sit_out(&mut self) {
        if self.standing.borrow().away {
            // Where nobody can end it any more, it is over.
            let _ = self.standing.wait_for(|standing| !standing.away).await;
            tokio::time::sleep(FIND_BACK).await;
        }
    }
}

impl Shared {
    /// Starts the server.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let started = tokio::task::spawn_blocking(|| {
            let server = postgres::Server::start(&[]);
            let name = server.create_database();
            let url = server.url(&name);
            (server, url)
        });
        let (server, url) = started.await.context("PostgreSQL does not start")?;
        Ok(Self { server: Arc::new(server), url, standing: Arc::default(), outage: None })
    }

    /// What hosts have in their environment to use it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let variables = [("WAYSTATION_DATABASE", self.url.as_str()), ("WAYSTATION_KEY", KEY)];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    pub(crate) fn outages(&self) -> Outages {
        let mut outages = Outages { standing: self.standing.subscribe(), known: 0 };
        outages.look();
        outages
    }

    /// Kills it after so long, and starts it again once it was away for so long; unless that is under way already, which it
    /// says.
    pub(crate) fn strike(&mut self, after: Duration, away: Duration) -> bool {
        if self.outage.as_ref().is_some_and(|outage| !outage.is_finished()) {
            return false;
        }
        let (server, standing) = (Arc::clone(&self.server), Arc::clone(&self.standing));
        self.outage = Some(tokio::task::spawn_blocking(move || {
            std::thread::sleep(after);
            standing.send_modify(|standing| {
                standing.outages += 1;
                standing.away = true;
            });
            server.kill();
            std::thread::sleep(away);
            server.restart();
            standing.send_modify(|standing| standing.away = false);
        }));
        true
    }

    /// Waits until it is there to stay.
    pub(crate) async fn settled(&mut self) -> anyhow::Result<()> {
        match self.outage.take() {
            Some(outage) => outage.await.context("PostgreSQL does not come back"),
            None => Ok(()),
        }
    }
}
