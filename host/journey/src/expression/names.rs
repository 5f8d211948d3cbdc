//! Which names an expression may use.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo,
};

use super::readings::{self, Wrong};
use super::{Fault, Reads, shorten};
use crate::nearest::{did_you_mean, one_of};
use crate::segment::Segments;

/// Deepest nesting of macros such as `exists`: one within another, and no further.
const MAX_MACRO_DEPTH: usize = 2;

/// Deepest nesting of an expression, in which operators nest too. Evaluating one calls itself for each level.
const MAX_DEPTH: usize = 200;

/// Functions of the standard library, operators aside.
pub(super) const FUNCTIONS: [&str; 13] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

/// Functions of optional values, as `optional.none()` and `x.orValue(1)` call them.
pub(super) const OPTIONAL_FUNCTIONS: [&str; 7] =
    ["hasValue", "none", "of", "ofNonZeroValue", "or", "orValue", "value"];

/// Expanded while parsing, so that only a call with wrong arguments is left of them.
const MACROS: [&str; 6] = ["all", "exists", "exists_one", "filter", "has", "map"];

/// Names of types, for `type(x) == string`.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// The variables at hand where an expression stands, besides `customer`, `coupons` and `now`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names<'a> {
    /// Whether an event is at hand.
    pub(crate) event: bool,
    /// Whether the customer is enrolled, so that there are `entry` and `steps`.
    pub(crate) enrolled: bool,
    /// Steps that may have a result.
    pub(crate) results: &'a [(String, ResultKind)],
    /// The workspace's segments; without them every name of one is taken on trust.
    pub(crate) segments: Option<&'a Segments>,
}

/// What the result of a named step consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultKind {
    Send,
    Issue,
    Run,
    Split,
    /// An event that was waited for.
    Event,
    Assign,
}

impl ResultKind {
    /// Fields of the result; none where it is whatever a plugin answers.
    pub(crate) fn fields(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Send => Some(&["outcome", "channel", "template"]),
            Self::Issue => Some(&["outcome", "code", "valid_until", "notice"]),
            Self::Split => Some(&["arm"]),
            Self::Assign => Some(&["key", "to"]),
            Self::Run | Self::Event => None,
        }
    }
}

/// Checks every variable, function and step result that an expression names.
pub(super) fn check(
    expression: &IdedExpr,
    source: &Source<'_>,
    names: &Names<'_>,
    reads: &mut Reads,
) -> Vec<Fault> {
    let mut walk =
        Walk { source, names, reads, bound: Vec::new(), macros: 0, depth: 0, faults: Vec::new() };
    walk.expression(expression);
    walk.faults
}

