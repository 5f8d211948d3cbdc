//! Reading the steps that lead to other steps, and flattening them.

use super::expressions::Place;
use super::fields::Fields;
use super::node::{Kind, Mark, Node};
use super::reader::Reader;
use super::scalars::{ARM, EVENT};
use super::steps::{Compiler, Flow};
use crate::expression::ResultKind;
use crate::program::{Arm, Awaited, Case, Op, Repeat, Split, WaitFor, Winner};

/// Most branches of one step.
const MAX_BRANCHES: usize = 20;

/// Most turns of a `repeat`.
const MAX_TURNS: u32 = 100;

/// Largest weight of an arm.
const MAX_WEIGHT: u32 = 1000;

/// A list of steps that a step may lead to.
struct Branch<'n> {
    /// Path of the list below the step's.
    path: String,
    /// None if it leads to the step after.
    node: Option<&'n Node>,
    exit: Exit,
}

/// Which of an instruction's ways leads to a branch.
#[derive(Clone, Copy)]
enum Exit {
    /// Counted from 0.
    Numbered(usize),
    Otherwise,
}

impl Compiler<'_> {
    pub(super) fn wait_for(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        let mut branches = Vec::new();
        let wait = reader.required(fields, "wait_for", |reader, node| {
            let keys = ["event", "when", "any", "up_to"];
            let of_wait = reader.fields(node, "what to wait for", &keys)?;
            let up_to = reader
                .required(&of_wait, "up_to", |reader, node| reader.span(node, "how long to wait"));
            let events = match of_wait.get("any") {
                None => {
                    let then = fields.get("then");
                    branches.push(Branch {
                        path: "then".to_owned(),
                        node: then,
                        exit: Exit::Numbered(0),
                    });
                    vec![awaited(reader, &of_wait)?]
                }
                Some(any) => several(reader, fields, &of_wait, any, &mut branches)?,
            };
            Some(WaitFor { name: None, events, up_to: up_to?, otherwise: 0 })
        });
        let name = super::effects::step_name(reader, fields, "as", ResultKind::Event);
        let at = wait.map(|wait| self.push(reader, Op::WaitFor(WaitFor { name, ..wait })));
        branches.push(otherwise(fields));
        self.fork(reader, at, branches)
    }

    pub(super) fn branch(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        let condition =
            reader.required(fields, "if", |reader, node| reader.expression(node, Place::Step));
        let at = condition.map(|condition| self.push(reader, Op::If { condition, otherwise: 0 }));
        let then = fields.get("then");
        if then.is_none() {
            reader.error(
                fields.mark,
                "`then` is missing: what to do if the condition holds".to_owned(),
            );
        }
        let then = Branch { path: "then".to_owned(), node: then, exit: Exit::Numbered(0) };
        self.fork(reader, at, vec![then, otherwise(fields)])
    }

    pub(super) fn switch(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        let mut branches = Vec::new();
        let cases = reader.required(fields, "switch", |reader, node| {
            let items = reader.items(node, "the cases", MAX_BRANCHES)?;
            let cases = reader.each(items, |reader, node| {
                let keys = ["when", "then"];
                let case = reader.fields(node, "a case", &keys)?;
                let then = then(&case, "switch", branches.len());
                branches.push(then);
                let condition = reader
                    .required(&case, "when", |reader, node| reader.expression(node, Place::Step))?;
                Some(Case { condition, to: 0 })
            });
            cases.into_iter().collect::<Option<Vec<_>>>()
        });
        let at = cases.map(|cases| self.push(reader, Op::Switch { cases, otherwise: 0 }));
        branches.push(otherwise(fields));
        self.fork(reader, at, branches)
    }

    pub(super) fn split(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        let mut branches = Vec::new();
        let arms = reader.required(fields, "arms", |reader, node| {
            let items = reader.items(node, "the arms", MAX_BRANCHES)?;
            if items.len() == 1 {
                reader.error(node.mark, "a split needs at least two arms".to_owned());
            }
            let mut names: Vec<String> = Vec::new();
            let arms = reader.each(items, |reader, node| {
                let fields = reader.fields(node, "an arm", &["arm", "weight", "then"])?;
                let then = then(&fields, "arms", branches.len());
                branches.push(then);
                arm(reader, &fields, &mut names)
            });
            arms.into_iter().collect::<Option<Vec<_>>>()
        });
        let winners = [("automatic", Winner::Automatic), ("manual", Winner::Manual)];
        let winner = reader.optional(fields, "winner", |reader, node| {
            let winner = reader.choice(node, "way to find a winner", &winners)?;
            if winner == Winner::Automatic && !reader.has_goal {
                let message = "an automatic winner is the arm that reaches the goal most often, and the journey has no `goal`";
                reader.error(node.mark, message.to_owned());
            }
            Some(winner)
        });
        let name = super::effects::step_name(reader, fields, "split", ResultKind::Split);
        if fields.get("split").is_some_and(|node| matches!(node.kind, Kind::Map(_) | Kind::List(_)))
        {
            return Flow::Continues;
        }
        let split = name.zip(arms).map(|(name, arms)| Split {
            name,
            arms,
            winner: winner.unwrap_or_default(),
        });
        let at = split.map(|split| self.push(reader, Op::Split(split)));
        self.fork(reader, at, branches)
    }

    pub(super) fn repeat(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        let repeat = reader.required(fields, "repeat", |reader, node| {
            let fields = reader.fields(node, "how often to repeat", &["times", "while"])?;
            let times = reader.required(&fields, "times", |reader, node| {
                reader.number(node, "how often to repeat", 1, MAX_TURNS)
            });
            let condition = reader
                .optional(&fields, "while", |reader, node| reader.expression(node, Place::Step));
            Some(Repeat { times: times?, condition, otherwise: 0 })
        });
        let at = repeat.map(|repeat| self.push(reader, Op::Repeat(repeat)));
        let flow = reader.required(fields, "steps", |reader, node| {
            if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
                reader.error(node.mark, "there is nothing to repeat".to_owned());
            }
            Some(self.list(reader, node))
        });
        if flow == Some(Flow::Continues) {
            let back = at.and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
            self.push(reader, Op::Jump { to: back });
        }
        self.lead(at, Exit::Otherwise, self.steps.code.len());
        Flow::Continues
    }

    /// Reads the branches after the instruction that chooses between them. They follow each other, each but the last with
    /// a jump around the others.
    fn fork(
        &mut self,
        reader: &mut Reader<'_>,
        at: Option<usize>,
        branches: Vec<Branch<'_>>,
    ) -> Flow {
        let mut flow = if branches.is_empty() { Flow::Continues } else { Flow::Ends };
        let mut jumps = Vec::new();
        let mut missing = Vec::new();
        let last = branches.iter().rposition(|branch| branch.node.is_some());
        for (index, branch) in branches.into_iter().enumerate() {
            let Some(node) = branch.node else {
                flow = Flow::Continues;
                missing.push(branch.exit);
                continue;
            };
            self.lead(at, branch.exit, self.steps.code.len());
            let came = reader.within(&branch.path, |reader| self.list(reader, node));
            if came == Flow::Continues {
                flow = Flow::Continues;
            }
            if Some(index) != last {
                jumps.push(self.push(reader, Op::Jump { to: 0 }));
            }
        }
        let end = self.steps.code.len();
        for exit in missing {
            self.lead(at, exit, end);
        }
        for jump in jumps {
            self.lead(Some(jump), Exit::Otherwise, end);
        }
        flow
    }

    /// Says where one way out of an instruction leads.
    fn lead(&mut self, at: Option<usize>, exit: Exit, target: usize) {
        let Some(instruction) = at.and_then(|at| self.steps.code.get_mut(at)) else { return };
        // A file has far fewer than 2^32 steps.
        let target = u32::try_from(target).unwrap_or(u32::MAX);
        let place = match (&mut instruction.op, exit) {
            (Op::WaitFor(wait), Exit::Numbered(index)) => {
                wait.events.get_mut(index).map(|awaited| &mut awaited.to)
            }
            (Op::WaitFor(wait), Exit::Otherwise) => Some(&mut wait.otherwise),
            (Op::If { otherwise, .. } | Op::Switch { otherwise, .. }, Exit::Otherwise) => {
                Some(otherwise)
            }
            (Op::Switch { cases, .. }, Exit::Numbered(index)) => {
                cases.get_mut(index).map(|case| &mut case.to)
            }
            (Op::Split(split), Exit::Numbered(index)) => {
                split.arms.get_mut(index).map(|arm| &mut arm.to)
            }
            (Op::Repeat(repeat), Exit::Otherwise) => Some(&mut repeat.otherwise),
            (Op::Jump { to }, Exit::Otherwise) => Some(to),
            // The one way of an `if` that is numbered leads to the next instruction.
            _ => None,
        };
        if let Some(place) = place {
            *place = target;
        }
    }
}

