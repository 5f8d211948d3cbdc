//! Sessions that are kept for the next message.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time::timeout_at};

use super::{
    Failure, Letter,
    session::{Session, Stopped},
    url::Server,
};

/// Connections that are open to one relay at the same time.
pub(super) const CONNECTIONS: usize = 8;
/// After this time a connection that nobody used is closed. Servers do the same after some minutes.
const IDLE_TIME: Duration = Duration::from_secs(30);

pub(super) struct Pool {
    server: Server,
    /// One permit for each connection in use; with the idle ones there are never more than [`CONNECTIONS`].
    turns: Semaphore,
    /// Not held across an await.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    session: Session,
    since: Instant,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.server.host, self.server.port)
    }
}

impl Pool {
    pub(super) fn new(server: Server) -> Self {
        Self { server, turns: Semaphore::new(CONNECTIONS), idle: Mutex::new(Vec::new()) }
    }

    /// Waits for a connection and submits the letter over it, all of it before `until`.
    pub(super) async fn submit(&self, letter: &Letter, until: Instant) -> Result<String, Failure> {
        // The semaphore is never closed.
        let Ok(Ok(_turn)) = timeout_at(until.into(), self.turns.acquire()).await else {
            return Err(Failure::Deferred("all connections to the relay were busy".to_owned()));
        };
        if let Some(mut session) = self.reuse().await {
            match session.submit(letter, until).await {
                // Servers close idle connections as they like; the letter is tried once more on a fresh one.
                Err(Stopped::Stale(_)) => {}
                outcome => return self.finish(session, outcome),
            }
        }
        let mut session = Session::connect(&self.server, until).await?;
        let outcome = session.submit(letter, until).await;
        self.finish(session, outcome)
    }

    /// The connection that was used last, if there is one. Those that were idle for too long are closed.
    async fn reuse(&self) -> Option<Session> {
        let (fresh, stale) = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let first_fresh = idle.partition_point(|idle| idle.since.elapsed() > IDLE_TIME);
            let stale: Vec<Idle> = idle.drain(..first_fresh).collect();
            (idle.pop().map(|idle| idle.session), stale)
        };
        for old in stale {
            old.session.quit().await;
        }
        fresh
    }

    fn finish(
        &self,
        session: Session,
        outcome: Result<String, Stopped>,
    ) -> Result<String, Failure> {
        if session.is_usable() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(Idle { session, since: Instant::now() });
        }
        outcome.map_err(|stopped| match stopped {
            Stopped::Stale(detail) => Failure::Deferred(detail),
            Stopped::Failed(failure) => failure,
        })
    }
}
