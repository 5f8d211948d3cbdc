//! The decision about one message.

use std::sync::Arc;

use super::held::{Counted, Held, LimitOf};
use super::limit::{Limit, Over};
use super::workspace::Policy;
use crate::calendar::{Window, Zone};
use crate::connection::ChannelFacts;
use crate::consent::{Purpose, Suppression, permit};
use crate::customer::Customer;
use crate::program::Program;

/// Turns between window and quiet hours in search of a time that both leave open.
const TURNS: usize = 1_000;

/// What becomes of a message that does not go out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is never sent.
    Suppress(Held),
    /// It is decided upon anew later.
    Delay {
        /// When, in Unix milliseconds.
        until: i64,
        /// Why not now.
        held: Held,
    },
}

/// A message that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The delivery's key.
    pub key: &'a str,
    /// Path of the step that sends it.
    pub step: &'a str,
    /// Whom it is for.
    pub customer: &'a Customer,
    /// What it is for.
    pub purpose: Purpose,
    /// The connection it goes through.
    pub connection: &'a str,
    /// What that connection is like.
    pub channel: &'a ChannelFacts,
    /// The journey.
    pub program: &'a Arc<Program>,
    /// The workspace's policy.
    pub policy: &'a Arc<Policy>,
}

impl<'a> Message<'a> {
    /// Decides whether the message goes out now, and to which address. `taken` tells what the customer got; messages that no
    /// limit looks at do no harm.
    ///
    /// # Errors
    ///
    /// What becomes of it instead, and why.
    pub fn decide(&self, taken: &[Counted], now: i64) -> Result<&'a str, Ruling> {
        let address = self.decide_alone(now)?;
        match self.asking() {
            Some(asking) => asking.decide(taken, now).map(|()| address),
            None => Ok(address),
        }
    }

    /// The first half of the decision: all but limits.
    ///
    /// # Errors
    ///
    /// What becomes of it instead, and why.
    pub fn decide_alone(&self, now: i64) -> Result<&'a str, Ruling> {
        let address = permit(self.purpose, self.channel, self.customer).map_err(|reason| {
            let address = self.channel.address.clone();
            Ruling::Suppress(match reason {
                Suppression::NoConsent => Held::NoConsent { address, purpose: self.purpose },
                _ => Held::NoAddress { address },
            })
        })?;
        if self.purpose == Purpose::Transactional {
            return Ok(address);
        }
        let hours = OpenHours::of(self.policy, self.program);
        if hours.window.is_none() && hours.policy.quiet.is_none() {
            return Ok(address);
        }
        let zone = Zone::of(self.customer, self.policy.zone());
        let Some(held) = hours.closed(&zone, now) else { return Ok(address) };
        Err(match hours.first_time(&zone, now) {
            Some(until) => Ruling::Delay { until, held },
            None => Ruling::Suppress(Held::NeverOpen {
                window: hours.window.map(|(window, _)| window.to_string()),
            }),
        })
    }

    /// What the second half of the decision needs; none if no limit applies.
    #[must_use]
    pub fn asking(&self) -> Option<Asking> {
        if self.purpose == Purpose::Transactional
            || self.policy.limits().is_empty()
                && self.policy.dedupe().is_none()
                && self.program.limits().is_empty()
        {
            return None;
        }
        let asking = Asking {
            key: self.key.to_owned(),
            step: self.step.to_owned(),
            customer: self.customer.id.clone(),
            connection: self.connection.to_owned(),
            zone: Zone::of(self.customer, self.policy.zone()),
            program: Arc::clone(self.program),
            policy: Arc::clone(self.policy),
        };
        let limited = asking.policy.dedupe().is_some() || asking.limits().next().is_some();
        limited.then_some(asking)
    }
}

/// A message that limits may hold back, and that nothing else does.
#[derive(Debug, Clone)]
pub struct Asking {
    key: String,
    step: String,
    customer: String,
    connection: String,
    zone: Zone,
    program: Arc<Program>,
    policy: Arc<Policy>,
}

impl Asking {
    /// The customer's identifier.
    #[must_use]
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// What was handed over at this time or before counts for none of the limits, in Unix milliseconds.
    #[must_use]
    pub fn since(&self, now: i64) -> i64 {
        let longest = self
            .limits()
            .map(|(limit, _)| limit.per)
            .chain(self.policy.dedupe())
            .max()
            .unwrap_or(0);
        now.saturating_sub(longest)
    }

