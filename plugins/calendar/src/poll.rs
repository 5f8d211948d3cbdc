//! One poll: through the customers of whatever is due, a part at a time, until the poll has had its share.

use sha2::{Digest as _, Sha256};
use waystation_sdk::audience::{self, Page};
use waystation_sdk::trigger_source::{Event, Polled, Subject, Subscription};
use waystation_sdk::{clock, log};

use crate::Calendar;
use crate::cursor::{Cursor, Sweep};
use crate::rule::{Due, Rule};
use crate::zones::Zones;

/// Most events of one poll.
const EVENTS: usize = 10_000;
/// Most parts of an audience that one poll reads, and how long it reads, in milliseconds.
const PARTS: u32 = 25;
const TIME: i64 = 500;
/// When a subscription that cannot be served is tried again, in milliseconds.
const AGAIN: i64 = 300_000;
/// When to look again if nothing is due, in milliseconds.
const IDLE: i64 = 24 * 3_600_000;

/// What a poll asks of the host.
pub(crate) trait Outside {
    fn now(&self) -> i64;
    fn read(
        &self,
        condition: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page, audience::Error>;
    fn complain(&self, text: &str);
}

/// The host itself.
pub(crate) struct Host;

impl Outside for Host {
    fn now(&self) -> i64 {
        i64::try_from(clock::now()).unwrap_or(i64::MAX)
    }

    fn read(
        &self,
        condition: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page, audience::Error> {
        audience::read(condition, after, limit)
    }

    fn complain(&self, text: &str) {
        log::error(text, &[]);
    }
}

pub(crate) struct Poll<'a, O> {
    calendar: &'a Calendar,
    host: &'a O,
    now: i64,
    zones: Zones<'a>,
    events: Vec<Event>,
    parts: u32,
    next_at: i64,
}

/// How far the search for one subscription has come.
enum Search {
    Ended,
    /// The poll has had its share.
    Goes(Sweep),
    /// It cannot be served as it is.
    Faulty(String),
}

impl<'a, O: Outside> Poll<'a, O> {
    pub(crate) fn new(calendar: &'a Calendar, host: &'a O, now: u64) -> Self {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        Self {
            calendar,
            host,
            now,
            zones: Zones::new(&calendar.zone),
            events: Vec::new(),
            parts: 0,
            next_at: now.saturating_add(IDLE),
        }
    }

    /// Gives what is due, and says when to look again.
    pub(crate) fn run(
        mut self,
        subscriptions: &[Subscription],
        cursor: Option<&str>,
    ) -> Result<Polled, String> {
        let mut cursor = Cursor::read(cursor, subscriptions, self.now)?;
        // What is under way goes on first.
        let under_way = cursor.sweep.as_ref().map(|sweep| sweep.subscription.clone());
        let first = |one: &&Subscription| Some(&one.id) == under_way.as_ref();
        let order = subscriptions.iter().filter(first);
        let order: Vec<_> = order.chain(subscriptions.iter().filter(|one| !first(one))).collect();
        for subscription in order {
            if self.has_had_its_share() {
                self.look_at(self.now);
                break;
            }
            self.serve(subscription, &mut cursor)?;
        }
        let text = serde_json::to_string(&cursor).map_err(|error| error.to_string())?;
        let next_at = u64::try_from(self.next_at).unwrap_or_default();
        Ok(Polled { events: self.events, cursor: Some(text), next_at })
    }

    fn serve(&mut self, subscription: &Subscription, cursor: &mut Cursor) -> Result<(), String> {
        let rule = match Rule::read(&subscription.parameters, self.calendar) {
            Ok(rule) => rule,
            Err(fault) => return self.put_off(subscription, &fault),
        };
        let done = cursor.done.get(&subscription.id).copied().unwrap_or(self.now);
        let of = digest(&[&subscription.parameters]);
        let under_way = cursor.sweep.take_if(|sweep| sweep.subscription == subscription.id);
        let sweep = under_way.filter(|sweep| sweep.of == of).unwrap_or_else(|| Sweep {
            subscription: subscription.id.clone(),
            of,
            until: self.now,
            after: None,
        });
        let (from, until) = (done.max(sweep.until - self.calendar.late), sweep.until);
        let search = match rule.condition(from, until) {
            Some(condition) if from < until => self.search(&rule, &condition, from, sweep)?,
            _ => Search::Ended,
        };
        match search {
            Search::Ended => {
                cursor.done.insert(subscription.id.clone(), until);
                if let Some(next) = rule.next(until) {
                    self.look_at(next);
                }
                Ok(())
            }
            Search::Goes(sweep) => {
                cursor.sweep = Some(sweep);
                self.look_at(self.now);
                Ok(())
            }
            Search::Faulty(fault) => self.put_off(subscription, &fault),
        }
    }

    fn search(
        &mut self,
        rule: &Rule,
        condition: &str,
        from: i64,
        mut sweep: Sweep,
    ) -> Result<Search, String> {
        loop {
            if self.has_had_its_share() {
                return Ok(Search::Goes(sweep));
            }
            let limit = u32::try_from(EVENTS - self.events.len()).unwrap_or(1);
            self.parts += 1;
            let page = match self.host.read(condition, sweep.after.as_deref(), limit) {
                Ok(page) => page,
                Err(audience::Error::Invalid(fault)) => return Ok(Search::Faulty(fault)),
                Err(audience::Error::NotGranted) => {
                    return Err(
                        "the connection may not read customers; grant it permissions.audience"
                            .to_owned(),
                    );
                }
                Err(audience::Error::Unavailable(fault)) => return Err(fault),
            };
            for member in page.members {
                let due = match rule.due(&member.fields, &mut self.zones, from, sweep.until) {
                    Ok(due) => due,
                    Err(fault) => return Ok(Search::Faulty(fault)),
                };
                if let Some(due) = due {
                    self.events.push(event(&sweep.subscription, member.customer, due));
                }
            }
            match page.next {
                None => return Ok(Search::Ended),
                next => sweep.after = next,
            }
        }
    }

    fn has_had_its_share(&self) -> bool {
        self.events.len() >= EVENTS
            || self.parts >= PARTS
            || self.host.now().saturating_sub(self.now) >= TIME
    }

    /// One subscription that cannot be served must not keep the others from it.
    fn put_off(&mut self, subscription: &Subscription, fault: &str) -> Result<(), String> {
        self.host.complain(&format!("subscription {}: {fault}", subscription.id));
        self.look_at(self.now.saturating_add(AGAIN));
        Ok(())
    }

    fn look_at(&mut self, at: i64) {
        self.next_at = self.next_at.min(at);
    }
}

fn event(subscription: &str, customer: String, due: Due) -> Event {
    Event {
        // The same whenever the same is found due again.
        id: format!("{}-{}", due.occasion, digest(&[subscription, &customer])),
        name: due.name.to_owned(),
        subject: Subject::Customer(customer),
        at: u64::try_from(due.at).unwrap_or_default(),
        properties: serde_json::Value::Object(due.properties).to_string(),
        subscription: Some(subscription.to_owned()),
    }
}

/// 32 hexadecimal digits that stand for the parts.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
