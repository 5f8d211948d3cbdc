//! Steps that run an action, and what its result becomes.

use serde_json::{Map, Value};

use super::{Flow, Run};
use crate::effect::{Effect, Settled};
use crate::enrollment::Status;
use crate::history::EntryKind;
use crate::program::{Action, Op};
use crate::state::Awaiting;

/// Most bytes of JSON that the results of all steps of one enrollment may have. They are written with every advance.
const MAX_RESULTS: usize = 256 * 1024;

impl Run<'_, '_> {
    pub(super) fn run(&mut self, action: &Action) -> Flow {
        let step = self.step().to_owned();
        let parameters = match self.program.templates.fill(&action.parameters, self.facts(None)) {
            Ok(parameters) => parameters,
            Err(detail) => {
                let detail = format!("{}: {detail}", action.connection);
                self.note(EntryKind::Failed, step, None, detail);
                self.keep_value(&action.name, action.otherwise.clone());
                return self.next();
            }
        };
        let key = self.next_key();
        self.note(EntryKind::Running, step.clone(), Some(key.clone()), action.connection.clone());
        self.enrollment.state.awaiting = Awaiting::Action { key: key.clone() };
        self.out.effects.push(Effect::Run {
            key,
            step,
            connection: action.connection.clone(),
            parameters,
        });
        Flow::Rests
    }

    pub(super) fn action_settled(&mut self, key: &str, outcome: &Settled) {
        let Some(Op::Run(action)) = self.op(self.position()) else { return };
        let step = self.step().to_owned();
        self.note_settled(step.clone(), key, outcome);
        self.enrollment.state.awaiting = Awaiting::Nothing;
        if self.enrollment.status != Status::Active {
            return;
        }
        let result = match outcome {
            Settled::Done { result } if self.has_room_for(result) => result.clone(),
            Settled::Done { .. } => {
                self.note(EntryKind::Failed, step, Some(key.to_owned()), too_large());
                action.otherwise.clone()
            }
            _ => action.otherwise.clone(),
        };
        self.keep_value(&action.name, result);
        self.next();
        self.go();
    }

    pub(super) fn has_room_for(&self, result: &Value) -> bool {
        let kept =
            |results: &Map<String, Value>| serde_json::to_string(results).map(|json| json.len());
        let lengths = kept(&self.enrollment.state.results)
            .and_then(|kept| serde_json::to_string(result).map(|result| kept + result.len()));
        lengths.is_ok_and(|bytes| bytes <= MAX_RESULTS)
    }
}

pub(super) fn too_large() -> String {
    format!(
        "the result is left out: with it those of all steps would exceed {} KiB",
        MAX_RESULTS / 1024
    )
}
