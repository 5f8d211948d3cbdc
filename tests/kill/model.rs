//! The pure model beside the server: an enrollment's history is driven through the state machine again.
//!
//! The history says which input came and when; what the state machine makes of it must be, entry by entry, what the server
//! wrote, and the effects that it asks for must be those in the ledger.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};
use waystation_journey::{
    Background, ChannelFacts, ConnectionFacts, Connections, ContentKind, Customer, Effect,
    Enrollment, Entry, EntryKind, Event, Input, Policy, Program, Settled, Status, Suppression,
    Winners, World, advance, subscription_id,
};

use super::provider;

/// The connection that is polled.
const SOURCE: &str = "source";

/// What the API tells of one customer's enrollment.
pub(crate) struct Told<'a> {
    pub(crate) enrollment: &'a Value,
    /// Its advances, oldest first.
    pub(crate) history: &'a [Value],
    /// The ledger, by key.
    pub(crate) deliveries: &'a HashMap<String, Value>,
    /// The customer's coupons.
    pub(crate) coupons: &'a [Value],
}

/// What the model came to.
pub(crate) struct Modelled {
    pub(crate) effects: Vec<Effect>,
    pub(crate) enrollment: Enrollment,
    /// Codes granted, by the key of the grant; and whether the model took each back.
    pub(crate) grants: BTreeMap<String, Granted>,
}

/// A coupon as the model has it.
pub(crate) struct Granted {
    pub(crate) campaign: String,
    pub(crate) code: String,
    pub(crate) revoked: bool,
}

/// What journeys know of the connections of these tests.
pub(crate) fn connections() -> Connections {
    let courier = ConnectionFacts {
        channel: Some(ChannelFacts {
            address: "phone".to_owned(),
            contents: vec![ContentKind::Text],
        }),
        coupon: true,
        action: true,
        parameters: None,
        trigger_source: false,
        subscription: None,
    };
    let codes = ConnectionFacts { channel: None, action: false, ..courier.clone() };
    let couriers = ["window", "finding", "plain", "refusing"].map(|name| (name, courier.clone()));
    let all = couriers.into_iter().chain([("pool", codes)]);
    Connections(all.map(|(name, facts)| (name.to_owned(), facts)).collect())
}

/// An event as it was sent.
pub(crate) fn event(sent: &Value) -> anyhow::Result<Event> {
    let text = |name: &str| sent[name].as_str().map(str::to_owned).context("an event's text");
    Ok(Event {
        id: text("id")?,
        source: "api".to_owned(),
        name: text("name")?,
        customer: text("customer")?,
        at: sent["at"].as_i64().context("an event's time")?,
        subscription: None,
        properties: sent["properties"].as_object().cloned().unwrap_or_default(),
    })
}

/// An event as the trigger source told it for a journey.
pub(crate) fn noticed(told: &Value, journey: &str) -> anyhow::Result<Event> {
    let mut named = told.clone();
    named["name"] = Value::from("customer.noticed");
    let subscription = Some(subscription_id(journey, SOURCE));
    Ok(Event { source: SOURCE.to_owned(), subscription, ..event(&named)? })
}

