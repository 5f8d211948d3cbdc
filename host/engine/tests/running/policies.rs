//! Windows, quiet hours, limits and priority, decided when messages are about to be sent.

use std::collections::BTreeMap;

use waystation_journey::{Held, Lane, Policy};
use waystation_store::records::{CustomerPatch, Deliveries, EffectRow, NewEvent, Portion, Subject};

use crate::{HOUR, Host, NOW, until};

/// Monday 2025-06-16 10:00 in Shanghai; `NOW` is the Sunday before, 23:06:40.
const MONDAY_10: i64 = 1_750_039_200_000;

/// A journey of one marketing message through a connection, entered by `begin`.
fn journey(name: &str, connection: &str, lines: &str) -> String {
    format!(
        "journey: {name}\nentry: {{ event: begin, again: always }}\n\
         templates: {{ hello: {{ default: {{ text: 'Hello from {name}' }} }} }}\n\
         steps: [{{ send: {{ use: {connection}, template: hello }} }}]\n{lines}\n"
    )
}

async fn policy(host: &Host, file: &str) {
    let checked = Policy::check(file);
    let policy = checked.policy.unwrap_or_else(|| panic!("{:?}", checked.problems));
    host.engine.use_policy(file.to_owned(), policy).await.unwrap();
}

/// Customers in Shanghai who agreed to marketing by mail and phone; then `begin` happens to all of them at once.
async fn begin(host: &Host, customers: &[String]) {
    let patches = customers.iter().map(|id| CustomerPatch {
        id: id.clone(),
        attributes: [("zone".to_owned(), "Asia/Shanghai".into())].into_iter().collect(),
        identities: [
            ("email".to_owned(), format!("{id}@example.com")),
            ("phone".to_owned(), format!("phone of {id}")),
        ]
        .into(),
        consents: [(
            "marketing".to_owned(),
            [("email".to_owned(), true), ("phone".to_owned(), true)].into(),
        )]
        .into(),
        ..CustomerPatch::default()
    });
    host.engine.upsert_customers(patches.collect()).await.unwrap();
    let events = customers.iter().map(|id| NewEvent {
        source: "test".to_owned(),
        id: format!("begin {id}"),
        name: "begin".to_owned(),
        subject: Subject::Customer(id.clone()),
        at: NOW,
        subscription: None,
        lane: Lane::GENERAL,
        properties: serde_json::Map::new(),
    });
    host.engine.take(events.collect()).await.unwrap();
}

/// All effects, once every one of them is like this.
async fn effects(host: &Host, count: usize, like: impl Fn(&EffectRow) -> bool) -> Vec<EffectRow> {
    until(async || {
        let found = host.engine.store().deliveries(&Deliveries::default(), 1_000).await.unwrap();
        (found.len() == count && found.iter().all(&like)).then_some(found)
    })
    .await
}

