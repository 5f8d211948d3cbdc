//! The host's own events: what it tells journeys about its own state.

use crate::customer::Event;

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
