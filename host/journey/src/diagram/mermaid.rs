//! Mermaid flowcharts.

use std::fmt::Write as _;

use super::{Diagram, Node, NodeKind, text};

/// Widest line of a label, in hundredths of its font's size.
const LINE: u32 = 2400;

/// Most lines that one text of a label becomes.
const LINES: usize = 6;

const CLASSES: [(NodeKind, &str); 6] = [
    (NodeKind::Entry, "fill:#dcfce7,stroke:#16a34a,color:#14532d"),
    (NodeKind::Wait, "fill:#fef9c3,stroke:#ca8a04,color:#713f12"),
    (NodeKind::Branch, "fill:#ede9fe,stroke:#7c3aed,color:#4c1d95"),
    (NodeKind::Action, "fill:#dbeafe,stroke:#2563eb,color:#1e3a8a"),
    (NodeKind::End, "fill:#e5e7eb,stroke:#6b7280,color:#1f2937"),
    (NodeKind::Rule, "fill:#fff7ed,stroke:#ea580c,color:#7c2d12,stroke-dasharray:4 3"),
];

pub(super) fn write(diagram: &Diagram) -> String {
    let mut out = String::new();
    // A JSON string is one of YAML, which is what stands between the dashes.
    let title = serde_json::Value::from(text::shown(&diagram.title)).to_string();
    let _ = writeln!(out, "---\ntitle: {}\n---\nflowchart TD", title.replace('%', "\\u0025"));
    for (number, node) in diagram.nodes.iter().enumerate() {
        let (open, close) = match node.kind {
            NodeKind::Entry | NodeKind::End => ("([", "])"),
            NodeKind::Branch => ("{{", "}}"),
            NodeKind::Wait | NodeKind::Action | NodeKind::Rule => ("[", "]"),
        };
        let _ = writeln!(out, "  n{number}{open}\"{}\"{close}:::k_{}", label(node), node.kind);
    }
    for edge in &diagram.edges {
        let _ = match edge.label.as_str() {
            "" => writeln!(out, "  n{} --> n{}", edge.from, edge.to),
            label => writeln!(out, "  n{} -->|\"{}\"| n{}", edge.from, lines(label), edge.to),
        };
    }
    if !diagram.rules.is_empty() {
        out.push_str("  subgraph rules [\"at every step\"]\n");
        for (number, node) in diagram.rules.iter().enumerate() {
            let _ = writeln!(out, "    r{number}[\"{}\"]:::k_{}", label(node), node.kind);
        }
        out.push_str("  end\n");
    }
    for (kind, style) in CLASSES {
        let used = diagram.nodes.iter().chain(&diagram.rules).any(|node| node.kind == kind);
        if used {
            let _ = writeln!(out, "  classDef k_{kind} {style}");
        }
    }
    out
}

fn label(node: &Node) -> String {
    node.label.iter().map(|line| lines(line)).collect::<Vec<_>>().join("<br/>")
}

fn lines(label: &str) -> String {
    let lines = text::lines(label, LINE, LINES);
    lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br/>")
}

/// Whatever is neither a letter nor a digit nor plain punctuation is written as a number: quotes would end the label,
/// `%%` begins a directive, a back quote turns on Markdown, and the rest is HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii() || c.is_ascii_alphanumeric() || " .,:?'!=+/()_-".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
