//! Releases that are tried out, swapped and taken back, and a connection that is not called any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use waystation_engine::{BreakerState, CanaryPlan, MailSpec, Unseal};
use waystation_journey::{Lane, Status};
use waystation_store::records::{
    ActivationRow, ConnectionRow, CustomerPatch, Deliveries, NewEvent, Subject,
};

use crate::{HOUR, Host, NOW, SECOND, spec, until, wasm};

const JOURNEY: &str = "{ journey: notice, purpose: transactional, entry: { event: begin }, on_unknown: hold, \
    templates: { hello: { default: { text: 'Hello' } } }, steps: [{ send: { use: channel, template: hello } }] }";
/// Customers to whom something happens at once.
const CROWD: usize = 500;
/// A trial that is not decided after so many customers never is.
const CUSTOMERS_MAX: usize = 30_000;

/// The guest `moody` in another mood.
fn moody(mood: &str) -> Vec<u8> {
    let as_built = b"refuse=00 trap=00 slow=01.";
    let mut wasm = wasm("moody");
    assert_eq!(mood.len(), as_built.len());
    let at = wasm.windows(as_built.len()).position(|here| here == as_built).unwrap();
    wasm[at..at + mood.len()].copy_from_slice(mood.as_bytes());
    wasm
}

async fn host() -> Host {
    let host = Host::new().await;
    host.connect("channel", "moody").await;
    host.apply(JOURNEY).await;
    host
}

/// Lets the event happen to more and more customers until `done`.
async fn crowds(host: &Host, done: impl AsyncFn() -> bool) {
    let mut number = 0;
    while !done().await {
        assert!(number < CUSTOMERS_MAX, "not decided after {number} customers");
        let names: Vec<String> = (number..number + CROWD).map(|one| format!("c-{one}")).collect();
        number += CROWD;
        let patch = |id: &String| CustomerPatch {
            id: id.clone(),
            identities: [("phone".to_owned(), format!("phone of {id}"))].into(),
            ..CustomerPatch::default()
        };
        host.engine.upsert_customers(names.iter().map(patch).collect()).await.unwrap();
        let event = |id: &String| NewEvent {
            source: "test".to_owned(),
            id: id.clone(),
            name: "begin".to_owned(),
            subject: Subject::Customer(id.clone()),
            at: host.engine.now(),
            subscription: None,
            lane: Lane::GENERAL,
            properties: serde_json::Map::new(),
        };
        host.engine.take(names.iter().map(event).collect()).await.unwrap();
        until(async || {
            let counts = host.engine.store().counts().await.unwrap();
            (counts.events_open == 0 && counts.effects_open.is_empty()).then_some(())
        })
        .await;
    }
}

async fn last_change(host: &Host) -> ActivationRow {
    host.engine.store().activations("channel", 1).await.unwrap().remove(0)
}