/// Drives the model with what the history says came. `events` are those that the customer got, the one that enrolled first.
///
/// # Errors
/// If the state machine makes anything else of it than was written.
pub(crate) fn replay(
    program: &Program,
    told: &Told<'_>,
    mut customer: Customer,
    events: &[Event],
    connections: &Connections,
) -> anyhow::Result<Modelled> {
    let text = |name: &str| told.enrollment[name].as_str().map(str::to_owned);
    let version = told.enrollment["version"].as_i64().context("a version")?;
    let entered = told.enrollment["enrolled_at"].as_i64().context("a time")?;
    let first = events.first().context("an event that enrolled")?;
    let (id, key) = (text("id").context("an id")?, text("key").unwrap_or_default());
    let mut enrollment = Enrollment::new(id, program, version, key, first, entered);
    let mut effects: Vec<Effect> = Vec::new();
    let mut grants = BTreeMap::new();
    let mut later = events[1..].iter();
    let (winners, policy) = (Winners::new(), Policy::default());
    for (place, written) in told.history.iter().enumerate() {
        let seq = written["seq"].as_i64().context("a seq")?;
        ensure!(seq == place as i64 + 1, "advance {seq} is written where {} belongs", place + 1);
        let now = written["at"].as_i64().context("a time")?;
        let entries: Vec<Entry> = serde_json::from_value(written["entries"].clone())?;
        let mut world = World {
            customer: &mut customer,
            coupons: &[],
            background: Background { past: None, segments: None },
            connections,
            winners: &winners,
            policy: &policy,
            now,
            unsubscribe_url: None,
        };
        let first = entries.first().context("an advance without entries")?;
        let came = match first.kind {
            EntryKind::Enrolled => advance(program, &mut enrollment, Input::Start, &mut world),
            EntryKind::Woken | EntryKind::TimedOut => {
                advance(program, &mut enrollment, Input::Timer, &mut world)
            }
            EntryKind::EventCame | EntryKind::Ended => {
                let event = later.next().context("an event that nobody sent")?;
                advance(program, &mut enrollment, Input::Event(event), &mut world)
            }
            EntryKind::Settled => {
                let key = first.key.as_deref().context("what was settled")?;
                let asked = effects.iter().find(|effect| effect.key() == key);
                let asked = asked.with_context(|| format!("{key} was settled and not asked"))?;
                let outcome = settled(asked, told)?;
                if let (Settled::Granted { code, .. }, Effect::Issue { campaign, .. }) =
                    (&outcome, asked)
                {
                    let (campaign, code) = (campaign.clone(), code.clone());
                    grants.insert(key.to_owned(), Granted { campaign, code, revoked: false });
                }
                let input = Input::Settled { key, outcome: &outcome };
                advance(program, &mut enrollment, input, &mut world)
            }
            other => bail!("advance {seq} begins with {}", other.as_str()),
        };
        ensure!(
            came.history == entries,
            "advance {seq} is {entries:?}, and the model's is {:?}",
            came.history
        );
        for effect in &came.effects {
            if let Effect::Revoke { grant_key, .. } = effect
                && let Some(granted) = grants.get_mut(grant_key)
            {
                granted.revoked = true;
            }
        }
        effects.extend(came.effects);
    }
    Ok(Modelled { effects, enrollment, grants })
}

/// What the journey was told about a settled effect, from what the ledger says.
fn settled(asked: &Effect, told: &Told<'_>) -> anyhow::Result<Settled> {
    let key = asked.key();
    let row = told.deliveries.get(key).with_context(|| format!("{key} is not in the ledger"))?;
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    Ok(match row["outcome"].as_str().unwrap_or_default() {
        "accepted" => match asked {
            Effect::Issue { campaign, offer, connection, .. } => {
                let code = if connection == "pool" {
                    let given = told.coupons.iter().find(|one| one["campaign"] == **campaign);
                    let code = given.and_then(|one| one["code"].as_str());
                    code.with_context(|| format!("{key} is accepted, and there is no coupon"))?
                        .to_owned()
                } else {
                    provider::code(key)
                };
                Settled::Granted { code, valid_until: offer.valid_until }
            }
            Effect::Run { .. } => Settled::Done { result: provider::result(key) },
            _ => Settled::Accepted,
        },
        "unknown" => Settled::Unknown { detail: text("detail") },
        "suppressed" if row["reason"] == "unavailable" => {
            Settled::Suppressed { reason: Suppression::Unavailable }
        }
        "suppressed" => bail!("{key} was suppressed: {}", text("reason")),
        other => {
            let reason = row["reason"].as_str().unwrap_or(other).to_owned();
            Settled::Refused { reason, detail: text("detail") }
        }
    })
}

/// A customer as the load makes it, for the model.
pub(crate) fn customer(made: &Value) -> anyhow::Result<Customer> {
    let attributes: Map<String, Value> =
        made["attributes"].as_object().cloned().unwrap_or_default();
    Ok(Customer {
        id: made["id"].as_str().context("an id")?.to_owned(),
        attributes,
        ..Customer::default()
    })
}

/// Whether an enrollment has ended.
pub(crate) fn ended(enrollment: &Enrollment) -> bool {
    enrollment.status != Status::Active
}
