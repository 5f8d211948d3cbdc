//! Versions and states of journeys, and what a change means for those inside.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use waystation_journey::{Places, Program};
use waystation_store::records::{
    AssignmentRow, Filter, JourneyRow, JourneyUpdate, NewTransfer, NewVersion, TransferKind,
};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::programs::{Picture, Standing};
use crate::transfers::way;

/// Outcome of those whom a new version makes leave.
const LEFT: &str = "left";
/// Outcome of those who are inside a journey that is retired.
const RETIRED: &str = "retired";
/// Enrollments read at a time for a preview.
const PAGE: i64 = 1000;

/// What becomes of those inside when another version is put into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inside {
    /// They end in the version that they are in.
    Stay,
    /// They go on in the other version, where their step has a counterpart.
    Move,
    /// They leave.
    Leave,
}

/// How those inside are treated.
#[derive(Debug, Clone, Default)]
pub struct Treatment {
    /// If it is not said, they stay; where only texts differ they move.
    pub inside: Option<Inside>,
    /// Steps that are the same ones, as (older, newer) paths.
    pub map: Vec<(String, String)>,
}

/// What is done with a journey as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Nobody enters, and those inside wait.
    Pause,
    /// It goes on where it was.
    Resume,
    /// Nobody enters; once nobody is inside, it is retired.
    Drain,
    /// Nobody enters, and those inside leave.
    Retire,
}

/// A version that was put into use, or stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// Its number; an older one if the file has not changed.
    pub version: i64,
    /// The journey's state now.
    pub state: String,
    /// What becomes of those inside, if they do not simply stay.
    pub transfer: Option<TransferKind>,
}

/// Where those go on who stand at one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The version that they are in.
    pub version: i64,
    /// Path of the step that they stand at.
    pub from: String,
    /// Path of the step where they would go on; none if they would not.
    pub to: Option<String>,
    /// How many stand there.
    pub customers: u64,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Pause, Self::Resume, Self::Drain, Self::Retire];

    fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Drain => "drain",
            Self::Retire => "retire",
        }
    }

    /// The state that it leads to; none if it is not possible.
    fn leads(self, state: &str) -> Option<&'static str> {
        match (self, state) {
            (Self::Pause, "live") => Some("paused"),
            (Self::Resume, "paused" | "draining") => Some("live"),
            (Self::Drain, "live" | "paused") => Some("draining"),
            (Self::Retire, "draft" | "live" | "paused" | "draining") => Some(RETIRED),
            _ => None,
        }
    }

    fn impossible(self, row: &JourneyRow) -> EngineError {
        let mut possible: Vec<&str> = Self::ALL
            .into_iter()
            .filter(|one| one.leads(&row.state).is_some())
            .map(Self::word)
            .collect();
        if row.state != "paused" {
            possible.push("live, with a version");
        }
        EngineError::Conflict(format!(
            "journey `{}` is {}, so it cannot be asked to {}; what is possible now: {}",
            row.name,
            row.state,
            self.word(),
            possible.join("; ")
        ))
    }
}

impl Engine {
    /// Stores a checked file as the journey's next version and puts it into use. The same file again changes nothing, but
    /// those inside older versions may be treated anew.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] if the journey is drained or retired, [`EngineError::Invalid`] if a step named by hand is not
    /// there, and what the database gives.
    pub async fn apply_journey(
        &self,
        source: String,
        program: Program,
        how: Treatment,
        actor: &str,
    ) -> Result<InUse, EngineError> {
        let turn = self.core.changing.lock().await;
        let row = self.store().journey(program.name()).await?;
        if let Some(row) = row.as_ref().filter(|row| ["draining", RETIRED].contains(&&*row.state)) {
            return Err(EngineError::Conflict(format!(
                "journey `{}` is {}: nobody enters it; store the version as a draft (`--draft`), and put it into use with \
                 `waystation journey live {}`",
                row.name, row.state, row.name
            )));
        }
        let transfer = self.transfer(row.as_ref(), &program, &how)?;
        let version = new_version(&program, source);
        let (now, actor) = (self.now(), actor.to_owned());
        let kind = transfer.as_ref().map(|transfer| transfer.kind);
        let added = self.store().apply_version(version, transfer, actor.clone(), now).await?;
        if !added.changed && how.inside.is_some_and(|inside| inside != Inside::Stay) {
            drop(turn);
            return self.set_live(program.name(), Some(added.version), how, &actor).await;
        }
        let paused = row.is_some_and(|row| row.state == "paused");
        self.core.programs.put(added.version, Arc::new(program), !paused);
        self.told();
        let state = if paused { "paused" } else { "live" }.to_owned();
        Ok(InUse { version: added.version, state, transfer: kind.filter(|_| added.changed) })
    }

