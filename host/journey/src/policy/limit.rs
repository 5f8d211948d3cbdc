//! How many messages a customer may get.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::calendar::Span;

/// At most so many messages to a customer in any stretch of time of this length.
///
/// At the time t the messages count that went out after t less the length, up to and with t: a message sent 30 days ago to
/// the millisecond counts no more for a limit of 30 days. Without tag and channel, a limit of the workspace counts all
/// marketing messages, and one of a journey those of the journey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Most messages.
    pub messages: u32,
    /// Length of the stretch in milliseconds; a day counts 24 hours.
    pub per: i64,
    /// Only messages of journeys with this tag, whichever the journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Only messages through this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What happens to a message that would be one too many.
    #[serde(default)]
    pub over: Over,
}

/// What happens to a message that would be one too many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// It is not sent.
    #[default]
    Skip,
    /// It waits until one may be sent again.
    Wait,
}

impl Over {
    /// The word of journey and policy files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Wait => "wait",
        }
    }
}

impl fmt::Display for Limit {
    /// Such as `2 messages in 30d with the tag wake-up through sms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.messages == 1 { "message" } else { "messages" };
        let per = Span { days: 0, ms: self.per };
        let day = crate::calendar::DAY;
        // A single day is better understood as hours.
        let per = if self.per % day == 0 && self.per > day {
            Span { days: self.per / day, ms: 0 }
        } else {
            per
        };
        write!(f, "{} {noun} in {per}", self.messages)?;
        if let Some(tag) = &self.tag {
            write!(f, " with the tag {tag}")?;
        }
        if let Some(channel) = &self.channel {
            write!(f, " through {channel}")?;
        }
        Ok(())
    }
}
