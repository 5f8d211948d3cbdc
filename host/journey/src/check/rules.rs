//! Reading where customers enter and leave, and the goal.

use super::expressions::Place;
use super::node::{Kind, Node};
use super::reader::Reader;
use super::scalars::{EVENT, OUTCOME};
use super::subscription;
use crate::host_event::{SEGMENT_ENTERED, segments};
use crate::program::{Again, EntryRule, ExitRule, Goal, Trigger};

/// The outcome of an exit rule that names none.
const EXITED: &str = "exited";

/// How long after enrollment a goal counts if the journey does not say: 30 days.
const GOAL_WITHIN: i64 = 30 * 24 * 60 * 60 * 1000;

pub(super) fn entry(reader: &mut Reader<'_>, node: &Node) -> Option<EntryRule> {
    let fields =
        reader.fields(node, "the entry", &["event", "use", "with", "when", "key", "again"])?;
    let trigger = match (fields.get("event"), fields.get("use")) {
        (Some(_), None) | (None, None) => {
            if let Some(node) = fields.get("with") {
                let message = "`with` goes with `use`: an event takes no parameters".to_owned();
                reader.error(node.mark, message);
            }
            let event = reader.required(&fields, "event", |reader, node| reader.name(node, &EVENT));
            event.map(Trigger::Event)
        }
        (None, Some(_)) => subscription::read(reader, &fields),
        (Some(_), Some(node)) => {
            let message = "a customer enters either by an `event` or by what the trigger source `use` brings; leave one out";
            reader.error(node.mark, message.to_owned());
            None
        }
    };
    let when =
        reader.optional(&fields, "when", |reader, node| reader.expression(node, Place::Entry));
    let key = reader.optional(&fields, "key", |reader, node| reader.expression(node, Place::Entry));
    let again = reader.optional(&fields, "again", again).unwrap_or_default();
    let trigger = trigger?;
    let by_segment = matches!(&trigger, Trigger::Event(name) if name == SEGMENT_ENTERED);
    if by_segment && when.as_ref().is_none_or(|when| segments(when).is_empty()) {
        let mark = fields.get("when").unwrap_or(node).mark;
        let message =
            "say which segment customers come into: `when: event.segment == \"its-name\"`";
        reader.error(mark, message.to_owned());
    }
    Some(EntryRule { trigger, when, key, again })
}

fn again(reader: &mut Reader<'_>, node: &Node) -> Option<Again> {
    if matches!(node.kind, Kind::Map(_)) {
        let fields = reader.fields(node, "`again`", &["after"])?;
        let after =
            reader.required(&fields, "after", |reader, node| reader.duration(node, "the pause"))?;
        return Some(Again::After(after));
    }
    let choices = [("never", Some(Again::Never)), ("always", Some(Again::Always)), ("after", None)];
    let choice = reader.choice(node, "rule", &choices)?;
    if choice.is_none() {
        reader.error(node.mark, "`after` needs a duration: write { after: 30d }".to_owned());
    }
    choice
}

pub(super) fn exits(reader: &mut Reader<'_>, node: &Node) -> Vec<ExitRule> {
    reader.one_or_list(node, |reader, node| {
        let fields = reader.fields(node, "the exit", &["event", "when", "as"])?;
        let event = reader.required(&fields, "event", |reader, node| reader.name(node, &EVENT));
        let when =
            reader.optional(&fields, "when", |reader, node| reader.expression(node, Place::Rule));
        let outcome = reader.optional(&fields, "as", |reader, node| reader.name(node, &OUTCOME));
        let path = reader.path().to_owned();
        Some(ExitRule {
            event: event?,
            when,
            outcome: outcome.unwrap_or_else(|| EXITED.to_owned()),
            path,
        })
    })
}

pub(super) fn goal(reader: &mut Reader<'_>, node: &Node) -> Option<Goal> {
    let fields = reader.fields(node, "the goal", &["event", "when", "within", "value"])?;
    let event = reader.required(&fields, "event", |reader, node| reader.name(node, &EVENT));
    let when =
        reader.optional(&fields, "when", |reader, node| reader.expression(node, Place::Rule));
    let within =
        reader.optional(&fields, "within", |reader, node| reader.duration(node, "the goal's time"));
    let value =
        reader.optional(&fields, "value", |reader, node| reader.expression(node, Place::Rule));
    Some(Goal { event: event?, when, within: within.unwrap_or(GOAL_WITHIN), value })
}
