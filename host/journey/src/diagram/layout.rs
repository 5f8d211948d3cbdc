//! Where boxes and lines are, in pixels.
//!
//! Every list of steps has an axis, on which its boxes are centred one below the other. A fork's branches are lists of
//! their own, side by side; where they come together again, their lines meet on the fork's axis. Lines run along axes and in the
//! gaps between boxes only.

use super::text::{lines, width};
use super::{Diagram, Node, NodeKind, Shape, Side};

pub(super) const FONT: u32 = 14;
pub(super) const SMALL: u32 = 12;
pub(super) const TITLE: u32 = 18;
pub(super) const LINE: i32 = 20;
pub(super) const SMALL_LINE: i32 = 16;

/// Widest text in hundredths of its font's size.
const WIDEST: u32 = 1900;
const WIDEST_LABEL: u32 = 1400;

/// Most lines of one text.
const MOST_LINES: usize = 4;
const MOST_LABEL_LINES: usize = 3;

const PADDING_X: i32 = 16;
const PADDING_Y: i32 = 10;

/// Between boxes one below the other.
const GAP: i32 = 36;
/// Between a box and the line that its branches leave from, and from where they meet to what follows.
const BUS: i32 = 16;
/// Above and below a line's label.
const LABEL_GAP: i32 = 10;
const ARROW: i32 = 22;
/// Between branches, and between a repeat's steps and the lines at their sides.
const APART: i32 = 28;
const MARGIN: i32 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i32,
    pub(super) y: i32,
}

/// A box with its text.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) lines: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Label {
    /// The middle of its top.
    pub(super) top: Point,
    pub(super) width: i32,
    pub(super) lines: Vec<String>,
}

/// An edge as drawn.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) points: Vec<Point>,
    pub(super) label: Option<Label>,
}

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) title: Vec<String>,
    /// One for each node of the diagram.
    pub(super) boxes: Vec<Placed>,
    pub(super) lines: Vec<Line>,
    /// Where the rules' heading begins.
    pub(super) heading: Point,
    /// One for each rule.
    pub(super) rules: Vec<Placed>,
}

/// What a list or a step takes up to the left and right of its axis.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    left: i32,
    right: i32,
    height: i32,
}

/// A line that has left a node and not arrived yet.
#[derive(Debug)]
struct Open {
    from: usize,
    points: Vec<Point>,
    label: Option<Label>,
}

pub(super) fn lay_out(diagram: &Diagram) -> Layout {
    let title = lines(&diagram.title, 4000, 2);
    let title_width = title.iter().map(|line| pixels(line, TITLE)).max().unwrap_or(0);
    let mut shapes = vec![Shape::Single(0)];
    shapes.extend(diagram.shape.iter().cloned());
    if diagram.nodes.last().is_some_and(|node| node.path == "end") {
        shapes.push(Shape::Single(diagram.nodes.len() - 1));
    }
    let boxes = diagram.nodes.iter().map(sized).collect();
    let ends = diagram.nodes.iter().map(|node| node.kind == NodeKind::End).collect();
    let mut plan = Plan { boxes, ends, lines: Vec::new() };
    let size = plan.size_of_list(&shapes);
    let top = MARGIN + i32::try_from(title.len()).unwrap_or(0) * 24 + 16;
    let open = plan.place_list(&shapes, Point { x: MARGIN + size.left, y: top }, Vec::new());
    debug_assert!(open.is_empty(), "every line arrives");

    let mut right = MARGIN + size.left + size.right;
    let mut bottom = top + size.height;
    let mut rules: Vec<Placed> = diagram.rules.iter().map(sized).collect();
    let heading = Point { x: right + 2 * APART, y: top };
    let mut y = top + 26;
    for rule in &mut rules {
        (rule.x, rule.y) = (heading.x, y);
        y += rule.height + 12;
        right = right.max(rule.x + rule.width);
        bottom = bottom.max(rule.y + rule.height);
    }
    Layout {
        width: right.max(MARGIN + title_width) + MARGIN,
        height: bottom + MARGIN,
        title,
        boxes: plan.boxes,
        lines: plan.lines,
        heading,
        rules,
    }
}

