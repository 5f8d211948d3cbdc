//! Effects: due, marked, settled, cancelled.

use std::collections::BTreeSet;

use waystation_journey::Status;
use waystation_store::records::{EffectKind, GrantRow, Next, Pass, SHARDS, Settlement, Verdict};

use super::{
    ALL, HOUR, NOW, Place, accepted, effect, enrollment, portion, settlement, with_address,
};

fn phase(phase: &str, outcome: Option<&str>) -> (String, Option<String>) {
    (phase.to_owned(), outcome.map(str::to_owned))
}

/// One enrollment with one message to send.
async fn one_message() -> Place {
    let store = Place::new().await;
    store.enroll("e-1", vec![effect("e-1-1", EffectKind::Send)]).await;
    store
}

#[tokio::test]
async fn a_due_effect_comes_with_its_body_and_its_customer() {
    let store = one_message().await;
    store.upsert_customers(vec![with_address("c-1", "a@example.com")], NOW).await.unwrap();
    let due = store.due_effects("notice", "pending", NOW, portion(ALL)).await.unwrap().effects;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].body, "body of e-1-1");
    assert_eq!(due[0].customer.identities["email"], "a@example.com");
    assert!(
        store.due_effects("other", "pending", NOW, portion(ALL)).await.unwrap().effects.is_empty()
    );
    assert!(store.due_keys("pending", NOW - 1).await.is_empty());
    assert_eq!(store.next_effect("notice").await.unwrap(), Some(NOW));
    assert_eq!(store.next_effect("other").await.unwrap(), None);
}

#[tokio::test]
async fn only_a_pending_effect_can_be_marked() {
    let store = one_message().await;
    let both =
        || vec![("e-1-1".to_owned(), Verdict::Attempt), ("gone-1".to_owned(), Verdict::Attempt)];
    let marked = store.attempt(both(), "digest".to_owned(), NOW).await.unwrap();
    assert_eq!(marked, ["e-1-1"]);
    assert!(store.attempt(both(), "digest".to_owned(), NOW).await.unwrap().is_empty());
    let (row, attempts) = store.effect("e-1-1").await.unwrap().unwrap();
    assert_eq!((row.phase.as_str(), row.attempts), ("attempting", 1));
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].release.as_str(), attempts[0].ended_at), ("digest", None));
}

#[tokio::test]
async fn an_exit_that_came_first_wins() {
    let store = one_message().await;
    store
        .commit(Pass { now: NOW, ended: vec!["e-1".to_owned()], ..Pass::default() })
        .await
        .unwrap();
    let verdicts = vec![("e-1-1".to_owned(), Verdict::Attempt)];
    assert!(store.attempt(verdicts, "digest".to_owned(), NOW).await.unwrap().is_empty());
    // The enrollment is told, so that it can take back a coupon that the message was to tell of.
    assert_eq!(store.state("e-1-1").await, phase("settled", Some("cancelled")));
}

#[tokio::test]
async fn an_exit_leaves_what_was_marked_and_what_takes_back() {
    let store = Place::new().await;
    let effects = vec![
        effect("e-1-1", EffectKind::Send),
        effect("e-1-2", EffectKind::Send),
        effect("e-1-3", EffectKind::Issue),
        effect("e-1-4", EffectKind::Revoke),
        effect("e-2-1", EffectKind::Send),
    ];
    store.enroll("e-1", effects).await;
    store.mark(&["e-1-1"]).await;
    store
        .commit(Pass { now: NOW, ended: vec!["e-1".to_owned()], ..Pass::default() })
        .await
        .unwrap();
    assert_eq!(store.state("e-1-1").await, phase("attempting", None));
    assert_eq!(store.state("e-1-2").await, phase("settled", Some("cancelled")));
    assert_eq!(store.state("e-1-3").await, phase("settled", Some("cancelled")));
    assert_eq!(store.due_keys("pending", NOW).await, ["e-1-4", "e-2-1"]);
}

#[tokio::test]
async fn of_what_is_asked_for_in_the_pass_that_ends_it_only_a_revocation_goes_out() {
    let store = one_message().await;
    let effects = vec![effect("e-1-2", EffectKind::Revoke), effect("e-1-3", EffectKind::Send)];
    let pass = Pass { now: NOW, ended: vec!["e-1".to_owned()], effects, ..Pass::default() };
    store.commit(pass).await.unwrap();
    assert_eq!(store.due_keys("pending", NOW).await, ["e-1-2"]);
}

