//! Where an enrollment stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where an enrollment stands: an opaque value that goes to and from compact JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Index of the instruction that is being waited at, or comes next.
    #[serde(rename = "p")]
    pub(crate) position: u32,
    /// Effects asked for so far; the next one's key ends with this number plus one.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub(crate) effects: u32,
    /// What is awaited.
    #[serde(rename = "w")]
    pub(crate) awaiting: Awaiting,
    /// Properties of the event that enrolled the customer, and its time.
    #[serde(rename = "e", default, skip_serializing_if = "Map::is_empty")]
    pub(crate) entry: Map<String, Value>,
    /// Results of named steps, as expressions and templates see them.
    #[serde(rename = "r", default, skip_serializing_if = "Map::is_empty")]
    pub(crate) results: Map<String, Value>,
    /// Turns taken so far by each `repeat` that is under way, by the index of its instruction.
    #[serde(rename = "l", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) turns: BTreeMap<u32, u32>,
}

impl State {
    pub(crate) fn new(entry: Map<String, Value>) -> Self {
        Self {
            position: 0,
            effects: 0,
            awaiting: Awaiting::Start,
            entry,
            results: Map::new(),
            turns: BTreeMap::new(),
        }
    }
}

/// What an enrollment waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Awaiting {
    /// To be set going.
    Start,
    /// The time `due_at`.
    Timer,
    /// The event of the `wait_for` at the position, or the time `due_at`.
    Event,
    /// What becomes of a message.
    Message {
        /// The effect's key.
        key: String,
        /// Which channel of the send is tried: 0 is the first, 1 the first fallback.
        channel: u32,
        /// The channel that the customer prefers, which is tried before the others: its place in the file.
        #[serde(default, skip_serializing_if = "is_zero")]
        first: u32,
        /// Which template is tried: 0 is the first, 1 the first backup.
        #[serde(default, skip_serializing_if = "is_zero")]
        template: u32,
        /// The coupon that the message tells of, if it is part of an `issue`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<Grant>,
    },
    /// What becomes of a coupon.
    Coupon {
        /// The effect's key.
        key: String,
    },
    /// What becomes of an action.
    Action {
        /// The effect's key.
        key: String,
    },
    /// Nothing any more.
    Nothing,
}

/// A coupon that an `issue` step got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The key that it was issued under.
    pub(crate) key: String,
    /// What the customer enters.
    pub(crate) code: String,
    /// Unix milliseconds.
    pub(crate) valid_until: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
