//! What holds for all journeys of a workspace.

use std::sync::Arc;

use super::limit::Limit;
use crate::calendar::{Calendar, Place, Window, Zone};
use crate::check::{Problem, read_policy};
use crate::customer::Customer;
use crate::expression::{Expression, Scope};

/// A workspace's policy, as its file says. The default one says nothing.
#[derive(Debug, Default)]
pub struct Policy {
    pub(crate) zone: Zone,
    pub(crate) calendar: Option<Arc<Calendar>>,
    pub(crate) quiet: Option<Window>,
    pub(crate) window: Option<Window>,
    pub(crate) limits: Vec<Limit>,
    /// Milliseconds.
    pub(crate) dedupe: Option<i64>,
    pub(crate) first: Option<Expression>,
}

/// What comes of reading a policy file.
#[derive(Debug)]
pub struct CheckedPolicy {
    /// The policy; present if and only if there is no error.
    pub policy: Option<Policy>,
    /// Everything found, in the order of the file.
    pub problems: Vec<Problem>,
}

impl Policy {
    /// Reads a policy file and finds everything that is wrong with it.
    #[must_use]
    pub fn check(source: &str) -> CheckedPolicy {
        let (policy, problems) = read_policy(source);
        CheckedPolicy { policy, problems }
    }

    /// The zone of customers who have none.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Tells workdays where a window names no calendar.
    #[must_use]
    pub fn calendar(&self) -> Option<&Calendar> {
        self.calendar.as_deref()
    }

    /// When no marketing message is sent.
    #[must_use]
    pub fn quiet(&self) -> Option<&Window> {
        self.quiet.as_ref()
    }

    /// When messages of journeys without a window of their own may be sent.
    #[must_use]
    pub fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// Limits that hold across journeys.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// For how many milliseconds a customer does not get the message of the same step again, in whichever enrollment.
    #[must_use]
    pub fn dedupe(&self) -> Option<i64> {
        self.dedupe
    }

    /// What windows need to know of a customer in this zone.
    #[must_use]
    pub fn place<'a>(&'a self, zone: &'a Zone) -> Place<'a> {
        Place { zone, calendar: self.calendar() }
    }

    /// Where a customer's messages stand in the queue of their connection: first those of customers who go first, then by
    /// the journey's priority. The higher goes before. A condition that cannot be evaluated does not hold.
    #[must_use]
    pub fn rank(&self, priority: u8, customer: &Customer, now: i64) -> i64 {
        let scope = || Scope::new(customer, &[], now);
        let first = self.first.as_ref().is_some_and(|first| first.holds(&scope()).unwrap_or(false));
        i64::from(priority) + if first { Self::FIRST } else { 0 }
    }

    /// What the rank of customers who go first has beyond others.
    pub const FIRST: i64 = 1_000;

    /// What the rank of transactional journeys has beyond all others.
    pub const TRANSACTIONAL: i64 = 10_000;

    /// Calendars of the policy that do not know the holidays of the next three months, in words.
    #[must_use]
    pub fn outdated(&self, now: i64) -> Vec<String> {
        let windows = self.window.as_ref().and_then(Window::calendar);
        let calendars = self.calendar().into_iter().chain(windows);
        calendars.filter_map(|calendar| calendar.outdated(now)).collect()
    }

    /// Whether the policy says nothing that a message's fate depends on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quiet.is_none()
            && self.window.is_none()
            && self.limits.is_empty()
            && self.dedupe.is_none()
    }
}