pub(super) fn pixels(text: &str, font: u32) -> i32 {
    i32::try_from((width(text) * font).div_ceil(100)).unwrap_or(i32::MAX)
}

fn sized(node: &Node) -> Placed {
    let lines: Vec<String> =
        node.label.iter().flat_map(|text| lines(text, WIDEST, MOST_LINES)).collect();
    let widest = lines.iter().map(|line| pixels(line, FONT)).max().unwrap_or(0);
    let height = i32::try_from(lines.len()).unwrap_or(0) * LINE + 2 * PADDING_Y;
    // Even, so that its middle is a whole pixel.
    let width = (widest + 2 * PADDING_X + 8).max(96).to_even();
    Placed { x: 0, y: 0, width, height, lines }
}

trait Even {
    fn to_even(self) -> Self;
}

impl Even for i32 {
    fn to_even(self) -> Self {
        self + (self & 1)
    }
}

struct Plan {
    boxes: Vec<Placed>,
    /// Whether nothing leaves a box.
    ends: Vec<bool>,
    lines: Vec<Line>,
}

/// What a fork's branches take up.
struct Columns {
    /// From the first axis to each.
    axes: Vec<i32>,
    /// Height of the highest label.
    labels: i32,
    left: i32,
    right: i32,
    height: i32,
}

impl Columns {
    /// From the first axis to the fork's own, which is in the middle.
    fn middle(&self) -> i32 {
        self.axes.last().copied().unwrap_or(0) / 2
    }
}

impl Plan {
    fn size_of_list(&self, shapes: &[Shape]) -> Size {
        let mut size = Size::default();
        for (index, shape) in shapes.iter().enumerate() {
            let one = self.size(shape);
            size.left = size.left.max(one.left);
            size.right = size.right.max(one.right);
            size.height += one.height + if index == 0 { 0 } else { GAP };
        }
        size
    }

    fn size(&self, shape: &Shape) -> Size {
        match shape {
            Shape::Single(at) => {
                let Placed { width, height, .. } = self.boxes[*at];
                Size { left: width / 2, right: width / 2, height }
            }
            Shape::Fork { at, branches } => {
                let Placed { width, height, .. } = self.boxes[*at];
                let columns = self.columns(branches);
                Size {
                    left: (columns.left + columns.middle()).max(width / 2),
                    right: (columns.right - columns.middle()).max(width / 2),
                    height: height + columns.height,
                }
            }
            Shape::Loop { at, body, again, done } => {
                let Placed { width, height, .. } = self.boxes[*at];
                let inner = self.size_of_list(body);
                let label = label(done).map_or(0, |(_, width)| width / 2);
                Size {
                    left: inner.left.max(width / 2) + APART,
                    right: inner.right.max(width / 2) + APART + label,
                    height: height + above(again) + inner.height + 2 * BUS,
                }
            }
        }
    }

    fn columns(&self, branches: &[Side]) -> Columns {
        let labels = branches.iter().map(|side| label_height(&side.label)).max().unwrap_or(0);
        let sizes: Vec<Size> = branches
            .iter()
            .map(|side| {
                let size = self.size_of_list(&side.steps);
                let label = label(&side.label).map_or(0, |(_, width)| width / 2 + 4);
                Size { left: size.left.max(label), right: size.right.max(label), ..size }
            })
            .collect();
        let mut axes = Vec::with_capacity(sizes.len());
        let mut edge = 0;
        for (index, size) in sizes.iter().enumerate() {
            let axis = if index == 0 { 0 } else { edge + APART + size.left };
            // Even, so that the middle of all is a whole pixel.
            let axis = axis.to_even();
            axes.push(axis);
            edge = axis + size.right;
        }
        let inner = sizes.iter().map(|size| size.height).max().unwrap_or(0);
        Columns {
            axes,
            labels,
            left: sizes.first().map_or(0, |size| size.left),
            right: edge,
            height: BUS + LABEL_GAP + labels + ARROW + inner + BUS,
        }
    }

    /// Places a list whose axis and top are given, and gives the lines that leave it at its end.
    fn place_list(&mut self, shapes: &[Shape], top: Point, mut open: Vec<Open>) -> Vec<Open> {
        let mut y = top.y;
        for shape in shapes {
            let height = self.size(shape).height;
            open = self.place(shape, Point { x: top.x, y }, open);
            y += height + GAP;
        }
        open
    }

