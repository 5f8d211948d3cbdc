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
            event: place != Place::Step,
            enrolled: place != Place::Entry,
            results: &self.results,
        };
        match Expression::parse(&scalar.text, self.path(), &names) {
            Ok((expression, reads)) => {
                self.reads_coupons |= reads.coupons;
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

    /// The place in the file of a place in a scalar's text: exact if the text stands in the file as it is, on one line;
    /// else the scalar's.
    pub(super) fn mark_within(
        &self,
        mark: Mark,
        scalar: &Scalar,
        line: usize,
        column: usize,
    ) -> Mark {
        let quote = match scalar.style {
            ScalarStyle::Plain => 0,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
            ScalarStyle::Literal | ScalarStyle::Folded => return mark,
        };
        let in_file = self.source.lines().nth(mark.line - 1).unwrap_or_default();
        let start = in_file
            .char_indices()
            .nth(mark.column - 1 + quote)
            .map_or(in_file.len(), |(start, _)| start);
        if line == 1 && in_file[start..].starts_with(&scalar.text) {
            Mark { line: mark.line, column: mark.column + quote + column - 1 }
        } else {
            mark
        }
    }
}
