//! The stage of a rehearsal: the clock, the passes, and what is carried out in between.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use waystation_journey::{
    Connections, Counted, Customer, Effect, Event, HOST_SOURCE, JOURNEY_ENROLL, Message, Policy,
    Purpose, Reported, Ruling, Test, Zone,
};
use waystation_store::records::SettledEffect;

use super::everybody;
use super::memory::{Memory, Pending};
use super::outside::{Answer, Outside};
use super::told::{Moment, Teller};
use crate::pass::{self, Surroundings};
use crate::programs::Picture;
use crate::unsubscribe::UnsubscribeLinks;

/// Most passes of one test. No journey needs as many; a journey that sets itself going again and again is stopped by it.
const MAX_PASSES: u32 = 1_000_000;

/// Most customers whose way is told.
const MAX_TOLD: usize = 20;

/// The name of events by which a trigger source answers.
const ANSWER: &str = "subscription.answered";

/// Where unsubscribe links lead, which nobody follows.
const UNSUBSCRIBE: &str = "https://unsubscribe.example";

/// The source of a test's events.
const SOURCE: &str = "test";

pub(super) struct Setting<'a> {
    pub(super) journey: &'a str,
    pub(super) test: &'a Test,
    pub(super) picture: Picture,
    pub(super) policy: Arc<Policy>,
    pub(super) connections: Connections,
    pub(super) zone: Zone,
    pub(super) start: i64,
}

pub(super) struct Stage<'a> {
    setting: Setting<'a>,
    memory: Memory,
    outside: Outside<'a>,
    /// What is still to happen, in order.
    events: VecDeque<(i64, Event)>,
    now: i64,
    enrolled: Cell<u64>,
    teller: Teller,
    links: UnsubscribeLinks,
}

impl<'a> Stage<'a> {
    pub(super) fn new(setting: Setting<'a>) -> Self {
        let mut memory = Memory::default();
        for (id, like) in everybody(setting.test) {
            memory.customers.insert(id.clone(), customer(id, like, &setting));
            for past in &like.past {
                let at = setting.start.saturating_sub(past.ago);
                memory.remember(id, &past.name, at, past.properties.clone());
            }
        }
        let told =
            if memory.customers.len() <= MAX_TOLD { Teller::new() } else { Teller::silent() };
        Self {
            outside: Outside::new(setting.test, setting.start),
            events: events(&setting),
            now: setting.start,
            enrolled: Cell::new(0),
            teller: told,
            links: UnsubscribeLinks::new(UNSUBSCRIBE, Vec::new()),
            memory,
            setting,
        }
    }

