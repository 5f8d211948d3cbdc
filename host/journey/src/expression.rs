//! Conditions and values: CEL, parsed once when a journey is checked and evaluated many times.
//!
//! Numbers follow CEL: a JSON number without fraction or exponent is an `int`, any other is a `double`. Comparisons and
//! equality mix the two (`event.amount > 10` holds for 12 as for 12.5); arithmetic does not, so
//! `double(event.amount) * 0.9` is what works for both.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, CelUInt};
use cel::common::value::Val;
use cel::{Context, Env, ExecutionError, Value};

use self::scope::Variables;
use crate::error::EvalError;
use crate::past::Needs;

mod budget;
mod compared;
mod names;
mod readings;
mod scope;
mod syntax;
mod tree;
mod values;

pub(crate) use names::{Names, ResultKind, Source};
pub use readings::MAX_TIME;
pub(crate) use readings::{DAYS, Reading, index as reading_index};
pub(crate) use scope::Scope;

/// Longest expression in bytes.
pub(crate) const MAX_EXPRESSION: usize = 4096;

/// Most turns that all `all`, `exists`, `map`, … of one evaluation may take together.
pub(crate) const MAX_TURNS: u32 = 10_000;

/// Longest text, in bytes, that an expression may give for a key.
const MAX_KEY: usize = 256;

/// Largest value, in bytes of JSON, that a customer's attribute may be set to.
const MAX_VALUE: usize = 16 * 1024;

/// Longest part of a failure that is kept, in characters, as the library's texts may quote whole values.
const MAX_DETAIL: usize = 200;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    readings::declare(&mut environment);
    Arc::new(environment)
});

/// A CEL expression, parsed and checked.
#[derive(Debug)]
pub(crate) struct Expression {
    ast: IdedExpr,
    /// What its variables `@0`, `@1` and so on stand for.
    readings: Vec<Reading>,
    /// As the file gives it.
    text: String,
    /// Where it stands in the file, such as `steps[0].if`.
    path: String,
}

/// An expression as it is written, its readings replaced.
pub(crate) struct Plain<'t> {
    pub(crate) ast: IdedExpr,
    pub(crate) source: Source<'t>,
}

/// What is wrong with an expression, and where in its text: line and column, both from 1, in characters.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

/// What an expression reads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reads {
    pub(crate) coupons: bool,
}

impl Expression {
    /// Parses an expression and checks every name in it.
    pub(crate) fn parse(
        text: &str,
        path: &str,
        names: &Names<'_>,
    ) -> Result<(Self, Reads), Vec<Fault>> {
        Self::parse_plain(text, path, names).map(|(expression, reads, _)| (expression, reads))
    }

