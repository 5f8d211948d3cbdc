//! Reading steps and flattening them into instructions.

use std::collections::BTreeSet;

use super::expressions::Place;
use super::fields::Fields;
use super::node::{Kind, Node};
use super::reader::Reader;
use super::scalars::{EVENT, OUTCOME};
use super::templates::TemplateReader;
use crate::nearest::{did_you_mean, one_of};
use crate::program::{Instruction, Op, WaitFor};

/// Most steps of a journey.
const MAX_STEPS: usize = 1000;

/// Kinds of steps, and what may stand beside them.
const KINDS: [(&str, &[&str]); 8] = [
    ("wait", &["wait"]),
    ("wait_for", &["wait_for", "then", "else"]),
    ("if", &["if", "then", "else"]),
    ("issue", &["issue", "as", "then_send"]),
    ("send", &["send", "as"]),
    ("run", &["run", "use", "with", "otherwise"]),
    ("set", &["set"]),
    ("exit", &["exit"]),
];

/// Steps as instructions.
pub(super) struct Steps {
    pub(super) code: Vec<Instruction>,
    pub(super) connections: BTreeSet<String>,
    /// Templates that they send.
    pub(super) templates: BTreeSet<String>,
}

/// Whether the step after can be reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continues,
    Ends,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    templates: &mut TemplateReader,
    node: &Node,
) -> Option<Steps> {
    let steps =
        Steps { code: Vec::new(), connections: BTreeSet::new(), templates: BTreeSet::new() };
    let mut compiler = Compiler { steps, templates, count: 0 };
    compiler.list(reader, node);
    if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
        reader.error(node.mark, "a journey needs at least one step".to_owned());
    }
    if compiler.count > MAX_STEPS {
        reader
            .error(node.mark, format!("there are more than {MAX_STEPS} steps; split the journey"));
    }
    Some(compiler.steps)
}

/// Reads steps one after the other and appends what they come to.
pub(super) struct Compiler<'t> {
    pub(super) steps: Steps,
    pub(super) templates: &'t mut TemplateReader,
    count: usize,
}

