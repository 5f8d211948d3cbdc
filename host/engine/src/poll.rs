//! Polling: for each trigger source that asks for it, one call after the other, each with what the one before handed on.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fail::fail_point;
use tokio::sync::watch;
use tracing::{error, warn};
use waystation_journey::Lane;
use waystation_sandbox::contract::trigger_source::Subscription;
use waystation_store::records::PollPlace;
use waystation_store::{StoreError, faults};

use crate::engine::Core;
use crate::error::EngineError;
use crate::links::Line;
use crate::triggers::warn_of_strangers;
use crate::workshop::Link;

/// Bounds of the time to the next poll, in milliseconds.
const NEXT: (i64, i64) = (1_000, 24 * 3_600_000);
/// Pause after a failed poll, in milliseconds; each further failure doubles it, up to the second.
const BACK_OFF: (i64, i64) = (1_000, 300_000);
/// Pause while too much is waiting, or the database fails.
const PAUSE: Duration = Duration::from_secs(1);

/// When to go on.
enum Next {
    /// At this time of the engine.
    At(i64),
    /// In a moment.
    Soon,
    /// Once something has changed.
    Never,
}

/// Polls a connection until `stop`, whenever the release in use is a trigger source that is polled.
pub(crate) async fn work(core: Arc<Core>, line: Arc<Line>, mut stop: watch::Receiver<bool>) {
    let mut poller = Poller { core, line, asked: None, place: None, failures: 0 };
    while !*stop.borrow() {
        let next = poller.turn().await;
        let pause = async {
            match next {
                Next::At(at) => poller.core.clock.sleep_until(at).await,
                Next::Soon => tokio::time::sleep(PAUSE).await,
                Next::Never => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            () = poller.line.poll.notified() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

struct Poller {
    core: Arc<Core>,
    line: Arc<Line>,
    /// The release and the subscriptions of the last poll: another release, or others, are asked at once.
    asked: Option<(Weak<Link>, Vec<Subscription>)>,
    /// As stored, once it has been read.
    place: Option<PollPlace>,
    failures: u32,
}

impl Poller {
    /// Polls if it is time to.
    async fn turn(&mut self) -> Next {
        if !self.core.territory.leads() {
            // Whoever leads moves the cursor on.
            (self.place, self.asked) = (None, None);
            return Next::Never;
        }
        let flight = self.line.begin_current();
        let link = flight.link();
        if !link.trigger_source.as_ref().is_some_and(|traits| traits.polls) {
            return Next::Never;
        }
        let subscriptions = self.core.subscriptions(&self.line.name);
        let same = self.asked.as_ref().is_some_and(|(release, asked)| {
            std::ptr::eq(release.as_ptr(), Arc::as_ptr(link)) && *asked == subscriptions
        });
        if same
            && let Some(place) = &self.place
            && place.next_at > self.core.clock.now()
        {
            return Next::At(place.next_at);
        }
        if !same {
            self.failures = 0;
        }
        let polled = self.poll(link, &subscriptions).await;
        self.asked = Some((Arc::downgrade(link), subscriptions));
        match polled {
            Ok(next) => next,
            Err(EngineError::Store(StoreError::Closed)) => Next::Never,
            Err(EngineError::Store(error)) => {
                error!(connection = self.line.name, %error, "a poll cannot be stored; it is repeated");
                self.place = None;
                Next::Soon
            }
            Err(error) => {
                warn!(connection = self.line.name, %error, "a poll failed; it is repeated with the same cursor");
                Next::At(self.back_off())
            }
        }
    }

    async fn poll(
        &mut self,
        link: &Arc<Link>,
        subscriptions: &[Subscription],
    ) -> Result<Next, EngineError> {
        let (core, name) = (&self.core, &self.line.name);
        let lanes =
            core.programs.picture().lanes_of(subscriptions.iter().map(|one| one.id.as_str()));
        let mut lanes: Vec<Lane> = lanes.into_iter().collect();
        if lanes.is_empty() {
            lanes.push(Lane::GENERAL);
        }
        if core.inbox_is_full(&lanes).await? {
            return Ok(Next::Soon);
        }
        let cursor = match self.place.take() {
            Some(place) => place.cursor,
            None => core.store.poll_place(name).await?.and_then(|place| place.cursor),
        };
        // Until it is known how the poll ended.
        let place = |next_at| PollPlace { cursor: cursor.clone(), next_at };
        self.place = Some(place(i64::MIN));
        fail_point!("poll.before");
        let polled = link.connection.poll(subscriptions, cursor.as_deref()).await;
        core.metrics.polled(name, polled.is_ok());
        let polled =
            polled.map_err(|error| EngineError::Call { connection: name.clone(), error })?;
        fail_point!("poll.answered");
        let mut events = core.brought(name, polled.events, subscriptions)?;
        if faults::planted("plant.forget-polled") {
            events.clear();
        }
        let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
        let now = core.clock.now();
        let next_at = i64::try_from(polled.next_at).unwrap_or(i64::MAX);
        let place = PollPlace {
            cursor: polled.cursor,
            next_at: next_at.clamp(now.saturating_add(NEXT.0), now.saturating_add(NEXT.1)),
        };
        let taken = core.store.take_polled(name.clone(), events, place.clone(), now).await?;
        fail_point!("poll.taken");
        warn_of_strangers(name, &ids, &taken);
        if !taken.is_empty() {
            core.metrics.events_taken(&taken);
            core.wake.notify();
        }
        let next = Next::At(place.next_at);
        self.place = Some(place);
        self.failures = 0;
        Ok(next)
    }

    fn back_off(&mut self) -> i64 {
        let pause = BACK_OFF.0.saturating_mul(1 << self.failures.min(16)).min(BACK_OFF.1);
        self.failures += 1;
        let next_at = self.core.clock.now().saturating_add(pause);
        if let Some(place) = &mut self.place {
            place.next_at = next_at;
        }
        next_at
    }
}