    /// Stores a checked file as the journey's next version, and leaves everything else as it is.
    ///
    /// # Errors
    /// What the database gives.
    pub async fn draft_journey(
        &self,
        source: String,
        program: Program,
        actor: &str,
    ) -> Result<InUse, EngineError> {
        let _turn = self.core.changing.lock().await;
        let name = program.name().to_owned();
        let version = new_version(&program, source);
        let added = self.store().draft_version(version, actor.to_owned(), self.now()).await?;
        if added.changed {
            self.core.programs.put(added.version, Arc::new(program), false);
        }
        let row = self.journey(&name).await?;
        Ok(InUse { version: added.version, state: row.state, transfer: None })
    }

    /// Puts a stored version into use, the newest one if none is named. A paused journey stays paused.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such journey or version, [`EngineError::Conflict`] if those inside are still
    /// leaving, and what [`apply_journey`](Self::apply_journey) gives.
    pub async fn set_live(
        &self,
        journey: &str,
        version: Option<i64>,
        how: Treatment,
        actor: &str,
    ) -> Result<InUse, EngineError> {
        let _turn = self.core.changing.lock().await;
        let row = self.journey(journey).await?;
        let picture = self.core.programs.picture();
        let newest = picture.versions(journey).last().map(|(number, _)| number);
        let version = version.or(newest).unwrap_or(1);
        let program = picture.program(journey, version).ok_or_else(|| {
            EngineError::Missing(format!("version {version} of journey `{journey}`"))
        })?;
        if row.state == RETIRED {
            let open = self.store().open_transfers().await?;
            if open.iter().any(|one| one.journey == journey) {
                return Err(EngineError::Conflict(format!(
                    "those inside journey `{journey}` are still leaving; try again once they have"
                )));
            }
        }
        let transfer = self.transfer(Some(&row), program, &how)?;
        let kind = transfer.as_ref().map(|transfer| transfer.kind);
        let to = if row.state == "paused" { "paused" } else { "live" };
        let (title, owner) =
            (program.title().to_owned(), program.owner().unwrap_or_default().to_owned());
        let update = JourneyUpdate {
            journey: journey.to_owned(),
            from: row.state,
            to,
            live: Some((version, title, owner)),
            kind: "live",
            detail: String::new(),
            actor: actor.to_owned(),
            transfers: transfer.into_iter().collect(),
        };
        self.store().update_journey(update, self.now()).await?;
        if to == "live" {
            self.core.programs.stand(journey, Standing::Open(version));
        }
        self.told();
        Ok(InUse { version, state: to.to_owned(), transfer: kind })
    }

    /// Pauses, resumes, drains or retires a journey.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such journey, [`EngineError::Conflict`] if it is in a state in which that is
    /// not possible; the text says what is.
    pub async fn operate(
        &self,
        journey: &str,
        operation: Operation,
        actor: &str,
    ) -> Result<InUse, EngineError> {
        let _turn = self.core.changing.lock().await;
        let row = self.journey(journey).await?;
        let to = operation.leads(&row.state).ok_or_else(|| operation.impossible(&row))?;
        let leave = (operation == Operation::Retire).then_some(TransferKind::Leave);
        // What ended enrollments still ask for, such as what became of a coupon, was put out of reach too.
        let wake = (row.state == "paused").then_some(TransferKind::Wake);
        let kind = leave.or(wake);
        let transfers = leave.into_iter().chain(wake).map(|kind| NewTransfer {
            kind,
            map: Vec::new(),
            outcome: (kind == TransferKind::Leave).then(|| RETIRED.to_owned()),
        });
        let transfers = transfers.collect();
        let version = row.live_version;
        let update = JourneyUpdate {
            journey: journey.to_owned(),
            from: row.state,
            to,
            live: None,
            kind: operation.word(),
            detail: String::new(),
            actor: actor.to_owned(),
            transfers,
        };
        self.store().update_journey(update, self.now()).await?;
        let standing = match to {
            "live" => Standing::Open(version),
            "paused" => Standing::Paused,
            _ => Standing::Closed,
        };
        self.core.programs.stand(journey, standing);
        self.told();
        Ok(InUse { version, state: to.to_owned(), transfer: kind })
    }