    /// Parses an expression, and gives it also as it is written, for translating it.
    pub(crate) fn parse_plain<'t>(
        text: &'t str,
        path: &str,
        names: &Names<'_>,
    ) -> Result<(Self, Reads, Plain<'t>), Vec<Fault>> {
        if text.len() > MAX_EXPRESSION {
            let message = format!(
                "the expression is longer than {MAX_EXPRESSION} bytes; split it into several steps"
            );
            return Err(vec![Fault { line: 1, column: 1, message }]);
        }
        let parsed = ENVIRONMENT.parser().parse_with_source_info(text);
        let (mut plain, source) = parsed.map_err(|errors| vec![syntax::fault(&errors, text)])?;
        let source = Source::new(source, text);
        let mut reads = Reads::default();
        let mut faults = names::check(&plain, &source, names, &mut reads);
        // The same name in a wrong place twice is two faults, but a macro's expansion may repeat one.
        faults.dedup_by_key(|fault| (fault.line, fault.column));
        if !faults.is_empty() {
            return Err(faults);
        }
        let readings = readings::replace(&mut plain);
        let mut ast = plain.clone();
        budget::meter(&mut ast);
        let expression = Self { ast, readings, text: text.to_owned(), path: path.to_owned() };
        Ok((expression, reads, Plain { ast: plain, source }))
    }

    /// The calls that `@0`, `@1` and so on stand for.
    pub(crate) fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// What its readings need.
    pub(crate) fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        self.readings.iter().for_each(|reading| reading.add_to(&mut needs));
        needs
    }

    /// As the file gives it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What it always comes to; none if it reads anything, or is no condition.
    pub(crate) fn constant(&self) -> Option<bool> {
        let literal = |word: &str| {
            word.is_empty()
                || ["true", "false"].contains(&word)
                || word.starts_with(|c: char| c.is_ascii_digit())
        };
        let words = self.text.split(|c: char| !c.is_alphanumeric() && c != '_');
        if self.text.contains(['"', '\'']) || !words.into_iter().all(literal) {
            return None;
        }
        let nobody = crate::Customer::default();
        self.holds(&Scope::new(&nobody, &[], 0)).ok()
    }

    /// Where it stands in the file.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The fixed texts that it compares a field of a variable with.
    pub(crate) fn compared_with(&self, variable: &str, field: &str) -> BTreeSet<String> {
        compared::texts(&self.ast, variable, field)
    }

    /// Whether the condition holds.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        self.evaluate(scope, |value| self.truth(value))
    }

    /// Whether the condition of a segment holds, for which so many others ask.
    fn holds_below(&self, scope: &Scope<'_>, depth: usize) -> Result<bool, EvalError> {
        self.evaluate_below(scope, depth, |value| self.truth(value))
    }

    fn truth(&self, value: &dyn Val) -> Result<bool, EvalError> {
        let truth = value.downcast_ref::<CelBool>().map(|truth| *truth.inner());
        truth.ok_or_else(|| self.mismatch("a truth value", value))
    }

    /// The value as JSON; no bytes, types or optionals.
    pub(crate) fn json(&self, scope: &Scope<'_>) -> Result<serde_json::Value, EvalError> {
        self.evaluate(scope, |value| {
            let json = values::to_json(value);
            let json = json.ok_or_else(|| self.mismatch("a value that JSON can express", value))?;
            let large = json.is_string() || json.is_array() || json.is_object();
            if large && json.to_string().len() > MAX_VALUE {
                return Err(EvalError::TooLong { path: self.path.clone(), limit: MAX_VALUE });
            }
            Ok(json)
        })
    }

    /// The value as a number.
    pub(crate) fn number(&self, scope: &Scope<'_>) -> Result<f64, EvalError> {
        self.evaluate(scope, |value| {
            let number = if let Some(int) = value.downcast_ref::<CelInt>() {
                approximate(*int.inner())
            } else if let Some(uint) = value.downcast_ref::<CelUInt>() {
                approximate(i64::try_from(*uint.inner()).unwrap_or(i64::MAX))
            } else if let Some(double) =
                value.downcast_ref::<CelDouble>().filter(|d| d.inner().is_finite())
            {
                *double.inner()
            } else {
                return Err(self.mismatch("a finite number", value));
            };
            Ok(number)
        })
    }

    /// The value, a string or an integer, as text that can tell enrollments apart.
    pub(crate) fn key(&self, scope: &Scope<'_>) -> Result<String, EvalError> {
        self.evaluate(scope, |value| {
            if let Some(text) = value.downcast_ref::<CelString<'_>>() {
                if text.inner().len() > MAX_KEY {
                    return Err(EvalError::TooLong { path: self.path.clone(), limit: MAX_KEY });
                }
                return Ok(text.inner().to_owned());
            }
            if let Some(int) = value.downcast_ref::<CelInt>() {
                return Ok(int.inner().to_string());
            }
            Err(self.mismatch("a string or an integer", value))
        })
    }

    fn evaluate<R>(
        &self,
        scope: &Scope<'_>,
        read: impl FnOnce(&dyn Val) -> Result<R, EvalError>,
    ) -> Result<R, EvalError> {
        scope.turns.store(MAX_TURNS, std::sync::atomic::Ordering::Relaxed);
        self.evaluate_below(scope, 0, read)
    }

    fn evaluate_below<R>(
        &self,
        scope: &Scope<'_>,
        depth: usize,
        read: impl FnOnce(&dyn Val) -> Result<R, EvalError>,
    ) -> Result<R, EvalError> {
        let variables = Variables::new(scope, &self.readings, depth);
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(&variables);
        let value =
            Value::resolve_val(&self.ast, &context).map_err(|error| self.failure(&error))?;
        read(value.as_ref())
    }

    fn mismatch(&self, expected: &'static str, value: &dyn Val) -> EvalError {
        EvalError::Type {
            path: self.path.clone(),
            expected,
            found: value.get_type().name().to_owned(),
        }
    }

    /// Why a reading came to nothing.
    fn missing(&self, variable: &str, path: String) -> EvalError {
        match reading_index(variable).and_then(|index| self.readings.get(index)) {
            Some(Reading::Last { event } | Reading::DaysSince { event }) => {
                EvalError::Unhappened { path, event: event.clone() }
            }
            Some(Reading::InSegment { segment }) => {
                let detail = format!("there is no segment `{segment}`, or too many ask for it");
                EvalError::Failed { path, detail }
            }
            _ => EvalError::Failed { path, detail: format!("there is no `{}`", shorten(variable)) },
        }
    }

    fn failure(&self, error: &ExecutionError) -> EvalError {
        let path = self.path.clone();
        match error {
            ExecutionError::UndeclaredReference(name) if name.as_str() == budget::TURN => {
                EvalError::TooLongRunning { path, limit: MAX_TURNS }
            }
            ExecutionError::UndeclaredReference(name) => self.missing(name, path),
            ExecutionError::NoSuchKey(key) => EvalError::Absent { path, field: shorten(key) },
            error => EvalError::Failed { path, detail: shorten(&error.to_string()) },
        }
    }
}

/// Evaluates an expression over nothing but the present time; none if it fails or gives nothing that JSON can express.
pub(crate) fn constant(expression: &IdedExpr, now: i64) -> Option<serde_json::Value> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.add_variable_as_val("now", Box::new(CelInt::from(now)));
    let value = Value::resolve_val(expression, &context).ok()?;
    values::to_json(value.as_ref())
}

/// Whether `matches` takes a text for a regular expression, which only trying tells.
fn is_pattern(text: &str) -> bool {
    static TRIAL: LazyLock<Option<IdedExpr>> =
        LazyLock::new(|| ENVIRONMENT.parser().parse("''.matches(pattern)").ok());
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.add_variable_as_val("pattern", Box::new(CelString::from(text)));
    TRIAL.as_ref().is_none_or(|trial| Value::resolve_val(trial, &context).is_ok())
}

/// The first characters of a text.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_DETAIL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The nearest number that a `double` holds; exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "a goal's value is a measure, not an account")]
fn approximate(int: i64) -> f64 {
    int as f64
}

/// A counter of turns for one scope.
fn turns() -> AtomicU32 {
    AtomicU32::new(MAX_TURNS)
}