fn awaited(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Awaited> {
    let event = reader.required(fields, "event", |reader, node| reader.name(node, &EVENT));
    let when = reader.optional(fields, "when", |reader, node| reader.expression(node, Place::Rule));
    Some(Awaited { event: event?, when, to: 0 })
}

/// Reads the events of which the first to come decides.
fn several<'n>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    of_wait: &Fields<'n>,
    any: &'n Node,
    branches: &mut Vec<Branch<'n>>,
) -> Option<Vec<Awaited>> {
    let misplaced = |reader: &mut Reader<'_>, mark: Mark, key: &str| {
        let message = format!("`{key}` belongs to each of the events in `any`");
        reader.error(mark, message);
    };
    for key in ["event", "when"] {
        if let Some(node) = of_wait.get(key) {
            misplaced(reader, node.mark, key);
        }
    }
    if let Some(node) = fields.get("then") {
        misplaced(reader, node.mark, "then");
    }
    reader.within("any", |reader| {
        let items = reader.items(any, "the events", MAX_BRANCHES)?;
        let events = reader.each(items, |reader, node| {
            let fields = reader.fields(node, "an event", &["event", "when", "then"])?;
            branches.push(then(&fields, "wait_for.any", branches.len()));
            awaited(reader, &fields)
        });
        events.into_iter().collect()
    })
}

/// The steps of one of several branches. Without any, the steps after follow.
fn then<'n>(fields: &Fields<'n>, list: &str, index: usize) -> Branch<'n> {
    Branch {
        path: format!("{list}[{index}].then"),
        node: fields.get("then"),
        exit: Exit::Numbered(index),
    }
}

fn otherwise<'n>(fields: &Fields<'n>) -> Branch<'n> {
    Branch { path: "else".to_owned(), node: fields.get("else"), exit: Exit::Otherwise }
}

fn arm(reader: &mut Reader<'_>, fields: &Fields<'_>, names: &mut Vec<String>) -> Option<Arm> {
    let name = reader.required(fields, "arm", |reader, node| {
        let name = reader.name(node, &ARM)?;
        if names.contains(&name) {
            reader.error(
                node.mark,
                format!("another arm is named `{name}`; give each a name of its own"),
            );
        }
        names.push(name.clone());
        Some(name)
    });
    let weight = reader.optional(fields, "weight", |reader, node| {
        reader.number(node, "the weight", 1, MAX_WEIGHT)
    });
    let weight = if fields.get("weight").is_some() { weight? } else { 1 };
    Some(Arm { name: name?, weight, to: 0 })
}
