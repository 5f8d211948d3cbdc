//! Translating an expression into a question for a database.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use serde_json::Value;

use super::condition::{Condition, CouponField, Edge, Field, Literal, Order, Term};
use super::{Refusal, Segments, coupons};
use crate::expression::{DAYS, Reading, constant, reading_index};
use crate::nearest::{did_you_mean, one_of};

/// Most parts of a condition, those of the segments that it asks for included.
const MAX_PARTS: usize = 500;

/// Longest text that is looked for, in bytes, is that of the expression; texts with this character end there in a database.
const NUL: char = '\0';

pub(super) fn lower(
    expression: &IdedExpr,
    readings: &[Reading],
    segments: &Segments,
    now: i64,
) -> Result<Condition, Refusal> {
    let mut parts = 0;
    Lower { readings, segments, now, coupon: None, parts: &mut parts }.condition(expression)
}

pub(super) struct Lower<'a> {
    readings: &'a [Reading],
    segments: &'a Segments,
    pub(super) now: i64,
    /// The variable that stands for a coupon, within `coupons.exists`.
    coupon: Option<&'a str>,
    parts: &'a mut usize,
}

pub(super) fn refuse<T>(part: &IdedExpr, message: impl Into<String>) -> Result<T, Refusal> {
    let call = match &part.expr {
        Expr::Call(call) => call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()),
        Expr::Comprehension(_) => true,
        _ => false,
    };
    Err(Refusal { id: part.id, call, message: message.into() })
}

impl<'a> Lower<'a> {
    pub(super) fn condition(&mut self, part: &'a IdedExpr) -> Result<Condition, Refusal> {
        *self.parts += 1;
        if *self.parts > MAX_PARTS {
            let message = format!(
                "the condition has more than {MAX_PARTS} parts, those of the segments it asks for included; make it smaller"
            );
            return refuse(part, message);
        }
        if is_constant(part) {
            return match constant(part, self.now) {
                Some(Value::Bool(truth)) => Ok(Condition::Always(truth)),
                _ => refuse(
                    part,
                    "a condition must be true or false; compare the value with something",
                ),
            };
        }
        match &part.expr {
            Expr::Call(call) => self.call(part, call),
            Expr::Select(select) if select.test => self.has(part, select),
            Expr::Select(_) | Expr::Ident(_) => self.truth(part),
            Expr::Comprehension(comprehension) => {
                let Some((variable, of_coupon)) = coupons::exists(comprehension) else {
                    return refuse(
                        part,
                        "of the macros, a segment can only use `coupons.exists(c, …)`; for tags write `\"tag\" in customer.tags`",
                    );
                };
                let mut inner = Lower {
                    readings: self.readings,
                    segments: self.segments,
                    now: self.now,
                    coupon: Some(variable),
                    parts: self.parts,
                };
                Ok(Condition::Coupon(Box::new(inner.condition(of_coupon)?)))
            }
            _ => {
                refuse(part, "a condition must be true or false; compare the value with something")
            }
        }
    }

