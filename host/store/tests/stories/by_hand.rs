//! What operators find in the ledger and settle themselves.

use waystation_store::records::{ByHand, Deliveries, EffectKind, Next, Pass, Saying, Unknowns};

use super::{ALL, HOUR, NOW, Place, effect, settlement};

fn saying(what: ByHand) -> Saying {
    Saying { what, actor: "token 1".to_owned(), reason: "because".to_owned() }
}

fn outcomes(words: &[&str]) -> Deliveries {
    let outcomes = words.iter().map(|word| (*word).to_owned()).collect();
    Deliveries { outcomes, ..Deliveries::default() }
}

/// One attempt that ended so, and of which the enrollment was told.
async fn ended(store: &Place, key: &str, outcome: &'static str, reason: &str) {
    store.mark(&[key]).await;
    let next =
        Next::Settled { outcome, reason: Some(reason.to_owned()), result: None, provider_id: None };
    store.settle(vec![settlement(key, outcome, next)], NOW).await.unwrap();
    let told = Pass { now: NOW, settled: vec![key.to_owned()], ..Pass::default() };
    store.commit(told).await.unwrap();
}

/// Which of these were settled.
async fn settled(store: &Place, keys: &[&str], what: ByHand) -> Vec<String> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let said = store.settle_by_hand(keys, saying(what), NOW + HOUR).await.unwrap();
    said.into_iter().map(|one| one.key).collect()
}

#[tokio::test]
async fn what_can_be_said_depends_on_kind_phase_and_outcome() {
    let kinds = [
        EffectKind::Send,
        EffectKind::Publish,
        EffectKind::Run,
        EffectKind::Issue,
        EffectKind::Revoke,
    ];
    let all = [ByHand::Accepted, ByHand::Refused, ByHand::Resend];
    let states = [
        ("unknown", &all[..]),
        ("refused", &all[2..]),
        ("expired", &all[2..]),
        ("accepted", &[]),
        ("pending", &[]),
        ("attempting", &[]),
        ("settled", &[]),
        ("asking", &all[..]),
    ];
    let mut cases = Vec::new();
    for kind in kinds {
        for (outcome, may) in states {
            for what in all {
                let by_kind = match (kind, what, outcome) {
                    (EffectKind::Issue, ByHand::Accepted, _) => false,
                    (EffectKind::Issue, ByHand::Resend, outcome) => outcome == "asking",
                    (EffectKind::Revoke, what, _) => what == ByHand::Resend,
                    _ => true,
                };
                // An enrollment each, as what one takes back says something about its messages.
                let key = format!("e-{:03}-1", cases.len());
                cases.push((key, kind, outcome, what, may.contains(&what) && by_kind));
            }
        }
    }
    let store = Place::new().await;
    let effects = cases.iter().map(|(key, kind, ..)| effect(key, *kind));
    store.enroll("e-1", effects.collect()).await;
    for (key, kind, outcome, what, expected) in cases {
        let key = key.as_str();
        match outcome {
            "pending" => {}
            "attempting" => store.mark(&[key]).await,
            "asking" => {
                store.mark(&[key]).await;
                let ask = settlement(key, "unknown", Next::Ask { at: NOW });
                store.settle(vec![ask], NOW).await.unwrap();
            }
            "settled" => {
                store.mark(&[key]).await;
                let next = Next::Settled {
                    outcome: "refused",
                    reason: None,
                    result: None,
                    provider_id: None,
                };
                store.settle(vec![settlement(key, "refused", next)], NOW).await.unwrap();
            }
            outcome => ended(&store, key, outcome, "other").await,
        }
        let said = !settled(&store, &[key], what).await.is_empty();
        assert_eq!(said, expected, "{what:?} of {kind:?} that is {outcome}");
    }
}

