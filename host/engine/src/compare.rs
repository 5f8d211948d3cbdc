//! What would be different with another release: recorded calls are made again with the release in use and with a candidate,
//! both with the outside stubbed alike. Nothing is installed, and nothing reaches anybody.
//!
//! The same candidate and the same recordings give the same answer, byte by byte, unless the time did not suffice for all.

mod differences;
mod facts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use waystation_sandbox::{Performance, Recording, Rehearsal, Release};
use waystation_store::records::ConnectionRow;

use self::differences::{outcomes, requests};
use crate::engine::Engine;
use crate::error::EngineError;

/// Longest time for all calls together; what is left then is not compared, and the answer says so.
const TIME: Duration = Duration::from_secs(40);
/// Recordings that are in memory at the same time.
const PAGE: i64 = 50;
/// Most kinds of differences of one sort.
const GROUPS: usize = 200;
/// Characters that are shown of a value.
const SHOWN: usize = 2_000;

/// What is different with a candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The connection's name.
    pub connection: String,
    /// The release in use.
    pub current: ReleaseName,
    /// The other one.
    pub candidate: ReleaseName,
    /// Whether no difference was found.
    pub same: bool,
    /// Recorded calls that were made again with both.
    pub compared: u64,
    /// Recorded calls that were not, because they cannot be read or the time did not suffice.
    pub passed_over: u64,
    /// What the candidate says about itself and the configuration, where that is different.
    pub facts: Vec<Change>,
    /// Answers that are different.
    pub outcomes: Vec<Group>,
    /// Requests to the outside that are different.
    pub requests: Vec<Group>,
    /// Recorded answers that differ from a replay of the release in use: for these calls the comparison means less.
    pub not_reproduced: Vec<Group>,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseName {
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
}

/// Something that the two releases say differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What it is, with its place.
    pub what: String,
    /// What the release in use says; null if nothing.
    pub current: Value,
    /// What the candidate says; null if nothing.
    pub candidate: Value,
}

/// Differences of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// What is different.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Example {
    /// Number of the recording.
    pub recording: i64,
    /// What the release in use has; what was recorded, where the replay differs from that.
    pub current: Value,
    /// What the candidate has; the replay of the release in use, where that differs from what was recorded.
    pub candidate: Value,
}

/// Differences by kind, while they are gathered.
pub(super) struct Groups {
    groups: BTreeMap<String, Group>,
    examples: usize,
}

impl Groups {
    fn new(examples: usize) -> Self {
        Self { groups: BTreeMap::new(), examples }
    }

    fn add(&mut self, kind: String, recording: i64, current: &Value, candidate: &Value) {
        let kind = if self.groups.len() < GROUPS || self.groups.contains_key(&kind) {
            kind
        } else {
            "others".to_owned()
        };
        let group = self.groups.entry(kind).or_insert_with_key(|kind| Group {
            kind: kind.clone(),
            count: 0,
            examples: Vec::new(),
        });
        group.count += 1;
        if group.examples.len() < self.examples {
            let (current, candidate) = (shown(current), shown(candidate));
            group.examples.push(Example { recording, current, candidate });
        }
    }

    fn finish(self) -> Vec<Group> {
        self.groups.into_values().collect()
    }
}

/// A value that is not too long to be looked at; what is cut off is not what matters.
fn shown(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]).into(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().take(SHOWN / 20).map(shown).collect(),
        Value::Object(object) => {
            object.iter().map(|(name, item)| (name.clone(), shown(item))).collect()
        }
        other => other.clone(),
    }
}

