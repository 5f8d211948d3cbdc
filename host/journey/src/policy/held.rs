//! Why a message is held back.

use serde::{Deserialize, Serialize};

use super::limit::Limit;
use crate::calendar::Zone;
use crate::consent::Purpose;

/// Why a message did not go out when it was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Held {
    /// The customer has no address of the channel's kind.
    NoAddress {
        /// The kind, such as `email`.
        address: String,
    },
    /// The customer did not agree to such messages there, or withdrew.
    NoConsent {
        /// The kind of address.
        address: String,
        /// What the message is for.
        purpose: Purpose,
    },
    /// The workspace sends nothing at such hours.
    Quiet {
        /// The quiet hours, in words.
        hours: String,
    },
    /// The window was closed.
    Window {
        /// The window, in words.
        window: String,
        /// Whose window it is.
        of: LimitOf,
    },
    /// Window and quiet hours together leave no time within 400 days.
    NeverOpen {
        /// The window, in words; absent if quiet hours alone are to blame.
        window: Option<String>,
    },
    /// The customer has got as many messages as may be.
    Limit {
        /// The limit.
        limit: Limit,
        /// Who set it.
        of: LimitOf,
        /// The messages that took the places, the latest first.
        taken: Vec<Counted>,
    },
    /// The customer got the same message a short while ago.
    Repeated {
        /// That message.
        by: Box<Counted>,
    },
    /// A message of higher rank for the same customer went before, though it came due later.
    Passed {
        /// Key of the message that went before.
        by: String,
        /// Its journey.
        journey: String,
        /// Whether it went before because the customer is one of those who go first, and was not when this one was written.
        first: bool,
    },
}

/// Who set a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitOf {
    /// The journey.
    Journey,
    /// The workspace's policy.
    Workspace,
}

/// A message that counts for limits: it went out, or may have gone out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The delivery's key.
    pub key: String,
    /// Its journey.
    pub journey: String,
    /// Its connection.
    pub connection: String,
    /// Path of its step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// Tags of its journey.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was handed over, in Unix milliseconds.
    pub at: i64,
}

impl Held {
    /// The word of ledgers and histories.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoAddress { .. } => "no_address",
            Self::NoConsent { .. } => "no_consent",
            Self::Quiet { .. } => "quiet_hours",
            Self::Window { .. } => "window",
            Self::NeverOpen { .. } => "never_open",
            Self::Limit { .. } => "limit",
            Self::Repeated { .. } => "repeated",
            Self::Passed { .. } => "passed",
        }
    }

    /// A clause for people that follows on `because`, with times as clocks of the zone show them.
    #[must_use]
    pub fn clause(&self, zone: &Zone) -> String {
        match self {
            Self::NoAddress { address } => format!("the customer has no {address} address"),
            Self::NoConsent { address, purpose } => match purpose {
                Purpose::Marketing => {
                    format!("the customer has not agreed to marketing by {address}")
                }
                Purpose::Transactional => {
                    format!("the customer has withdrawn from transactional messages by {address}")
                }
            },
            Self::Quiet { hours } => format!("it was within the quiet hours {hours}"),
            Self::Window { window, of } => {
                format!("it was outside {}'s window {window}", of.noun())
            }
            Self::NeverOpen { window: Some(window) } => {
                format!("the window {window} has no opening outside quiet hours within 400 days")
            }
            Self::NeverOpen { window: None } => {
                "the quiet hours leave no time within 400 days".to_owned()
            }
            Self::Limit { limit, of, taken } => {
                let taken: Vec<String> = taken
                    .iter()
                    .map(|one| {
                        let Counted { journey, connection, at, .. } = one;
                        format!("{journey} through {connection} on {}", zone.write(*at))
                    })
                    .collect();
                format!("{} allows {limit}, taken by {}", of.noun(), taken.join(" and "))
            }
            Self::Repeated { by } => {
                format!(
                    "the same message went out through {} on {}",
                    by.connection,
                    zone.write(by.at)
                )
            }
            Self::Passed { journey, first, .. } => {
                let why = if *first { "who go first" } else { "of higher priority" };
                let noun = if *first { "a message for customers" } else { "a message" };
                format!("{noun} {why}, of journey {journey}, went before it")
            }
        }
    }
}

impl LimitOf {
    fn noun(self) -> &'static str {
        match self {
            Self::Journey => "the journey",
            Self::Workspace => "the workspace",
        }
    }
}