#[tokio::test]
async fn a_message_that_tells_of_a_coupon_which_was_taken_back_is_not_sent_again() {
    let store = Place::new().await;
    let mut notice = effect("e-1-1", EffectKind::Send);
    notice.body = "{\"text\":\"your coupon is AB-12\"}".to_owned();
    let mut revocation = effect("e-1-2", EffectKind::Revoke);
    revocation.body = "{\"code\":\"AB-12\"}".to_owned();
    let other = effect("e-1-3", EffectKind::Send);
    store.enroll("e-1", vec![notice, revocation, other]).await;
    ended(&store, "e-1-1", "refused", "address").await;
    ended(&store, "e-1-3", "refused", "address").await;
    assert_eq!(settled(&store, &["e-1-1", "e-1-3"], ByHand::Resend).await, ["e-1-3"]);
    assert!(store.interventions("e-1-1").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_repeat_may_double_what_may_have_happened_and_every_repeat_after_it() {
    let store = Place::new().await;
    store.enroll("e-1", vec![effect("e-1-1", EffectKind::Send)]).await;
    ended(&store, "e-1-1", "unknown", "held").await;
    for number in 1..=2 {
        let keys = vec!["e-1-1".to_owned()];
        let said = store.settle_by_hand(keys, saying(ByHand::Resend), NOW + HOUR).await.unwrap();
        assert!(said[0].may_double, "repeat {number}");
        let verdict = waystation_store::records::Verdict::Attempt;
        let verdicts = vec![("e-1-1".to_owned(), verdict)];
        store.attempt(verdicts, "digest".to_owned(), NOW + HOUR).await.unwrap();
        let next = Next::Settled {
            outcome: "refused",
            reason: Some("address".to_owned()),
            result: None,
            provider_id: None,
        };
        let mut end = settlement("e-1-1", "refused", next);
        end.attempt = number + 1;
        store.settle(vec![end], NOW + HOUR).await.unwrap();
        let told = Pass { now: NOW, settled: vec!["e-1-1".to_owned()], ..Pass::default() };
        store.commit(told).await.unwrap();
    }
    let said = store.interventions("e-1-1").await.unwrap();
    assert_eq!(said.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(said[1].former, "refused address");
}

#[tokio::test]
async fn lists_hold_what_matches_every_field() {
    let store = Place::new().await;
    let mut elsewhere = effect("e-2-1", EffectKind::Send);
    elsewhere.connection = "sms".to_owned();
    elsewhere.created_at = NOW + HOUR;
    store.enroll("e-1", vec![effect("e-1-1", EffectKind::Send), elsewhere]).await;
    ended(&store, "e-1-1", "refused", "address").await;
    ended(&store, "e-2-1", "unknown", "held").await;
    let some = |text: &str| Some(text.to_owned());
    let cases: [(Deliveries, &[&str]); 12] = [
        (Deliveries::default(), &["e-1-1", "e-2-1"]),
        (outcomes(&["refused"]), &["e-1-1"]),
        (outcomes(&["unknown", "refused"]), &["e-1-1", "e-2-1"]),
        (outcomes(&["accepted", "refused"]), &["e-1-1"]),
        (Deliveries { connection: some("sms"), ..outcomes(&["unknown"]) }, &["e-2-1"]),
        (Deliveries { connection: some("sms"), ..outcomes(&["refused"]) }, &[]),
        (Deliveries { reason: some("held"), ..Deliveries::default() }, &["e-2-1"]),
        (Deliveries { since: Some(NOW + 1), ..Deliveries::default() }, &["e-2-1"]),
        (Deliveries { before: Some(NOW + 1), ..Deliveries::default() }, &["e-1-1"]),
        (Deliveries { after: some("e-1-1"), ..Deliveries::default() }, &["e-2-1"]),
        (
            Deliveries { phase: some("done"), step: some("steps[0]"), ..Deliveries::default() },
            &["e-1-1", "e-2-1"],
        ),
        (
            Deliveries { phase: some("pending"), customer: some("c-1"), ..Deliveries::default() },
            &[],
        ),
    ];
    for (filter, expected) in cases {
        let found = store.deliveries(&filter, ALL).await.unwrap();
        let found: Vec<&str> = found.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let unknown =
        |asking| Unknowns { connection: "sms".to_owned(), asking, count: 1, oldest_at: Some(NOW) };
    assert_eq!(store.unknowns().await.unwrap(), [unknown(false)]);
}
