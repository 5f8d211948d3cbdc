//! The database of a rehearsal: a few maps that give a pass its work and take what it changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde_json::{Map, Value};
use waystation_journey::{
    Counted, Customer, Effect, Enrollment, Event, Former, HOST_SOURCE, Lane, Past, Status,
    TAG_ADDED,
};
use waystation_store::records::{
    GrantRow, NewEffect, NewEvent, OpenEvent, Pass, SettledEffect, Subject, Work,
};

/// Most of each that one pass takes, as in the engine.
const PASS: usize = 1000;

/// A message or post that a provider took.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) at: i64,
    pub(super) customer: String,
    pub(super) journey: String,
    pub(super) connection: String,
    pub(super) template: String,
    pub(super) post: bool,
}

/// An effect that waits for its turn.
pub(super) struct Pending {
    pub(super) row: NewEffect,
    pub(super) effect: Effect,
}

/// In which order effects are carried out.
type Turn = (i64, i64, u64);

#[derive(Default)]
pub(super) struct Memory {
    pub(super) customers: BTreeMap<String, Customer>,
    pub(super) enrollments: BTreeMap<String, Enrollment>,
    by_customer: HashMap<String, Vec<String>>,
    timers: BTreeSet<(i64, String)>,
    pub(super) grants: BTreeMap<String, Vec<GrantRow>>,
    pub(super) inbox: VecDeque<OpenEvent>,
    /// What happened to customers, whether a journey asks for it or not.
    pub(super) pasts: BTreeMap<String, Past>,
    seen: BTreeSet<(String, String)>,
    positions: i64,
    turns: BTreeSet<Turn>,
    pending: HashMap<u64, Pending>,
    numbers: u64,
    settled: VecDeque<SettledEffect>,
    /// Marketing messages that went out, by customer.
    pub(super) counted: HashMap<String, Vec<Counted>>,
    pub(super) taken: Vec<Taken>,
    /// Customer, journey and reason of each message that was not sent.
    pub(super) suppressed: Vec<(String, String, String)>,
    /// Customer and assignee.
    pub(super) assigned: Vec<(String, String)>,
}

impl Memory {
    /// Takes an event in, once for each identifier of a source.
    pub(super) fn receive(&mut self, event: Event) {
        if self.seen.insert((event.source.clone(), event.id.clone())) {
            self.remember(&event.customer, &event.name, event.at, event.properties.clone());
            self.positions += 1;
            self.inbox.push_back(OpenEvent { position: self.positions, event });
        }
    }

    pub(super) fn remember(
        &mut self,
        customer: &str,
        event: &str,
        at: i64,
        properties: Map<String, Value>,
    ) {
        self.pasts.entry(customer.to_owned()).or_default().add(event, at, properties);
    }

    /// Takes one of the host's own events in.
    fn tell(&mut self, event: NewEvent) {
        let Subject::Customer(customer) = event.subject else { return };
        self.receive(Event {
            id: event.id,
            source: event.source,
            name: event.name,
            customer,
            at: event.at,
            properties: event.properties,
            subscription: event.subscription,
        });
    }