/// Tries a candidate out until it is decided; answers with the decision and the digest in use then.
async fn trial(candidate: &str) -> (ActivationRow, bool) {
    let host = host().await;
    let candidate = host.install(moody(candidate)).await;
    let plan = CanaryPlan { share: 0.5, sample: 2_000, calls: 300, ..CanaryPlan::default() };
    host.engine.activate("channel", &candidate, Some(plan), "test").await.unwrap();
    assert_eq!(last_change(&host).await.kind, "canary");
    crowds(&host, async || host.engine.status("channel").unwrap().canary.is_none()).await;
    let change = last_change(&host).await;
    assert_eq!(change.actor, "canary");
    let promoted = host.engine.status("channel").unwrap().release == candidate;
    let stored = host.engine.store().connection("channel").await.unwrap().unwrap();
    assert_eq!((stored.digest == candidate, stored.canary), (promoted, None));
    host.stop().await;
    (change, promoted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_refuses_five_percent_more_is_rolled_back() {
    let (change, promoted) = trial("refuse=05 trap=00 slow=01.").await;
    assert_eq!((change.kind.as_str(), promoted), ("roll_back", false));
    assert!(change.reason.starts_with("more effects are refused"), "{}", change.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_traps_on_one_percent_is_rolled_back() {
    let (change, promoted) = trial("refuse=00 trap=01 slow=01.").await;
    assert_eq!((change.kind.as_str(), promoted), ("roll_back", false));
    let reasons = ["more calls fail", "more effects end unknown"];
    assert!(reasons.iter().any(|one| change.reason.starts_with(one)), "{}", change.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_takes_three_times_as_long_is_rolled_back() {
    let (change, promoted) = trial("refuse=00 trap=00 slow=03.").await;
    assert_eq!((change.kind.as_str(), promoted), ("roll_back", false));
    assert!(change.reason.starts_with("calls take"), "{}", change.reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_candidate_is_promoted() {
    // The same mood in other bytes.
    let host = host().await;
    let mut same = wasm("moody");
    same.extend([0x00, 0x07, 0x05, b'a', b'g', b'a', b'i', b'n', 0x00]);
    let candidate = host.install(same).await;
    let plan = CanaryPlan { share: 0.5, sample: 500, calls: 50, ..CanaryPlan::default() };
    host.engine.activate("channel", &candidate, Some(plan), "test").await.unwrap();
    crowds(&host, async || host.engine.status("channel").unwrap().canary.is_none()).await;
    let change = last_change(&host).await;
    assert_eq!((change.kind.as_str(), change.actor.as_str()), ("promote", "canary"));
    assert_eq!(host.engine.status("channel").unwrap().release, candidate);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_with_too_little_to_do_ends_when_its_time_is_up() {
    let host = host().await;
    let before = host.engine.status("channel").unwrap().release;
    let candidate = host.install(moody("refuse=05 trap=00 slow=01.")).await;
    let plan = CanaryPlan { at_most_ms: HOUR, ..CanaryPlan::default() };
    host.engine.activate("channel", &candidate, Some(plan), "test").await.unwrap();
    host.advance(HOUR);
    until(async || host.engine.status("channel").unwrap().canary.is_none().then_some(())).await;
    let change = last_change(&host).await;
    assert_eq!(change.kind, "roll_back");
    assert!(change.reason.starts_with("too few calls"), "{}", change.reason);
    assert_eq!(host.engine.status("channel").unwrap().release, before);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_taken_back_and_a_trial_goes_on_after_a_restart() {
    let host = host().await;
    let first = host.engine.status("channel").unwrap().release;
    let second = host.install(moody("refuse=99 trap=00 slow=01.")).await;
    host.engine.activate("channel", &second, None, "test").await.unwrap();
    assert_eq!(host.engine.status("channel").unwrap().release, second);
    assert_eq!(host.engine.roll_back("channel", "test", "by hand").await.unwrap(), first);
    assert_eq!(host.engine.status("channel").unwrap().release, first);

    let plan = CanaryPlan::default();
    host.engine.activate("channel", &second, Some(plan), "test").await.unwrap();
    let trial = host.engine.status("channel").unwrap().canary.unwrap().trial;
    let now = host.engine.now();
    let (folder, store) = host.stop().await;
    store.close().await;
    let host = Host::start(folder, now).await;
    assert_eq!(host.engine.status("channel").unwrap().canary.unwrap().trial, trial);
    let kinds: Vec<String> = host
        .engine
        .store()
        .activations("channel", 10)
        .await
        .unwrap()
        .into_iter()
        .map(|change| change.kind)
        .collect();
    assert_eq!(kinds, ["canary", "roll_back", "activate", "activate"]);
    host.engine.promote("channel", "test").await.unwrap();
    assert_eq!(host.engine.status("channel").unwrap().release, second);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_failing_is_not_called_and_its_messages_take_the_fallback_or_wait() {
    let host = Host::new().await;
    host.connect("channel", "crashes").await;
    host.connect("other", "echo").await;
    host.apply(JOURNEY).await;
    host.apply(
        "{ journey: offer, purpose: transactional, entry: { event: offer }, \
         templates: { hello: { default: { text: 'Hello' } } }, \
         steps: [{ send: { use: channel, template: hello, fallback: [other] } }] }",
    )
    .await;
    let state = || host.engine.status("channel").unwrap().breaker;
    for number in 0..5 {
        let name = format!("c-{number}");
        host.happen("begin", &name).await;
        host.effect(&name, |effect| effect.phase == "done").await;
    }
    until(async || matches!(state(), BreakerState::Open { .. }).then_some(())).await;
    // One has nowhere else to go and waits; the other takes the other channel.
    host.happen("begin", "waits").await;
    host.happen("offer", "falls-back").await;
    host.enrollment("falls-back", |enrollment| enrollment.status == Status::Finished).await;
    let of = Deliveries { customer: Some("falls-back".to_owned()), ..Deliveries::default() };
    let effects = host.engine.store().deliveries(&of, 9).await.unwrap();
    let ends: Vec<_> = effects
        .iter()
        .map(|one| (one.connection.as_str(), one.outcome.as_deref(), one.reason.as_deref()))
        .collect();
    assert_eq!(
        ends,
        [("channel", Some("suppressed"), Some("unavailable")), ("other", Some("accepted"), None)]
    );
    let (waiting, _) = host.effect("waits", |_| true).await;
    assert_eq!((waiting.phase.as_str(), waiting.attempts), ("pending", 0));
    // The probe fails, so it stays open for twice as long; then a better release is put into use.
    host.advance(10 * SECOND);
    host.effect("waits", |effect| effect.phase == "done").await;
    until(async || matches!(state(), BreakerState::Open { .. }).then_some(())).await;
    let better = host.install(wasm("echo")).await;
    host.engine.activate("channel", &better, None, "test").await.unwrap();
    assert_eq!(state(), BreakerState::Closed);
    host.happen("begin", "goes-out").await;
    let (effect, _) = host.effect("goes-out", |effect| effect.phase == "done").await;
    assert_eq!(effect.outcome.as_deref(), Some("accepted"));
    host.stop().await;
}

/// A mail server that answers nobody who hands over a message while it holds; gives its address.
async fn mail_server(hold: watch::Receiver<bool>, waiting: watch::Sender<usize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, hold.clone(), waiting.clone()));
        }
    });
    address
}

/// As much of SMTP (RFC 5321) as a client needs that hands over a message.
async fn talk(
    stream: TcpStream,
    mut hold: watch::Receiver<bool>,
    waiting: watch::Sender<usize>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await.ok()?;
    let mut message = false;
    let mut line = String::new();
    while stream.read_line(&mut line).await.ok()? > 0 {
        let answer = match (message, line.get(..4).unwrap_or_default()) {
            (true, _) if line == ".\r\n" => {
                message = false;
                waiting.send_modify(|waiting| *waiting += 1);
                hold.wait_for(|hold| !hold).await.ok()?;
                waiting.send_modify(|waiting| *waiting -= 1);
                "250 kept\r\n"
            }
            (true, _) => "",
            (false, "DATA") => {
                message = true;
                "354 go on\r\n"
            }
            (false, "QUIT") => "221 bye\r\n",
            _ => "250 well\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        line.clear();
    }
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_that_is_decided_by_an_older_call_puts_the_newer_secrets_into_use() {
    let (hold, held) = watch::channel(false);
    let (waiting, mut waits) = watch::channel(0);
    let relay = mail_server(held, waiting).await;
    // A connection with the new secret may send for nobody, which shows which secret is in use.
    let unseal: Unseal = Arc::new(|row: &ConnectionRow| {
        let sender = if row.secrets == "new" { "nobody@example.com" } else { "*" };
        let mail = MailSpec { relay: "default".to_owned(), senders: vec![sender.to_owned()] };
        let mut spec = spec(&row.name);
        spec.permissions.mail = Some(mail);
        Ok((spec, BTreeMap::new()))
    });
    let host = Host::with(tempfile::tempdir().unwrap(), NOW, &relay, None, unseal).await;
    host.connect("channel", "mailer").await;
    host.apply(JOURNEY).await;
    let mut same = wasm("mailer");
    same.extend([0x00, 0x07, 0x05, b'a', b'g', b'a', b'i', b'n', 0x00]);
    let candidate = host.install(same).await;
    let plan = CanaryPlan { share: 0.5, sample: 100, calls: 100, ..CanaryPlan::default() };
    host.engine.activate("channel", &candidate, Some(plan.clone()), "test").await.unwrap();
    let trial = host.engine.status("channel").unwrap().canary.unwrap().trial.id;
    let of = |group: waystation_engine::TrialGroup| {
        let names = (0..10_000).map(|number| format!("c-{number}"));
        let mut names = names.filter(|name| plan.group(&trial, name) == group);
        names.by_ref().take(100).collect::<Vec<_>>()
    };
    let (candidates, controls) =
        (of(waystation_engine::TrialGroup::Candidate), of(waystation_engine::TrialGroup::Control));
    let ended = async |name: &str| {
        let (effect, _) = host.effect(name, |effect| effect.phase == "done").await;
        effect.outcome.unwrap()
    };
    // One call each, so that the last one decides.
    let (last, before) = candidates.split_last().unwrap();
    for (number, control) in controls.iter().enumerate() {
        for name in [Some(control), before.get(number)].into_iter().flatten() {
            host.happen("begin", name).await;
            assert_eq!(ended(name).await, "accepted");
        }
    }
    hold.send_replace(true);
    host.happen("begin", last).await;
    waits.wait_for(|waiting| *waiting > 0).await.unwrap();
    host.engine.rotate_secrets("channel", |_| Ok("new".to_owned())).await.unwrap();
    let tally = host.engine.status("channel").unwrap().canary.unwrap().tally;
    assert_eq!((tally.candidate.calls, tally.control.calls), (99, 100), "counted before");
    hold.send_replace(false);
    assert_eq!(ended(last).await, "accepted", "it began with the old secret");
    until(async || host.engine.status("channel").unwrap().canary.is_none().then_some(())).await;
    let change = last_change(&host).await;
    assert_eq!(change.kind, "promote", "{}", change.reason);
    assert_eq!(host.engine.status("channel").unwrap().release, candidate);
    host.happen("begin", "afterwards").await;
    assert_eq!(ended("afterwards").await, "refused", "the old secret is in use again");
    host.stop().await;
}
