//! Steps that nobody gets to, waits for what never comes, and results that may not be there.

use std::collections::BTreeSet;

use super::Finding;
use super::elapsed::{message, waits};
use crate::expression::Expression;
use crate::flow::{Way, reachable, steps_after, ways};
use crate::program::{Instruction, Op, Program};

pub(super) fn lint(program: &Program) -> Vec<Finding> {
    let mut found = Vec::new();
    let reached = reachable(&program.code);
    for (at, instruction) in program.code.iter().enumerate().filter(|(at, _)| reached[*at]) {
        found.extend(conditions(&instruction.op).into_iter().filter_map(constant));
        match &instruction.op {
            Op::WaitFor(wait) => {
                for awaited in &wait.events {
                    found.extend(never_comes(program, &instruction.step, &awaited.event));
                }
            }
            Op::Repeat(repeat) => {
                let body = at + 1..repeat.otherwise as usize;
                found.extend(turns(&program.code, at, body, repeat.times));
            }
            Op::Split(_) => found.extend(same_arms(program, at)),
            _ => {}
        }
    }
    found.extend(results(program, &reached));
    found
}

/// The conditions that decide where to go on.
fn conditions(op: &Op) -> Vec<&Expression> {
    match op {
        Op::If { condition, .. } => vec![condition],
        Op::Switch { cases, .. } => cases.iter().map(|case| &case.condition).collect(),
        Op::Repeat(repeat) => repeat.condition.iter().collect(),
        _ => Vec::new(),
    }
}

fn constant(condition: &Expression) -> Option<Finding> {
    let always = condition.constant()?;
    let text = if always {
        "the condition always holds, so it decides nothing; remove it or write what it should ask"
    } else {
        "the condition never holds, so nobody gets to what it leads to; remove it or write what it should ask"
    };
    Some(Finding::warning(condition.path(), text.to_owned()))
}

/// An exit rule takes every such event before a wait sees it.
fn never_comes(program: &Program, step: &str, event: &str) -> Option<Finding> {
    let exit = program.exits.iter().find(|exit| exit.event == event && exit.when.is_none())?;
    let text = format!(
        "the wait never sees `{event}`: {} leaves the journey whenever it comes; give the exit a condition, or remove one of the two",
        exit.path
    );
    Some(Finding::warning(step, text))
}

fn turns(
    code: &[Instruction],
    at: usize,
    body: std::ops::Range<usize>,
    times: u32,
) -> Option<Finding> {
    let returns =
        body.clone().any(|one| ways(code, one).iter().any(|(_, to)| *to == at)) || body.is_empty();
    if !returns {
        let text = "it never repeats: every turn ends the journey, and nobody gets behind it; take `repeat` away or let a turn go on";
        return Some(Finding::warning(&code[at].step, text.to_owned()));
    }
    let steps = &code[body];
    let does = steps.iter().any(|one| message(&one.op).is_some() || matches!(one.op, Op::Issue(_)));
    if times > 1 && does && !steps.iter().any(|one| waits(&one.op)) {
        let text = format!(
            "all turns, up to {times}, are made at once: no step in it waits; add a `wait` between the turns"
        );
        return Some(Finding::warning(&code[at].step, text));
    }
    None
}

fn same_arms(program: &Program, at: usize) -> Option<Finding> {
    // Where a text reads the arm, that is what the arms differ in.
    let Op::Split(split) = &program.code[at].op else { return None };
    let reads = |one: &Instruction| {
        let texts = texts(program, &one.op, &one.step);
        texts.iter().any(|(text, _)| read(text).contains(split.name.as_str()))
    };
    if program.code.iter().any(reads) {
        return None;
    }
    let mut targets = steps_after(&program.code, at).into_iter().map(|(_, to)| to);
    let first = targets.next()?;
    let text = "all arms lead to the same steps, so that there is nothing to compare; give one of them steps";
    targets.all(|to| to == first).then(|| Finding::warning(&program.code[at].step, text.to_owned()))
}