/// Ends the enrollment as an exit does.
async fn exit(store: &Place) {
    let mut ended = enrollment("e-1");
    ended.status = Status::Exited;
    let read = ended.seq;
    ended.seq += 1;
    let (advanced, ended) = (vec![(read, ended)], vec!["e-1".to_owned()]);
    store.commit(Pass { now: NOW, advanced, ended, ..Pass::default() }).await.unwrap();
}

/// An effect whose first attempt ended so that it is to be attempted again.
async fn attempted(kind: EffectKind, ended: &'static str, certainly_not_done: bool) -> Place {
    let store = Place::new().await;
    store.enroll("e-1", vec![effect("e-1-1", kind)]).await;
    store.mark(&["e-1-1"]).await;
    let next = Next::Again { at: NOW, certainly_not_done };
    store.settle(vec![settlement("e-1-1", ended, next)], NOW).await.unwrap();
    store
}

#[tokio::test]
async fn an_exit_between_two_attempts_does_not_forget_the_first() {
    for kind in [EffectKind::Send, EffectKind::Publish, EffectKind::Run] {
        let store = attempted(kind, "unknown", false).await;
        exit(&store).await;
        assert_eq!(store.state("e-1-1").await, phase("settled", Some("unknown")), "{kind:?}");
    }
    let store = attempted(EffectKind::Issue, "unknown", false).await;
    exit(&store).await;
    // It must be known, so that it can be taken back.
    assert_eq!(store.state("e-1-1").await, phase("pending", None));
    for kind in [EffectKind::Send, EffectKind::Publish, EffectKind::Run, EffectKind::Issue] {
        let store = attempted(kind, "deferred", true).await;
        exit(&store).await;
        assert_eq!(store.state("e-1-1").await, phase("settled", Some("cancelled")), "{kind:?}");
    }
}