    fn call(&mut self, part: &'a IdedExpr, call: &'a CallExpr) -> Result<Condition, Refusal> {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            let edge = match name {
                "startsWith" => Edge::Start,
                "endsWith" => Edge::End,
                "contains" => Edge::Anywhere,
                "matches" => {
                    return refuse(
                        part,
                        "a segment cannot use `matches`; write `startsWith`, `endsWith` or `contains`",
                    );
                }
                _ => {
                    return refuse(
                        part,
                        format!(
                            "a segment cannot use `{name}`; it compares attributes with fixed values"
                        ),
                    );
                }
            };
            return self.text(part, target, edge, &call.args);
        }
        match (name, call.args.as_slice()) {
            (operators::LOGICAL_NOT, [inner]) => {
                Ok(Condition::Not(Box::new(self.condition(inner)?)))
            }
            (operators::LOGICAL_AND, [left, right]) => {
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                Ok(all(left, right))
            }
            (operators::LOGICAL_OR, [left, right]) => {
                let (left, right) = (self.condition(left)?, self.condition(right)?);
                Ok(any(left, right))
            }
            (operators::EQUALS, [left, right]) => self.equal(part, left, right),
            (operators::NOT_EQUALS, [left, right]) => {
                Ok(Condition::Not(Box::new(self.equal(part, left, right)?)))
            }
            (operators::IN, [left, right]) => self.within(part, left, right),
            (operators::CONDITIONAL, _) => {
                refuse(part, "a segment cannot use `? :`; write `(a && b) || (!a && c)`")
            }
            (_, [left, right]) => {
                let Some(order) = order(name) else { return self.no_condition(part, name) };
                self.compare(part, left, order, right)
            }
            _ => self.no_condition(part, name),
        }
    }

    fn no_condition<T>(&self, part: &IdedExpr, name: &str) -> Result<T, Refusal> {
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return refuse(
                part,
                format!("a segment cannot use `{name}`; it compares attributes with fixed values"),
            );
        }
        refuse(part, "a condition must be true or false; compare the value with something")
    }

    fn has(&mut self, part: &'a IdedExpr, select: &'a SelectExpr) -> Result<Condition, Refusal> {
        let mut field = self.field(&select.operand).unwrap_or_default();
        if field.is_empty() && !is_ident(&select.operand, "customer") {
            return refuse(part, "a segment can only ask `has(customer.…)`");
        }
        field.push(select.field.clone());
        let always = field.len() == 1 && matches!(select.field.as_str(), "id" | "tags");
        Ok(if always { Condition::Always(true) } else { Condition::Has(field) })
    }

    /// A value that is a condition itself.
    fn truth(&mut self, part: &'a IdedExpr) -> Result<Condition, Refusal> {
        if let Expr::Ident(name) = &part.expr
            && let Some(Reading::InSegment { segment }) =
                reading_index(name).and_then(|index| self.readings.get(index))
        {
            let Some(segment) = self.segments.get(segment) else {
                return refuse(part, format!("there is no segment `{segment}`"));
            };
            let audience = &segment.audience;
            let mut inner = Lower {
                readings: audience.expression.readings(),
                segments: self.segments,
                now: self.now,
                coupon: None,
                parts: self.parts,
            };
            // What is wrong within another segment is shown where that is asked for.
            let inner = inner.condition(&audience.plain);
            let inner = inner.map_err(|refusal| Refusal { id: part.id, call: false, ..refusal })?;
            return Ok(Condition::Member(Box::new(inner)));
        }
        match self.term(part)? {
            Term::Field(field) => Ok(Condition::True(field)),
            term @ Term::Coupon(CouponField::Usable, _) => {
                Ok(Condition::OneOf(term, vec![Literal::Truth(true)]))
            }
            _ => {
                refuse(part, "a condition must be true or false; compare the value with something")
            }
        }
    }

    fn compare(
        &mut self,
        part: &'a IdedExpr,
        left: &'a IdedExpr,
        order: Order,
        right: &'a IdedExpr,
    ) -> Result<Condition, Refusal> {
        let (left, right) = (self.term(left)?, self.term(right)?);
        for sort in [left.sort(), right.sort()].into_iter().flatten() {
            if sort == super::condition::Sort::Null {
                return refuse(part, "null comes neither before nor after anything");
            }
        }
        if let (Some(one), Some(other)) = (left.sort(), right.sort())
            && one != other
        {
            let message = format!(
                "{} and {} cannot be put in order; this never holds",
                one.name(),
                other.name()
            );
            return refuse(part, message);
        }
        Ok(Condition::Compare { left, order, right })
    }

    fn equal(
        &mut self,
        part: &'a IdedExpr,
        left: &'a IdedExpr,
        right: &'a IdedExpr,
    ) -> Result<Condition, Refusal> {
        let (left, right) = (self.term(left)?, self.term(right)?);
        let ((term, Term::Literal(literal)) | (Term::Literal(literal), term)) = (left, right)
        else {
            let message = "a segment can only ask whether something equals a fixed value, such as a text, a number, true or null";
            return refuse(part, message);
        };
        self.same_sort(part, &term, &literal)?;
        Ok(Condition::OneOf(term, vec![literal]))
    }

    fn same_sort(&self, part: &IdedExpr, term: &Term, literal: &Literal) -> Result<(), Refusal> {
        match term.sort() {
            Some(sort) if sort != literal.sort() => {
                let message = format!("{} never equals {}", sort.name(), literal.sort().name());
                refuse(part, message)
            }
            _ => Ok(()),
        }
    }

    fn within(
        &mut self,
        part: &'a IdedExpr,
        left: &'a IdedExpr,
        right: &'a IdedExpr,
    ) -> Result<Condition, Refusal> {
        if let Expr::List(list) = &right.expr {
            let term = self.term(left)?;
            let mut literals = Vec::with_capacity(list.elements.len());
            for element in &list.elements {
                let literal = self.literal(element)?;
                self.same_sort(element, &term, &literal)?;
                literals.push(literal);
            }
            return Ok(Condition::OneOf(term, literals));
        }
        let value = match self.literal(left)? {
            Literal::Null | Literal::Number(_) => {
                return refuse(
                    left,
                    "only texts, whole numbers and truth values are looked for in a list",
                );
            }
            value => value,
        };
        match self.field(right) {
            Some(field) if field == ["tags"] => match value {
                Literal::Text(tag) => Ok(Condition::Tagged(tag)),
                _ => refuse(left, "tags are texts; write the tag in quotes"),
            },
            Some(field) => Ok(Condition::Holds(field, value)),
            None => refuse(
                part,
                "what `in` looks through must be `customer.tags`, a list of a customer's or one that is written out",
            ),
        }
    }

    fn text(
        &mut self,
        part: &'a IdedExpr,
        target: &'a IdedExpr,
        edge: Edge,
        arguments: &'a [IdedExpr],
    ) -> Result<Condition, Refusal> {
        let [argument] = arguments else {
            return refuse(part, "it takes one text");
        };
        let term = self.term(target)?;
        if term.sort().is_some_and(|sort| sort != super::condition::Sort::Text) {
            return refuse(target, "only a text starts with, ends with or contains another");
        }
        match self.literal(argument)? {
            Literal::Text(text) => Ok(Condition::Text { term, edge, part: text }),
            _ => refuse(argument, "only a text starts with, ends with or contains another"),
        }
    }

    fn literal(&mut self, part: &'a IdedExpr) -> Result<Literal, Refusal> {
        match self.term(part)? {
            Term::Literal(literal) => Ok(literal),
            _ => refuse(part, "a segment needs a fixed value here, such as a text or a number"),
        }
    }

    fn term(&mut self, part: &'a IdedExpr) -> Result<Term, Refusal> {
        *self.parts += 1;
        if is_constant(part) {
            return self.fixed(part);
        }
        if let Some(field) = self.field(part) {
            return Ok(match field.as_slice() {
                [name] if name == "id" => Term::Id,
                [name, ..] if name == "tags" || name == "id" => {
                    return refuse(part, "tags are asked for by `\"tag\" in customer.tags`");
                }
                _ => Term::Field(field),
            });
        }
        match &part.expr {
            Expr::Ident(name) => self.reading(part, name),
            Expr::Select(select) => self.coupon_field(part, select),
            Expr::Call(call) if call.func_name == DAYS => match call.args.first() {
                Some(argument) => match self.term(argument)? {
                    Term::Field(field) => Ok(Term::DaysSinceField { field, until: self.now }),
                    _ => refuse(
                        argument,
                        "`days_since` takes an event's name or an attribute that holds a time",
                    ),
                },
                None => self.no_condition(part, "days_since"),
            },
            Expr::Call(call) if call.func_name.starts_with(['_', '-']) => refuse(
                part,
                "a segment can only calculate with fixed values and `now`; for times write `days_since(…)`",
            ),
            Expr::Call(call) => refuse(
                part,
                format!(
                    "a segment cannot use `{}` here; it compares attributes with fixed values",
                    call.func_name
                ),
            ),
            _ => refuse(
                part,
                "a segment cannot compare this; it compares attributes with fixed values",
            ),
        }
    }

    fn reading(&self, part: &IdedExpr, name: &str) -> Result<Term, Refusal> {
        let until = self.now;
        let since = |window: i64| until.saturating_sub(window);
        Ok(match reading_index(name).and_then(|index| self.readings.get(index)).cloned() {
            Some(_) if self.coupon.is_some() => return refuse(part, coupons::ONLY_FIXED),
            Some(Reading::Count { event, window }) => {
                Term::Count { event, since: since(window), until }
            }
            Some(Reading::Sum { event, field, window }) => {
                Term::Sum { event, field, since: since(window), until }
            }
            Some(Reading::Last { event }) => Term::Last { event, until },
            Some(Reading::DaysSince { event }) => Term::DaysSince { event, until },
            Some(Reading::InSegment { .. }) => {
                return refuse(
                    part,
                    "`in_segment` is true or false itself; write it without comparison, or with `!` before it",
                );
            }
            None => {
                return refuse(
                    part,
                    format!(
                        "a segment cannot compare `{name}`; it compares attributes with fixed values"
                    ),
                );
            }
        })
    }

    /// The field of a customer that an expression reads; none if it reads something else.
    fn field(&self, part: &IdedExpr) -> Option<Field> {
        if self.coupon.is_some() {
            return None;
        }
        let mut field = Vec::new();
        let mut part = part;
        while let Expr::Select(select) = &part.expr {
            if select.test {
                return None;
            }
            field.push(select.field.clone());
            part = &select.operand;
        }
        field.reverse();
        (is_ident(part, "customer") && !field.is_empty()).then_some(field)
    }

    fn coupon_field(&self, part: &IdedExpr, select: &SelectExpr) -> Result<Term, Refusal> {
        let Some(variable) = self.coupon.filter(|variable| is_ident(&select.operand, variable))
        else {
            let message = if self.coupon.is_some() {
                coupons::ONLY_FIXED
            } else {
                "a segment can only read `customer`, its past and its coupons"
            };
            return refuse(part, message);
        };
        let known = CouponField::ALL;
        match known.iter().find(|(name, _)| *name == select.field) {
            Some((_, field)) => Ok(Term::Coupon(*field, self.now)),
            None => {
                let names = known.map(|(name, _)| name);
                let hint = did_you_mean(&select.field, names).unwrap_or_else(|| one_of(&names));
                refuse(
                    part,
                    format!(
                        "a coupon has no `{}`; {hint} (`{variable}` is the coupon)",
                        select.field
                    ),
                )
            }
        }
    }

    fn fixed(&self, part: &IdedExpr) -> Result<Term, Refusal> {
        let literal = match constant(part, self.now) {
            Some(Value::Null) => Literal::Null,
            Some(Value::Bool(truth)) => Literal::Truth(truth),
            Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Literal::Whole(number),
                (None, Some(number)) => Literal::Number(number),
                (None, None) => return refuse(part, "the number is too large"),
            },
            Some(Value::String(text)) if text.contains(NUL) => {
                return refuse(part, "a text cannot hold the character U+0000");
            }
            Some(Value::String(text)) => Literal::Text(text),
            Some(Value::Array(_) | Value::Object(_)) => {
                return refuse(part, "lists and maps cannot be compared; compare their parts");
            }
            None => return refuse(part, "this cannot be calculated"),
        };
        Ok(Term::Literal(literal))
    }
}

