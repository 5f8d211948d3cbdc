//! What differs between two versions of a journey, step by step.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::outline::Step;
use crate::places::Places;
use crate::program::Program;

/// Longest value that is shown, in characters.
const MAX_SHOWN: usize = 80;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What sort of difference it is.
    pub kind: ChangeKind,
    /// Path of the step, in the newer version if it is there; the key, such as `goal`, of what is no step.
    pub at: String,
    /// The step's path in the older version where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What is there, or what became what; such as `wait: 24h -> 48h`.
    pub what: String,
}

/// A sort of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Only in the newer version.
    Added,
    /// Only in the older version.
    Removed,
    /// Says something else.
    Changed,
    /// Stands elsewhere among the others.
    Moved,
}

/// What differs, in the order of the newer file: what is no step first, what was removed last.
#[must_use]
pub fn diff(older: &Program, newer: &Program) -> Vec<Change> {
    let places = Places::between(older, newer, &[]).unwrap_or_default();
    let (old, new) = (older.outline(), newer.outline());
    let mut changes = Vec::new();
    let keys: BTreeSet<&String> = old.rest.keys().chain(new.rest.keys()).collect();
    for key in keys {
        leaves(key, old.rest.get(key), new.rest.get(key), &mut |path, old, new| {
            let (kind, what) = told(old, new);
            changes.push(Change { kind, at: path.to_owned(), was: None, what });
        });
    }
    let back: BTreeMap<&str, &str> =
        places.to.iter().map(|(from, to)| (to.as_str(), from.as_str())).collect();
    let old_steps = old.by_path();
    let mut comparison = Comparison { old: &old_steps, back: &back, changes };
    comparison.list(&new.steps);
    let mut changes = comparison.changes;
    removed(&old.steps, &places, &mut changes);
    changes
}

struct Comparison<'a> {
    old: &'a BTreeMap<&'a str, &'a Step>,
    back: &'a BTreeMap<&'a str, &'a str>,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    fn list(&mut self, steps: &[Step]) {
        let moved = self.moved(steps);
        for step in steps {
            let old = self.back.get(step.path.as_str()).and_then(|path| self.old.get(path));
            let Some(old) = old else {
                self.add(ChangeKind::Added, step, None, shown_step(step));
                // What was brought into it is told all the same.
                self.nested(step);
                continue;
            };
            let was = (old.path != step.path).then(|| old.path.clone());
            if moved.contains(step.path.as_str()) {
                self.add(ChangeKind::Moved, step, was.clone(), shown_step(step));
            }
            let keys: BTreeSet<&String> = old.fields.keys().chain(step.fields.keys()).collect();
            for key in keys {
                let (before, after) = (old.fields.get(key), step.fields.get(key));
                let mut found = Vec::new();
                leaves(key, before, after, &mut |path, before, after| {
                    found.push(format!("{path}: {} -> {}", shown(before), shown(after)));
                });
                for what in found {
                    self.add(ChangeKind::Changed, step, was.clone(), what);
                }
            }
            self.nested(step);
        }
    }

    fn nested(&mut self, step: &Step) {
        for (_, steps) in &step.lists {
            self.list(steps);
        }
    }

    fn add(&mut self, kind: ChangeKind, step: &Step, was: Option<String>, what: String) {
        self.changes.push(Change { kind, at: step.path.clone(), was, what });
    }

    /// Those that come from another list, or stand in another order than most.
    fn moved<'s>(&self, steps: &'s [Step]) -> BTreeSet<&'s str> {
        let origin = |step: &Step| {
            let old = self.back.get(step.path.as_str())?;
            let (list, index) = old.rsplit_once('[')?;
            Some((list.to_owned(), index.trim_end_matches(']').parse::<usize>().ok()?))
        };
        let origins: Vec<_> = steps.iter().filter_map(|step| Some((step, origin(step)?))).collect();
        let mut lists: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, (list, _)) in &origins {
            *lists.entry(list).or_default() += 1;
        }
        let home =
            lists.iter().max_by_key(|(_, count)| **count).map(|(list, _)| (*list).to_owned());
        let own = steps.first().and_then(|step| step.path.rsplit_once('['));
        // The list that has kept its place wins over the one that most come from.
        let home = own
            .map(|(list, _)| list.to_owned())
            .filter(|list| lists.contains_key(list.as_str()))
            .or(home);
        let (stayed, came): (Vec<_>, Vec<_>) =
            origins.iter().partition(|(_, (list, _))| Some(list) == home.as_ref());
        let order: Vec<usize> = stayed.iter().map(|(_, (_, index))| *index).collect();
        let in_order = longest_rise(&order);
        let moved = stayed.iter().enumerate().filter(|(at, _)| !in_order.contains(at));
        let moved = moved.map(|(_, (step, _))| step.path.as_str());
        moved.chain(came.iter().map(|(step, _)| step.path.as_str())).collect()
    }
}

/// Places of the longest rising run of numbers.
fn longest_rise(numbers: &[usize]) -> BTreeSet<usize> {
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        let before = (0..at).filter(|one| numbers[*one] < *number).max_by_key(|one| best[*one].0);
        best.push((before.map_or(0, |one| best[one].0) + 1, before));
    }
    let mut at = (0..numbers.len()).max_by_key(|one| best[*one].0);
    let mut places = BTreeSet::new();
    while let Some(place) = at {
        places.insert(place);
        at = best[place].1;
    }
    places
}

fn removed(steps: &[Step], places: &Places, changes: &mut Vec<Change>) {
    for step in steps {
        if !places.to.contains_key(&step.path) {
            let (at, what) = (step.path.clone(), shown_step(step));
            changes.push(Change { kind: ChangeKind::Removed, at, was: None, what });
        }
        for (_, steps) in &step.lists {
            removed(steps, places, changes);
        }
    }
}

/// Is told the path of a value, and what it was and is.
type Found<'f> = &'f mut dyn FnMut(&str, Option<&Value>, Option<&Value>);

/// Calls for each value that differs, as deep down as both have the same shape.
fn leaves(path: &str, old: Option<&Value>, new: Option<&Value>, found: Found<'_>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                leaves(&format!("{path}.{key}"), old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                leaves(&format!("{path}[{index}]"), Some(old), Some(new), found);
            }
        }
        (old, new) => found(path, old, new),
    }
}

fn told(old: Option<&Value>, new: Option<&Value>) -> (ChangeKind, String) {
    match (old, new) {
        (None, new) => (ChangeKind::Added, shown(new)),
        (old, None) => (ChangeKind::Removed, shown(old)),
        (old, new) => (ChangeKind::Changed, format!("{} -> {}", shown(old), shown(new))),
    }
}

fn shown_step(step: &Step) -> String {
    let value = step.fields.get(&step.kind);
    format!("{}: {}", step.kind, shown(value))
}

fn shown(value: Option<&Value>) -> String {
    let text = match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.replace('\n', " "),
        Some(value) => value.to_string(),
    };
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