fn done(effect: &EffectRow) -> bool {
    effect.phase == "done"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r37_a_limit_holds_though_two_connections_decide_at_the_same_moment() {
    let host = Host::new().await;
    host.connect("left", "echo").await;
    host.connect("right", "echo").await;
    policy(&host, "limits: [{ messages: 3, per: 24h }]").await;
    for (name, connection) in [
        ("a", "left"),
        ("b", "right"),
        ("c", "left"),
        ("d", "right"),
        ("e", "left"),
        ("f", "right"),
    ] {
        host.apply(&journey(name, connection, "")).await;
    }
    let customers: Vec<String> = (0..60).map(|number| format!("c-{number}")).collect();
    begin(&host, &customers).await;
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    for effect in effects(&host, 360, done).await {
        match (effect.outcome.as_deref(), effect.reason.as_deref()) {
            (Some("accepted"), None) => *accepted.entry(effect.customer).or_default() += 1,
            (Some("suppressed"), Some("limit")) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(accepted.len(), 60);
    assert!(accepted.values().all(|count| *count == 3), "{accepted:?}");
    let decisions = host.engine.store().decisions("c-7", 10).await.unwrap();
    assert_eq!(decisions.len(), 3);
    for decision in decisions {
        let Held::Limit { taken, .. } = decision.held else { panic!("{decision:?}") };
        assert_eq!(taken.len(), 3);
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_a_message_waits_for_the_window_in_the_customer_s_zone() {
    let host = Host::new().await;
    host.connect("channel", "echo").await;
    policy(
        &host,
        "calendar: CN\nwindow: { days: workdays, hours: ['10:00-12:00', '19:00-21:00'] }",
    )
    .await;
    host.apply(&journey("a", "channel", "")).await;
    begin(&host, &["c-1".to_owned()]).await;
    let waits = async || {
        until(async || {
            let next = host.engine.store().next_effect("channel").await.unwrap();
            (next == Some(MONDAY_10)).then_some(())
        })
        .await
    };
    waits().await;
    host.advance(MONDAY_10 - NOW - 1);
    waits().await;
    let decisions = host.engine.store().decisions("c-1", 10).await.unwrap();
    let told: Vec<_> =
        decisions.iter().map(|one| (one.kind.as_str(), one.until, one.held.word())).collect();
    assert_eq!(told, [("delayed", Some(MONDAY_10), "window")]);
    host.advance(1);
    let (effect, attempts) = host.effect("c-1", done).await;
    assert_eq!((effect.outcome.as_deref(), attempts[0].started_at), (Some("accepted"), MONDAY_10));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_put_marketing_off_and_nothing_else() {
    let host = Host::new().await;
    host.connect("channel", "echo").await;
    policy(&host, "quiet: { hours: '21:00-08:00' }").await;
    host.apply(&journey("receipt", "channel", "purpose: transactional")).await;
    host.apply(&journey("sale", "channel", "")).await;
    begin(&host, &["c-1".to_owned()]).await;
    let found = effects(&host, 2, |effect| match effect.journey.as_str() {
        "receipt" => done(effect),
        _ => effect.phase == "pending",
    })
    .await;
    assert_eq!(found[0].outcome.as_deref().or(found[1].outcome.as_deref()), Some("accepted"));
    until(async || {
        let next = host.engine.store().next_effect("channel").await.unwrap();
        (next == Some(MONDAY_10 - 2 * HOUR)).then_some(())
    })
    .await;
    // An exit or a withdrawal still finds the message unsent; consent is asked for again when its time has come.
    let withdrawal = CustomerPatch {
        id: "c-1".to_owned(),
        consents: [(
            "marketing".to_owned(),
            [("phone".to_owned(), false), ("email".to_owned(), false)].into(),
        )]
        .into(),
        ..CustomerPatch::default()
    };
    host.engine.upsert_customers(vec![withdrawal]).await.unwrap();
    host.advance(MONDAY_10 - NOW);
    let found = effects(&host, 2, done).await;
    let sale = found.iter().find(|effect| effect.journey == "sale").unwrap();
    assert_eq!(sale.reason.as_deref(), Some("no_consent"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r50_of_two_journeys_the_one_of_higher_priority_takes_the_last_place() {
    let host = Host::new().await;
    host.connect("channel", "echo").await;
    policy(&host, "limits: { messages: 1, per: 24h }").await;
    // In the order of their names, the holiday would come first.
    host.apply(&journey("holiday", "channel", "priority: low")).await;
    host.apply(&journey("welcome", "channel", "priority: high")).await;
    begin(&host, &["c-1".to_owned(), "c-2".to_owned()]).await;
    for effect in effects(&host, 4, done).await {
        let expected = if effect.journey == "welcome" { "accepted" } else { "suppressed" };
        assert_eq!(effect.outcome.as_deref(), Some(expected), "{}", effect.journey);
    }
    let left = async || {
        let told = host.engine.why("c-1", None).await.unwrap().unwrap();
        (told.lines.iter().filter(|line| line.kind == "left").count() == 2).then_some(told)
    };
    let told = until(left).await;
    assert_eq!(told.zone.name(), "Asia/Shanghai");
    let mut texts: Vec<&str> = told.lines.iter().map(|line| line.text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(
        texts,
        [
            "Message hello of journey holiday (steps[0]) through channel was not sent, because the workspace allows 1 \
             message in 24h, taken by welcome through channel on Sun 2025-06-15 23:06.",
            "Message hello of journey welcome (steps[0]) through channel was sent.",
            "The customer came to the end of journey holiday.",
            "The customer came to the end of journey welcome.",
            "The customer entered journey holiday.",
            "The customer entered journey welcome.",
        ]
    );
    let holiday = host.engine.why("c-1", Some("holiday")).await.unwrap().unwrap();
    assert_eq!(holiday.lines.len(), 3);
    assert!(host.engine.why("nobody", None).await.unwrap().is_none());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_passed_is_told_which_one_went_before() {
    let host = Host::new().await;
    host.connect("channel", "echo").await;
    policy(&host, "first: customer.id == 'c-2'").await;
    host.apply(&journey("early", "channel", "window: { hours: '10:00-20:00' }")).await;
    host.apply(&journey("late", "channel", "priority: high\nwindow: { hours: '11:00-20:00' }"))
        .await;
    begin(&host, &["c-1".to_owned(), "c-2".to_owned()]).await;
    let next = async |host: &Host| host.engine.store().next_effect("channel").await.unwrap();
    until(async || (next(&host).await == Some(MONDAY_10)).then_some(())).await;
    until(async || {
        let held = host.engine.store().decisions("c-2", 10).await.unwrap();
        (held.len() == 2).then_some(())
    })
    .await;
    let (folder, store) = host.stop().await;
    // R39: whatever came due before, those who go first are at the front, and then priority decides.
    let portion = Portion { effects: 10, bytes: i64::MAX, round: 0 };
    let due = store.due_effects("channel", "pending", MONDAY_10 + 2 * HOUR, portion).await.unwrap();
    let order: Vec<_> =
        due.effects.iter().map(|one| (one.customer.id.as_str(), one.journey.as_str())).collect();
    assert_eq!(order, [("c-2", "late"), ("c-2", "early"), ("c-1", "late"), ("c-1", "early")]);
    store.close().await;
    let host = Host::start(folder, MONDAY_10 + 2 * HOUR).await;
    effects(&host, 4, done).await;
    let decisions = host.engine.store().decisions("c-1", 10).await.unwrap();
    let last = decisions.last().unwrap();
    let Held::Passed { journey, first, .. } = &last.held else { panic!("{last:?}") };
    assert_eq!((last.kind.as_str(), journey.as_str(), *first), ("passed", "late", false));
    host.stop().await;
}