#[tokio::test]
async fn what_the_second_attempt_did_not_do_the_first_may_have_done() {
    let ends = [
        (EffectKind::Send, phase("settled", Some("unknown"))),
        (EffectKind::Publish, phase("settled", Some("unknown"))),
        (EffectKind::Issue, phase("pending", None)),
    ];
    for (kind, expected) in ends {
        let store = attempted(kind, "unknown", false).await;
        store.mark(&["e-1-1"]).await;
        exit(&store).await;
        let next = Next::Again { at: NOW, certainly_not_done: true };
        let put_off = Settlement { attempt: 2, ..settlement("e-1-1", "deferred", next.clone()) };
        store.settle(vec![put_off], NOW).await.unwrap();
        assert_eq!(store.state("e-1-1").await, expected, "{kind:?}");
        // A provider that has no record of the key speaks for both.
        let store = attempted(kind, "unknown", false).await;
        store.mark(&["e-1-1"]).await;
        exit(&store).await;
        let ask =
            Settlement { attempt: 2, ..settlement("e-1-1", "unknown", Next::Ask { at: NOW }) };
        store.settle(vec![ask], NOW).await.unwrap();
        let not_there =
            Settlement { attempt: 2, asked: true, ..settlement("e-1-1", "unknown", next) };
        store.settle(vec![not_there], NOW).await.unwrap();
        assert_eq!(store.state("e-1-1").await, phase("settled", Some("cancelled")), "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_put_off_is_not_repeated_after_the_exit() {
    let ends = [(true, "cancelled"), (false, "unknown")];
    let both = |kind| ends.map(|(certainly, outcome)| (kind, certainly, outcome));
    for (kind, certainly_not_done, outcome) in
        [both(EffectKind::Send), both(EffectKind::Run)].concat()
    {
        let store = Place::new().await;
        store.enroll("e-1", vec![effect("e-1-1", kind)]).await;
        store.mark(&["e-1-1"]).await;
        exit(&store).await;
        let next = Next::Again { at: NOW, certainly_not_done };
        store.settle(vec![settlement("e-1-1", "deferred", next)], NOW).await.unwrap();
        assert_eq!(store.state("e-1-1").await, phase("settled", Some(outcome)));
    }
}

#[tokio::test]
async fn an_answer_about_an_earlier_attempt_changes_nothing() {
    let store = one_message().await;
    store.mark(&["e-1-1"]).await;
    store.settle(vec![settlement("e-1-1", "unknown", Next::Ask { at: NOW })], NOW).await.unwrap();
    let not_there = Settlement {
        asked: true,
        ..settlement("e-1-1", "unknown", Next::Again { at: NOW, certainly_not_done: true })
    };
    store.settle(vec![not_there.clone()], NOW).await.unwrap();
    store.mark(&["e-1-1"]).await;
    store.settle(vec![not_there], NOW).await.unwrap();
    assert_eq!(store.state("e-1-1").await, phase("attempting", None));
}

#[tokio::test]
async fn a_suppressed_effect_is_settled_with_its_reason() {
    let store = one_message().await;
    let verdicts = vec![("e-1-1".to_owned(), Verdict::Suppress("no_consent"))];
    assert!(store.attempt(verdicts, "digest".to_owned(), NOW).await.unwrap().is_empty());
    let settled = store.work(NOW, ALL, NOW).await.unwrap().settled;
    assert_eq!(settled.len(), 1);
    assert_eq!(
        (settled[0].outcome.as_str(), settled[0].reason.as_deref()),
        ("suppressed", Some("no_consent"))
    );
    let (row, attempts) = store.effect("e-1-1").await.unwrap().unwrap();
    assert_eq!((row.attempts, attempts.len()), (0, 0));
}

#[tokio::test]
async fn a_deferred_effect_is_due_again_at_its_time() {
    let store = one_message().await;
    store.mark(&["e-1-1"]).await;
    let at = NOW + HOUR;
    store
        .settle(
            vec![settlement("e-1-1", "deferred", Next::Again { at, certainly_not_done: true })],
            NOW,
        )
        .await
        .unwrap();
    assert!(store.due_keys("pending", at - 1).await.is_empty());
    assert_eq!(store.next_effect("notice").await.unwrap(), Some(at));
    let due = store.due_effects("notice", "pending", at, portion(ALL)).await.unwrap().effects;
    assert_eq!((due[0].attempts, due[0].first_attempt_at), (1, Some(NOW)));
    let (_, attempts) = store.effect("e-1-1").await.unwrap().unwrap();
    assert_eq!(
        (attempts[0].outcome.as_deref(), attempts[0].ended_at),
        (Some("deferred"), Some(NOW))
    );
}

#[tokio::test]
async fn an_unknown_effect_is_asked_for_and_never_attempted_meanwhile() {
    let store = one_message().await;
    store.mark(&["e-1-1"]).await;
    store.settle(vec![settlement("e-1-1", "unknown", Next::Ask { at: NOW })], NOW).await.unwrap();
    assert!(store.due_keys("pending", NOW).await.is_empty());
    assert_eq!(store.due_keys("unknown", NOW).await, ["e-1-1"]);
    store.postpone(vec!["e-1-1".to_owned()], NOW + HOUR).await.unwrap();
    assert!(store.due_keys("unknown", NOW).await.is_empty());
    store.settle(vec![Settlement { asked: true, ..accepted("e-1-1") }], NOW).await.unwrap();
    assert_eq!(store.state("e-1-1").await, phase("settled", Some("accepted")));
}

#[tokio::test]
async fn what_is_asked_late_can_be_asked_by_a_time() {
    let store = Place::new().await;
    let effects = ["e-1-1", "e-1-2", "e-1-3"].map(|key| effect(key, EffectKind::Send));
    store.enroll("e-1", effects.to_vec()).await;
    store.mark(&["e-1-1", "e-1-2"]).await;
    let asked = [("e-1-1", NOW + 1), ("e-1-2", NOW + HOUR)];
    let asked = asked.map(|(key, at)| settlement(key, "unknown", Next::Ask { at }));
    store.settle(asked.to_vec(), NOW).await.unwrap();
    store.postpone(vec!["e-1-3".to_owned()], NOW + HOUR).await.unwrap();
    store.ask_by(NOW + 2, &(0..64).collect()).await.unwrap();
    assert_eq!(store.due_keys("unknown", NOW + 1).await, ["e-1-1"]);
    assert_eq!(store.due_keys("unknown", NOW + 2).await, ["e-1-1", "e-1-2"]);
    assert!(store.due_keys("pending", NOW + HOUR - 1).await.is_empty(), "what waits is not asked");
}

#[tokio::test]
async fn a_settled_effect_is_told_once() {
    let store = one_message().await;
    store.mark(&["e-1-1"]).await;
    store.settle(vec![accepted("e-1-1")], NOW).await.unwrap();
    let work = store.work(NOW, ALL, NOW).await.unwrap();
    assert_eq!(work.settled[0].result.as_deref(), Some("{}"));
    assert!(work.enrollments.contains_key("e-1"));
    store
        .commit(Pass { now: NOW, settled: vec!["e-1-1".to_owned()], ..Pass::default() })
        .await
        .unwrap();
    assert!(store.work(NOW, ALL, NOW).await.unwrap().settled.is_empty());
    let (row, _) = store.effect("e-1-1").await.unwrap().unwrap();
    assert_eq!((row.phase.as_str(), row.provider_id.as_deref()), ("done", Some("p-1")));
    assert!(store.counts().await.unwrap().effects_open.is_empty());
    // A second settlement comes too late to change anything.
    store
        .settle(
            vec![settlement(
                "e-1-1",
                "deferred",
                Next::Again { at: NOW, certainly_not_done: true },
            )],
            NOW,
        )
        .await
        .unwrap();
    assert_eq!(store.state("e-1-1").await, phase("done", Some("accepted")));
}

#[tokio::test]
async fn a_refused_effect_is_settled_with_what_is_wrong_and_was_never_attempted() {
    let store = Place::new().await;
    store
        .enroll("e-1", vec![effect("e-1-1", EffectKind::Run), effect("e-1-2", EffectKind::Run)])
        .await;
    let detail = "/count: value is not of type \"integer\"".to_owned();
    let refuse = Verdict::Refuse { reason: "parameters", detail: detail.clone() };
    let verdicts = vec![("e-1-1".to_owned(), refuse), ("e-1-2".to_owned(), Verdict::Attempt)];
    assert_eq!(store.attempt(verdicts, "digest".to_owned(), NOW).await.unwrap(), ["e-1-2"]);
    let settled = store.work(NOW, ALL, NOW).await.unwrap().settled;
    assert_eq!(settled.len(), 1);
    let told = &settled[0];
    assert_eq!((told.key.as_str(), told.kind), ("e-1-1", EffectKind::Run));
    assert_eq!(
        (told.outcome.as_str(), told.reason.as_deref(), &told.detail),
        ("refused", Some("parameters"), &Some(detail))
    );
    let (row, attempts) = store.effect("e-1-1").await.unwrap().unwrap();
    assert_eq!((row.attempts, row.settled_at, attempts.len()), (0, Some(NOW), 0));
}

#[tokio::test]
async fn what_was_under_way_when_the_host_stopped_is_told() {
    let store = Place::new().await;
    store
        .enroll("e-1", vec![effect("e-1-1", EffectKind::Send), effect("e-1-2", EffectKind::Send)])
        .await;
    store.mark(&["e-1-2"]).await;
    let store = store.reopened().await;
    let everywhere: BTreeSet<i64> = (0..SHARDS).collect();
    let left = store.interrupted(&everywhere).await.unwrap();
    assert_eq!(left.len(), 1);
    let (connection, interrupted) = &left[0];
    assert_eq!((connection.as_str(), interrupted.key.as_str()), ("notice", "e-1-2"));
    assert_eq!((interrupted.attempts, interrupted.first_attempt_at), (1, Some(NOW)));
}

/// A coupon that is over in an hour.
pub(crate) fn coupon(key: &str, code: &str) -> Settlement {
    let grant = GrantRow {
        key: key.to_owned(),
        customer: "c-1".to_owned(),
        campaign: "summer".to_owned(),
        connection: "notice".to_owned(),
        code: code.to_owned(),
        state: "usable".to_owned(),
        valid_from: NOW,
        valid_until: NOW + HOUR,
        granted_at: NOW,
    };
    Settlement { grant: Some(grant), ..accepted(key) }
}

#[tokio::test]
async fn a_coupon_is_given_with_its_settlement_then_used_or_taken_back() {
    let store = Place::new().await;
    let effects = ["e-1-1", "e-1-2"].map(|key| effect(key, EffectKind::Issue));
    let revocations = ["e-1-3", "e-1-4"].map(|key| effect(key, EffectKind::Revoke));
    store.enroll("e-1", effects.into_iter().chain(revocations).collect()).await;
    store.mark(&["e-1-1", "e-1-2", "e-1-3", "e-1-4"]).await;
    store.settle(vec![coupon("e-1-1", "A"), coupon("e-1-2", "B")], NOW).await.unwrap();
    let used_codes = vec![("c-1".to_owned(), "A".to_owned()), ("c-2".to_owned(), "B".to_owned())];
    store.commit(Pass { now: NOW, used_codes, ..Pass::default() }).await.unwrap();
    let states = async || {
        let grants = store.grants_of("c-1").await.unwrap();
        grants.into_iter().map(|grant| (grant.code, grant.state)).collect::<Vec<_>>()
    };
    let row = |code: &str, state: &str| (code.to_owned(), state.to_owned());
    assert_eq!(states().await, [row("A", "used"), row("B", "usable")]);
    let back = |key: &str, by| Settlement { revoked: Some(key.to_owned()), ..accepted(by) };
    store.settle(vec![back("e-1-1", "e-1-3")], NOW).await.unwrap();
    store.settle(vec![back("e-1-2", "e-1-4")], NOW).await.unwrap();
    assert_eq!(states().await, [row("A", "used"), row("B", "revoked")]);
}
