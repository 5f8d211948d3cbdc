//! Carrying effects out: mark a batch (T2), call the plugin, record what came of it (T3).
//!
//! Each connection has a worker of its own, so that a slow provider delays nobody else. The worker claims one batch at a
//! time for each free call slot; whatever it has not claimed stays in the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use waystation_journey::Effect;
use waystation_sandbox::contract::{channel, coupon};
use waystation_store::StoreError;
use waystation_store::records::{DueEffect, EffectKind, Settlement, Verdict};

use crate::engine::Core;
use crate::request::{Ask, Prepared, prepare};
use crate::settle::{Attempted, Means, OfferOf};
use crate::workshop::Link;

/// Pause after the database failed, doubled up to the second value.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Milliseconds that a question to the provider may take; longer than any call.
const ASKING: i64 = 15 * 60_000;

/// What is recorded where the provider cannot be asked.
const CANNOT_ASK: &str = "the plugin cannot ask what became of it";

/// Works for one connection until `stop`, then waits for its calls to end.
pub(crate) async fn work(core: Arc<Core>, name: String, mut stop: watch::Receiver<bool>) {
    let wake = core.links.wake(&name);
    let mut calls = JoinSet::new();
    let mut slots: Option<(u32, Arc<Semaphore>)> = None;
    while !*stop.borrow() {
        let Some(link) = core.links.get(&name) else { break };
        let turns = match &slots {
            Some((size, turns)) if *size == link.concurrency => Arc::clone(turns),
            _ => Arc::new(Semaphore::new(link.concurrency as usize)),
        };
        slots = Some((link.concurrency, Arc::clone(&turns)));
        let turn = tokio::select! {
            turn = turns.acquire_owned() => turn,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok(turn) = turn else { break };
        while calls.try_join_next().is_some() {}
        let looked_at = core.clock.now();
        match claim(&core, &link, &name).await {
            Ok(Claimed::Nothing) => {
                drop(turn);
                let idle = async {
                    match core.store.next_effect(&name).await {
                        // What came due since the look is due now; the time may have moved on meanwhile.
                        Ok(Some(at)) => core.clock.sleep_until(at.max(looked_at + 1)).await,
                        Ok(None) => std::future::pending().await,
                        Err(_) => tokio::time::sleep(RETRY.1).await,
                    }
                };
                tokio::select! {
                    () = idle => {}
                    () = wake.notified() => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
            Ok(Claimed::Decided) => core.wake.notify_one(),
            Ok(Claimed::Batch(batch)) => {
                let core = Arc::clone(&core);
                calls.spawn(async move {
                    call(&core, &link, batch).await;
                    drop(turn);
                });
            }
            Err(error) => {
                error!(connection = name, %error, "due effects cannot be claimed; trying again");
                drop(turn);
                tokio::select! {
                    () = tokio::time::sleep(RETRY.1) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            }
        }
    }
    while calls.join_next().await.is_some() {}
}

enum Claimed {
    Nothing,
    /// All that was due was decided without a call.
    Decided,
    Batch(Batch),
}

/// What one call slot works on.
enum Batch {
    Attempt(Vec<Prepared>),
    /// Effects whose end nobody knows, to be asked for at the provider.
    Ask(Vec<DueEffect>),
}

async fn claim(core: &Core, link: &Link, name: &str) -> Result<Claimed, StoreError> {
    let now = core.clock.now();
    let limit = i64::from(batch_size(link));
    let asked = core.store.due_effects(name, "unknown", now, limit).await?;
    if !asked.is_empty() {
        // Out of sight while the provider is asked; if the host stops meanwhile, it asks again later.
        let keys = asked.iter().map(|effect| effect.key.clone()).collect();
        core.store.postpone(keys, now.saturating_add(ASKING)).await?;
        return Ok(Claimed::Batch(Batch::Ask(asked)));
    }
    let mut due = core.store.due_effects(name, "pending", now, limit).await?;
    if due.is_empty() {
        return Ok(Claimed::Nothing);
    }
    due.truncate(fitting(&due, link.batch_bytes));
    let mut verdicts = Vec::with_capacity(due.len());
    let mut prepared = Vec::with_capacity(due.len());
    for effect in due {
        match prepare(effect, link, core.unsubscribe.as_ref()) {
            Ok(one) => {
                verdicts.push((one.due.key.clone(), Verdict::Attempt));
                prepared.push(one);
            }
            Err(verdict) => verdicts.push(verdict),
        }
    }
    let digest = link.connection.release().digest().to_owned();
    let suppressed = verdicts.len() > prepared.len();
    let marked = core.store.attempt(verdicts, digest, now).await?;
    if suppressed {
        core.wake.notify_one();
    }
    if marked.len() < prepared.len() {
        // An exit was faster for some of them.
        let marked: std::collections::HashSet<&String> = marked.iter().collect();
        prepared.retain(|one| marked.contains(&one.due.key));
    }
    for one in &mut prepared {
        one.due.attempts += 1;
        one.due.first_attempt_at.get_or_insert(now);
    }
    Ok(if prepared.is_empty() {
        Claimed::Decided
    } else {
        Claimed::Batch(Batch::Attempt(prepared))
    })
}

fn batch_size(link: &Link) -> u32 {
    let channel = link.channel.as_ref().map_or(1000, |traits| traits.max_batch);
    let coupon = link.coupon.as_ref().map_or(1000, |traits| traits.max_batch);
    channel.min(coupon).clamp(1, 1000)
}

/// How many effects, at least one, a plugin has the memory for.
fn fitting(due: &[DueEffect], bytes: usize) -> usize {
    let mut left = bytes;
    let fit = due.iter().take_while(|effect| {
        let fits = left > 0;
        left = left.saturating_sub(effect.body.len());
        fits
    });
    fit.count().max(1)
}

async fn call(core: &Core, link: &Link, batch: Batch) {
    match batch {
        Batch::Attempt(prepared) => attempt(core, link, prepared).await,
        Batch::Ask(effects) => ask(core, link, effects).await,
    }
}

async fn attempt(core: &Core, link: &Link, prepared: Vec<Prepared>) {
    let mut sends = (Vec::new(), Vec::new());
    let mut issues = (Vec::new(), Vec::new(), Vec::new());
    let mut revokes = (Vec::new(), Vec::new());
    for one in prepared {
        match one.ask {
            Ask::Send(message) => {
                sends.0.push(one.due);
                sends.1.push(message);
            }
            Ask::Issue(request, offer) => {
                issues.0.push(one.due);
                issues.1.push(request);
                issues.2.push(offer);
            }
            Ask::Revoke(revocation) => {
                revokes.0.push(one.due);
                revokes.1.push(revocation);
            }
        }
    }
    let name = link.connection.name();
    // Each call's outcomes are recorded before the next call: they are known, and must not become unknown with it.
    if !sends.0.is_empty() {
        let outcomes = timed(core, name, link.connection.send(&sends.1)).await;
        let ends = sends.0.iter().zip(outcomes);
        let ends = ends.map(|(due, outcome)| core.attempted(link, due).delivered(outcome));
        record(core, name, ends.collect()).await;
    }
    if !issues.0.is_empty() {
        let answers = timed(core, name, link.connection.issue(&issues.1)).await;
        let ends = issues.0.iter().zip(answers).zip(&issues.1).zip(&issues.2);
        let ends = ends.map(|(((due, answer), request), offer)| {
            let of = OfferOf {
                campaign: &request.campaign,
                connection: name,
                valid_from: offer.valid_from,
            };
            core.attempted(link, due).granted(answer, &of)
        });
        record(core, name, ends.collect()).await;
    }
    if !revokes.0.is_empty() {
        let answers = timed(core, name, link.connection.revoke(&revokes.1)).await;
        let ends = revokes.0.iter().zip(answers).zip(&revokes.1);
        let ends = ends.map(|((due, answer), revocation)| {
            core.attempted(link, due).revoked(answer, &revocation.key)
        });
        record(core, name, ends.collect()).await;
    }
}

/// Asks the provider what became of effects. Where it cannot be asked, as after a swap to a release without `find`, they
/// are settled by the other means.
async fn ask(core: &Core, link: &Link, effects: Vec<DueEffect>) {
    let name = link.connection.name();
    let (sends, coupons): (Vec<DueEffect>, Vec<DueEffect>) =
        effects.into_iter().partition(|effect| effect.kind == EffectKind::Send);
    if !sends.is_empty() {
        let keys: Vec<String> = sends.iter().map(|effect| effect.key.clone()).collect();
        let found = if link.channel.as_ref().is_some_and(|traits| traits.finds) {
            timed(core, name, link.connection.find_messages(&keys)).await
        } else {
            vec![Some(channel::Outcome::Unknown(CANNOT_ASK.to_owned())); keys.len()]
        };
        let ends = sends.iter().zip(found).map(|(due, found)| {
            let asked = core.asked(link, due);
            match found {
                Some(channel::Outcome::Deferred(_)) | None => asked.not_there(),
                Some(outcome) => asked.delivered(outcome),
            }
        });
        record(core, name, ends.collect()).await;
    }
    if !coupons.is_empty() {
        ask_for_grants(core, link, coupons).await;
    }
}

async fn ask_for_grants(core: &Core, link: &Link, effects: Vec<DueEffect>) {
    let name = link.connection.name();
    let keys: Vec<String> = effects.iter().map(|effect| effect.key.clone()).collect();
    let found = if link.coupon.as_ref().is_some_and(|traits| traits.finds) {
        timed(core, name, link.connection.find_grants(&keys)).await
    } else {
        vec![Err(coupon::Failure::Unknown(CANNOT_ASK.to_owned())); keys.len()]
    };
    let ends = effects.iter().zip(found).map(|(due, found)| {
        let asked = core.asked(link, due);
        match (found, serde_json::from_str(&due.body)) {
            (Ok(None), _) => asked.not_there(),
            (Ok(Some(grant)), Ok(Effect::Issue { campaign, offer, .. })) => {
                let of =
                    OfferOf { campaign: &campaign, connection: name, valid_from: offer.valid_from };
                asked.granted(Ok(grant), &of)
            }
            (Ok(Some(_)), _) => asked.unknown("what was asked for cannot be read".to_owned()),
            // An error is about the question: what became of the coupon is as unknown as before.
            (Err(failure), _) => asked.unknown(text(failure)),
        }
    });
    record(core, name, ends.collect()).await;
}

fn text(failure: coupon::Failure) -> String {
    match failure {
        coupon::Failure::Refused(detail) | coupon::Failure::Unknown(detail) => detail,
        coupon::Failure::Deferred(deferral) => deferral.detail,
        coupon::Failure::Exhausted => "no coupon is left".to_owned(),
    }
}

async fn timed<T>(core: &Core, connection: &str, call: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let answer = call.await;
    core.metrics.called(connection, started.elapsed().as_secs_f64());
    answer
}

/// Records the ends of attempts, however long the database needs: what happened outside must not be forgotten.
async fn record(core: &Core, name: &str, settlements: Vec<Settlement>) {
    for one in &settlements {
        core.metrics.attempted(name, one.ended);
        if one.ended != "accepted" {
            // What the provider said may hold an address; it is in the ledger, not in the log.
            info!(
                connection = name,
                effect.key = one.key,
                outcome = one.ended,
                "an effect was not accepted"
            );
        }
    }
    let mut pause = RETRY.0;
    loop {
        match core.store.settle(settlements.clone(), core.clock.now()).await {
            Ok(()) => break,
            Err(StoreError::Closed) => {
                warn!(
                    connection = name,
                    effects = settlements.len(),
                    "the store closed before outcomes were recorded; they are unknown"
                );
                return;
            }
            Err(error) => {
                error!(connection = name, effects = settlements.len(), %error, "outcomes cannot be recorded; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
            }
        }
    }
    core.wake.notify_one();
    core.links.wake(name).notify_one();
}

impl Core {
    /// How an unknown effect of this link can be settled.
    fn means(&self, link: &Link, effect: &DueEffect) -> Means {
        let policy = self
            .programs
            .picture()
            .program(&effect.journey, effect.version)
            .map(|program| program.on_unknown());
        let (dedupe_window, finds) = match effect.kind {
            EffectKind::Send => link
                .channel
                .as_ref()
                .map_or((None, false), |traits| (traits.dedupe_window, traits.finds)),
            EffectKind::Issue => link
                .coupon
                .as_ref()
                .map_or((None, false), |traits| (traits.dedupe_window, traits.finds)),
            // Revoking what is revoked succeeds: the contract says so.
            EffectKind::Revoke => (Some(u64::MAX), false),
        };
        Means { dedupe_window, finds, policy: policy.unwrap_or_default() }
    }

    /// The end of a call.
    pub(crate) fn attempted<'a>(&self, link: &Link, effect: &'a DueEffect) -> Attempted<'a> {
        let means = self.means(link, effect);
        Attempted { effect, number: effect.attempts, means, asked: false, now: self.clock.now() }
    }

    /// The provider's answer about an earlier call.
    fn asked<'a>(&self, link: &Link, effect: &'a DueEffect) -> Attempted<'a> {
        Attempted { asked: true, ..self.attempted(link, effect) }
    }
}
