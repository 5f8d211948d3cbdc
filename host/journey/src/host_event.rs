//! The host's own events: what it tells journeys about its own state.

use std::collections::BTreeSet;

use crate::customer::Event;
use crate::expression::Expression;
use crate::program::{Op, Program, Trigger};

/// The source of the host's own events; no connection has this name.
pub const HOST_SOURCE: &str = "waystation";

/// A customer is enrolled by hand, in the journey that the property `journey` names.
pub const JOURNEY_ENROLL: &str = "journey.enroll";

/// An enrollment ended. Properties: `journey`, `outcome`.
pub const JOURNEY_FINISHED: &str = "journey.finished";

/// A customer got a tag that was not there. Property: `tag`.
pub const TAG_ADDED: &str = "tag.added";

/// A usable coupon is about to be over. Properties: `code`, `campaign`, `valid_until`.
pub const COUPON_EXPIRING: &str = "coupon.expiring";

/// A customer came into a segment. Property: `segment`.
pub const SEGMENT_ENTERED: &str = "segment.entered";

/// Something for a person to do is done. Properties: `key`, `outcome`, `to`.
pub const ASSIGNMENT_DONE: &str = "assignment.done";

/// The identifier of a journey's subscription to a trigger source: the same for all versions of the journey.
#[must_use]
pub fn subscription_id(journey: &str, connection: &str) -> String {
    format!("{journey}/{connection}")
}

impl Event {
    /// Whether the event concerns a journey: one that answers a subscription concerns the journey whose it is, any other
    /// concerns all.
    #[must_use]
    pub fn concerns(&self, journey: &str) -> bool {
        self.subscriber().is_none_or(|subscriber| subscriber == journey)
    }

    /// The journey whose subscription the event answers.
    #[must_use]
    pub fn subscriber(&self) -> Option<&str> {
        let id = self.subscription.as_deref()?;
        Some(id.split_once('/').map_or(id, |(journey, _)| journey))
    }

    /// The journey that the event enrolls a customer in by hand.
    #[must_use]
    pub fn enrolls_in(&self) -> Option<&str> {
        let by_hand = self.source == HOST_SOURCE && self.name == JOURNEY_ENROLL;
        by_hand.then(|| self.properties.get("journey")?.as_str()).flatten()
    }
}

impl Program {
    /// The segments whose newcomers it wants to be told of: those that its conditions on `segment.entered` compare
    /// `event.segment` with.
    #[must_use]
    pub fn watched_segments(&self) -> BTreeSet<String> {
        let entry = match &self.entry.trigger {
            Trigger::Event(name) => Some((name, &self.entry.when)),
            Trigger::Subscription { .. } => None,
        };
        let exits = self.exits.iter().map(|exit| (&exit.event, &exit.when));
        let goal = self.goal.iter().map(|goal| (&goal.event, &goal.when));
        let waits = self.code.iter().filter_map(|instruction| match &instruction.op {
            Op::WaitFor(wait) => Some(&wait.events),
            _ => None,
        });
        let waits = waits.flatten().map(|awaited| (&awaited.event, &awaited.when));
        let rules = entry.into_iter().chain(exits).chain(goal).chain(waits);
        let conditions = rules.filter(|(event, _)| *event == SEGMENT_ENTERED);
        conditions.filter_map(|(_, when)| when.as_ref()).flat_map(segments).collect()
    }
}

/// The segments that a condition on `segment.entered` names.
pub(crate) fn segments(when: &Expression) -> BTreeSet<String> {
    when.compared_with("event", "segment")
}
