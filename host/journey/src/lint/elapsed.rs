//! How much time passes between steps, as far as the file fixes it.

use std::collections::BTreeMap;

use crate::flow::{Way, ways};
use crate::program::{Addressee, Delivery, Instruction, Op};

/// Most states that one search looks at; a journey has a thousand steps at most.
const MAX_STATES: usize = 20_000;

/// The least time in milliseconds from an instruction's end to each one's begin. An event may come at once, and a time
/// of day may be now.
pub(super) fn at_least(code: &[Instruction], from: Option<usize>) -> BTreeMap<usize, i64> {
    let mut best: BTreeMap<usize, i64> = BTreeMap::new();
    let mut open: Vec<(usize, i64)> = match from {
        None => vec![(0, 0)],
        Some(at) => ways(code, at).into_iter().map(|(_, to)| (to, 0)).collect(),
    };
    while let Some((at, time)) = open.pop() {
        if best.get(&at).is_some_and(|known| *known <= time) {
            continue;
        }
        best.insert(at, time);
        for (way, to) in ways(code, at) {
            let more = match (&code[at].op, way) {
                (Op::Wait { duration }, _) => duration.usual(),
                (Op::WaitFor(wait), Way::TimeUp) => wait.up_to.usual(),
                _ => 0,
            };
            open.push((to, time.saturating_add(more)));
        }
    }
    best
}

/// Messages that follow one with nothing but fixed waits between them, and after how long.
pub(super) fn followers(code: &[Instruction], from: usize) -> Vec<(usize, i64)> {
    let mut found: Vec<(usize, i64)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut open: Vec<(usize, i64)> = ways(code, from).into_iter().map(|(_, to)| (to, 0)).collect();
    while let Some((at, time)) = open.pop() {
        if seen.len() == MAX_STATES || at >= code.len() || !seen.insert((at, time)) {
            continue;
        }
        if message(&code[at].op).is_some() {
            found.push((at, time));
            continue;
        }
        for (way, to) in ways(code, at) {
            match (&code[at].op, way) {
                (Op::Wait { duration }, _) => {
                    open.push((to, time.saturating_add(duration.usual())))
                }
                (Op::WaitFor(wait), Way::TimeUp) => {
                    open.push((to, time.saturating_add(wait.up_to.usual())));
                }
                (Op::WaitFor(_) | Op::WaitUntil(_) | Op::Run(_), _) => {}
                // The second turn would find the first one's steps again, later.
                (Op::Jump { .. }, _) if to <= at => {}
                _ => open.push((to, time)),
            }
        }
    }
    found.sort_unstable();
    found
}

/// The message to the customer that an instruction sends.
pub(super) fn message(op: &Op) -> Option<&Delivery> {
    let delivery = match op {
        Op::Send { delivery, .. } => Some(delivery),
        Op::Issue(issue) => issue.then_send.as_ref(),
        _ => None,
    };
    delivery.filter(|delivery| delivery.to == Addressee::Customer)
}

/// Whether time passes at a step.
pub(super) fn waits(op: &Op) -> bool {
    matches!(op, Op::Wait { .. } | Op::WaitUntil(_) | Op::WaitFor(_))
}
