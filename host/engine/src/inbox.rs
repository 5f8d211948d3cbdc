//! Taking events in. Requests that arrive together are stored by one statement and one commit.

use std::sync::Arc;

use fail::fail_point;
use tokio::sync::{Notify, mpsc, oneshot};
use waystation_store::records::{NewEvent, Taken};
use waystation_store::{Store, StoreError, faults};

use crate::clock::Clock;
use crate::engine::Core;
use crate::error::EngineError;
use crate::metrics::Metrics;

/// Requests that may wait; more are refused as overload.
const QUEUE: usize = 4096;
/// Most events in one statement.
const BATCH: usize = 2000;
/// Events that may wait for the engine before those that the engine fetches are left where they are.
const WAITING: i64 = 20_000;

type Answer = oneshot::Sender<Result<Vec<Taken>, StoreError>>;

struct Request {
    events: Vec<NewEvent>,
    answer: Answer,
}

/// Where events are handed over.
#[derive(Clone)]
pub(crate) struct Inbox {
    queue: mpsc::Sender<Request>,
}

/// The other end, which stores them.
pub(crate) struct InboxWorker {
    requests: mpsc::Receiver<Request>,
}

pub(crate) fn inbox() -> (Inbox, InboxWorker) {
    let (queue, requests) = mpsc::channel(QUEUE);
    (Inbox { queue }, InboxWorker { requests })
}

impl Inbox {
    /// Stores events; one answer for each, in order, once they are durable.
    pub(crate) async fn take(&self, events: Vec<NewEvent>) -> Result<Vec<Taken>, EngineError> {
        let (answer, taken) = oneshot::channel();
        self.queue.try_send(Request { events, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EngineError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed.into(),
        })?;
        Ok(taken.await.map_err(|_| StoreError::Closed)??)
    }
}

impl InboxWorker {
    /// Stores what comes until every [`Inbox`] is gone.
    pub(crate) async fn run(
        mut self,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        wake: Arc<Notify>,
        metrics: Arc<Metrics>,
    ) {
        while let Some(first) = self.requests.recv().await {
            let mut group = vec![first];
            let mut size = group[0].events.len();
            while size < BATCH {
                let Ok(next) = self.requests.try_recv() else { break };
                size += next.events.len();
                group.push(next);
            }
            let (events, answers): (Vec<_>, Vec<_>) = group
                .into_iter()
                .map(|request| {
                    let count = request.events.len();
                    (request.events, (count, request.answer))
                })
                .unzip();
            let events: Vec<NewEvent> = events.into_iter().flatten().collect();
            fail_point!("inbox.gathered");
            if faults::planted("plant.early-answer") {
                let taken = vec![Taken::Accepted; events.len()];
                share(Ok(taken), answers);
                continue;
            }
            let taken = store.take_events(events, clock.now()).await;
            fail_point!("inbox.taken");
            if let Ok(taken) = &taken {
                metrics.events_taken(taken);
                wake.notify_one();
            }
            share(taken, answers);
            fail_point!("inbox.answered");
        }
    }
}

impl Core {
    /// Whether sources that the engine reads by itself are to wait: polled trigger sources, and streams.
    pub(crate) async fn inbox_is_full(&self) -> Result<bool, StoreError> {
        Ok(self.store.events_waiting(WAITING).await? >= WAITING)
    }
}

/// Gives each request its part of the answers.
fn share(taken: Result<Vec<Taken>, StoreError>, answers: Vec<(usize, Answer)>) {
    match taken {
        Ok(taken) => {
            let mut rest = taken.into_iter();
            for (count, answer) in answers {
                // Whoever asked may have gone; the events are stored all the same.
                let _ = answer.send(Ok(rest.by_ref().take(count).collect()));
            }
        }
        Err(error) => {
            for (_, answer) in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