/// Steps that read a result which not every way to them leaves.
fn results(program: &Program, reached: &[bool]) -> Vec<Finding> {
    let code = &program.code;
    let left = left_before(code);
    let mut found = Vec::new();
    for (at, instruction) in code.iter().enumerate().filter(|(at, _)| reached[*at]) {
        for (text, path) in texts(program, &instruction.op, &instruction.step) {
            for name in read(&text) {
                let Some(by) = code.iter().find(|one| named(&one.op) == Some(name)) else {
                    continue;
                };
                if left[at].contains(name) || guarded(&text, name) {
                    continue;
                }
                let message = format!(
                    "`steps.{name}` can be missing here, as not every way leads through {}; without it this fails. Ask `has(steps.{name})` first, or move the step to where all come by",
                    by.step
                );
                found.push(Finding::warning(&path, message));
            }
        }
    }
    found
}

/// What an instruction's expressions and texts say, with where they stand.
fn texts(program: &Program, op: &Op, step: &str) -> Vec<(String, String)> {
    let of = |one: &Expression| (one.text().to_owned(), one.path().to_owned());
    let mut all: Vec<(String, String)> = conditions(op).into_iter().map(of).collect();
    if let Op::Set(set) = op {
        all.extend(set.attributes.iter().chain(&set.add).map(|(_, value)| of(value)));
    }
    let deliveries = match op {
        Op::Send { delivery, .. } => Some(delivery),
        Op::Issue(issue) => issue.then_send.as_ref(),
        _ => None,
    };
    for template in deliveries.iter().flat_map(|delivery| &delivery.templates) {
        all.extend(program.templates.texts(template).map(|text| (text, step.to_owned())));
    }
    all
}

/// Names of the results that a text reads, `steps.name` outside of quotes.
fn read(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (start, _) in text.match_indices("steps.") {
        let before = text[..start].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || "_.\"'".contains(c)) {
            continue;
        }
        let rest = &text[start + "steps.".len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            names.insert(&rest[..end]);
        }
    }
    names
}

/// Whether the text itself asks for the result before it reads it, in whatever way.
fn guarded(text: &str, name: &str) -> bool {
    text.contains(&format!("has(steps.{name}"))
        || text.contains("is defined")
        || text.contains("default(")
        || text.contains("in steps")
        || text.contains("if steps")
        || text.contains(".?")
}

fn named(op: &Op) -> Option<&str> {
    match op {
        Op::Send { name, .. } => name.as_deref(),
        Op::Issue(issue) => issue.name.as_deref(),
        Op::Run(action) => Some(&action.name),
        Op::Assign(assign) => assign.name.as_deref(),
        Op::Split(split) => Some(&split.name),
        Op::WaitFor(wait) => wait.name.as_deref(),
        _ => None,
    }
}

/// The results that are there at each instruction, whichever way led to it. What a condition asks for with `has` counts as
/// there on all its ways.
fn left_before(code: &[Instruction]) -> Vec<BTreeSet<&str>> {
    let all: BTreeSet<&str> = code.iter().filter_map(|one| named(&one.op)).collect();
    let mut before = vec![all; code.len() + 1];
    before[0].clear();
    let mut changed = true;
    while changed {
        changed = false;
        for at in 0..code.len() {
            for (way, to) in ways(code, at) {
                let mut after = before[at].clone();
                let op = &code[at].op;
                after.extend(named(op).filter(|_| way != Way::TimeUp));
                for condition in conditions(op) {
                    after.extend(
                        read(condition.text())
                            .into_iter()
                            .filter(|name| guarded(condition.text(), name)),
                    );
                }
                let kept: BTreeSet<&str> = before[to].intersection(&after).copied().collect();
                if kept.len() < before[to].len() {
                    before[to] = kept;
                    changed = true;
                }
            }
        }
    }
    before
}