struct Walk<'a> {
    source: &'a Source<'a>,
    names: &'a Names<'a>,
    reads: &'a mut Reads,
    /// Variables of the macros around the present place.
    bound: Vec<&'a str>,
    /// How many macros are around it.
    macros: usize,
    /// How many expressions are around it.
    depth: usize,
    faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    fn expression(&mut self, expression: &'a IdedExpr) {
        if self.depth == MAX_DEPTH {
            let message =
                "the expression is nested too deep; split it into several steps".to_owned();
            return self.fault(expression.id, message);
        }
        self.depth += 1;
        self.parts(expression);
        self.depth -= 1;
    }

    fn parts(&mut self, expression: &'a IdedExpr) {
        match &expression.expr {
            Expr::Ident(name) => self.variable(expression.id, name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(expression.id, comprehension),
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(record) => {
                let message = format!("there is no type `{}` to make a value of", record.type_name);
                self.fault_before(expression.id, message);
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key);
                self.expression(&entry.value);
            }
        }
    }

    fn variable(&mut self, id: u64, name: &str) {
        if name.starts_with('@') || self.bound.contains(&name) {
            return;
        }
        match name {
            "customer" | "now" => {}
            "coupons" => self.reads.coupons = true,
            "event" if self.names.event => {}
            "entry" | "steps" if self.names.enrolled => {}
            "event" if self.names.enrolled => self.fault(
                id,
                "there is no `event` at hand here; `entry` holds what enrolled the customer".into(),
            ),
            "event" => self
                .fault(id, "there is no `event` at hand here; only the customer is known".into()),
            "entry" | "steps" if !self.names.event => {
                self.fault(id, format!("there is no `{name}` here; only the customer is known"));
            }
            "entry" | "steps" => {
                self.fault(
                    id,
                    format!("there is no `{name}` yet where customers enter; `event` is at hand"),
                );
            }
            _ if TYPES.contains(&name) => {}
            _ => {
                let known = self.variables();
                let hint =
                    did_you_mean(name, known.iter().copied()).unwrap_or_else(|| one_of(&known));
                self.fault(id, format!("unknown variable `{name}`; {hint}"));
            }
        }
    }

    fn variables(&self) -> Vec<&'a str> {
        let mut known = vec!["customer", "coupons", "now"];
        if self.names.enrolled {
            known.extend(["entry", "steps"]);
        }
        if self.names.event {
            known.push("event");
        }
        known.extend(self.bound.iter().copied());
        known
    }

    fn select(&mut self, expression: &'a IdedExpr, select: &'a SelectExpr) {
        self.expression(&select.operand);
        if !self.names.enrolled || self.bound.contains(&"steps") {
            return;
        }
        let wrong = match &select.operand.expr {
            Expr::Ident(root) if root == "steps" => self.wrong_result(&select.field),
            Expr::Select(inner) if is_ident(&inner.operand, "steps") => {
                self.wrong_result_field(&inner.field, &select.field)
            }
            _ => None,
        };
        if let Some(message) = wrong {
            self.fault_of_field(expression, select, message);
        }
    }

    fn wrong_result(&self, name: &str) -> Option<String> {
        if self.names.results.iter().any(|(known, _)| known == name) {
            return None;
        }
        let known = self.names.results.iter().map(|(known, _)| known.as_str());
        let hint = did_you_mean(name, known).unwrap_or_else(|| {
            format!("a step gets its name by `as: {name}` and is known from there on")
        });
        Some(format!("no step before is named `{name}`; {hint}"))
    }

    fn wrong_result_field(&self, step: &str, field: &str) -> Option<String> {
        let (_, kind) = self.names.results.iter().find(|(name, _)| name == step)?;
        let known = kind.fields()?;
        if known.contains(&field) {
            return None;
        }
        let hint = did_you_mean(field, known.iter().copied()).unwrap_or_else(|| one_of(known));
        Some(format!("the result of `{step}` has no `{field}`; {hint}"))
    }

    fn call(&mut self, id: u64, call: &'a CallExpr) {
        let name = call.func_name.as_str();
        let operator = name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            || name.starts_with('_');
        let namespaced = call.target.as_ref().is_some_and(|target| is_ident(target, "optional"));
        if call.target.is_none() && readings::FUNCTIONS.iter().any(|(known, _)| *known == name) {
            return self.reading(id, call);
        }
        let known = if call.target.is_none() {
            FUNCTIONS.contains(&name)
        } else {
            FUNCTIONS.contains(&name) || OPTIONAL_FUNCTIONS.contains(&name)
        };
        if MACROS.contains(&name) {
            let message = format!(
                "`{name}` is not written this way; such as `list.exists(x, x > 1)` or `has(customer.name)`"
            );
            return self.fault_before(id, message);
        }
        if !operator && !known {
            let readings = readings::FUNCTIONS.map(|(name, _)| name);
            let standard = FUNCTIONS.iter().chain(&MACROS).chain(&OPTIONAL_FUNCTIONS);
            let all = standard.chain(&readings).copied();
            let hint = did_you_mean(name, all)
                .unwrap_or_else(|| "the standard functions and macros of CEL are known".to_owned());
            self.fault_before(id, format!("unknown function `{name}`; {hint}"));
        }
        if let Some(target) = call.target.as_ref().filter(|_| !namespaced) {
            self.expression(target);
        }
        if name == "matches" {
            self.pattern(call);
        }
        call.args.iter().for_each(|argument| self.expression(argument));
    }

    /// Checks a call of a function over the customer's past or segments.
    fn reading(&mut self, id: u64, call: &'a CallExpr) {
        match readings::read(call, self.names.segments) {
            Ok(Some(_)) => {}
            Ok(None) => call.args.iter().for_each(|argument| self.expression(argument)),
            Err(Wrong::Call(message)) => self.fault_before(id, message),
            Err(Wrong::Argument(id, message)) => self.fault(id, message),
        }
    }

    /// Checks a regular expression that is written out.
    fn pattern(&mut self, call: &'a CallExpr) {
        let Some(pattern) = call.args.last() else { return };
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else { return };
        if !super::is_pattern(text.inner()) {
            self.fault(pattern.id, format!("`{}` is no regular expression", shorten(text.inner())));
        }
    }

    fn comprehension(&mut self, id: u64, comprehension: &'a ComprehensionExpr) {
        self.expression(&comprehension.iter_range);
        self.macros += 1;
        if self.macros == MAX_MACRO_DEPTH + 1 {
            let message =
                format!("macros are nested more than {MAX_MACRO_DEPTH} deep; split the expression");
            self.fault_before(id, message);
        }
        let bound = self.bound.len();
        self.bound.push(&comprehension.iter_var);
        self.bound.extend(comprehension.iter_var2.as_deref());
        self.expression(&comprehension.accu_init);
        self.expression(&comprehension.loop_cond);
        self.expression(&comprehension.loop_step);
        self.expression(&comprehension.result);
        self.bound.truncate(bound);
        self.macros -= 1;
    }

    fn fault(&mut self, id: u64, message: String) {
        self.fault_at(self.source.offset(id), message);
    }

    /// A fault of a field: the parser's position is that of the dot before it, or, within `has`, that of the bracket.
    fn fault_of_field(&mut self, expression: &IdedExpr, select: &SelectExpr, message: String) {
        let operand = self.source.offset(select.operand.id);
        let dot = match &select.operand.expr {
            Expr::Ident(name) => operand + name.len(),
            Expr::Select(inner) => operand + 1 + inner.field.len(),
            _ => self.source.offset(expression.id),
        };
        let at_dot = self.source.text.get(dot..).is_some_and(|rest| rest.starts_with('.'));
        self.fault_at(if at_dot { dot + 1 } else { operand }, message);
    }

    /// A fault of a call or macro: the parser's position is that of the bracket after the name.
    fn fault_before(&mut self, id: u64, message: String) {
        self.fault_at(self.source.before(id), message);
    }

    fn fault_at(&mut self, offset: usize, message: String) {
        self.faults.push(self.source.fault_at(offset, message));
    }
}

