//! Taking events in. Requests that arrive together are stored by one statement and one commit.
//!
//! Events that set transactional journeys going have a queue of their own, so that they do not stand behind a blast of
//! others. Both are bounded in requests, events and bytes; what finds no room is turned away at once, with the time after
//! which to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fail::fail_point;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use waystation_journey::Lane;
use waystation_store::records::{NewEvent, Taken};
use waystation_store::{Store, StoreError, faults};

use crate::clock::Clock;
use crate::engine::{Core, Wake};
use crate::error::EngineError;
use crate::metrics::Metrics;

/// Requests that may wait in each queue.
const REQUESTS: usize = 4096;
/// Events that may wait: for transactional journeys, and all others. About a second's work each.
const EVENTS: (u32, u32) = (10_000, 20_000);
/// Bytes that may wait.
const BYTES: (u32, u32) = (16 << 20, 64 << 20);
/// Most events in one statement, but for what one request brings.
const BATCH: usize = 2000;
/// Events that may wait for the engine before those that the engine fetches are left where they are.
const WAITING: i64 = 20_000;
/// Most bytes in one statement, but for what one request brings.
const BATCH_BYTES: usize = 8 << 20;
/// Longest time after which to come again, in seconds.
const LATER: u64 = 30;

type Answer = oneshot::Sender<Result<Vec<Taken>, StoreError>>;

struct Request {
    events: Vec<NewEvent>,
    bytes: usize,
    answer: Answer,
    /// Given back once the events are stored.
    _room: [OwnedSemaphorePermit; 2],
}

/// Where events are handed over.
#[derive(Clone)]
pub(crate) struct Inbox {
    urgent: Queue,
    others: Queue,
    /// Events stored in a second, as of late.
    rate: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Queue {
    requests: mpsc::Sender<Request>,
    /// Room for events.
    events: Arc<Semaphore>,
    most_events: u32,
    /// Room for bytes.
    bytes: Arc<Semaphore>,
    most_bytes: u32,
}

/// The other end, which stores them.
pub(crate) struct InboxWorker {
    urgent: mpsc::Receiver<Request>,
    others: mpsc::Receiver<Request>,
    rate: Arc<AtomicU64>,
}

pub(crate) fn inbox() -> (Inbox, InboxWorker) {
    let (urgent, urgent_requests) = Queue::new(EVENTS.0, BYTES.0);
    let (others, other_requests) = Queue::new(EVENTS.1, BYTES.1);
    let rate = Arc::<AtomicU64>::default();
    (
        Inbox { urgent, others, rate: Arc::clone(&rate) },
        InboxWorker { urgent: urgent_requests, others: other_requests, rate },
    )
}

impl Queue {
    fn new(events: u32, bytes: u32) -> (Self, mpsc::Receiver<Request>) {
        let (requests, received) = mpsc::channel(REQUESTS);
        let room = |most: u32| Arc::new(Semaphore::new(most as usize));
        let queue = Self {
            requests,
            events: room(events),
            most_events: events,
            bytes: room(bytes),
            most_bytes: bytes,
        };
        (queue, received)
    }

    /// Room for a request, if there is any. One that is larger than the queue needs all of it.
    fn room(&self, events: usize, bytes: usize) -> Option<[OwnedSemaphorePermit; 2]> {
        let some = |room: &Arc<Semaphore>, wanted: usize, most: u32| {
            let wanted = u32::try_from(wanted).unwrap_or(most).min(most);
            Arc::clone(room).try_acquire_many_owned(wanted).ok()
        };
        let events = some(&self.events, events, self.most_events)?;
        Some([events, some(&self.bytes, bytes, self.most_bytes)?])
    }

