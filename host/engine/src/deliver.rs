//! A worker for each connection: which effects go out now, over which release, in which batches (T2).
//!
//! A slow provider delays nobody else. The worker claims at most one batch for each free call slot; whatever it has not
//! claimed stays in the ledger.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fail::fail_point;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tracing::error;
use waystation_store::StoreError;
use waystation_store::records::{
    Due, DueEffect, EffectKind, Next, Overtaking, Portion, Settlement, Verdict,
};

use crate::breaker::Leave;
use crate::call::{self, Batch, Origin};
use crate::canary::Group;
use crate::engine::Core;
use crate::links::{InFlight, InUse, Line};
use crate::request::{Prepared, Terms, prepare};
use crate::workshop::Link;

/// Pause after the database failed.
const RETRY: Duration = Duration::from_secs(10);
/// Milliseconds between the end of the longest question to the provider and the next one.
const ASKING: i64 = 5_000;
/// Pause between two tries to take marks back.
const UNMARK: Duration = Duration::from_millis(200);
/// Milliseconds that effects of a trial wait when all of the candidate's call slots are taken.
const CANDIDATE_BUSY: i64 = 250;
/// Time after which a worker looks for what came to the ledger by other hosts, as by an operator's hand.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Effects looked at in one go while the connection is not called.
const LOOK: i64 = 1_000;

/// What a look at the ledger came to.
enum Claimed {
    /// Nothing is due.
    Nothing,
    /// All that was due was decided without a call.
    Decided,
    /// There may be something, but not before so long.
    Later(Duration),
    /// No call before this time of the engine's clock.
    Closed(i64),
    /// Calls to be made.
    Calls(Vec<Call>),
}

/// A call to be made: marked in the ledger, with its place.
struct Call {
    batch: Batch,
    origin: Origin,
    flight: InFlight,
    slot: OwnedSemaphorePermit,
}

