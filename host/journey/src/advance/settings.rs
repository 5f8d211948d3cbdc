//! Steps that change what the host itself keeps: the customer, and what people are to do.

use serde_json::Value;

use super::{Flow, Run};
use crate::history::EntryKind;
use crate::input::Assignment;
use crate::program::{Assign, Set};

/// Longest name of whoever is to do something, in characters.
const MAX_ASSIGNEE: usize = 200;

/// Longest note in bytes.
const MAX_NOTE: usize = 16 * 1024;

impl Run<'_, '_> {
    pub(super) fn set(&mut self, set: &Set) -> Flow {
        // All values are taken before any is set, so that their order means nothing.
        let mut values = Vec::with_capacity(set.attributes.len() + set.add.len());
        for (name, expression) in &set.attributes {
            match expression.json(&self.scope()) {
                Ok(value) => values.push((name, value)),
                Err(error) => return self.fail(expression.path(), error.to_string()),
            }
        }
        for (name, expression) in &set.add {
            let sum = expression
                .json(&self.scope())
                .map_err(|error| error.to_string())
                .and_then(|added| sum(self.world.customer.attributes.get(name), &added));
            match sum {
                Ok(value) => values.push((name, value)),
                Err(detail) => return self.fail(expression.path(), format!("{name}: {detail}")),
            }
        }
        let customer = &mut *self.world.customer;
        let mut changed: Vec<&str> = Vec::new();
        for (name, value) in values {
            let before = if value.is_null() {
                customer.attributes.remove(name)
            } else if customer.attributes.get(name) == Some(&value) {
                continue;
            } else {
                customer.attributes.insert(name.clone(), value);
                changed.push(name);
                continue;
            };
            changed.extend(before.is_some().then_some(name.as_str()));
        }
        changed.extend(
            set.tags.iter().filter(|tag| customer.tags.insert((*tag).clone())).map(String::as_str),
        );
        changed
            .extend(set.untag.iter().filter(|tag| customer.tags.remove(*tag)).map(String::as_str));
        if !changed.is_empty() {
            let detail = changed.join(" ");
            self.out.customer_changed = true;
            self.note_here(EntryKind::Changed, detail);
        }
        self.next()
    }

    pub(super) fn assign(&mut self, assign: &Assign) -> Flow {
        let step = self.step().to_owned();
        match self.assignment(assign, &step) {
            Ok(assignment) => {
                let detail = assignment.to.clone();
                self.note(EntryKind::Assigned, step, Some(assignment.key.clone()), detail);
                let result = [
                    ("key".to_owned(), Value::from(assignment.key.as_str())),
                    ("to".to_owned(), Value::from(assignment.to.as_str())),
                ];
                self.keep_result(assign.name.as_deref(), result.into_iter().collect());
                self.out.assignments.push(assignment);
            }
            Err(detail) => {
                self.note(EntryKind::Failed, step, None, detail);
                let result = [("key", Value::Null), ("to", Value::Null)];
                let result = result.map(|(name, value)| (name.to_owned(), value));
                self.keep_result(assign.name.as_deref(), result.into_iter().collect());
            }
        }
        self.next()
    }

    fn assignment(&mut self, assign: &Assign, step: &str) -> Result<Assignment, String> {
        let filled = self.program.templates.fill(&assign.texts, self.facts(None))?;
        let texts: Value = serde_json::from_str(&filled).map_err(|error| error.to_string())?;
        let text = |name: &str| texts.get(name).and_then(Value::as_str).unwrap_or_default();
        let to = text("to").trim();
        if to.is_empty() || to.chars().count() > MAX_ASSIGNEE || to.contains(char::is_control) {
            return Err(format!(
                "nothing is assigned: `to` must give 1 to {MAX_ASSIGNEE} characters on one line"
            ));
        }
        let note = text("note");
        if note.len() > MAX_NOTE {
            return Err(format!(
                "nothing is assigned: the note is longer than {} KiB",
                MAX_NOTE / 1024
            ));
        }
        let (to, note) = (to.to_owned(), note.to_owned());
        let due_at = assign.due.map(|due| self.world.now.saturating_add(due));
        Ok(Assignment { key: self.next_key(), step: step.to_owned(), to, note, due_at })
    }
}

/// What an attribute becomes when a number is added to it; an attribute that is not there counts as nothing.
fn sum(before: Option<&Value>, added: &Value) -> Result<Value, String> {
    let zero = Value::from(0);
    let before = before.unwrap_or(&zero);
    if let (Some(before), Some(added)) = (before.as_i64(), added.as_i64()) {
        let sum = before.checked_add(added).ok_or("the sum is too large for a whole number")?;
        return Ok(Value::from(sum));
    }
    let number = |value: &Value, what: &str| {
        value.as_f64().ok_or_else(|| format!("{what} is no number, so nothing can be added"))
    };
    let sum = number(before, "the attribute")? + number(added, "what is added")?;
    let sum = serde_json::Number::from_f64(sum).ok_or("the sum is no finite number")?;
    Ok(Value::Number(sum))
}
