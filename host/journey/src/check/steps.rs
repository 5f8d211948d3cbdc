//! Reading steps and flattening them into instructions.

use std::collections::BTreeSet;

use super::fields::Fields;
use super::node::{Kind, Node};
use super::reader::Reader;
use super::scalars::OUTCOME;
use super::templates::TemplateReader;
use crate::nearest::{did_you_mean, one_of};
use crate::program::{Instruction, Op};

/// Most steps of a journey.
const MAX_STEPS: usize = 1000;

/// Kinds of steps, and what may stand beside them.
pub(super) const KINDS: [(&str, &[&str]); 14] = [
    ("wait", &["wait"]),
    ("wait_until", &["wait_until"]),
    ("wait_for", &["wait_for", "as", "then", "else"]),
    ("if", &["if", "then", "else"]),
    ("switch", &["switch", "else"]),
    ("split", &["split", "arms", "winner"]),
    ("repeat", &["repeat", "steps"]),
    ("issue", &["issue", "as", "then_send"]),
    ("send", &["send", "as"]),
    ("publish", &["publish", "as"]),
    ("run", &["run", "use", "with", "otherwise"]),
    ("set", &["set"]),
    ("assign", &["assign", "as"]),
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
pub(super) enum Flow {
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
    pub(super) fn list(&mut self, reader: &mut Reader<'_>, node: &Node) -> Flow {
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
        reader.mark(node.mark);
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
            "wait_until" => self.wait_until(reader, &fields),
            "wait_for" => return self.wait_for(reader, &fields),
            "if" => return self.branch(reader, &fields),
            "switch" => return self.switch(reader, &fields),
            "split" => return self.split(reader, &fields),
            "repeat" => return self.repeat(reader, &fields),
            "issue" => self.issue(reader, &fields),
            "send" => self.send(reader, &fields),
            "publish" => self.publish(reader, &fields),
            "assign" => self.assign(reader, &fields),
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
        let duration =
            reader.required(fields, "wait", |reader, node| reader.span(node, "how long to wait"));
        if let Some(duration) = duration {
            self.push(reader, Op::Wait { duration });
        }
    }

    fn wait_until(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        if let Some(until) = reader.required(fields, "wait_until", super::times::wait_until) {
            self.push(reader, Op::WaitUntil(until));
        }
    }

    /// Appends an instruction for the step being read, and tells where it is.
    pub(super) fn push(&mut self, reader: &Reader<'_>, op: Op) -> usize {
        self.steps.code.push(Instruction { step: reader.path().to_owned(), op });
        self.steps.code.len() - 1
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