    /// Plays until nothing more can happen, or the time is up.
    pub(super) fn play(&mut self, until: i64) {
        let mut passes = 0;
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            while self.events.front().is_some_and(|(at, _)| *at <= self.now) {
                let Some((_, event)) = self.events.pop_front() else { break };
                self.teller.event(self.now, &event);
                self.memory.receive(event);
            }
            while self.memory.is_busy(self.now) {
                passes += 1;
                if passes > MAX_PASSES {
                    return self.teller.stopped(self.now, MAX_PASSES);
                }
                self.pass();
            }
            for pending in self.memory.due(self.now) {
                self.carry_out(pending);
            }
        }
    }

    pub(super) fn end(self) -> (Memory, Vec<Moment>) {
        (self.memory, self.teller.told)
    }

    fn next(&self) -> Option<i64> {
        if self.memory.is_busy(self.now) {
            return Some(self.now);
        }
        let event = self.events.front().map(|(at, _)| *at);
        event.into_iter().chain(self.memory.next()).min()
    }

    fn pass(&mut self) {
        let work = self.memory.work(self.now);
        let enrolled = &self.enrolled;
        let new_id = || {
            enrolled.set(enrolled.get() + 1);
            // Their order is the order of entry.
            format!("e{:08}", enrolled.get())
        };
        let passed = pass::run(
            work,
            &Surroundings {
                picture: &self.setting.picture,
                pasts: &self.memory.pasts,
                policy: &self.setting.policy,
                connections: &self.setting.connections,
                links: Some(&self.links),
                now: self.now,
                new_id: &new_id,
            },
        );
        if passed.failed_conditions > 0 {
            self.teller.failed_entries(self.now, passed.failed_conditions);
        }
        self.memory.commit(passed.pass);
        for happening in passed.happenings {
            let due = self.memory.enrollments.get(&happening.enrollment).and_then(|one| one.due_at);
            self.teller.happening(&happening, due);
        }
    }

    /// Decides about an effect whose turn has come, and lets the outside answer.
    fn carry_out(&mut self, pending: Pending) {
        match &pending.effect {
            Effect::Send { purpose, template, .. } => {
                let (purpose, template) = (*purpose, template.clone());
                match self.decide(&pending, purpose) {
                    Ok(counted) => self.deliver(pending, &template, counted),
                    Err(Ruling::Suppress(held)) => {
                        self.teller.held(
                            self.now,
                            &pending.row,
                            &template,
                            &held,
                            None,
                            &self.setting.zone,
                        );
                        self.suppress(pending, held.word());
                    }
                    Err(Ruling::Delay { until, held }) => {
                        self.teller.held(
                            self.now,
                            &pending.row,
                            &template,
                            &held,
                            Some(until),
                            &self.setting.zone,
                        );
                        self.memory.wait(until, pending);
                    }
                }
            }
            Effect::Publish { template, .. } => {
                let template = template.clone();
                self.deliver(pending, &template, None);
            }
            Effect::Issue { .. } | Effect::Revoke { .. } | Effect::Run { .. } => self.ask(pending),
        }
    }

    /// Whether a message may go out now, and what it counts as.
    fn decide(&self, pending: &Pending, purpose: Purpose) -> Result<Option<Counted>, Ruling> {
        let row = &pending.row;
        let found = self
            .memory
            .customers
            .get(&row.customer)
            .zip(self.setting.picture.program(&row.journey, row.version))
            .zip(
                self.setting
                    .connections
                    .get(&row.connection)
                    .and_then(|facts| facts.channel.as_ref()),
            );
        // All three were there when the message was made, and nothing takes them away.
        let Some(((customer, program), channel)) = found else { return Ok(None) };
        let message = Message {
            key: &row.key,
            step: &row.step,
            customer,
            purpose,
            connection: &row.connection,
            channel,
            program,
            policy: &self.setting.policy,
        };
        let before = self.memory.counted.get(&row.customer).map_or(&[][..], Vec::as_slice);
        message.decide(before, self.now)?;
        Ok((purpose == Purpose::Marketing).then(|| Counted {
            key: row.key.clone(),
            journey: row.journey.clone(),
            connection: row.connection.clone(),
            step: row.step.clone(),
            tags: program.tags().to_vec(),
            at: self.now,
        }))
    }

    fn deliver(&mut self, pending: Pending, template: &str, counted: Option<Counted>) {
        let policy = self
            .setting
            .picture
            .program(&pending.row.journey, pending.row.version)
            .map(|program| program.on_unknown())
            .unwrap_or_default();
        match self.outside.message(&pending, template, policy, self.now, &mut self.memory) {
            Answer::Settled(settled) => {
                if matches!(settled.outcome.as_str(), "accepted" | "unknown") {
                    let of_customer = self.memory.counted.entry(pending.row.customer.clone());
                    of_customer.or_default().extend(counted);
                }
                self.memory.settle(settled);
            }
            Answer::Unavailable => {
                self.teller.down(self.now, &pending.row, template);
                self.suppress(pending, "unavailable");
            }
            Answer::Later(until) => {
                self.teller.down(self.now, &pending.row, template);
                self.memory.wait(until, pending);
            }
        }
    }

    fn ask(&mut self, pending: Pending) {
        match self.outside.ask(&pending, self.now, &mut self.memory) {
            Answer::Settled(settled) => self.memory.settle(settled),
            Answer::Later(until) => self.memory.wait(until, pending),
            Answer::Unavailable => {}
        }
    }

    fn suppress(&mut self, pending: Pending, reason: &str) {
        let row = pending.row;
        self.memory.suppressed.push((row.customer, row.journey, reason.to_owned()));
        self.memory.settle(SettledEffect {
            key: row.key,
            enrollment: row.enrollment,
            kind: row.kind,
            outcome: "suppressed".to_owned(),
            reason: Some(reason.to_owned()),
            detail: None,
            result: None,
        });
    }
}

/// A customer with an address for every channel, and consent to all of them, but for what the test takes away.
fn customer(id: &str, like: &waystation_journey::TestCustomer, setting: &Setting<'_>) -> Customer {
    let mut customer = Customer {
        id: id.to_owned(),
        attributes: like.attributes.clone(),
        tags: like.tags.clone(),
        ..Customer::default()
    };
    customer.attributes.entry("zone").or_insert_with(|| setting.zone.name().into());
    let channels =
        setting.connections.0.iter().filter_map(|(name, facts)| {
            facts.channel.as_ref().map(|channel| (name, &channel.address))
        });
    let agreed = customer.consents.entry(Purpose::Marketing.as_str().to_owned()).or_default();
    for (name, address) in channels {
        if !like.no_address.contains(name) {
            customer.identities.insert(address.clone(), format!("{address}:{id}"));
        }
        if !like.no_consent.contains(name) {
            agreed.insert(address.clone());
        }
    }
    customer
}

fn events(setting: &Setting<'_>) -> VecDeque<(i64, Event)> {
    let program = setting.picture.program(setting.journey, 1);
    let entry = program.and_then(|program| program.entry_event());
    let subscription = program.and_then(|program| program.subscription());
    let mut all = Vec::new();
    for (index, event) in setting.test.events.iter().enumerate() {
        let at = setting.start.saturating_add(event.at);
        let name = event.name.as_deref().or(entry).unwrap_or(ANSWER);
        // The word `entry` stands for an answer to the subscription, where the journey has one.
        let answers = subscription.as_ref().filter(|_| event.name.is_none());
        let mut properties = event.properties.clone();
        let by_hand = name == JOURNEY_ENROLL;
        if by_hand {
            properties.entry("journey").or_insert_with(|| setting.journey.into());
        }
        for (id, _) in everybody(setting.test) {
            if event.customer.as_ref().is_some_and(|customer| customer != id) {
                continue;
            }
            let one = Event {
                id: format!("{index}-{id}"),
                source: if by_hand { HOST_SOURCE } else { SOURCE }.to_owned(),
                name: name.to_owned(),
                customer: id.clone(),
                at,
                properties: properties.clone(),
                subscription: answers.map(|subscription| subscription.id.clone()),
            };
            if event.reported == Reported::Twice {
                all.push((at, one.clone()));
            }
            all.push((at, one));
        }
    }
    // Stable: what happens at the same time happens in the order of the file.
    all.sort_by_key(|(at, _)| *at);
    all.into()
}