/// Both sides of `&&`, without nesting the same within itself.
fn all(left: Condition, right: Condition) -> Condition {
    let mut parts = Vec::new();
    for side in [left, right] {
        match side {
            Condition::All(inner) => parts.extend(inner),
            other => parts.push(other),
        }
    }
    Condition::All(parts)
}

/// Both sides of `||`.
fn any(left: Condition, right: Condition) -> Condition {
    let mut parts = Vec::new();
    for side in [left, right] {
        match side {
            Condition::Any(inner) => parts.extend(inner),
            other => parts.push(other),
        }
    }
    Condition::Any(parts)
}

fn order(operator: &str) -> Option<Order> {
    Some(match operator {
        operators::LESS => Order::Less,
        operators::LESS_EQUALS => Order::AtMost,
        operators::GREATER => Order::Greater,
        operators::GREATER_EQUALS => Order::AtLeast,
        _ => return None,
    })
}

pub(super) fn is_ident(part: &IdedExpr, name: &str) -> bool {
    matches!(&part.expr, Expr::Ident(ident) if ident == name)
}

/// Whether an expression reads nothing but values that are written out, and the present time.
fn is_constant(part: &IdedExpr) -> bool {
    match &part.expr {
        Expr::Literal(LiteralValue::Bytes(_)) => false,
        Expr::Literal(_) => true,
        Expr::Ident(name) => name == "now",
        Expr::Call(call) => {
            call.target.iter().all(|target| is_constant(target))
                && call.args.iter().all(is_constant)
        }
        _ => false,
    }
}
