//! SVG, light or dark as its reader prefers, without anything that a browser would run or load.

use std::fmt::Write as _;

use super::layout::{
    FONT, LINE, Label, Layout, Line, Placed, Point, SMALL, SMALL_LINE, TITLE, lay_out,
};
use super::{Diagram, Node, NodeKind, text};

const STYLE: &str = "
.page { fill: #ffffff }
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', Arial, sans-serif; fill: #111827 }
.title { font-weight: 600 }
.heading, .label { fill: #4b5563 }
.line { fill: none; stroke: #6b7280; stroke-width: 1.5 }
.tip { fill: #6b7280 }
.entry .box { fill: #ecfdf3; stroke: #16a34a }
.wait .box { fill: #fefce8; stroke: #ca8a04 }
.branch .box { fill: #f5f3ff; stroke: #7c3aed }
.action .box { fill: #eff6ff; stroke: #2563eb }
.end .box { fill: #f3f4f6; stroke: #6b7280 }
.rule .box { fill: #fff7ed; stroke: #ea580c; stroke-dasharray: 5 4 }
.box { stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
.page { fill: #0f172a }
text { fill: #f1f5f9 }
.heading, .label { fill: #cbd5e1 }
.line { stroke: #94a3b8 }
.tip { fill: #94a3b8 }
.entry .box { fill: #052e16; stroke: #4ade80 }
.wait .box { fill: #3a2c06; stroke: #facc15 }
.branch .box { fill: #2e1065; stroke: #a78bfa }
.action .box { fill: #172554; stroke: #60a5fa }
.end .box { fill: #1f2937; stroke: #9ca3af }
.rule .box { fill: #431407; stroke: #fb923c }
}
";

/// Radius of the bends of lines.
const BEND: i32 = 8;

pub(super) fn write(diagram: &Diagram) -> String {
    let layout = lay_out(diagram);
    let Layout { width, height, .. } = layout;
    let title = escape(&text::shown(&diagram.title));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<defs><marker id=\"tip\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path class=\"tip\" d=\"M0 1 L9 5 L0 9 Z\"/></marker></defs>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (number, line) in layout.title.iter().enumerate() {
        let y = 42 + 24 * i32::try_from(number).unwrap_or(0);
        let _ = writeln!(
            out,
            "<text class=\"title\" x=\"24\" y=\"{y}\" font-size=\"{TITLE}\">{}</text>",
            escape(line)
        );
    }
    for line in &layout.lines {
        edge(&mut out, line);
    }
    for line in &layout.lines {
        if let Some(label) = &line.label {
            edge_label(&mut out, label);
        }
    }
    for (number, (node, placed)) in diagram.nodes.iter().zip(&layout.boxes).enumerate() {
        draw(&mut out, &format!("n{number}"), node, placed);
    }
    if !diagram.rules.is_empty() {
        let Point { x, y } = layout.heading;
        let _ = writeln!(
            out,
            "<text class=\"heading\" x=\"{x}\" y=\"{}\" font-size=\"{SMALL}\">at every step</text>",
            y + 14
        );
    }
    for (number, (node, placed)) in diagram.rules.iter().zip(&layout.rules).enumerate() {
        draw(&mut out, &format!("r{number}"), node, placed);
    }
    out.push_str("</svg>\n");
    out
}

fn edge(out: &mut String, line: &Line) {
    let Line { from, to, .. } = line;
    let path = rounded(&line.points);
    let _ = writeln!(
        out,
        "<path class=\"line\" data-from=\"n{from}\" data-to=\"n{to}\" d=\"{path}\" marker-end=\"url(#tip)\"/>"
    );
}

/// A path along the points, with its corners rounded.
fn rounded(points: &[Point]) -> String {
    let mut corners: Vec<Point> = Vec::new();
    for point in points {
        if corners.last() == Some(point) {
            continue;
        }
        if let [.., before, last] = corners.as_slice()
            && (before.x == last.x && last.x == point.x || before.y == last.y && last.y == point.y)
        {
            corners.pop();
        }
        corners.push(*point);
    }
    let mut path = String::new();
    for (index, corner) in corners.iter().enumerate() {
        let (before, after) =
            (index.checked_sub(1).and_then(|at| corners.get(at)), corners.get(index + 1));
        let _ = match (before, after) {
            (None, _) => write!(path, "M{} {}", corner.x, corner.y),
            (Some(before), Some(after)) => {
                let (from, to) = (towards(*corner, *before), towards(*corner, *after));
                write!(path, " L{} {} Q{} {} {} {}", from.x, from.y, corner.x, corner.y, to.x, to.y)
            }
            (Some(_), None) => write!(path, " L{} {}", corner.x, corner.y),
        };
    }
    path
}

/// A little away from a corner, at most half the way.
fn towards(corner: Point, other: Point) -> Point {
    let step = |from: i32, to: i32| {
        let way = to - from;
        from + way.signum() * BEND.min(way.abs() / 2)
    };
    Point { x: step(corner.x, other.x), y: step(corner.y, other.y) }
}

fn edge_label(out: &mut String, label: &Label) {
    let Label { top, width, lines } = label;
    let height = SMALL_LINE * i32::try_from(lines.len()).unwrap_or(0);
    let _ = writeln!(
        out,
        "<rect class=\"page\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{height}\"/>",
        top.x - width / 2,
        top.y
    );
    for (number, line) in lines.iter().enumerate() {
        let y = top.y + 12 + SMALL_LINE * i32::try_from(number).unwrap_or(0);
        let _ = writeln!(
            out,
            "<text class=\"label\" x=\"{}\" y=\"{y}\" font-size=\"{SMALL}\" text-anchor=\"middle\">{}</text>",
            top.x,
            escape(line)
        );
    }
}

fn draw(out: &mut String, id: &str, node: &Node, placed: &Placed) {
    let Placed { x, y, width, height, lines } = placed;
    let label: Vec<String> = node.label.iter().map(|line| text::shown(line)).collect();
    let tip = escape(&format!("{}: {}", text::shown(&node.path), label.join("; ")));
    let _ = writeln!(out, "<g class=\"{}\" data-node=\"{id}\"><title>{tip}</title>", node.kind);
    let _ = match node.kind {
        NodeKind::Branch => {
            let (left, right, middle, bottom) =
                (x + 10, x + width - 10, y + height / 2, y + height);
            writeln!(
                out,
                "<path class=\"box\" d=\"M{left} {y} L{right} {y} L{} {middle} L{right} {bottom} L{left} {bottom} L{x} {middle} Z\"/>",
                x + width
            )
        }
        kind => {
            let round = match kind {
                NodeKind::Entry | NodeKind::End => 20.min(height / 2),
                _ => 6,
            };
            writeln!(
                out,
                "<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>"
            )
        }
    };
    for (number, line) in lines.iter().enumerate() {
        let baseline = y + 25 + LINE * i32::try_from(number).unwrap_or(0);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{baseline}\" font-size=\"{FONT}\" text-anchor=\"middle\">{}</text>",
            x + width / 2,
            escape(line)
        );
    }
    out.push_str("</g>\n");
}

/// For texts and attributes in either quotes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
