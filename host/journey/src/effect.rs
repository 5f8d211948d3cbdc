//! What a journey asks of the outside, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::consent::{Purpose, Suppression};

/// Something that a step asks of the outside. The host records it before it makes it.
///
/// `key` is `{enrollment id}-{n}`, with `n` counted by the enrollment: advancing the same state with the same input
/// again gives the same keys. `step` is the step's path, such as `steps[3].then_send`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Effect {
    /// Deliver a message. Its settlement is awaited.
    Send {
        /// Names the delivery.
        key: String,
        /// Path of the step.
        step: String,
        /// Channel to send through.
        connection: String,
        /// Template that the content came from.
        template: String,
        /// What is sent, fully rendered.
        content: Content,
        /// What the message is for.
        purpose: Purpose,
        /// Whether another channel follows if this one does not take it.
        #[serde(default)]
        fallback: bool,
    },
    /// Post on the account of a platform. Its settlement is awaited.
    Publish {
        /// Names the post.
        key: String,
        /// Path of the step.
        step: String,
        /// Channel whose account posts it.
        connection: String,
        /// Template that the content came from.
        template: String,
        /// What is posted, fully rendered.
        content: Content,
    },
    /// Issue a coupon. Its settlement is awaited.
    Issue {
        /// Names the grant.
        key: String,
        /// Path of the step.
        step: String,
        /// Connection that issues it.
        connection: String,
        /// Campaign that the coupon belongs to.
        campaign: String,
        /// What the coupon is good for.
        offer: Offer,
    },
    /// Take a coupon back. Nothing waits for its settlement.
    Revoke {
        /// Names the revocation.
        key: String,
        /// Path of the step that had issued it.
        step: String,
        /// Connection that issued it.
        connection: String,
        /// Campaign that the coupon belongs to.
        campaign: String,
        /// The coupon's code.
        code: String,
        /// Key that the coupon was issued under.
        grant_key: String,
    },
    /// Run an action. Its settlement is awaited.
    Run {
        /// Names the call.
        key: String,
        /// Path of the step.
        step: String,
        /// Connection that does it.
        connection: String,
        /// JSON object of at most 64 KiB, fully rendered.
        parameters: String,
    },
}

impl Effect {
    /// The key that names the effect.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Send { key, .. }
            | Self::Publish { key, .. }
            | Self::Issue { key, .. }
            | Self::Revoke { key, .. }
            | Self::Run { key, .. } => key,
        }
    }

    /// The connection that is asked.
    #[must_use]
    pub fn connection(&self) -> &str {
        match self {
            Self::Send { connection, .. }
            | Self::Publish { connection, .. }
            | Self::Issue { connection, .. }
            | Self::Revoke { connection, .. }
            | Self::Run { connection, .. } => connection,
        }
    }

    /// Path of the step that asks.
    #[must_use]
    pub fn step(&self) -> &str {
        match self {
            Self::Send { step, .. }
            | Self::Publish { step, .. }
            | Self::Issue { step, .. }
            | Self::Revoke { step, .. }
            | Self::Run { step, .. } => step,
        }
    }
}

/// What a message says, fully rendered. Each field holds at most 1 MiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Content {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// An email; at least one of `html` and `text` is present.
    Email {
        /// Subject on one line.
        subject: String,
        /// HTML body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        html: Option<String>,
        /// Plain text body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A titled piece with an optional picture and link.
    Card {
        /// Title.
        title: String,
        /// Body.
        body: String,
        /// URL of a picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// URL that opens on a tap.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
    },
    /// Registered with the provider and filled in there.
    Template {
        /// The provider's identifier.
        id: String,
        /// What it is filled in with, in the order of the file.
        parameters: Vec<(String, String)>,
    },
    /// A post on a platform's account.
    Post {
        /// Title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Body.
        body: String,
        /// URLs of pictures or videos in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        media: Vec<String>,
        /// URL that it leads to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
    },
}

impl Content {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> crate::ContentKind {
        match self {
            Self::Text { .. } => crate::ContentKind::Text,
            Self::Email { .. } => crate::ContentKind::Email,
            Self::Card { .. } => crate::ContentKind::Card,
            Self::Template { .. } => crate::ContentKind::Template,
            Self::Post { .. } => crate::ContentKind::Post,
        }
    }
}

/// What a coupon is good for, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What it gives.
    pub benefit: Benefit,
    /// Smallest order that it applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Money>,
    /// Unix milliseconds.
    pub valid_from: i64,
    /// Unix milliseconds; over at this instant.
    pub valid_until: i64,
}

/// What a coupon gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Benefit {
    /// So much off the price; more than nothing.
    AmountOff(Money),
    /// So many thousandths off the price, 1 to 1,000.
    PerMilleOff(u32),
    /// Delivery costs nothing.
    FreeShipping,
    /// A gift, named as the shop names it.
    Gift(String),
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// In minor units of the currency: 500 is 5.00 CNY.
    pub amount: i64,
    /// ISO 4217 code in upper case.
    pub currency: String,
}

/// What became of an effect, once that is certain or given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Settled {
    /// The provider took the message.
    Accepted,
    /// The coupon was issued.
    Granted {
        /// What the customer enters.
        code: String,
        /// Unix milliseconds; over at this instant.
        valid_until: i64,
    },
    /// The action was run.
    Done {
        /// What it answered.
        result: Value,
    },
    /// Certainly not done, and trying again cannot help.
    Refused {
        /// A word from the contract, such as `address`, `content` or `exhausted`.
        reason: String,
        /// For an operator.
        detail: String,
    },
    /// The host decided not to ask.
    Suppressed {
        /// Why.
        reason: Suppression,
    },
    /// It may have happened, and nothing will tell.
    Unknown {
        /// For an operator.
        detail: String,
    },
}

impl Settled {
    /// The word that step results use.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Granted { .. } => "granted",
            Self::Done { .. } => "done",
            Self::Refused { .. } => "refused",
            Self::Suppressed { .. } => "suppressed",
            Self::Unknown { .. } => "unknown",
        }
    }
}