/// Works for one connection until `stop`, then waits for its calls to end.
pub(crate) async fn work(core: Arc<Core>, line: Arc<Line>, mut stop: watch::Receiver<bool>) {
    let mut calls = JoinSet::new();
    // With one free slot, control group and rest take turns, and so do lanes with one effect at a time.
    let mut round = 0_u64;
    while !*stop.borrow() {
        while calls.try_join_next().is_some() {}
        let in_use = line.in_use();
        let Some(slot) = core.slot(&in_use.current) else {
            tokio::select! {
                _ = calls.join_next(), if !calls.is_empty() => {}
                // The release may have been swapped for one with free slots, or this host's part of them have grown.
                () = line.wake.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            continue;
        };
        round += 1;
        let looked_at = core.clock.now();
        let wait = match claim(&core, &line, &in_use, slot, round).await {
            Ok(Claimed::Calls(claimed)) => {
                for one in claimed {
                    let core = Arc::clone(&core);
                    let line = Arc::clone(&line);
                    calls.spawn(async move {
                        call::make(&core, &line, &one.flight, &one.origin, one.batch).await;
                        drop(one.flight);
                        drop(one.slot);
                    });
                }
                continue;
            }
            Ok(Claimed::Decided) => {
                core.wake.notify();
                continue;
            }
            Ok(Claimed::Nothing) => Wait::Due { after: looked_at },
            Ok(Claimed::Later(wait)) => Wait::Real(wait),
            Ok(Claimed::Closed(until)) => Wait::Closed { after: looked_at, until },
            Err(error) => {
                error!(connection = line.name, %error, "due effects cannot be claimed; trying again");
                Wait::Real(RETRY)
            }
        };
        let trial_ends = in_use.trial.as_ref().map(|trial| trial.ends_at());
        let overdue = tokio::select! {
            () = idle(&core, &line.name, wait) => false,
            () = core.others(LOOK_AGAIN) => false,
            () = until(&core, trial_ends) => true,
            () = line.wake.notified() => false,
            _ = stop.wait_for(|stop| *stop) => false,
        };
        if overdue {
            core.end_overdue_trial(&line).await;
        }
    }
    while calls.join_next().await.is_some() {}
}

impl Core {
    /// A place for a call, if this host's part of them is not used up. Only the connection's worker asks.
    fn slot(&self, link: &Link) -> Option<OwnedSemaphorePermit> {
        let taken = link.concurrency as usize - link.slots.available_permits();
        let part = self.territory.part_of(link.concurrency) as usize;
        (taken < part).then(|| Arc::clone(&link.slots).try_acquire_owned().ok()).flatten()
    }
}

/// What a worker without work waits for.
#[derive(Clone, Copy)]
enum Wait {
    /// The next effect that comes due after a look at this time.
    Due { after: i64 },
    /// So long, by the machine's clock.
    Real(Duration),
    /// The end of the breaker's pause, or a message that may take another channel.
    Closed { after: i64, until: i64 },
}

async fn idle(core: &Core, name: &str, wait: Wait) {
    let (next, after, at_latest) = match wait {
        Wait::Real(wait) => return tokio::time::sleep(wait).await,
        Wait::Due { after } => (core.store.next_effect(name).await, after, None),
        Wait::Closed { after, until } => {
            (core.store.next_with_fallback(name).await, after, Some(until))
        }
    };
    match next {
        // What came due since the look is due now; the time may have moved on meanwhile.
        Ok(next) => {
            let next = next.map(|at| at.max(after + 1));
            until(core, [next, at_latest].into_iter().flatten().min()).await;
        }
        Err(_) => tokio::time::sleep(RETRY).await,
    }
}

async fn until(core: &Core, at: Option<i64>) {
    match at {
        Some(at) => core.clock.sleep_until(at).await,
        None => pending().await,
    }
}

async fn claim(
    core: &Core,
    line: &Arc<Line>,
    in_use: &InUse,
    slot: OwnedSemaphorePermit,
    round: u64,
) -> Result<Claimed, StoreError> {
    let _inside = core.territory.enter().await;
    let now = core.clock.now();
    let link = &in_use.current;
    let mut limit = batch_size(link);
    if let Some(rate) = link.rate_per_s {
        let rate = core.territory.part_of(rate);
        match line.pace().ask(rate, Instant::now()) {
            Ok(some) => limit = limit.min(some),
            Err(wait) => return Ok(Claimed::Later(wait)),
        }
    }
    let leave = line.breaker().ask(now);
    let probe = match leave {
        Leave::Free => false,
        Leave::Probe(most) => {
            limit = limit.min(most);
            true
        }
        Leave::Not(until) => return pass_by(core, line, link, now, until).await,
        // The probe's end wakes the worker; the pause is only for the case that it never comes.
        Leave::Wait => return pass_by(core, line, link, now, now + 60_000).await,
    };
    let claimed = claim_free(core, line, in_use, slot, limit, round, probe).await;
    if probe && !matches!(claimed, Ok(Claimed::Calls(_))) {
        line.breaker().not_made(now);
    }
    claimed
}

/// While a connection is not called, messages that may take another channel take it; the others wait.
async fn pass_by(
    core: &Core,
    line: &Line,
    link: &Link,
    now: i64,
    until: i64,
) -> Result<Claimed, StoreError> {
    let keys = core.store.due_with_fallback(&line.name, now, LOOK).await?;
    if keys.is_empty() {
        return Ok(Claimed::Closed(until));
    }
    let verdicts = keys.into_iter().map(|key| (key, Verdict::Suppress("unavailable"))).collect();
    core.store.attempt(verdicts, link.connection.release().digest().to_owned(), now).await?;
    Ok(Claimed::Decided)
}

async fn claim_free(
    core: &Core,
    line: &Arc<Line>,
    in_use: &InUse,
    slot: OwnedSemaphorePermit,
    limit: u32,
    round: u64,
    probe: bool,
) -> Result<Claimed, StoreError> {
    let now = core.clock.now();
    let link = &in_use.current;
    let portion = Portion {
        effects: i64::from(limit),
        bytes: i64::try_from(link.batch_bytes).unwrap_or(i64::MAX),
        round,
    };
    let asked = core.store.due_effects(&line.name, "unknown", now, portion).await?.effects;
    if !asked.is_empty() {
        // Out of sight while the provider is asked, about messages and then about coupons.
        let keys = asked.iter().map(|effect| effect.key.clone()).collect();
        fail_point!("ask.due");
        let asking = link.longest_call_ms.saturating_mul(2).saturating_add(ASKING);
        core.store.postpone(keys, now.saturating_add(asking)).await?;
        let origin = Origin { group: Group::Rest, trial: None, probe };
        let flight = line.begin(link);
        return Ok(Claimed::Calls(vec![Call { batch: Batch::Ask(asked), origin, flight, slot }]));
    }
    let Due { effects: mut due, several_ranks } =
        core.store.due_effects(&line.name, "pending", now, portion).await?;
    if due.is_empty() {
        return Ok(Claimed::Nothing);
    }
    let picture = core.programs.picture();
    // A coupon is taken back all the same: nobody is told of that.
    let waits = |effect: &DueEffect| {
        effect.kind != EffectKind::Revoke && picture.is_paused(&effect.journey)
    };
    let paused: Vec<String> =
        due.extract_if(.., |effect| waits(effect)).map(|effect| effect.key).collect();
    if !paused.is_empty() {
        core.store.park_effects(paused).await?;
        if due.is_empty() {
            return Ok(Claimed::Later(Duration::ZERO));
        }
    }
    let mut calls = Vec::new();
    let mut decided = false;
    for (origin, flight, slot, due) in
        share_out(core, line, in_use, slot, round, probe, due).await?
    {
        let marked = mark(core, line, flight.link(), due, several_ranks, now).await;
        let (batch, others) = match marked {
            Ok(marked) => marked,
            // What is marked already must be called.
            Err(error) if !calls.is_empty() => {
                error!(connection = line.name, %error, "some of what is due cannot be marked; it stays due");
                break;
            }
            Err(error) => return Err(error),
        };
        decided |= others;
        if let Some(batch) = batch {
            calls.push(Call { batch, origin, flight, slot });
        }
    }
    if calls.is_empty() {
        return Ok(if decided { Claimed::Decided } else { Claimed::Later(Duration::ZERO) });
    }
    if decided {
        core.wake.notify();
    }
    Ok(Claimed::Calls(calls))
}

type Part = (Origin, InFlight, OwnedSemaphorePermit, Vec<DueEffect>);

/// Splits what is due by the groups of a trial, as far as there are call slots.
async fn share_out(
    core: &Core,
    line: &Arc<Line>,
    in_use: &InUse,
    slot: OwnedSemaphorePermit,
    round: u64,
    probe: bool,
    due: Vec<DueEffect>,
) -> Result<Vec<Part>, StoreError> {
    let current = &in_use.current;
    let part = |group, link: &Arc<Link>, slot, due| {
        let origin = Origin { group, trial: in_use.trial.clone(), probe };
        (origin, line.begin(link), slot, due)
    };
    // A probe is to tell about the release in use alone.
    let Some(trial) = in_use.trial.as_ref().filter(|_| !probe) else {
        return Ok(vec![part(Group::Rest, current, slot, due)]);
    };
    let (mut candidate, mut control, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for effect in due {
        match trial.group(&effect.customer.id) {
            Group::Candidate => candidate.push(effect),
            Group::Control => control.push(effect),
            Group::Rest => rest.push(effect),
        }
    }
    let mut parts = Vec::with_capacity(3);
    if !candidate.is_empty() {
        match core.slot(&trial.candidate) {
            Some(slot) => parts.push(part(Group::Candidate, &trial.candidate, slot, candidate)),
            // Out of the way, so that a candidate that hangs does not hold up what is behind its effects.
            None => {
                let keys = candidate.into_iter().map(|effect| effect.key).collect();
                core.store.postpone(keys, core.clock.now() + CANDIDATE_BUSY).await?;
            }
        }
    }
    let mut pair = [(Group::Control, control), (Group::Rest, rest)];
    if round.is_multiple_of(2) {
        pair.reverse();
    }
    let mut slot = Some(slot);
    for (group, due) in pair.into_iter().filter(|(_, due)| !due.is_empty()) {
        let place = slot.take().or_else(|| core.slot(current));
        // What finds no slot stays due.
        if let Some(place) = place {
            parts.push(part(group, current, place, due));
        }
    }
    Ok(parts)
}

/// Decides about due effects and marks those that go out as *attempting* (T2). Says whether others were decided.
async fn mark(
    core: &Core,
    line: &Line,
    link: &Link,
    due: Vec<DueEffect>,
    several_ranks: bool,
    now: i64,
) -> Result<(Option<Batch>, bool), StoreError> {
    let policy = core.policies.get();
    let picture = core.programs.picture();
    let terms =
        Terms { link, links: core.unsubscribe.as_ref(), policy: &policy, picture: &picture, now };
    let overtaking = if several_ranks { overtaking(&due) } else { Vec::new() };
    let mut verdicts = Vec::with_capacity(due.len());
    let mut prepared = Vec::with_capacity(due.len());
    let mut asked = HashMap::new();
    for effect in due {
        match prepare(effect, &terms) {
            Ok(mut one) => {
                if let Err(verdict) = doubt(core, link, &one, &mut asked) {
                    verdicts.push((one.due.key, verdict));
                    continue;
                }
                let verdict = one.asking.take().map_or(Verdict::Attempt, Verdict::Within);
                verdicts.push((one.due.key.clone(), verdict));
                prepared.push(one);
            }
            Err(verdict) => verdicts.push(verdict),
        }
    }
    let digest = link.connection.release().digest().to_owned();
    let mut decided = verdicts.len() > prepared.len();
    fail_point!("deliver.mark");
    let marked = match core.store.attempt_before(verdicts, overtaking, asked, digest, now).await {
        Ok(marked) => marked,
        Err(error) => {
            unmark(core, line, &prepared, &error).await;
            return Err(error);
        }
    };
    fail_point!("deliver.marked");
    if marked.len() < prepared.len() {
        // An exit was faster for some of them, or a limit holds them back.
        decided = true;
        let marked: HashSet<&String> = marked.iter().collect();
        prepared.retain(|one| marked.contains(&one.due.key));
    }
    for one in &mut prepared {
        one.due.attempts += 1;
        one.due.first_attempt_at.get_or_insert(now);
    }
    line.pace().spend(prepared.len());
    Ok(((!prepared.is_empty()).then_some(Batch::Attempt(prepared)), decided))
}

/// Takes marks back of which it is not known whether they were made, as when the connection to the database broke at the
/// commit. Nothing else is claimed before that is done: no call can be under way whose mark this takes.
async fn unmark(core: &Core, line: &Line, prepared: &[Prepared], error: &StoreError) {
    let unmarked = |one: &Prepared| Settlement {
        key: one.due.key.clone(),
        attempt: one.due.attempts + 1,
        ended: "deferred",
        detail: Some(format!("not called: {error}")),
        asked: false,
        earlier_uncertain: one.due.uncertain.is_some(),
        next: Next::Again { at: one.due.due_at, certainly_not_done: one.due.uncertain.is_none() },
        grant: None,
        revoked: None,
    };
    let unmarked: Vec<Settlement> = prepared.iter().map(unmarked).collect();
    while !unmarked.is_empty() {
        match core.store.unmark(unmarked.clone(), core.clock.now()).await {
            // Whoever has the customers now settles what is marked and was not called.
            Ok(()) | Err(StoreError::Closed | StoreError::SessionOver) => return,
            // So does the next start.
            Err(_) if core.gives_up() => return,
            Err(error) => {
                error!(connection = line.name, %error, "it is not known whether effects are marked; asking again");
                tokio::time::sleep(UNMARK).await;
            }
        }
    }
}

/// What may have been done by an earlier attempt is repeated only where that is safe still. Where it may have to be, a digest
/// says what is asked now.
fn doubt(
    core: &Core,
    link: &Link,
    one: &Prepared,
    asked: &mut HashMap<String, String>,
) -> Result<(), Verdict> {
    let (window, _) = link.traits_for(one.due.kind);
    let digest = window.map(|_| one.ask.digest());
    if let Some(before) = &one.due.uncertain {
        core.attempted(link, &one.due).repeat(digest.as_ref() == Some(before))?;
    }
    asked.extend(digest.map(|digest| (one.due.key.clone(), digest)));
    Ok(())
}

/// The messages among these, which may go before others.
fn overtaking(due: &[DueEffect]) -> Vec<Overtaking> {
    let sends = due.iter().filter(|effect| effect.kind == EffectKind::Send);
    let overtaking = sends.map(|effect| Overtaking {
        key: effect.key.clone(),
        customer: effect.customer.id.clone(),
        journey: effect.journey.clone(),
        rank: effect.rank,
        due_at: effect.due_at,
    });
    overtaking.collect()
}

fn batch_size(link: &Link) -> u32 {
    let channel = link.channel.as_ref().map_or(1000, |traits| traits.max_batch);
    let coupon = link.coupon.as_ref().map_or(1000, |traits| traits.max_batch);
    let action = link.action.as_ref().map_or(1000, |traits| traits.max_batch);
    channel.min(coupon).min(action).clamp(1, 1000)
}