impl Compiler<'_> {
    fn list(&mut self, reader: &mut Reader<'_>, node: &Node) -> Flow {
        let Kind::List(items) = &node.kind else {
            reader.error(node.mark, format!("steps must be a list, not {}", node.kind.name()));
            return Flow::Continues;
        };
        let mut flow = Flow::Continues;
        let mut told = false;
        reader.each(items, |reader, node| {
            if flow == Flow::Ends && !told {
                told = true;
                reader.warning(
                    node.mark,
                    "nobody gets here: the step before always ends the journey".to_owned(),
                );
            }
            if self.step(reader, node) == Flow::Ends {
                flow = Flow::Ends;
            }
        });
        flow
    }

    fn step(&mut self, reader: &mut Reader<'_>, node: &Node) -> Flow {
        self.count += 1;
        let Some(entries) = reader.entries(node, "a step") else { return Flow::Continues };
        let kinds =
            KINDS.iter().filter(|(kind, _)| entries.iter().any(|(key, _)| key.name == *kind));
        let kinds: Vec<_> = kinds.collect();
        let (kind, keys) = match kinds.as_slice() {
            [(kind, keys)] => (*kind, *keys),
            [] => {
                self.unknown_kind(reader, node);
                return Flow::Continues;
            }
            [(one, _), (other, _), ..] => {
                let message = format!("a step is one thing: `{one}` and `{other}` make two steps");
                reader.error(node.mark, message);
                return Flow::Continues;
            }
        };
        let Some(fields) = reader.fields(node, "a step", keys) else { return Flow::Continues };
        match kind {
            "wait" => self.wait(reader, &fields),
            "wait_for" => return self.wait_for(reader, &fields),
            "if" => return self.branch(reader, &fields),
            "issue" => self.issue(reader, &fields),
            "send" => self.send(reader, &fields),
            "run" => self.run(reader, &fields),
            "set" => self.set(reader, &fields),
            _ => return self.exit(reader, &fields),
        }
        Flow::Continues
    }

    fn unknown_kind(&mut self, reader: &mut Reader<'_>, node: &Node) {
        let kinds = KINDS.map(|(kind, _)| kind);
        let Kind::Map(entries) = &node.kind else { return };
        let Some((key, _)) = entries.first() else {
            reader.error(node.mark, format!("the step is empty; {}", one_of(&kinds)));
            return;
        };
        let guess =
            did_you_mean(&key.name, kinds).map_or_else(String::new, |guess| format!("{guess} "));
        reader.error(key.mark, format!("unknown step `{}`; {guess}{}", key.name, one_of(&kinds)));
    }

    fn wait(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        let duration = reader
            .required(fields, "wait", |reader, node| reader.duration(node, "how long to wait"));
        if let Some(duration) = duration {
            self.push(reader, Op::Wait { duration });
        }
    }

    fn wait_for(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        let wait = reader.required(fields, "wait_for", |reader, node| {
            let fields = reader.fields(node, "what to wait for", &["event", "when", "up_to"])?;
            let event = reader.required(&fields, "event", |reader, node| reader.name(node, &EVENT));
            let when = reader
                .optional(&fields, "when", |reader, node| reader.expression(node, Place::Rule));
            let up_to = reader.required(&fields, "up_to", |reader, node| {
                reader.duration(node, "how long to wait")
            });
            Some(WaitFor { event: event?, when, up_to: up_to?, otherwise: 0 })
        });
        let at = wait.map(|wait| self.push(reader, Op::WaitFor(wait)));
        self.branches(reader, fields, at)
    }

    fn branch(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        let condition =
            reader.required(fields, "if", |reader, node| reader.expression(node, Place::Step));
        let at = condition.map(|condition| self.push(reader, Op::If { condition, otherwise: 0 }));
        if fields.get("then").is_none() {
            reader.error(
                fields.mark,
                "`then` is missing: what to do if the condition holds".to_owned(),
            );
        }
        self.branches(reader, fields, at)
    }

    /// Reads `then` and `else` after the instruction that decides between them.
    fn branches(
        &mut self,
        reader: &mut Reader<'_>,
        fields: &Fields<'_>,
        at: Option<usize>,
    ) -> Flow {
        let then = self.arm(reader, fields, "then");
        let around = fields.get("else").map(|_| self.push(reader, Op::Jump { to: 0 }));
        self.point(at, self.steps.code.len());
        let otherwise = self.arm(reader, fields, "else");
        self.point(around, self.steps.code.len());
        if then == Flow::Ends && otherwise == Flow::Ends { Flow::Ends } else { Flow::Continues }
    }

    fn arm(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str) -> Flow {
        let flow = reader.optional(fields, key, |reader, node| Some(self.list(reader, node)));
        flow.unwrap_or(Flow::Continues)
    }

    /// Appends an instruction for the step being read, and tells where it is.
    pub(super) fn push(&mut self, reader: &Reader<'_>, op: Op) -> usize {
        self.steps.code.push(Instruction { step: reader.path().to_owned(), op });
        self.steps.code.len() - 1
    }

    fn point(&mut self, at: Option<usize>, target: usize) {
        let Some(instruction) = at.and_then(|at| self.steps.code.get_mut(at)) else { return };
        // A file has far fewer than 2^32 steps.
        let target = u32::try_from(target).unwrap_or(u32::MAX);
        match &mut instruction.op {
            Op::WaitFor(wait) => wait.otherwise = target,
            Op::If { otherwise, .. } => *otherwise = target,
            Op::Jump { to } => *to = target,
            Op::Wait { .. }
            | Op::Issue(_)
            | Op::Send { .. }
            | Op::Run(_)
            | Op::Set(_)
            | Op::Exit { .. } => {}
        }
    }

    fn exit(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) -> Flow {
        if let Some(outcome) =
            reader.required(fields, "exit", |reader, node| reader.name(node, &OUTCOME))
        {
            self.push(reader, Op::Exit { outcome });
        }
        Flow::Ends
    }
}
