//! Calls to plugins, and the recording of what came of them (T3).

use std::sync::Arc;
use std::time::{Duration, Instant};

use fail::fail_point;
use tracing::{error, info, warn};
use waystation_journey::Effect;
use waystation_sandbox::CallError;
use waystation_sandbox::contract::{channel, coupon};
use waystation_store::StoreError;
use waystation_store::records::{DueEffect, EffectKind, Settlement};

use crate::canary::{Group, Observed};
use crate::engine::Core;
use crate::links::{InFlight, Line, Trial};
use crate::request::{Ask, Prepared};
use crate::settle::{Attempted, Means, OfferOf};
use crate::workshop::Link;

/// Pause after the database failed, doubled up to the second value.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// What is recorded where the provider cannot be asked.
const CANNOT_ASK: &str = "the plugin cannot ask what became of it";

/// What one call slot works on.
pub(crate) enum Batch {
    Attempt(Vec<Prepared>),
    /// Effects whose end nobody knows, to be asked for at the provider.
    Ask(Vec<DueEffect>),
}

/// Why a call is made, as far as it matters for what follows from its end.
pub(crate) struct Origin {
    /// The group of the trial whose customers these are.
    pub(crate) group: Group,
    pub(crate) trial: Option<Arc<Trial>>,
    /// Whether the circuit breaker waits for its end.
    pub(crate) probe: bool,
}

/// Makes the calls of one batch and records their ends.
pub(crate) async fn make(
    core: &Arc<Core>,
    line: &Arc<Line>,
    flight: &InFlight,
    origin: &Origin,
    batch: Batch,
) {
    let link = flight.link();
    match batch {
        Batch::Attempt(prepared) => attempt(core, line, link, origin, prepared).await,
        Batch::Ask(effects) => {
            ask(core, line, link, effects).await;
            if origin.probe {
                line.breaker().not_made(core.clock.now());
            }
        }
    }
    line.wake.notify_one();
}

async fn attempt(
    core: &Arc<Core>,
    line: &Arc<Line>,
    link: &Arc<Link>,
    origin: &Origin,
    prepared: Vec<Prepared>,
) {
    let mut sends = (Vec::new(), Vec::new());
    let mut issues = (Vec::new(), Vec::new(), Vec::new());
    let mut revokes = (Vec::new(), Vec::new());
    let mut runs = (Vec::new(), Vec::new());
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
            Ask::Run(call) => {
                runs.0.push(one.due);
                runs.1.push(call);
            }
        }
    }
    let name = line.name.as_str();
    fail_point!("call.before");
    // Each call's outcomes are recorded before the next call: they are known, and must not become unknown with it.
    if !sends.0.is_empty() {
        let (outcomes, end) = timed(link.connection.send_observed(&sends.1)).await;
        let ends = sends.0.iter().zip(outcomes);
        let ends = ends.map(|(due, outcome)| core.attempted(link, due).delivered(outcome));
        finish(core, line, link, origin, end, ends.collect()).await;
    }
    if !issues.0.is_empty() {
        let (answers, end) = timed(link.connection.issue_observed(&issues.1)).await;
        let ends = issues.0.iter().zip(answers).zip(&issues.1).zip(&issues.2);
        let ends = ends.map(|(((due, answer), request), offer)| {
            let of = OfferOf {
                campaign: &request.campaign,
                connection: name,
                valid_from: offer.valid_from,
            };
            core.attempted(link, due).granted(answer, &of)
        });
        finish(core, line, link, origin, end, ends.collect()).await;
    }
    if !revokes.0.is_empty() {
        let (answers, end) = timed(link.connection.revoke_observed(&revokes.1)).await;
        let ends = revokes.0.iter().zip(answers).zip(&revokes.1);
        let ends = ends.map(|((due, answer), revocation)| {
            core.attempted(link, due).revoked(answer, &revocation.key)
        });
        finish(core, line, link, origin, end, ends.collect()).await;
    }
    if !runs.0.is_empty() {
        let (answers, end) = timed(link.connection.run_observed(&runs.1)).await;
        let ends = runs.0.iter().zip(answers);
        let ends = ends.map(|(due, answer)| core.attempted(link, due).ran(answer));
        finish(core, line, link, origin, end, ends.collect()).await;
    }
}

/// How a call ended.
struct End {
    seconds: f64,
    error: Option<CallError>,
}

async fn timed<T>(call: impl Future<Output = (T, Option<CallError>)>) -> (T, End) {
    let started = Instant::now();
    let (answers, error) = call.await;
    fail_point!("call.answered");
    (answers, End { seconds: started.elapsed().as_secs_f64(), error })
}

