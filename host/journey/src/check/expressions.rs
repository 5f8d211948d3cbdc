//! Reading expressions.

use saphyr_parser::ScalarStyle;

use super::node::{Kind, Mark, Node, Scalar};
use super::reader::Reader;
use crate::expression::{Expression, Names};

/// Which variables are at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Where customers enter: the event, and nobody enrolled yet.
    Entry,
    /// A rule on an event of an enrolled customer.
    Rule,
    /// A step.
    Step,
    /// The workspace's policy: a customer, and nothing else.
    Policy,
}

impl Reader<'_> {
    /// A CEL expression.
    pub(super) fn expression(&mut self, node: &Node, place: Place) -> Option<Expression> {
        let scalar = match &node.kind {
            Kind::Scalar(scalar) if !scalar.text.trim().is_empty() => scalar,
            Kind::Scalar(_) => {
                self.error(node.mark, "the expression is missing".to_owned());
                return None;
            }
            Kind::List(_) | Kind::Map(_) => {
                let message =
                    format!("an expression must be a single text, not {}", node.kind.name());
                self.error(node.mark, message);
                return None;
            }
        };
        let names = Names {
            event: matches!(place, Place::Entry | Place::Rule),
            enrolled: matches!(place, Place::Rule | Place::Step),
            results: &self.results,
            segments: self.segments,
        };
        match Expression::parse(&scalar.text, self.path(), &names) {
            Ok((expression, reads)) => {
                self.reads_coupons |= reads.coupons;
                self.needs.add(&expression.needs());
                Some(expression)
            }
            Err(faults) => {
                for fault in faults {
                    let mark = self.mark_within(node.mark, scalar, fault.line, fault.column);
                    self.error(mark, fault.message);
                }
                None
            }
        }
    }

    /// The place in the file of a place in a scalar's text: exact where the text stands in the file as it is, which
    /// escapes and folding prevent; else the scalar's.
    pub(super) fn mark_within(
        &self,
        mark: Mark,
        scalar: &Scalar,
        line: usize,
        column: usize,
    ) -> Mark {
        let quote = match scalar.style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => 0,
        };
        // The mark of a block is where its first line starts, and each line of a literal block is one of its text.
        let Some(text) = scalar.text.lines().nth(line - 1) else { return mark };
        let at = Mark { line: mark.line + line - 1, column: mark.column + quote };
        let in_file = self.source.lines().nth(at.line - 1).unwrap_or_default();
        let start =
            in_file.char_indices().nth(at.column - 1).map_or(in_file.len(), |(start, _)| start);
        if in_file[start..].starts_with(text) {
            Mark { line: at.line, column: at.column + column - 1 }
        } else {
            mark
        }
    }
}