    /// The second half of the decision: the limits. `taken` are the messages of the customer that count, at least those
    /// [`since`](Self::since); the message itself is passed over.
    ///
    /// # Errors
    ///
    /// What becomes of it instead, and why.
    pub fn decide(&self, taken: &[Counted], now: i64) -> Result<(), Ruling> {
        if let Some(by) = self.repeated(taken, now) {
            return Err(Ruling::Suppress(Held::Repeated { by: Box::new(by.clone()) }));
        }
        let mut wait: Option<(i64, Held)> = None;
        for (limit, of) in self.limits() {
            let since = now.saturating_sub(limit.per);
            let mut counted: Vec<&Counted> = taken
                .iter()
                .filter(|one| one.at > since && one.key != self.key && self.counts(limit, of, one))
                .collect();
            let most = limit.messages as usize;
            if counted.len() < most {
                continue;
            }
            counted.sort_by_key(|one| std::cmp::Reverse(one.at));
            counted.truncate(most);
            // It may go once the oldest of these counts no more.
            let free = counted.last().map_or(now, |one| one.at.saturating_add(limit.per));
            let taken = counted.into_iter().cloned().collect();
            let held = Held::Limit { limit: limit.clone(), of, taken };
            match limit.over {
                Over::Skip => return Err(Ruling::Suppress(held)),
                Over::Wait if wait.as_ref().is_none_or(|(until, _)| free > *until) => {
                    wait = Some((free, held));
                }
                Over::Wait => {}
            }
        }
        let Some((free, held)) = wait else { return Ok(()) };
        // The place may become free in the night.
        let hours = OpenHours::of(&self.policy, &self.program);
        Err(Ruling::Delay { until: hours.first_time(&self.zone, free).unwrap_or(free), held })
    }

    /// The message of the same step that the customer got within the policy's time.
    fn repeated<'t>(&self, taken: &'t [Counted], now: i64) -> Option<&'t Counted> {
        let since = now.saturating_sub(self.policy.dedupe()?);
        taken.iter().find(|one| {
            one.at > since
                && one.key != self.key
                && one.step == self.step
                && one.journey == self.program.name()
        })
    }

    /// The message, handed over now.
    #[must_use]
    pub fn counted(&self, now: i64) -> Counted {
        Counted {
            key: self.key.clone(),
            journey: self.program.name().to_owned(),
            connection: self.connection.clone(),
            step: self.step.clone(),
            tags: self.program.tags().to_vec(),
            at: now,
        }
    }

    /// The limits that may hold this message back.
    fn limits(&self) -> impl Iterator<Item = (&Limit, LimitOf)> {
        let own = self.program.limits().iter().map(|limit| (limit, LimitOf::Journey));
        // A limit of the workspace on a tag says nothing about journeys without it.
        let tagged =
            |limit: &&Limit| limit.tag.as_ref().is_none_or(|tag| self.program.tags().contains(tag));
        let everybody = self.policy.limits().iter().filter(tagged);
        let through = |limit: &Limit| {
            limit.channel.as_ref().is_none_or(|channel| *channel == self.connection)
        };
        own.chain(everybody.map(|limit| (limit, LimitOf::Workspace)))
            .filter(move |(limit, _)| through(limit))
    }

    fn counts(&self, limit: &Limit, of: LimitOf, one: &Counted) -> bool {
        let through = limit.channel.as_ref().is_none_or(|channel| *channel == one.connection);
        through
            && match &limit.tag {
                Some(tag) => one.tags.contains(tag),
                None => of == LimitOf::Workspace || one.journey == self.program.name(),
            }
    }
}

/// When messages of a journey may be sent.
struct OpenHours<'a> {
    window: Option<(&'a Window, LimitOf)>,
    policy: &'a Policy,
}

impl<'a> OpenHours<'a> {
    fn of(policy: &'a Policy, program: &'a Program) -> Self {
        let own = program.window().map(|window| (window, LimitOf::Journey));
        let workspace = || policy.window().map(|window| (window, LimitOf::Workspace));
        Self { window: own.or_else(workspace), policy }
    }

    /// Why not at this time, if not.
    fn closed(&self, zone: &Zone, at: i64) -> Option<Held> {
        let place = self.policy.place(zone);
        if let Some((window, of)) = self.window.filter(|(window, _)| !window.is_open(at, &place)) {
            return Some(Held::Window { window: window.to_string(), of });
        }
        let quiet = self.policy.quiet().filter(|quiet| quiet.is_open(at, &place))?;
        Some(Held::Quiet { hours: quiet.to_string() })
    }

    /// The first time, `at` or later, that is open and not quiet.
    fn first_time(&self, zone: &Zone, at: i64) -> Option<i64> {
        let place = self.policy.place(zone);
        let mut time = at;
        for _ in 0..TURNS {
            let before = time;
            if let Some((window, _)) = self.window {
                time = window.next_open(time, &place)?;
            }
            if let Some(quiet) = self.policy.quiet() {
                time = quiet.next_closed(time, &place)?;
            }
            let open = self.window.is_none_or(|(window, _)| window.is_open(time, &place));
            if time == before || open {
                return open.then_some(time);
            }
        }
        None
    }
}