/// Records a call's outcomes, then lets the circuit breaker and the trial learn from them.
async fn finish(
    core: &Arc<Core>,
    line: &Arc<Line>,
    link: &Arc<Link>,
    origin: &Origin,
    end: End,
    settlements: Vec<Settlement>,
) {
    let ended = |word: &str| settlements.iter().filter(|one| one.ended == word).count() as u64;
    let call = Observed {
        items: settlements.len() as u64,
        refused: ended("refused"),
        unknown: ended("unknown"),
        deferred: ended("deferred"),
        // That no slot was free says nothing about the plugin.
        failed: end.error.as_ref().is_some_and(|error| !matches!(error, CallError::Busy(_))),
        seconds: end.seconds,
    };
    core.metrics.called(link, &call, end.error.as_ref());
    if let Some(error) = &end.error {
        warn!(
            connection = line.name,
            plugin.release = link.connection.release().label(),
            effects = call.items,
            %error,
            "a call to the plugin failed"
        );
    }
    record(core, line, settlements).await;
    // A candidate's failures are for its trial to judge.
    if origin.group != Group::Candidate {
        // Half of the batch put off or lost: the provider does not work, whoever is at fault.
        let failed = call.failed || (call.deferred + call.unknown) * 2 > call.items;
        let changed = line.breaker().ended(failed, origin.probe, core.clock.now());
        if let Some(state) = changed {
            core.metrics.breaker(&line.name, state);
            info!(connection = line.name, breaker = ?state, "the circuit breaker changed");
        }
    }
    if let Some(trial) = &origin.trial {
        core.observe(line, trial, origin.group, &call).await;
    }
}

/// Asks the provider what became of effects. Where it cannot be asked, as after a swap to a release without `find`, they
/// are settled by the other means.
async fn ask(core: &Core, line: &Line, link: &Link, effects: Vec<DueEffect>) {
    fail_point!("ask.before");
    let (sends, coupons): (Vec<DueEffect>, Vec<DueEffect>) = effects
        .into_iter()
        .partition(|effect| matches!(effect.kind, EffectKind::Send | EffectKind::Publish));
    if !sends.is_empty() {
        let keys: Vec<String> = sends.iter().map(|effect| effect.key.clone()).collect();
        let found = if link.channel.as_ref().is_some_and(|traits| traits.finds) {
            link.connection.find_messages(&keys).await
        } else {
            vec![Some(channel::Outcome::Unknown(CANNOT_ASK.to_owned())); keys.len()]
        };
        fail_point!("ask.answered");
        let ends = sends.iter().zip(found).map(|(due, found)| {
            let asked = core.asked(link, due);
            match found {
                Some(channel::Outcome::Deferred(_)) | None => asked.not_there(),
                Some(outcome) => asked.delivered(outcome),
            }
        });
        record(core, line, ends.collect()).await;
    }
    if !coupons.is_empty() {
        ask_for_grants(core, line, link, coupons).await;
    }
}

async fn ask_for_grants(core: &Core, line: &Line, link: &Link, effects: Vec<DueEffect>) {
    let name = line.name.as_str();
    let keys: Vec<String> = effects.iter().map(|effect| effect.key.clone()).collect();
    let found = if link.coupon.as_ref().is_some_and(|traits| traits.finds) {
        link.connection.find_grants(&keys).await
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
    record(core, line, ends.collect()).await;
}

fn text(failure: coupon::Failure) -> String {
    match failure {
        coupon::Failure::Refused(detail) | coupon::Failure::Unknown(detail) => detail,
        coupon::Failure::Deferred(deferral) => deferral.detail,
        coupon::Failure::Exhausted => "no coupon is left".to_owned(),
    }
}

/// Records the ends of attempts, however long the database needs: what happened outside must not be forgotten. Only a host that
/// is told to stop gives up, and leaves them to be settled as *unknown*.
async fn record(core: &Core, line: &Line, settlements: Vec<Settlement>) {
    let name = line.name.as_str();
    for one in &settlements {
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
    fail_point!("call.settle");
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
            Err(error) if core.gives_up() => {
                warn!(
                    connection = name,
                    effects = settlements.len(),
                    %error,
                    "the host stops before outcomes could be recorded; they are unknown"
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
    fail_point!("call.settled");
    core.wake.notify();
    line.wake.notify_one();
}

impl Link {
    /// For how many milliseconds the same key is done only once, and whether one may ask what became of it.
    pub(crate) fn traits_for(&self, kind: EffectKind) -> (Option<u64>, bool) {
        match kind {
            EffectKind::Send | EffectKind::Publish => self
                .channel
                .as_ref()
                .map_or((None, false), |traits| (traits.dedupe_window, traits.finds)),
            EffectKind::Issue => self
                .coupon
                .as_ref()
                .map_or((None, false), |traits| (traits.dedupe_window, traits.finds)),
            // Revoking what is revoked succeeds: the contract says so.
            EffectKind::Revoke => (Some(u64::MAX), false),
            // Nobody can be asked what became of an action.
            EffectKind::Run => {
                (self.action.as_ref().and_then(|traits| traits.dedupe_window), false)
            }
        }
    }
}

impl Core {
    /// How an unknown effect of this link can be settled.
    fn means(&self, link: &Link, effect: &DueEffect) -> Means {
        let policy = self
            .programs
            .picture()
            .program(&effect.journey, effect.version)
            .map(|program| program.on_unknown());
        let (dedupe_window, finds) = link.traits_for(effect.kind);
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
