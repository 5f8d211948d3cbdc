//! What is told of an enrollment afterwards.

use serde::{Deserialize, Serialize};

/// One thing that happened to an enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened.
    pub kind: EntryKind,
    /// Path of the step, such as `steps[2].then[0]`; empty where it concerns the whole enrollment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// Key of the effect that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// One sentence or word for people; empty if the kind says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What happened to an enrollment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EntryKind {
    /// The customer entered; the detail is the key.
    Enrolled,
    /// A wait began.
    Waiting,
    /// A wait is over.
    Woken,
    /// A wait for an event began; the detail names the event.
    AwaitingEvent,
    /// The awaited event came; the detail names it.
    EventCame,
    /// The awaited event did not come in time; the detail names it.
    TimedOut,
    /// A condition was decided; the detail is `then` or `else`, or which case of a `switch`, counted from 0.
    Branched,
    /// The customer was given an arm of a split; the detail names split and arm.
    Split,
    /// Another turn of a `repeat` began; the detail counts it from 1.
    Repeated,
    /// A message was asked for; the detail names connection and template.
    Sending,
    /// A coupon was asked for; the detail names connection and campaign.
    Issuing,
    /// An action was asked for; the detail names the connection.
    Running,
    /// A post was asked for; the detail names connection and template.
    Publishing,
    /// A person was given something to do; the detail names who.
    Assigned,
    /// An effect was settled; the detail starts with its outcome.
    Settled,
    /// A coupon is taken back, as none of the channels took the message about it.
    Revoking,
    /// The customer was changed; the detail names the attributes and tags.
    Changed,
    /// The enrollment goes on in another version; the detail names both.
    Moved,
    /// The goal was reached; the detail is its value.
    GoalReached,
    /// The enrollment ended; the detail is its outcome.
    Ended,
    /// An expression or a template failed; the detail says how.
    Failed,
}

impl EntryKind {
    /// The word that storage uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Waiting => "waiting",
            Self::Woken => "woken",
            Self::AwaitingEvent => "awaiting-event",
            Self::EventCame => "event-came",
            Self::TimedOut => "timed-out",
            Self::Branched => "branched",
            Self::Split => "split",
            Self::Repeated => "repeated",
            Self::Sending => "sending",
            Self::Issuing => "issuing",
            Self::Running => "running",
            Self::Publishing => "publishing",
            Self::Assigned => "assigned",
            Self::Settled => "settled",
            Self::Revoking => "revoking",
            Self::Changed => "changed",
            Self::Moved => "moved",
            Self::GoalReached => "goal-reached",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}
