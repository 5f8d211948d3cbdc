//! What is old goes: ended enrollments with their effects, events, recorded calls. Nothing that anybody may still need goes.
//!
//! It is found by readers and deleted in batches so small that the writer is held for a few milliseconds, with pauses that leave
//! the writer to others for most of the time. A batch is whole in itself: after a kill the next round goes on with what is left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{error, info};
use waystation_journey::{Again, Needs, Policy};
use waystation_store::StoreError;
use waystation_store::records::{Deleted, EndedRow, Trimming};

use crate::engine::Core;
use crate::programs::Picture;
use crate::tell::duration;

/// Setting: for how long ended enrollments are kept, with history, deliveries and decisions.
pub const KEEP_ENROLLMENTS: &str = "keep_enrollments";
/// How long that is if nothing is set.
pub const KEEP_ENROLLMENTS_DEFAULT: &str = "180d";
/// Setting: for how long events are kept, and with them the identifiers that count once.
pub const KEEP_EVENTS: &str = "keep_events";
/// How long that is if nothing is set.
pub const KEEP_EVENTS_DEFAULT: &str = "400d";
/// Setting: for how long recorded calls are kept.
pub const KEEP_RECORDINGS: &str = "keep_recordings";
/// How long that is if nothing is set.
pub const KEEP_RECORDINGS_DEFAULT: &str = "30d";

/// Milliseconds from one round to the next.
const ROUND: i64 = 3_600_000;
const DAY: i64 = 24 * 3_600_000;
/// For how long a batch may hold the writer. The next batch is smaller if one took longer.
const HOLD: Duration = Duration::from_millis(10);
/// The pause after a batch is this many times as long as the batch took.
const LEAVE: u32 = 4;
/// Shortest pause between two batches.
const PAUSE: Duration = Duration::from_millis(5);
/// Rows of one batch.
const BATCH: (usize, usize) = (1, 500);
/// Rows that a reader looks at in one go.
const LOOK: i64 = 1_000;

/// Deletes what is old until `stop`.
pub(crate) async fn work(core: Arc<Core>, stop: watch::Receiver<bool>) {
    let mut round = Round { core, stop, batch: 50 };
    while !round.stopped() {
        let next = round.core.clock.now().saturating_add(ROUND);
        // Of several hosts on one database, one does it.
        if round.core.territory.leads() {
            match round.run().await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    error!(%error, "what is old cannot be deleted; it is tried again in an hour");
                }
            }
        }
        let core = &round.core;
        tokio::select! {
            () = core.clock.sleep_until(next) => {}
            _ = round.stop.wait_for(|stop| *stop) => {}
        }
    }
}

struct Round {
    core: Arc<Core>,
    stop: watch::Receiver<bool>,
    /// Rows of the next batch.
    batch: usize,
}

