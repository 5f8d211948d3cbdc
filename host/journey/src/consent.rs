//! Whether a customer may be reached on a channel.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::connection::ChannelFacts;
use crate::customer::Customer;

/// What messages are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Needs the customer's consent.
    #[default]
    Marketing,
    /// Belongs to something that the customer did; sent unless the customer withdrew from it.
    Transactional,
}

impl Purpose {
    /// The word that journeys and consents use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Marketing => "marketing",
            Self::Transactional => "transactional",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the host did not deliver a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Suppression {
    /// The customer has no address of the channel's kind.
    NoAddress,
    /// The customer did not agree to such messages there, or withdrew.
    NoConsent,
    /// The customer got the same message a short while ago.
    Repeated,
    /// The connection is not called at present, because its last calls failed.
    Unavailable,
    /// The hours leave no time to send it.
    NeverOpen,
    /// The customer has got as many messages as may be.
    Limit,
}

impl Suppression {
    /// The word that histories and ledgers use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::NoConsent => "no_consent",
            Self::Repeated => "repeated",
            Self::Unavailable => "unavailable",
            Self::NeverOpen => "never_open",
            Self::Limit => "limit",
        }
    }
}

impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decides, at the time of sending, whether a message may go out, and to which address.
///
/// A marketing message needs the kind of address listed under `marketing`. A transactional one goes out unless the
/// customer has a list for `transactional` that lacks the kind: keeping such a list is how a withdrawal is recorded.
///
/// # Errors
///
/// The reason why not.
pub fn permit<'a>(
    purpose: Purpose,
    channel: &ChannelFacts,
    customer: &'a Customer,
) -> Result<&'a str, Suppression> {
    let address = customer.identities.get(&channel.address).filter(|address| !address.is_empty());
    let address = address.ok_or(Suppression::NoAddress)?;
    let agreed = match customer.consents.get(purpose.as_str()) {
        Some(kinds) => kinds.contains(&channel.address),
        None => purpose == Purpose::Transactional,
    };
    if agreed { Ok(address) } else { Err(Suppression::NoConsent) }
}
