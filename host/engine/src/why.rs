//! What a customer got and did not get, and why, in sentences.

use std::collections::{BTreeSet, HashMap};

use waystation_journey::{Effect, Status, Zone};
use waystation_store::records::{Asked, DecisionRow, Filter};

use crate::engine::Engine;
use crate::error::EngineError;

/// Most deliveries, decisions and enrollments that are told of, the latest of each.
const MOST: i64 = 1_000;

/// What there is to tell of a customer.
#[derive(Debug, Clone)]
pub struct Told {
    /// The customer's zone, in which the sentences name times.
    pub zone: Zone,
    /// In the order of time.
    pub lines: Vec<WhyLine>,
}

/// One thing that happened or did not happen to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyLine {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// `entered`, `left`, `sent`, `given`, `waiting`, `suppressed`, `delayed`, `passed`, or another outcome of the ledger.
    pub kind: String,
    /// The journey.
    pub journey: String,
    /// The delivery's key, if it is about one.
    pub delivery: Option<String>,
    /// A sentence.
    pub text: String,
}

impl Engine {
    /// Tells what a customer got and did not get, and why; of one journey or of all. None if there is no such customer.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn why(
        &self,
        customer: &str,
        journey: Option<&str>,
    ) -> Result<Option<Told>, EngineError> {
        let store = self.store();
        let mut known = store.customers(&[customer.to_owned()]).await?;
        let Some(person) = known.remove(customer) else { return Ok(None) };
        let zone = Zone::of(&person, self.policy().zone());
        let asked = store.asked_for(customer, journey, MOST).await?;
        let decisions = store.decisions(customer, MOST).await?;
        let filter = Filter {
            customer: Some(customer.to_owned()),
            journey: journey.map(str::to_owned),
            limit: MOST,
            ..Filter::default()
        };
        let mut lines = Vec::new();
        for enrollment in store.enrollments(&filter).await? {
            let line = |at, kind: &str, text| WhyLine {
                at,
                kind: kind.to_owned(),
                journey: enrollment.journey.clone(),
                delivery: None,
                text,
            };
            let name = named(&enrollment);
            let entered = format!("The customer entered journey {name}.");
            lines.push(line(enrollment.enrolled_at, "entered", entered));
            let outcome = enrollment.outcome.as_deref().unwrap_or_default();
            let text = match enrollment.status {
                Status::Active => continue,
                Status::Finished => format!("The customer came to the end of journey {name}."),
                Status::Exited => {
                    format!("The customer left journey {name} with the outcome {outcome}.")
                }
            };
            lines.push(line(enrollment.ended_at.unwrap_or_default(), "left", text));
        }
        lines.extend(deliveries(&asked, &decisions, &zone));
        lines.sort_by_key(|line| line.at);
        Ok(Some(Told { zone, lines }))
    }
}

fn named(enrollment: &waystation_journey::Enrollment) -> String {
    match enrollment.key.as_str() {
        "" => enrollment.journey.clone(),
        key => format!("{} (for {key})", enrollment.journey),
    }
}

fn deliveries(asked: &[Asked], decisions: &[DecisionRow], zone: &Zone) -> Vec<WhyLine> {
    let subjects: HashMap<&str, (&Asked, String)> = asked
        .iter()
        .filter_map(|one| Some((one.effect.key.as_str(), (one, subject(one)?))))
        .collect();
    let mut lines = Vec::new();
    let mut explained = BTreeSet::new();
    for decision in decisions {
        let Some((one, subject)) = subjects.get(decision.effect.as_str()) else { continue };
        let why = decision.held.clause(zone);
        let text = match (decision.kind.as_str(), decision.until) {
            ("delayed", Some(until)) => {
                format!("{subject} was put off until {}, because {why}.", zone.write(until))
            }
            ("passed", _) => format!("{subject} had to wait, because {why}."),
            _ => format!("{subject} was not sent, because {why}."),
        };
        if decision.kind == "suppressed" {
            explained.insert(decision.effect.as_str());
        }
        lines.push(line(one, decision.at, &decision.kind, text));
    }
    for (one, subject) in subjects.values() {
        if !explained.contains(one.effect.key.as_str()) {
            let (at, kind, text) = end(one, subject, zone);
            lines.push(line(one, at, &kind, text));
        }
    }
    lines
}

fn line(one: &Asked, at: i64, kind: &str, text: String) -> WhyLine {
    WhyLine {
        at,
        kind: kind.to_owned(),
        journey: one.effect.journey.clone(),
        delivery: Some(one.effect.key.clone()),
        text,
    }
}

/// What it is about, as the beginning of a sentence. None for what reaches no customer.
fn subject(one: &Asked) -> Option<String> {
    let journey = &one.effect.journey;
    let step = &one.effect.step;
    match serde_json::from_str(&one.body).ok()? {
        Effect::Send { template, connection, .. } => {
            Some(format!("Message {template} of journey {journey} ({step}) through {connection}"))
        }
        Effect::Issue { campaign, connection, .. } => Some(format!(
            "A coupon of campaign {campaign} from {connection}, in journey {journey} ({step}),"
        )),
        _ => None,
    }
}

/// How it ended, or what it waits for: when, in a word and in a sentence.
fn end(one: &Asked, subject: &str, zone: &Zone) -> (i64, String, String) {
    let effect = &one.effect;
    let at = effect.settled_at.unwrap_or(effect.created_at);
    let detail = match effect.detail.as_deref() {
        Some(detail) if !detail.is_empty() => format!(": {detail}"),
        _ => String::new(),
    };
    let reason = effect.reason.as_deref().unwrap_or_default();
    let (done, kind) = if effect.kind == "issue" { ("given", "given") } else { ("sent", "sent") };
    let Some(outcome) = effect.outcome.as_deref() else {
        let text = match effect.phase.as_str() {
            "pending" if effect.attempts > 0 => format!(
                "{subject} is tried again on {}, after {} attempts{detail}.",
                zone.write(one.due_at),
                effect.attempts
            ),
            "pending" => format!("{subject} waits until {}.", zone.write(one.due_at)),
            "unknown" => format!("{subject} may have been {done}; the provider is asked{detail}."),
            _ => format!("{subject} is being {done}."),
        };
        return (effect.created_at, "waiting".to_owned(), text);
    };
    let text = match outcome {
        "accepted" => format!("{subject} was {done}."),
        "refused" => format!("{subject} was refused ({reason}){detail}."),
        "expired" => format!("{subject} was not {done}{detail}."),
        "cancelled" => {
            format!("{subject} was not {done}, because the customer had left the journey.")
        }
        "unknown" => format!("{subject} may have been {done}; nobody can tell{detail}."),
        "suppressed" => format!("{subject} was not {done}, because {}.", because(reason)),
        other => format!("{subject}: {other} {reason}{detail}."),
    };
    (at, if outcome == "accepted" { kind.to_owned() } else { outcome.to_owned() }, text)
}

/// Why the host did not ask, where no decision of the policies says it.
fn because(reason: &str) -> String {
    match reason {
        "unavailable" => "the connection was not called, as its last calls had failed".to_owned(),
        "no_address" => "the customer had no address there".to_owned(),
        "no_consent" => "the customer had not agreed to it".to_owned(),
        "not_a_channel" => "the connection is no channel any more".to_owned(),
        other => format!("of `{other}`"),
    }
}