impl Engine {
    /// Makes a connection's recorded calls again with the release in use and with a candidate, and tells what is different,
    /// with at most so many examples of each kind.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such connection; what is wrong with the candidate; a database failure.
    pub async fn compare(
        &self,
        name: &str,
        candidate: Vec<u8>,
        examples: usize,
    ) -> Result<Comparison, EngineError> {
        let row = self.core.store.connection(name).await?;
        let row = row.ok_or_else(|| EngineError::Missing(format!("connection `{name}`")))?;
        let candidate = self.workshop.inspect(candidate).await?;
        let current = self.workshop.release(&row.digest).await?;
        let stage = Stage {
            current: self.rehearsal(&row, current)?,
            candidate: self.rehearsal(&row, candidate)?,
        };
        let facts = stage.facts(&row.config).await;
        let mut found = Found::new(examples);
        self.perform(&stage, name, &mut found).await?;
        let (outcomes, requests) = (found.outcomes.finish(), found.requests.finish());
        Ok(Comparison {
            connection: name.to_owned(),
            current: release_name(stage.current.release()),
            candidate: release_name(stage.candidate.release()),
            same: facts.is_empty() && outcomes.is_empty() && requests.is_empty(),
            compared: found.compared,
            passed_over: found.passed_over,
            facts,
            outcomes,
            requests,
            not_reproduced: found.not_reproduced.finish(),
        })
    }

    fn rehearsal(
        &self,
        row: &ConnectionRow,
        release: Arc<Release>,
    ) -> Result<Rehearsal, EngineError> {
        let (spec, secrets) = (self.unseal)(row)?;
        let settings = self.workshop.settings(&spec, secrets)?;
        Ok(Rehearsal::new(Arc::clone(&self.workshop.sandbox), release, settings)?)
    }

    async fn perform(
        &self,
        stage: &Stage,
        name: &str,
        found: &mut Found,
    ) -> Result<(), EngineError> {
        let started = Instant::now();
        let mut after = 0;
        loop {
            let rows = self.core.store.recordings(name, after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            for row in rows {
                let recording = serde_json::from_str::<Recording>(&row.body);
                let played = match recording {
                    Ok(recording) if started.elapsed() < TIME => {
                        stage.play(&recording).await.map(|played| (recording, played)).ok()
                    }
                    _ => None,
                };
                match played {
                    Some((recording, played)) => found.add(row.id, &recording, &played),
                    None => found.passed_over += 1,
                }
            }
        }
    }
}

/// Both releases, ready to be called.
struct Stage {
    current: Rehearsal,
    candidate: Rehearsal,
}

struct Played {
    current: Performance,
    candidate: Performance,
}

impl Stage {
    async fn play(&self, recording: &Recording) -> Result<Played, String> {
        let current = self.current.play(recording, None).await?;
        let candidate = self.candidate.play(recording, Some(&current)).await?;
        Ok(Played { current, candidate })
    }
}

/// What was found so far.
struct Found {
    compared: u64,
    passed_over: u64,
    outcomes: Groups,
    requests: Groups,
    not_reproduced: Groups,
}

impl Found {
    fn new(examples: usize) -> Self {
        let groups = || Groups::new(examples);
        Self {
            compared: 0,
            passed_over: 0,
            outcomes: groups(),
            requests: groups(),
            not_reproduced: groups(),
        }
    }

    fn add(&mut self, id: i64, recording: &Recording, played: &Played) {
        self.compared += 1;
        let (current, candidate) = (&played.current, &played.candidate);
        let function = &recording.function;
        for (kind, was, is) in outcomes(function, &current.output, &candidate.output, Strict::Whole)
        {
            self.outcomes.add(kind, id, &was, &is);
        }
        for (kind, was, is) in requests(&current.requests, &candidate.requests) {
            self.requests.add(kind, id, &was, &is);
        }
        // What a plugin makes of a secret cannot be had again without it: then only how it ended counts.
        let secret = |function: &str| matches!(function, "secrets.hmac" | "secrets.reveal");
        let strict = if recording.exchanges.iter().any(|one| secret(&one.function)) {
            Strict::Ending
        } else {
            Strict::Whole
        };
        for (kind, was, is) in outcomes(function, &recording.output, &current.output, strict) {
            self.not_reproduced.add(kind, id, &was, &is);
        }
    }
}

/// How much of an answer has to be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strict {
    /// How it ended.
    Ending,
    /// Everything.
    Whole,
}

fn release_name(release: &Release) -> ReleaseName {
    ReleaseName {
        name: release.manifest().name.clone(),
        version: release.manifest().version.clone(),
        digest: release.digest().to_owned(),
    }
}