    /// Where those inside would go on if a version were put into use; nothing changes.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] if a step named by hand is not there, and what the database gives.
    pub async fn preview_journey(
        &self,
        program: &Program,
        how: &Treatment,
    ) -> Result<Vec<Preview>, EngineError> {
        let row = self.store().journey(program.name()).await?;
        let transfer = self.transfer(row.as_ref(), program, how)?;
        let picture = self.core.programs.picture();
        let mut ways: BTreeMap<i64, Option<Places>> = BTreeMap::new();
        let mut counts: BTreeMap<(i64, String, Option<String>), u64> = BTreeMap::new();
        let mut filter = Filter {
            journey: Some(program.name().to_owned()),
            state: Some("active".to_owned()),
            limit: PAGE,
            ..Filter::default()
        };
        loop {
            let page = self.store().enrollments(&filter).await?;
            for enrollment in &page {
                let Some(older) = picture.program(program.name(), enrollment.version) else {
                    continue;
                };
                let way = ways.entry(enrollment.version).or_insert_with(|| {
                    let transfer = transfer.as_ref()?;
                    let moves = transfer.kind != TransferKind::Leave;
                    moves.then(|| way(transfer.kind, older, program, &transfer.map)).flatten()
                });
                let from = older.step_path(enrollment).unwrap_or_default().to_owned();
                let to = way.as_ref().and_then(|way| way.of(older, program, enrollment));
                *counts.entry((enrollment.version, from, to.map(str::to_owned))).or_default() += 1;
            }
            match page.last() {
                Some(last) if page.len() as i64 == PAGE => filter.after = Some(last.id.clone()),
                _ => break,
            }
        }
        let rows = counts.into_iter();
        Ok(rows
            .map(|((version, from, to), customers)| Preview { version, from, to, customers })
            .collect())
    }

    /// Says that an assignment is done; journeys learn of it by the event `assignment.done`.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is none of this key, [`EngineError::Conflict`] if it was done before.
    pub async fn complete_assignment(
        &self,
        key: &str,
        outcome: &str,
        actor: &str,
    ) -> Result<AssignmentRow, EngineError> {
        let (store, now) = (self.store(), self.now());
        let done = store
            .complete_assignment(key.to_owned(), outcome.to_owned(), actor.to_owned(), now)
            .await?;
        self.core.wake.notify();
        done.ok_or_else(|| EngineError::Missing(format!("assignment `{key}`")))
    }

    /// A version that is in use or stored.
    #[must_use]
    pub fn program(&self, journey: &str, version: i64) -> Option<Arc<Program>> {
        self.core.programs.picture().program(journey, version).cloned()
    }

    /// The version that customers enter, or entered last; the newest draft if there is none.
    pub(crate) async fn program_in_use(&self, journey: &str) -> Result<Arc<Program>, EngineError> {
        let row = self.journey(journey).await?;
        let picture = self.core.programs.picture();
        let newest = || picture.versions(journey).last().map(|(_, program)| program);
        let program = picture.program(journey, row.live_version).or_else(newest);
        program.cloned().ok_or_else(|| EngineError::Missing(format!("journey `{journey}`")))
    }

    async fn journey(&self, name: &str) -> Result<JourneyRow, EngineError> {
        let row = self.store().journey(name).await?;
        row.ok_or_else(|| EngineError::Missing(format!("journey `{name}`")))
    }

    /// What becomes of those inside if this version is put into use.
    fn transfer(
        &self,
        row: Option<&JourneyRow>,
        program: &Program,
        how: &Treatment,
    ) -> Result<Option<NewTransfer>, EngineError> {
        let Some(row) = row else { return Ok(None) };
        let picture = self.core.programs.picture();
        let present = picture.program(&row.name, row.live_version);
        check_map(&picture, row, program, &how.map)?;
        let copy = present.is_some_and(|present| {
            !std::ptr::eq(&**present, program) && present.same_but_copy(program)
        });
        let kind = match how.inside {
            Some(Inside::Stay) => return Ok(None),
            Some(Inside::Move) => TransferKind::Move,
            Some(Inside::Leave) => TransferKind::Leave,
            None if copy => TransferKind::Copy,
            None => return Ok(None),
        };
        let outcome = (kind == TransferKind::Leave).then(|| LEFT.to_owned());
        Ok(Some(NewTransfer { kind, map: how.map.clone(), outcome }))
    }

    fn told(&self) {
        self.core.transfers.opened();
        self.core.wake.notify();
        self.core.tend.notify_one();
        self.core.tell.notify_one();
        self.core.links.wake_polls();
    }
}

/// Steps named by hand must be there in the version in use and in the new one.
fn check_map(
    picture: &Picture,
    row: &JourneyRow,
    program: &Program,
    map: &[(String, String)],
) -> Result<(), EngineError> {
    if map.is_empty() {
        return Ok(());
    }
    // Any of the versions may be meant.
    let mut fault = None;
    for (_, older) in picture.versions(&row.name) {
        match Places::between(older, program, map) {
            Ok(_) => return Ok(()),
            Err(error) => fault = Some(error),
        }
    }
    Err(EngineError::Invalid(fault.unwrap_or_else(|| "there is no older version".to_owned())))
}

fn new_version(program: &Program, source: String) -> NewVersion {
    NewVersion {
        journey: program.name().to_owned(),
        title: program.title().to_owned(),
        owner: program.owner().unwrap_or_default().to_owned(),
        source,
    }
}