    fn place(&mut self, shape: &Shape, top: Point, open: Vec<Open>) -> Vec<Open> {
        let (Shape::Single(at) | Shape::Fork { at, .. } | Shape::Loop { at, .. }) = shape;
        let own = &mut self.boxes[*at];
        (own.x, own.y) = (top.x - own.width / 2, top.y);
        let bottom = Point { x: top.x, y: top.y + own.height };
        for line in open {
            self.arrive(line, *at, &[top]);
        }
        match shape {
            Shape::Single(at) if self.ends[*at] => Vec::new(),
            Shape::Single(_) => vec![Open { from: *at, points: vec![bottom], label: None }],
            Shape::Fork { branches, .. } => self.place_branches(*at, branches, bottom),
            Shape::Loop { body, again, done, .. } => self.place_loop(*at, body, (again, done), top),
        }
    }

    fn arrive(&mut self, line: Open, to: usize, further: &[Point]) {
        let Open { from, mut points, label } = line;
        points.extend_from_slice(further);
        self.lines.push(Line { from, to, points, label });
    }

    fn place_branches(&mut self, at: usize, branches: &[Side], bottom: Point) -> Vec<Open> {
        let columns = self.columns(branches);
        let first = bottom.x - columns.middle();
        let bus = bottom.y + BUS;
        let below = bus + LABEL_GAP + columns.labels + ARROW;
        let meet = bottom.y + columns.height;
        let mut all = Vec::new();
        for (side, axis) in branches.iter().zip(&columns.axes) {
            let x = first + axis;
            let label = placed_label(&side.label, Point { x, y: bus + LABEL_GAP });
            let points = vec![bottom, Point { x: bottom.x, y: bus }, Point { x, y: bus }];
            let open = vec![Open { from: at, points, label }];
            for mut line in self.place_list(&side.steps, Point { x, y: below }, open) {
                line.points.extend([Point { x, y: meet }, Point { x: bottom.x, y: meet }]);
                all.push(line);
            }
        }
        all
    }

    fn place_loop(
        &mut self,
        at: usize,
        body: &[Shape],
        (again, done): (&str, &str),
        top: Point,
    ) -> Vec<Open> {
        let Placed { width, height, .. } = self.boxes[at];
        let x = top.x;
        let inner = self.size_of_list(body);
        let middle = top.y + height / 2;
        let below = top.y + height + above(again);
        let turn = below + inner.height + BUS;
        let (left, right) =
            (x - inner.left.max(width / 2) - APART, x + inner.right.max(width / 2) + APART);
        let bottom = Point { x, y: top.y + height };
        let label = placed_label(again, Point { x, y: bottom.y + LABEL_GAP });
        let open = vec![Open { from: at, points: vec![bottom], label }];
        for line in self.place_list(body, Point { x, y: below }, open) {
            let back = [
                Point { x, y: turn },
                Point { x: left, y: turn },
                Point { x: left, y: middle },
                Point { x: x - width / 2, y: middle },
            ];
            self.arrive(line, at, &back);
        }
        let label = placed_label(done, Point { x: right, y: middle + BUS });
        let meet = turn + BUS;
        let points = [(x + width / 2, middle), (right, middle), (right, meet), (x, meet)]
            .map(|(x, y)| Point { x, y });
        vec![Open { from: at, points: points.to_vec(), label }]
    }
}

/// A label's lines and width.
fn label(text: &str) -> Option<(Vec<String>, i32)> {
    let lines = lines(text, WIDEST_LABEL, MOST_LABEL_LINES);
    let width = lines.iter().map(|line| pixels(line, SMALL)).max()?;
    Some((lines, (width + 8).to_even()))
}

fn label_height(text: &str) -> i32 {
    label(text).map_or(0, |(lines, _)| i32::try_from(lines.len()).unwrap_or(0) * SMALL_LINE)
}

/// Between a repeat and its first step, with the label between them.
fn above(text: &str) -> i32 {
    LABEL_GAP + label_height(text) + ARROW
}

fn placed_label(text: &str, top: Point) -> Option<Label> {
    label(text).map(|(lines, width)| Label { top, width, lines })
}