impl Round {
    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn run(&mut self) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        let enrollments = core.kept_for(KEEP_ENROLLMENTS, KEEP_ENROLLMENTS_DEFAULT).await?;
        let events = core.kept_for(KEEP_EVENTS, KEEP_EVENTS_DEFAULT).await?;
        let recordings = core.kept_for(KEEP_RECORDINGS, KEEP_RECORDINGS_DEFAULT).await?;
        let deleted = [
            ("enrollment", self.enrollments(enrollments).await?),
            ("event", self.events(events).await?),
            ("recording", self.recordings(recordings).await?),
        ];
        if deleted.iter().any(|(_, rows)| *rows > 0) {
            let [(_, enrollments), (_, events), (_, recordings)] = deleted;
            info!(enrollments, events, recordings, "what was old is deleted");
        }
        Ok(())
    }

    async fn enrollments(&mut self, keep: i64) -> Result<u64, StoreError> {
        let core = Arc::clone(&self.core);
        let now = core.clock.now();
        let rules = Rules::new(&core.programs.picture(), &core.policies.get(), keep, now);
        let (mut place, mut gone) = ((i64::MIN, String::new()), 0);
        while !self.stopped() {
            let found = core.store.ended(rules.before, (place.0, &place.1), LOOK).await?;
            let Some(last) = found.last() else { break };
            place = (last.ended_at, last.id.clone());
            let mut left = found.as_slice();
            while !left.is_empty() && !self.stopped() {
                let (batch, rest) = left.split_at(self.batch.min(left.len()));
                left = rest;
                let trimming = rules.trimming(batch);
                if trimming.whole.is_empty() && trimming.but_row.is_empty() {
                    continue;
                }
                let deleted = core.store.trim(trimming).await?;
                gone += deleted.rows;
                core.metrics.deleted("enrollment", deleted.rows);
                core.metrics.deleted("other", deleted.others);
                self.rest(deleted).await;
            }
        }
        Ok(gone)
    }

    async fn events(&mut self, keep: i64) -> Result<u64, StoreError> {
        let core = Arc::clone(&self.core);
        let needs = needs(&core.programs.picture());
        let windows = needs.events.values().map(|need| need.window).max().unwrap_or(0);
        // A day more, as an event may come late or be dated by another clock.
        let keep = keep.max(windows.saturating_add(DAY));
        let before = core.clock.now().saturating_sub(keep);
        let latest = needs.events.iter().filter(|(_, need)| need.latest);
        let latest: Vec<&str> = latest.map(|(name, _)| name.as_str()).collect();
        let (mut place, mut gone) = (0, 0);
        while !self.stopped() {
            let found = core.store.old_events(place, before, &latest, LOOK).await?;
            let Some(last) = found.last() else { break };
            place = last.position;
            // Events come in the order of time, but for what clocks do.
            if found.iter().all(|event| event.received_at >= before) {
                break;
            }
            let old = found.iter().filter(|event| event.received_at < before && !event.needed);
            let old: Vec<i64> = old.map(|event| event.position).collect();
            let mut left = old.as_slice();
            while !left.is_empty() && !self.stopped() {
                let (batch, rest) = left.split_at(self.batch.min(left.len()));
                left = rest;
                let deleted = core.store.delete_events(batch.to_vec()).await?;
                gone += deleted.rows;
                core.metrics.deleted("event", deleted.rows);
                self.rest(deleted).await;
            }
        }
        Ok(gone)
    }

    async fn recordings(&mut self, keep: i64) -> Result<u64, StoreError> {
        let core = Arc::clone(&self.core);
        let before = core.clock.now().saturating_sub(keep);
        let mut gone = 0;
        while !self.stopped() {
            let limit = i64::try_from(self.batch).unwrap_or(1);
            let deleted = core.store.delete_recordings(before, limit).await?;
            if deleted.rows == 0 {
                break;
            }
            gone += deleted.rows;
            core.metrics.deleted("recording", deleted.rows);
            self.rest(deleted).await;
        }
        Ok(gone)
    }

    /// Leaves the writer to others, and fits the next batch to what this one took.
    async fn rest(&mut self, deleted: Deleted) {
        if deleted.took > HOLD {
            self.batch = (self.batch / 2).max(BATCH.0);
        } else if deleted.took < HOLD / 4 {
            self.batch = (self.batch * 2).min(BATCH.1);
        }
        let pause = (deleted.took * LEAVE).max(PAUSE);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Core {
    async fn kept_for(&self, name: &str, default: &str) -> Result<i64, StoreError> {
        let set = self.store.setting(name).await?;
        let kept = set.as_deref().and_then(duration).or_else(|| duration(default));
        Ok(kept.unwrap_or(i64::MAX))
    }
}

/// What conditions of all versions and segments read of the past.
fn needs(picture: &Picture) -> Needs {
    let mut needs = Needs::default();
    for program in picture.programs() {
        needs.add(program.needs());
    }
    needs.segments.extend(picture.segments.names().map(str::to_owned));
    picture.segments.needs(&needs)
}

/// What decides about ended enrollments.
struct Rules {
    now: i64,
    /// What ended at this time or later stays.
    before: i64,
    /// Messages that were handed over at this time or later may count for a limit.
    counted_since: i64,
    journeys: HashMap<String, Rule>,
}

/// The strictest of a journey's versions, as any of them may be put into use.
#[derive(Default, Clone, Copy)]
struct Rule {
    /// Nobody enters twice.
    once: bool,
    /// For how many milliseconds after the end nobody enters again.
    again_after: i64,
    /// For how many milliseconds after enrolling the goal may be reached. A goal without a time is awaited for as long as
    /// enrollments are kept.
    goal_within: i64,
}

/// What becomes of an ended enrollment.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    /// What belongs to it goes, its row stays.
    ButRow,
    Goes,
}

impl Rules {
    fn new(picture: &Picture, policy: &Policy, keep: i64, now: i64) -> Self {
        let mut journeys: HashMap<String, Rule> = HashMap::new();
        let mut limits = policy.dedupe().unwrap_or(0);
        limits = policy.limits().iter().map(|limit| limit.per).fold(limits, i64::max);
        for program in picture.programs() {
            limits = program.limits().iter().map(|limit| limit.per).fold(limits, i64::max);
            let rule = journeys.entry(program.name().to_owned()).or_default();
            match program.again() {
                Again::Never => rule.once = true,
                Again::After(after) => rule.again_after = rule.again_after.max(after),
                Again::Always => {}
            }
            let within = program.goal_within().filter(|within| *within < i64::MAX);
            rule.goal_within = rule.goal_within.max(within.unwrap_or(0));
        }
        Self {
            now,
            before: now.saturating_sub(keep),
            counted_since: now.saturating_sub(limits),
            journeys,
        }
    }

    fn fate(&self, row: &EndedRow) -> Fate {
        // The versions are loaded with the host; whose journey is not there may be needed by one that is to come.
        let Some(rule) = self.journeys.get(&row.journey) else { return Fate::Stays };
        let again = row.ended_at.saturating_add(rule.again_after) > self.now;
        let goal =
            !row.goal_reached && row.enrolled_at.saturating_add(rule.goal_within) >= self.now;
        if row.ended_at >= self.before || again || goal {
            Fate::Stays
        } else if rule.once || row.undecided {
            Fate::ButRow
        } else {
            Fate::Goes
        }
    }

    fn trimming(&self, batch: &[EndedRow]) -> Trimming {
        let mut trimming = Trimming { counted_since: self.counted_since, ..Trimming::default() };
        for row in batch {
            match self.fate(row) {
                Fate::Stays => {}
                Fate::ButRow => trimming.but_row.push(row.id.clone()),
                Fate::Goes => trimming.whole.push(row.id.clone()),
            }
        }
        trimming
    }
}

#[cfg(test)]
mod tests;
