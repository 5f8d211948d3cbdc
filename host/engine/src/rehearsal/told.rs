//! What happened in a rehearsal, in sentences.

use std::collections::HashMap;

use waystation_journey::{Entry, EntryKind, Event, Held, Zone};
use waystation_store::records::NewEffect;

use crate::pass::Happening;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// To whom.
    pub customer: String,
    /// In which journey; empty if in none.
    pub journey: String,
    /// What, in words for people.
    pub text: String,
    /// Until when what began then lasts, in Unix milliseconds.
    pub until: Option<i64>,
}

/// Notes what happens.
pub(super) struct Teller {
    pub(super) told: Vec<Moment>,
    silent: bool,
    /// What each effect is, by its key.
    effects: HashMap<String, String>,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { told: Vec::new(), silent: false, effects: HashMap::new() }
    }

    /// One that notes nothing, as there would be too much to read.
    pub(super) fn silent() -> Self {
        Self { silent: true, ..Self::new() }
    }

    pub(super) fn event(&mut self, at: i64, event: &Event) {
        self.note(at, &event.customer, "", format!("{} happens", event.name), None);
    }

    pub(super) fn happening(&mut self, happening: &Happening, due: Option<i64>) {
        if self.silent {
            return;
        }
        for entry in &happening.entries {
            if let Some(key) = &entry.key
                && !matches!(entry.kind, EntryKind::Settled | EntryKind::Failed)
            {
                self.effects.insert(key.clone(), entry.detail.clone());
            }
            let until =
                due.filter(|_| matches!(entry.kind, EntryKind::Waiting | EntryKind::AwaitingEvent));
            let text = self.sentence(entry);
            self.note(happening.at, &happening.customer, &happening.journey, text, until);
        }
    }

    pub(super) fn held(
        &mut self,
        at: i64,
        row: &NewEffect,
        template: &str,
        held: &Held,
        until: Option<i64>,
        zone: &Zone,
    ) {
        let verb = if until.is_some() { "waits" } else { "is not sent" };
        let text = format!("{template} by {} {verb}: {}", row.connection, held.clause(zone));
        self.note(at, &row.customer, &row.journey, text, until);
    }

    pub(super) fn down(&mut self, at: i64, row: &NewEffect, template: &str) {
        let text = format!("{} is down; {template} does not get through", row.connection);
        self.note(at, &row.customer, &row.journey, text, None);
    }

    pub(super) fn failed_entries(&mut self, at: i64, count: usize) {
        let text = format!(
            "{count} times nobody entered, as the entry's condition or key cannot be evaluated: something that it reads is absent"
        );
        self.note(at, "", "", text, None);
    }

    pub(super) fn stopped(&mut self, at: i64, passes: u32) {
        let text =
            format!("stopped after {passes} passes: journeys set each other going without end");
        self.note(at, "", "", text, None);
    }

    fn note(&mut self, at: i64, customer: &str, journey: &str, text: String, until: Option<i64>) {
        if !self.silent {
            let (customer, journey) = (customer.to_owned(), journey.to_owned());
            self.told.push(Moment { at, customer, journey, text, until });
        }
    }

    fn sentence(&self, entry: &Entry) -> String {
        let detail = entry.detail.as_str();
        let two = |verb: &str| match detail.split_once(' ') {
            Some((connection, what)) => format!("{verb} {what} by {connection}"),
            None => format!("{verb} {detail}"),
        };
        let of = || {
            let effect = entry.key.as_ref().and_then(|key| self.effects.get(key));
            effect.map_or("it", |effect| effect.split_once(' ').map_or(effect, |(_, what)| what))
        };
        match entry.kind {
            EntryKind::Enrolled if detail.is_empty() => "enters".to_owned(),
            EntryKind::Enrolled => format!("enters for {detail}"),
            EntryKind::Waiting => "waits".to_owned(),
            EntryKind::Woken => "goes on".to_owned(),
            EntryKind::AwaitingEvent => format!("waits for {detail}"),
            EntryKind::EventCame => format!("goes on, as {detail} came"),
            EntryKind::TimedOut => format!("goes on, as {detail} did not come"),
            EntryKind::Branched => format!("takes the branch {} of {}", word(detail), entry.step),
            EntryKind::Split => two("is given the arm"),
            EntryKind::Repeated => format!("turn {detail} of {}", entry.step),
            EntryKind::Sending => two("sending"),
            EntryKind::Publishing => two("publishing"),
            EntryKind::Issuing => two("issuing a coupon of"),
            EntryKind::Running => format!("asking {detail}"),
            EntryKind::Revoking => two("taking back the coupon of"),
            EntryKind::Assigned => format!("assigned to {detail}"),
            EntryKind::Settled => format!("{}: {detail}", of()),
            EntryKind::Changed => format!("changed: {detail}"),
            EntryKind::GoalReached if detail.is_empty() => "reaches the goal".to_owned(),
            EntryKind::GoalReached => format!("reaches the goal, worth {detail}"),
            EntryKind::Ended => format!("leaves: {detail}"),
            EntryKind::Failed => format!("a fault at {}: {detail}", entry.step),
            _ => format!("{} {detail}", entry.kind.as_str()),
        }
    }
}

/// A branch in words: cases of a `switch` are counted from 1.
fn word(branch: &str) -> String {
    branch.parse::<u32>().map_or_else(|_| format!("`{branch}`"), |index| (index + 1).to_string())
}
