//! One customer in one journey version.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::customer::Event;
use crate::lane::Lane;
use crate::program::Program;
use crate::state::State;

/// One customer in one journey version. The host stores it after each advance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrollment {
    /// The host's identifier, at most 100 characters of `A-Z a-z 0-9 - _ .`, as effect keys start with it.
    pub id: String,
    /// The customer's identifier.
    pub customer: String,
    /// Name of the journey.
    pub journey: String,
    /// Version that the enrollment is pinned to.
    pub version: i64,
    /// What [`entry`](crate::entry) answered: empty, or tells apart what the customer is enrolled for.
    pub key: String,
    /// Whether it is still under way.
    pub status: Status,
    /// How it ended, once it has: the word of an exit, `finished`, or `error`.
    pub outcome: Option<String>,
    /// When the goal was reached, in Unix milliseconds. An ended enrollment may still reach its goal.
    pub goal_reached_at: Option<i64>,
    /// What reaching the goal was worth, where the journey says how to tell.
    pub goal_value: Option<f64>,
    /// Number of advances so far. Each one that changes anything adds one.
    pub seq: i64,
    /// Unix milliseconds.
    pub enrolled_at: i64,
    /// When it ended, in Unix milliseconds.
    pub ended_at: Option<i64>,
    /// When a timer is due, in Unix milliseconds; absent if none runs.
    pub due_at: Option<i64>,
    /// With which others it shares the host's time. The host sets it; nothing here depends on it.
    #[serde(default)]
    pub lane: Lane,
    /// Where it stands. Only this crate reads it.
    pub state: State,
}

impl Enrollment {
    /// A new enrollment, which [`Input::Start`](crate::Input::Start) then sets going.
    #[must_use]
    pub fn new(
        id: String,
        program: &Program,
        version: i64,
        key: String,
        event: &Event,
        now: i64,
    ) -> Self {
        Self {
            id,
            customer: event.customer.clone(),
            journey: program.name().to_owned(),
            version,
            key,
            status: Status::Active,
            outcome: None,
            goal_reached_at: None,
            goal_value: None,
            seq: 0,
            enrolled_at: now,
            ended_at: None,
            due_at: None,
            lane: Lane::default(),
            state: State::new(entry_properties(event)),
        }
    }
}

/// What expressions see as `entry`: the event's properties and its time.
fn entry_properties(event: &Event) -> Map<String, Value> {
    let mut entry = event.properties.clone();
    entry.insert("at".to_owned(), Value::from(event.at));
    entry
}

/// Whether an enrollment is still under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Waits for something.
    Active,
    /// Came to the end of the steps.
    Finished,
    /// Left before the end: by an exit rule, an exit step, or an error.
    Exited,
}

impl Status {
    /// The word that storage uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Finished => "finished",
            Self::Exited => "exited",
        }
    }

    /// The status that storage calls by this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Active, Self::Finished, Self::Exited]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}
