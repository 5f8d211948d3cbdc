//! Which instruction may follow which, and the nested steps that the flat list came from.

use crate::program::{Instruction, Op};

/// One way out of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// The only one.
    On,
    /// A condition holds.
    Yes,
    /// It does not.
    No,
    /// An event of a wait comes, counted from 0.
    Event(usize),
    /// The time is up.
    TimeUp,
    /// A case of a switch, counted from 0.
    Case(usize),
    /// No case holds.
    Otherwise,
    /// An arm of a split, counted from 0.
    Arm(usize),
    /// Another turn of a repeat.
    Turn,
    /// No further turn.
    Done,
}

/// All ways out of the instruction at `at`, and where each leads.
pub(crate) fn ways(code: &[Instruction], at: usize) -> Vec<(Way, usize)> {
    let Some(instruction) = code.get(at) else { return Vec::new() };
    let numbered = |targets: &mut dyn Iterator<Item = u32>, way: fn(usize) -> Way| {
        targets.enumerate().map(|(index, to)| (way(index), to as usize)).collect::<Vec<_>>()
    };
    let and = |mut ways: Vec<(Way, usize)>, way: Way, to: u32| {
        ways.push((way, to as usize));
        ways
    };
    match &instruction.op {
        Op::Exit { .. } => Vec::new(),
        Op::Jump { to } => vec![(Way::On, *to as usize)],
        Op::If { otherwise, .. } => vec![(Way::Yes, at + 1), (Way::No, *otherwise as usize)],
        Op::WaitFor(wait) => {
            let events = numbered(&mut wait.events.iter().map(|one| one.to), Way::Event);
            and(events, Way::TimeUp, wait.otherwise)
        }
        Op::Switch { cases, otherwise } => {
            let cases = numbered(&mut cases.iter().map(|one| one.to), Way::Case);
            and(cases, Way::Otherwise, *otherwise)
        }
        Op::Split(split) => numbered(&mut split.arms.iter().map(|one| one.to), Way::Arm),
        Op::Repeat(repeat) => vec![(Way::Turn, at + 1), (Way::Done, repeat.otherwise as usize)],
        Op::Wait { .. }
        | Op::WaitUntil(_)
        | Op::Issue(_)
        | Op::Send { .. }
        | Op::Run(_)
        | Op::Set(_)
        | Op::Assign(_) => vec![(Way::On, at + 1)],
    }
}

/// The same with jumps followed to where they lead.
pub(crate) fn steps_after(code: &[Instruction], at: usize) -> Vec<(Way, usize)> {
    ways(code, at).into_iter().map(|(way, to)| (way, landing(code, to))).collect()
}

/// Where one gets who comes to an instruction: to itself, or where its jump leads.
pub(crate) fn landing(code: &[Instruction], mut at: usize) -> usize {
    while let Some(Instruction { op: Op::Jump { to }, .. }) = code.get(at) {
        at = *to as usize;
    }
    at
}

/// Whether anybody can get to an instruction, for each of them and the end.
pub(crate) fn reachable(code: &[Instruction]) -> Vec<bool> {
    let mut reached = vec![false; code.len() + 1];
    let mut next = vec![0];
    while let Some(at) = next.pop() {
        if !std::mem::replace(&mut reached[at], true) {
            next.extend(ways(code, at).into_iter().map(|(_, to)| to));
        }
    }
    reached
}

/// A step with the steps within it.
#[derive(Debug)]
pub(crate) enum Item {
    Step(usize),
    /// A step whose ways lead apart and come together behind it.
    Fork {
        at: usize,
        branches: Vec<Branch>,
    },
    /// A step that repeats others.
    Loop {
        at: usize,
        body: Vec<Item>,
    },
}

/// Steps that one or several ways lead to; none if these lead on behind the fork.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) ways: Vec<Way>,
    pub(crate) items: Vec<Item>,
}

/// The nested steps.
pub(crate) fn nested(code: &[Instruction]) -> Vec<Item> {
    items(code, 0, code.len())
}

fn items(code: &[Instruction], from: usize, to: usize) -> Vec<Item> {
    let mut all = Vec::new();
    let mut at = from;
    while at < to {
        let (item, next) = item(code, at);
        all.extend(item);
        at = next;
    }
    all
}

/// The item that starts here, and where the next one does.
fn item(code: &[Instruction], at: usize) -> (Option<Item>, usize) {
    match &code[at].op {
        // The end of a branch or of a turn.
        Op::Jump { .. } => (None, at + 1),
        Op::Repeat(repeat) => {
            let end = repeat.otherwise as usize;
            (Some(Item::Loop { at, body: items(code, at + 1, end) }), end)
        }
        Op::If { .. } | Op::Switch { .. } | Op::Split(_) | Op::WaitFor(_) => fork(code, at),
        _ => (Some(Item::Step(at)), at + 1),
    }
}

fn fork(code: &[Instruction], at: usize) -> (Option<Item>, usize) {
    let mut starts: Vec<usize> = ways(code, at).into_iter().map(|(_, to)| to).collect();
    starts.sort_unstable();
    starts.dedup();
    let last = starts.last().copied().unwrap_or(at + 1);
    // All branches but the last end with a jump to where they come together.
    let jump = starts.iter().skip(1).find_map(|start| match &code[start - 1] {
        Instruction { step, op: Op::Jump { to } } if *step == code[at].step => Some(*to as usize),
        _ => None,
    });
    let end = jump.unwrap_or(last);
    let mut branches: Vec<Branch> = Vec::new();
    for (way, to) in ways(code, at) {
        let next = starts.iter().copied().find(|start| *start > to).unwrap_or(end).min(end);
        let items = if to < end { items(code, to, next) } else { Vec::new() };
        // Only ways around all branches lead to the same place.
        match branches.iter_mut().find(|branch| branch.items.is_empty() && items.is_empty()) {
            Some(branch) => branch.ways.push(way),
            None => branches.push(Branch { ways: vec![way], items }),
        }
    }
    (Some(Item::Fork { at, branches }), end)
}
