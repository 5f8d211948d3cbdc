//! A journey as a picture: what enrolls customers, what is done, where ways part, and how they end.
//!
//! - `words`: every step told in plain words.
//! - `text`: how wide a text is, where its lines break, and which of its characters are not shown.
//! - `layout`: where boxes and lines are. Branches stand side by side below the step that they part at, a repeat's way
//!   back runs at its side; so no line crosses a box.
//! - `svg`, `mermaid`: what is written. Journeys' texts are not trusted: every character that could mean something is
//!   escaped.

use std::fmt;

use crate::flow::{Way, landing, steps_after};
use crate::program::{Op, Program};

mod layout;
mod mermaid;
mod svg;
mod text;
mod words;

/// A journey as nodes and edges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagram {
    /// The journey's title.
    pub title: String,
    /// The entry first, then the steps that somebody can get to in the order of the file, then the end if anybody does.
    pub nodes: Vec<Node>,
    /// Which node leads to which, in the order of the nodes that they leave.
    pub edges: Vec<Arrow>,
    /// What holds at every step: exit rules, the goal, the window and limits.
    pub rules: Vec<Node>,
    /// How the steps nest.
    pub(crate) shape: Vec<Shape>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands in the file, such as `steps[2].then[0]`; `end` for the end.
    pub path: String,
    /// What it is.
    pub kind: NodeKind,
    /// What it does, in plain words; each a line or more.
    pub label: Vec<String>,
}

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// Where customers enter.
    Entry,
    /// Time passes, or something is waited for.
    Wait,
    /// Ways part.
    Branch,
    /// Something is done.
    Action,
    /// The journey is over.
    End,
    /// Holds at every step.
    Rule,
}

impl NodeKind {
    /// A word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Wait => "wait",
            Self::Branch => "branch",
            Self::Action => "action",
            Self::End => "end",
            Self::Rule => "rule",
        }
    }
}

/// A way from one node to another, by their places in the list of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// Where it leaves.
    pub from: usize,
    /// Where it leads.
    pub to: usize,
    /// When it is taken; empty if always.
    pub label: String,
}

/// How nodes nest, by their places in the list of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Single(usize),
    Fork { at: usize, branches: Vec<Side> },
    Loop { at: usize, body: Vec<Shape>, again: String, done: String },
}

/// One branch of a fork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) label: String,
    pub(crate) steps: Vec<Shape>,
}

impl Program {
    /// The journey as a picture.
    #[must_use]
    pub fn diagram(&self) -> Diagram {
        let entry = Node {
            path: "entry".to_owned(),
            kind: NodeKind::Entry,
            label: words::entry(&self.entry),
        };
        let mut nodes = vec![entry];
        let mut place = vec![0; self.code.len() + 1];
        let shown = self.shown();
        for (at, instruction) in self.code.iter().enumerate().filter(|(at, _)| shown[*at]) {
            place[at] = nodes.len();
            let (kind, label) = words::step(self, &instruction.op);
            nodes.push(Node { path: instruction.step.clone(), kind, label });
        }
        let end = nodes.len();
        place[self.code.len()] = end;
        let mut edges =
            vec![Arrow { from: 0, to: place[landing(&self.code, 0)], label: String::new() }];
        for at in (0..self.code.len()).filter(|at| shown[*at]) {
            edges.extend(self.edges_of(at, &place));
        }
        if edges.iter().any(|edge| edge.to == end) {
            let label = vec!["finished".to_owned()];
            nodes.push(Node { path: "end".to_owned(), kind: NodeKind::End, label });
        }
        let shape = self.shape(&crate::flow::nested(&self.code), &place);
        Diagram { title: self.title.clone(), nodes, edges, rules: words::rules(self), shape }
    }

    /// Which instructions are steps that somebody can get to; jumps are no steps of the file.
    fn shown(&self) -> Vec<bool> {
        let mut shown = crate::flow::reachable(&self.code);
        for (at, instruction) in self.code.iter().enumerate() {
            shown[at] &= !matches!(instruction.op, Op::Jump { .. });
        }
        shown
    }

    /// Ways that lead to the same place are one edge.
    fn edges_of(&self, at: usize, place: &[usize]) -> Vec<Arrow> {
        let mut edges: Vec<(Vec<Way>, usize)> = Vec::new();
        for (way, to) in steps_after(&self.code, at) {
            match edges.iter_mut().find(|(_, known)| *known == place[to]) {
                Some((ways, _)) => ways.push(way),
                None => edges.push((vec![way], place[to])),
            }
        }
        let op = &self.code[at].op;
        let edges = edges.into_iter().map(|(ways, to)| Arrow {
            from: place[at],
            to,
            label: words::ways(op, &ways),
        });
        edges.collect()
    }

    fn shape(&self, items: &[crate::flow::Item], place: &[usize]) -> Vec<Shape> {
        use crate::flow::Item;
        // What nobody gets to has no place.
        let shown = items.iter().filter(|item| {
            let (Item::Step(at) | Item::Fork { at, .. } | Item::Loop { at, .. }) = item;
            place[*at] > 0
        });
        let shapes = shown.map(|item| match item {
            Item::Step(at) => Shape::Single(place[*at]),
            Item::Loop { at, body } => Shape::Loop {
                at: place[*at],
                body: self.shape(body, place),
                again: words::ways(&self.code[*at].op, &[Way::Turn]),
                done: words::ways(&self.code[*at].op, &[Way::Done]),
            },
            Item::Fork { at, branches } => {
                let sides = branches.iter().map(|branch| Side {
                    label: words::ways(&self.code[*at].op, &branch.ways),
                    steps: self.shape(&branch.items, place),
                });
                Shape::Fork { at: place[*at], branches: sides.collect() }
            }
        });
        shapes.collect()
    }
}

impl Diagram {
    /// As an SVG document, light or dark as its reader prefers.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }

    /// As a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::write(self)
    }
}

impl fmt::Display for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
