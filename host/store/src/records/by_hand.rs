//! What operators look for in the ledger, and what they settle by hand.

use serde::Serialize;

/// Which effects are meant: every given field must match.
#[derive(Debug, Clone, Default)]
pub struct Deliveries {
    /// Of this connection.
    pub connection: Option<String>,
    /// Of this journey.
    pub journey: Option<String>,
    /// Of this customer.
    pub customer: Option<String>,
    /// Of this enrollment.
    pub enrollment: Option<String>,
    /// Of this kind: `send`, `publish`, `issue`, `revoke` or `run`.
    pub kind: Option<String>,
    /// Asked for by the step at this path.
    pub step: Option<String>,
    /// In this phase.
    pub phase: Option<String>,
    /// Ended so, in any of these ways; empty for all.
    pub outcomes: Vec<String>,
    /// Ended for this reason.
    pub reason: Option<String>,
    /// Written into the ledger at this time or later.
    pub since: Option<i64>,
    /// Written into the ledger before this time.
    pub before: Option<i64>,
    /// With a key after this one.
    pub after: Option<String>,
}

/// What an operator says of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByHand {
    /// It was done.
    Accepted,
    /// It was certainly not done, and is not to be.
    Refused,
    /// It is to be attempted again.
    Resend,
}

impl ByHand {
    /// The word in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Resend => "resend",
        }
    }
}

/// What is said of effects, by whom and why.
#[derive(Debug, Clone)]
pub struct Saying {
    /// What is said.
    pub what: ByHand,
    /// Who says so.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What became of one effect that an operator settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The effect's key.
    pub key: String,
    /// Its connection, which may have something to do now.
    pub connection: String,
    /// Whether its enrollment was waiting for it, and goes on now or once it is attempted.
    pub awaited: bool,
    /// Whether it may happen a second time.
    pub may_double: bool,
}

/// An operator's word about an effect, as it is kept.
#[derive(Debug, Clone, Serialize)]
pub struct InterventionRow {
    /// Counted from 1.
    pub number: i64,
    /// When.
    pub at: i64,
    /// Who: a token's identifier.
    pub actor: String,
    /// `accepted`, `refused` or `resend`.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// How it stood before, such as `unknown held`.
    pub former: String,
    /// Whether it might happen a second time by it.
    pub may_double: bool,
}

/// Of how many effects the end is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknowns {
    /// The connection.
    pub connection: String,
    /// Whether the provider is still being asked; else an operator is to look.
    pub asking: bool,
    /// How many.
    pub count: i64,
    /// When the oldest was first attempted.
    pub oldest_at: Option<i64>,
}

/// How many effects stand or ended alike, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CauseCount {
    /// The journey.
    pub journey: String,
    /// The connection.
    pub connection: String,
    /// The kind of effect.
    pub kind: String,
    /// The phase, where it has not ended.
    pub phase: Option<String>,
    /// How it ended, if it did.
    pub outcome: Option<String>,
    /// Why, in a word.
    pub reason: Option<String>,
    /// How many.
    pub count: i64,
}
