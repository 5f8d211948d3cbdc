//! Journeys in use: their states, changes, and what becomes of those inside.

use serde::Serialize;

/// A version to be added.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The journey's name.
    pub journey: String,
    /// Title for people.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// The file.
    pub source: String,
}

/// What came of adding a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The version; an older one if the file has not changed.
    pub version: i64,
    /// Whether anything changed.
    pub changed: bool,
}

/// A change of a journey as a whole.
#[derive(Debug, Clone)]
pub struct JourneyUpdate {
    /// The journey's name.
    pub journey: String,
    /// The state that it must be in; otherwise it is a conflict.
    pub from: String,
    /// The state that it is in from then on.
    pub to: &'static str,
    /// Another version for those who enter, with its title and owner.
    pub live: Option<(i64, String, String)>,
    /// What was done, in a word: `live`, `pause`, `resume`, `drain`, `retire`, `winner`.
    pub kind: &'static str,
    /// More about it, for people.
    pub detail: String,
    /// Who did it.
    pub actor: String,
    /// What becomes of those inside, one after the other.
    pub transfers: Vec<NewTransfer>,
}

/// What is to become of those inside a journey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTransfer {
    /// What is done with them.
    pub kind: TransferKind,
    /// Steps that were said to be the same, as (older, newer) paths.
    pub map: Vec<(String, String)>,
    /// How those who leave end.
    pub outcome: Option<String>,
}

/// What is done with everybody inside a journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// Into a version, where their step has a counterpart.
    Move,
    /// Into a version, if it differs from theirs in texts only.
    Copy,
    /// Those of versions before this one leave.
    Leave,
    /// What came due during a pause is due again.
    Wake,
}

impl TransferKind {
    /// The word in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Leave => "leave",
            Self::Wake => "wake",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Move, Self::Copy, Self::Leave, Self::Wake]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// A transfer under way or finished.
#[derive(Debug, Clone, Serialize)]
pub struct Transfer {
    /// Grows with every transfer.
    pub id: i64,
    /// The journey's name.
    pub journey: String,
    /// What is done.
    pub kind: TransferKind,
    /// The version that they move into; those of versions before it leave.
    pub version: i64,
    /// Steps that were said to be the same.
    pub map: Vec<(String, String)>,
    /// How those who leave end.
    pub outcome: Option<String>,
    /// The enrollment up to which it is done.
    pub after: String,
    /// How many it has been done with.
    pub done: i64,
    /// How many stay as they are.
    pub stayed: i64,
    /// When it was asked for.
    pub created_at: i64,
    /// When it was done with everybody.
    pub finished_at: Option<i64>,
    /// Who asked for it.
    pub actor: String,
}

/// How far a batch took a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferStep {
    /// The transfer.
    pub id: i64,
    /// The enrollment up to which it is done now.
    pub after: String,
    /// How many it was done with.
    pub done: i64,
    /// How many stay as they are.
    pub stayed: i64,
    /// Whether this was the last batch.
    pub finished: bool,
}

/// A version, as lists show it.
#[derive(Debug, Clone, Serialize)]
pub struct VersionRow {
    /// Counted from 1.
    pub version: i64,
    /// When it was applied.
    pub created_at: i64,
}

/// What was done with a journey as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct JourneyChange {
    /// Counted from 1.
    pub number: i64,
    /// When it was done.
    pub at: i64,
    /// `draft`, `apply`, `live`, `pause`, `resume`, `drain`, `retire`, `retired` or `winner`.
    pub kind: String,
    /// The version that it is about.
    pub version: Option<i64>,
    /// Who did it.
    pub actor: String,
    /// More about it.
    pub detail: String,
}