    fn waiting(&self) -> u64 {
        u64::from(self.most_events).saturating_sub(self.events.available_permits() as u64)
    }
}

impl Inbox {
    /// Stores events; one answer for each, in order, once they are durable.
    pub(crate) async fn take(&self, events: Vec<NewEvent>) -> Result<Vec<Taken>, EngineError> {
        let is_urgent = !events.is_empty() && events.iter().all(|event| event.lane.is_urgent());
        let queue = if is_urgent { &self.urgent } else { &self.others };
        let bytes = events.iter().map(size).sum();
        let (answer, taken) = oneshot::channel();
        let room = queue.room(events.len(), bytes).ok_or_else(|| self.overloaded(queue))?;
        let request = Request { events, bytes, answer, _room: room };
        queue.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => self.overloaded(queue),
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed.into(),
        })?;
        Ok(taken.await.map_err(|_| StoreError::Closed)??)
    }

    /// What waits is stored by then, if it goes on as of late.
    fn overloaded(&self, queue: &Queue) -> EngineError {
        let rate = self.rate.load(Ordering::Relaxed).max(1);
        EngineError::Overloaded { after_s: queue.waiting().div_ceil(rate).clamp(1, LATER) }
    }
}

impl InboxWorker {
    /// Stores what comes until every [`Inbox`] is gone.
    pub(crate) async fn run(
        mut self,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        wake: Arc<Wake>,
        metrics: Arc<Metrics>,
    ) {
        while let Some(group) = self.group().await {
            let (mut events, mut answers) = (Vec::new(), Vec::with_capacity(group.len()));
            for request in group {
                answers.push((request.events.len(), request.answer, request._room));
                events.extend(request.events);
            }
            fail_point!("inbox.gathered");
            if faults::planted("plant.early-answer") {
                let taken = vec![Taken::Accepted; events.len()];
                share(Ok(taken), answers);
                continue;
            }
            let (count, started) = (events.len(), Instant::now());
            let taken = store.take_events(events, clock.now()).await;
            fail_point!("inbox.taken");
            if let Ok(taken) = &taken {
                self.measure(count, started.elapsed());
                metrics.events_taken(taken);
            }
            // Even after an error: the database may have stored them without saying so.
            wake.notify();
            share(taken, answers);
            fail_point!("inbox.answered");
        }
    }

    /// Requests to be stored together: first those for transactional journeys, up to half of the room while others wait.
    async fn group(&mut self) -> Option<Vec<Request>> {
        let first = tokio::select! {
            biased;
            Some(request) = self.urgent.recv() => request,
            Some(request) = self.others.recv() => request,
            else => return None,
        };
        let (mut size, mut bytes) = (first.events.len(), first.bytes);
        let mut group = vec![first];
        for (queue, most) in [(&mut self.urgent, BATCH / 2), (&mut self.others, BATCH)] {
            while size < most && bytes < BATCH_BYTES {
                let Ok(next) = queue.try_recv() else { break };
                size += next.events.len();
                bytes += next.bytes;
                group.push(next);
            }
        }
        Some(group)
    }

    /// Takes a batch into the rate, in which the newest counts for an eighth.
    fn measure(&self, count: usize, took: Duration) {
        let now = count as f64 / took.as_secs_f64().max(1e-6);
        let before = self.rate.load(Ordering::Relaxed) as f64;
        let rate = if before == 0.0 { now } else { before + (now - before) / 8.0 };
        self.rate.store(rate as u64, Ordering::Relaxed);
    }
}

impl Core {
    /// Whether so many events of these lanes wait that sources which bring more are to be left as they are.
    pub(crate) async fn inbox_is_full(&self, lanes: &[Lane]) -> Result<bool, StoreError> {
        Ok(self.store.events_waiting(lanes, WAITING).await? >= WAITING)
    }
}

/// Gives each request its part of the answers, and its room back.
fn share(
    taken: Result<Vec<Taken>, StoreError>,
    answers: Vec<(usize, Answer, [OwnedSemaphorePermit; 2])>,
) {
    match taken {
        Ok(taken) => {
            let mut rest = taken.into_iter();
            for (count, answer, _room) in answers {
                // Whoever asked may have gone; the events are stored all the same.
                let _ = answer.send(Ok(rest.by_ref().take(count).collect()));
            }
        }
        Err(error) => {
            for (_, answer, _room) in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

/// About as many bytes as an event takes in memory.
fn size(event: &NewEvent) -> usize {
    let properties = event.properties.iter().map(|(name, value)| name.len() + of_value(value));
    let words = event.source.len() + event.id.len() + event.name.len();
    size_of::<NewEvent>() + words + properties.sum::<usize>()
}

fn of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(of_value).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| name.len() + of_value(value)).sum()
            }
        }
}