fn is_ident(expression: &IdedExpr, name: &str) -> bool {
    matches!(&expression.expr, Expr::Ident(ident) if ident == name)
}

/// The text of an expression, and where each of its parts stands.
pub(crate) struct Source<'t> {
    info: SourceInfo,
    text: &'t str,
}

impl<'t> Source<'t> {
    pub(super) fn new(info: SourceInfo, text: &'t str) -> Self {
        Self { info, text }
    }

    /// A fault of an operator, a variable or a value.
    pub(crate) fn fault(&self, id: u64, message: String) -> Fault {
        self.fault_at(self.offset(id), message)
    }

    /// A fault of a call or macro: the parser's position is that of the bracket after the name.
    pub(crate) fn fault_before(&self, id: u64, message: String) -> Fault {
        self.fault_at(self.before(id), message)
    }

    fn before(&self, id: u64) -> usize {
        let before = self.text[..self.offset(id)].trim_end();
        before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()
    }

    fn offset(&self, id: u64) -> usize {
        let offset = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        if self.text.is_char_boundary(offset) { offset } else { 0 }
    }

    fn fault_at(&self, offset: usize, message: String) -> Fault {
        let (line, column) = position(self.text, offset);
        Fault { line, column, message }
    }
}

/// Line and column in characters, from 1, of an offset in bytes.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}
