//! What a journey file says, step by step: what two versions are told apart by.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A journey file without its meaning.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outline {
    /// Whatever stands beside the steps.
    pub(crate) rest: Map<String, Value>,
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// Such as `steps[2].then[0]`.
    pub(crate) path: String,
    /// The word that it begins with.
    pub(crate) kind: String,
    /// Under which its result is known.
    pub(crate) name: Option<String>,
    /// What it says, without the lists of steps in it.
    pub(crate) fields: Map<String, Value>,
    /// The lists of steps in it: `then`, `else`, `steps`, `switch[0]`, `arm NAME` and so on.
    pub(crate) lists: Vec<(String, Vec<Step>)>,
}

/// Parts of a file that only say how messages read, or nothing to the journey at all.
const COPY: [&str; 4] = ["templates", "title", "owner", "tests"];

impl Outline {
    /// Whether the two differ in nothing but texts.
    pub(crate) fn same_but_copy(&self, other: &Self) -> bool {
        let rest = |outline: &Self| -> Map<String, Value> {
            let kept = outline.rest.iter().filter(|(key, _)| !COPY.contains(&key.as_str()));
            kept.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        rest(self) == rest(other) && self.steps == other.steps
    }

    /// All steps by their paths.
    pub(crate) fn by_path(&self) -> BTreeMap<&str, &Step> {
        let mut all = BTreeMap::new();
        let mut left: Vec<&Step> = self.steps.iter().collect();
        while let Some(step) = left.pop() {
            all.insert(step.path.as_str(), step);
            left.extend(step.lists.iter().flat_map(|(_, steps)| steps));
        }
        all
    }

    /// Reads a file; `kinds` are the words that steps begin with.
    pub(crate) fn of(file: Value, kinds: &[&str]) -> Self {
        let Value::Object(mut rest) = file else { return Self::default() };
        let steps = rest.remove("steps").unwrap_or_default();
        Self { rest, steps: list(steps, "steps", kinds) }
    }
}

fn list(steps: Value, path: &str, kinds: &[&str]) -> Vec<Step> {
    let Value::Array(steps) = steps else { return Vec::new() };
    let steps = steps.into_iter().enumerate();
    steps.map(|(index, step)| one(step, format!("{path}[{index}]"), kinds)).collect()
}

fn one(step: Value, path: String, kinds: &[&str]) -> Step {
    let mut fields = match step {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let kind = kinds.iter().find(|kind| fields.contains_key(**kind)).copied().unwrap_or_default();
    let named_by = match kind {
        "split" | "run" => kind,
        _ => "as",
    };
    let name = fields.get(named_by).and_then(Value::as_str).map(str::to_owned);
    let mut lists = Vec::new();
    for key in ["then", "else", "steps"] {
        if fields.get(key).is_some_and(Value::is_array)
            && let Some(steps) = fields.remove(key)
        {
            lists.push((key.to_owned(), list(steps, &format!("{path}.{key}"), kinds)));
        }
    }
    let branches = match kind {
        "wait_for" => fields.get_mut(kind).and_then(|wait| wait.get_mut("any")),
        "split" => fields.get_mut("arms"),
        _ => fields.get_mut(kind),
    };
    let place = match kind {
        "wait_for" => "wait_for.any",
        "split" => "arms",
        _ => kind,
    };
    for (index, branch) in branches.and_then(Value::as_array_mut).into_iter().flatten().enumerate()
    {
        let Some(branch) = branch.as_object_mut() else { continue };
        let arm = branch.get("arm").and_then(Value::as_str).map(|arm| format!("arm {arm}"));
        let Some(steps) = branch.remove("then") else { continue };
        let steps = list(steps, &format!("{path}.{place}[{index}].then"), kinds);
        lists.push((arm.unwrap_or_else(|| format!("{kind}[{index}]")), steps));
    }
    Step { path, kind: kind.to_owned(), name, fields, lists }
}
