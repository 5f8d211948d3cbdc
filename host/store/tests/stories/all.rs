//! The stories, and what they have in common.

use std::ops::Deref;

use serde_json::{Map, Value, json};
use waystation_journey::{Enrollment, Event, Lane, Program, check};
use waystation_store::Store;
use waystation_store::records::{
    CustomerPatch, EffectKind, NewEffect, NewEvent, Next, Pass, Portion, Settlement, Subject,
    Verdict,
};

use super::Home;

mod by_hand;
mod codes;
mod customers;
mod events;
mod journeys;
mod lanes;
mod ledger;
mod passes;
mod policies;
mod recordings;
pub(crate) mod retention;
mod segments;
mod streams;
mod told;
mod trust;
mod values;
mod whole;

/// Any time; stories count from here.
pub(crate) const NOW: i64 = 1_750_000_000_000;
pub(crate) const HOUR: i64 = 3_600_000;
/// Enough for every row of a story.
pub(crate) const ALL: i64 = 1_000;

/// A store on a database of its own.
pub(crate) struct Place {
    store: Store,
    pub(crate) home: Home,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let home = Home::new();
        let store = Store::open(&home.database()).await.unwrap();
        Self { store, home }
    }

    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await;
        let store = Store::open(&self.home.database()).await.unwrap();
        Self { store, home: self.home }
    }

    /// Enrolls a customer, with these effects to be made.
    pub(super) async fn enroll(&self, id: &str, effects: Vec<NewEffect>) {
        let pass = Pass { now: NOW, enrolled: vec![enrollment(id)], effects, ..Pass::default() };
        self.commit(pass).await.unwrap();
    }

    /// Marks these effects, of which all must be free to be attempted.
    pub(super) async fn mark(&self, keys: &[&str]) {
        let verdicts = keys.iter().map(|key| ((*key).to_owned(), Verdict::Attempt)).collect();
        let mut marked = self.attempt(verdicts, "digest".to_owned(), NOW).await.unwrap();
        marked.sort();
        assert_eq!(marked, keys);
    }

    async fn due_keys(&self, phase: &'static str, now: i64) -> Vec<String> {
        let due = self.due_effects("notice", phase, now, portion(ALL)).await.unwrap().effects;
        due.into_iter().map(|effect| effect.key).collect()
    }

    /// Phase and outcome of an effect.
    async fn state(&self, key: &str) -> (String, Option<String>) {
        let (effect, _) = self.effect(key).await.unwrap().expect("the effect exists");
        (effect.phase, effect.outcome)
    }
}

impl Deref for Place {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

pub(crate) fn event(source: &str, id: &str, subject: Subject) -> NewEvent {
    NewEvent {
        source: source.to_owned(),
        id: id.to_owned(),
        name: "signed.up".to_owned(),
        subject,
        at: NOW,
        subscription: None,
        lane: Lane::GENERAL,
        properties: object(&json!({ "age": 30 })),
    }
}

/// So many effects, whatever their size.
fn portion(effects: i64) -> Portion {
    Portion { effects, bytes: i64::MAX, round: 0 }
}

pub(super) fn customer(id: &str) -> Subject {
    Subject::Customer(id.to_owned())
}

fn identity(kind: &str, value: &str) -> Subject {
    Subject::Identity { kind: kind.to_owned(), value: value.to_owned() }
}

pub(super) fn patch(id: &str) -> CustomerPatch {
    CustomerPatch { id: id.to_owned(), ..CustomerPatch::default() }
}

fn with_address(id: &str, address: &str) -> CustomerPatch {
    CustomerPatch { identities: [("email".to_owned(), address.to_owned())].into(), ..patch(id) }
}

fn program() -> Program {
    let file = "{ journey: hello, entry: { event: signed.up }, steps: [{ wait: 1h }] }";
    check(file, None).program.expect("the journey is sound")
}

/// Customer `c-1` in the journey `hello`; `id` is its key too.
pub(super) fn enrollment(id: &str) -> Enrollment {
    let event =
        Event { name: "signed.up".to_owned(), customer: "c-1".to_owned(), ..Event::default() };
    Enrollment::new(id.to_owned(), &program(), 1, id.to_owned(), &event, NOW)
}

/// An effect of the enrollment that its key begins with.
pub(super) fn effect(key: &str, kind: EffectKind) -> NewEffect {
    NewEffect {
        key: key.to_owned(),
        enrollment: key.rsplit_once('-').map_or(key, |(enrollment, _)| enrollment).to_owned(),
        customer: "c-1".to_owned(),
        journey: "hello".to_owned(),
        version: 1,
        step: "steps[0]".to_owned(),
        kind,
        connection: "notice".to_owned(),
        body: format!("body of {key}"),
        fallback: false,
        rank: 50,
        lane: Lane::GENERAL,
        tags: Vec::new(),
        marketing: true,
        due_at: NOW,
        created_at: NOW,
    }
}

pub(super) fn settlement(key: &str, ended: &'static str, next: Next) -> Settlement {
    Settlement {
        key: key.to_owned(),
        attempt: 1,
        ended,
        detail: None,
        asked: false,
        earlier_uncertain: false,
        next,
        grant: None,
        revoked: None,
    }
}

fn accepted(key: &str) -> Settlement {
    let next = Next::Settled {
        outcome: "accepted",
        reason: None,
        result: Some("{}".to_owned()),
        provider_id: Some("p-1".to_owned()),
    };
    settlement(key, "accepted", next)
}
