//! Rehearsing journeys: the passes of the engine over customers in memory, on a clock that jumps from one event to the next.
//!
//! What is the engine's own runs as it does live: entries, steps, timers, exits, goals, windows, limits, priorities. Only the
//! database is a few maps here, and the outside says what the test tells it to say.
//!
//! # What the stand-ins of connections do
//!
//! - A channel takes every message, unless a fault of the test says otherwise. Of a message whose answer was lost it can tell
//!   the host that it has it, if asked (`on_unknown: find`).
//! - A coupon is granted with the code `TEST-1`, `TEST-2` and so on.
//! - An action answers what the test gives for its connection, and else refuses, so that the step's `otherwise` stands in.

use std::collections::BTreeMap;
use std::sync::Arc;

use waystation_journey::{Connections, Policy, Program, Segments, Start, Test, TestCustomer, Zone};

use crate::programs::Picture;

mod expect;
mod memory;
mod outside;
mod stage;
mod told;

pub use told::Moment;

/// How long a test runs if it does not say: 400 days.
const LENGTH: i64 = 400 * 24 * 60 * 60 * 1000;

/// The journeys and the policy of a rehearsal.
#[derive(Default)]
pub struct Repertoire {
    programs: BTreeMap<String, Arc<Program>>,
    segments: Arc<Segments>,
    policy: Arc<Policy>,
}

impl Repertoire {
    /// Adds a journey; one of the same name is replaced.
    pub fn add(&mut self, program: Program) {
        self.programs.insert(program.name().to_owned(), Arc::new(program));
    }

    /// Sets what holds for all journeys.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = Arc::new(policy);
    }

    /// Sets the segments that conditions may ask for.
    pub fn set_segments(&mut self, segments: Segments) {
        self.segments = Arc::new(segments);
    }

    /// The journeys, by name.
    pub fn journeys(&self) -> impl Iterator<Item = &Program> {
        self.programs.values().map(Arc::as_ref)
    }

    /// Plays one test of a journey.
    ///
    /// # Errors
    ///
    /// If the test names a journey that is not there.
    pub fn rehearse(&self, journey: &str, test: &Test) -> Result<Rehearsed, String> {
        let mut picture = Picture::default();
        picture.segments = Arc::clone(&self.segments);
        let mut connections = Connections::default();
        for name in std::iter::once(journey).chain(test.journeys.iter().map(String::as_str)) {
            let program = self.programs.get(name).ok_or_else(|| {
                format!(
                    "line {}: there is no journey `{name}` among the files; name its file too",
                    test.line
                )
            })?;
            picture.add(1, Arc::clone(program), true);
            for (name, facts) in program.stand_ins().0 {
                let known = connections.0.entry(name).or_default();
                known.channel = known.channel.take().or(facts.channel);
                known.coupon |= facts.coupon;
                known.action |= facts.action;
            }
        }
        let zone = test.zone.as_deref().and_then(Zone::named);
        let zone = zone.unwrap_or_else(|| self.policy.zone().clone());
        let start = match test.start {
            Start::At(at) => at,
            Start::Local(local) => zone.instant(local).ok_or_else(|| {
                format!("line {}: no calendar reaches as far as the start", test.line)
            })?,
        };
        let mut stage = stage::Stage::new(stage::Setting {
            journey,
            test,
            picture,
            policy: Arc::clone(&self.policy),
            connections,
            zone: zone.clone(),
            start,
        });
        stage.play(start.saturating_add(test.until.unwrap_or(LENGTH)));
        let (memory, timeline) = stage.end();
        let failures = expect::failures(journey, test, start, &memory);
        Ok(Rehearsed { failures, timeline, zone, start, customers: memory.customers.len() })
    }
}

/// What came of a test.
pub struct Rehearsed {
    /// What was expected and did not come, each with its line in the file.
    pub failures: Vec<String>,
    /// What happened, in order.
    pub timeline: Vec<Moment>,
    /// The zone of the test.
    pub zone: Zone,
    /// When it began, in Unix milliseconds.
    pub start: i64,
    /// How many customers took part.
    pub customers: usize,
}

/// All customers of a test with their identifiers.
fn everybody(test: &Test) -> impl Iterator<Item = (&String, &TestCustomer)> {
    test.customers.iter().flat_map(|like| like.ids.iter().map(move |id| (id, like)))
}