    /// When the next timer or effect is due.
    pub(super) fn next(&self) -> Option<i64> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let effect = self.turns.first().map(|(at, _, _)| *at);
        timer.into_iter().chain(effect).min()
    }

    /// What a pass takes now, as the store would read it.
    pub(super) fn work(&mut self, now: i64) -> Work {
        let events: Vec<OpenEvent> = self.inbox.drain(..self.inbox.len().min(PASS)).collect();
        let settled: Vec<SettledEffect> =
            self.settled.drain(..self.settled.len().min(PASS)).collect();
        let mut wanted: BTreeSet<&str> = self
            .timers
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(PASS)
            .map(|(_, id)| id.as_str())
            .collect();
        wanted.extend(settled.iter().map(|effect| effect.enrollment.as_str()));
        let subjects: BTreeSet<&str> =
            events.iter().map(|open| open.event.customer.as_str()).collect();
        let mut former: BTreeMap<(String, String, String), Former> = BTreeMap::new();
        for id in subjects.iter().filter_map(|id| self.by_customer.get(*id)).flatten() {
            let Some(enrollment) = self.enrollments.get(id) else { continue };
            wanted.insert(id);
            let place =
                (enrollment.customer.clone(), enrollment.journey.clone(), enrollment.key.clone());
            let one = Former::from(enrollment);
            former
                .entry(place)
                .and_modify(|known| {
                    known.active |= one.active;
                    known.over_at = known.over_at.max(one.over_at);
                })
                .or_insert(one);
        }
        let enrollments: BTreeMap<String, Enrollment> = wanted
            .into_iter()
            .filter_map(|id| self.enrollments.get(id))
            .map(|enrollment| (enrollment.id.clone(), enrollment.clone()))
            .collect();
        let mut everyone: BTreeSet<&str> = subjects;
        everyone.extend(enrollments.values().map(|enrollment| enrollment.customer.as_str()));
        let customers = everyone
            .iter()
            .filter_map(|id| self.customers.get(*id))
            .map(|customer| (customer.id.clone(), customer.clone()))
            .collect();
        let grants = everyone
            .iter()
            .filter_map(|id| self.grants.get(*id).map(|grants| ((*id).to_owned(), grants.clone())))
            .collect();
        Work { events, settled, enrollments, customers, grants, former, configuration: 0 }
    }

    /// Keeps what a pass changed, as the store would write it.
    pub(super) fn commit(&mut self, pass: Pass) {
        let mut told = pass.told;
        for patch in &pass.customers {
            let Some(customer) = self.customers.get_mut(&patch.id) else { continue };
            if pass.tell_tags {
                let new = patch.tags.iter().filter(|tag| !customer.tags.contains(*tag));
                told.extend(new.map(|tag| tag_added(&patch.id, tag, self.positions, pass.now)));
            }
            patch.apply(customer);
        }
        for event in told {
            self.tell(event);
        }
        for (customer, code) in &pass.used_codes {
            for grant in self.grants.get_mut(customer).into_iter().flatten() {
                if grant.code == *code && grant.state == "usable" {
                    "used".clone_into(&mut grant.state);
                }
            }
        }
        for (_, enrollment) in pass.advanced {
            self.put(enrollment);
        }
        for enrollment in pass.enrolled {
            self.by_customer
                .entry(enrollment.customer.clone())
                .or_default()
                .push(enrollment.id.clone());
            self.put(enrollment);
        }
        for row in pass.effects {
            // The body was written from an effect a moment ago.
            if let Ok(effect) = serde_json::from_str(&row.body) {
                self.wait(row.due_at, Pending { row, effect });
            }
        }
        for one in pass.assignments {
            self.assigned.push((one.customer, one.assignee));
        }
        if !pass.ended.is_empty() {
            self.cancel(&pass.ended);
        }
    }

    fn put(&mut self, enrollment: Enrollment) {
        if let Some(due) = self.enrollments.get(&enrollment.id).and_then(|before| before.due_at) {
            self.timers.remove(&(due, enrollment.id.clone()));
        }
        if let Some(due) = enrollment.due_at {
            self.timers.insert((due, enrollment.id.clone()));
        }
        self.enrollments.insert(enrollment.id.clone(), enrollment);
    }

    /// An enrollment that ended asks for nothing more, but for taking coupons back.
    fn cancel(&mut self, ended: &[String]) {
        let cancelled: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| {
                ended.contains(&pending.row.enrollment)
                    && !matches!(pending.effect, Effect::Revoke { .. })
            })
            .map(|(number, _)| *number)
            .collect();
        for number in cancelled {
            self.pending.remove(&number);
        }
        let pending = &self.pending;
        self.turns.retain(|(_, _, number)| pending.contains_key(number));
    }

    /// Puts an effect into the queue.
    pub(super) fn wait(&mut self, due: i64, pending: Pending) {
        self.numbers += 1;
        self.turns.insert((due, -pending.row.rank, self.numbers));
        self.pending.insert(self.numbers, pending);
    }

    /// Takes what is due out of the queue, the highest rank first, and of the same rank what came due first.
    pub(super) fn due(&mut self, now: i64) -> Vec<Pending> {
        let mut due: Vec<Turn> = Vec::new();
        while self.turns.first().is_some_and(|(at, _, _)| *at <= now) {
            due.extend(self.turns.pop_first());
        }
        due.sort_by_key(|(at, rank, number)| (*rank, *at, *number));
        due.iter().filter_map(|(_, _, number)| self.pending.remove(number)).collect()
    }

    /// Leaves an outcome for the next pass.
    pub(super) fn settle(&mut self, settled: SettledEffect) {
        self.settled.push_back(settled);
    }

    /// Whether a pass would find anything now.
    pub(super) fn is_busy(&self, now: i64) -> bool {
        !self.inbox.is_empty()
            || !self.settled.is_empty()
            || self.timers.first().is_some_and(|(at, _)| *at <= now)
    }

    /// The enrollments of a journey in order of entry; those of one customer if one is named.
    pub(super) fn enrollments_of<'a>(
        &'a self,
        journey: &'a str,
        customer: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Enrollment> {
        self.enrollments.values().filter(move |enrollment| {
            enrollment.journey == journey
                && customer.is_none_or(|customer| enrollment.customer == customer)
        })
    }
}

/// The event that a customer got a tag. Its identifier is its own, as a customer may lose and get a tag again.
fn tag_added(customer: &str, tag: &str, number: i64, now: i64) -> NewEvent {
    NewEvent {
        source: HOST_SOURCE.to_owned(),
        id: format!("tag-{number}-{customer}-{tag}"),
        name: TAG_ADDED.to_owned(),
        subject: Subject::Customer(customer.to_owned()),
        at: now,
        properties: Map::from_iter([("tag".to_owned(), tag.into())]),
        subscription: None,
        lane: Lane::HOST,
    }
}

/// The word for how an enrollment stands.
pub(super) fn outcome(enrollment: &Enrollment) -> &str {
    match enrollment.status {
        Status::Active => "active",
        Status::Finished | Status::Exited => enrollment.outcome.as_deref().unwrap_or_default(),
    }
}
