//! The functions over the customer's past and segments: `count`, `sum`, `last`, `days_since` and `in_segment`.
//!
//! Their arguments are written out, so that a check knows everything that an expression reads. Each call is replaced by a
//! variable that no expression can spell, `@0`, `@1` and so on, which the evaluation looks up among the readings.

use cel::ExecutionError;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, DYN_TYPE, INT_TYPE};
use cel::common::value::CowVal;
use jiff::civil;
use jiff::tz::TimeZone;

use super::tree::for_each_part;
use crate::check::{duration, is_identifier, wrong_event, wrong_segment};
use crate::nearest::did_you_mean;
use crate::past::{Background, EventNeed, Needs};
use crate::segment::Segments;

/// The functions, each with how it is written.
pub(super) const FUNCTIONS: [(&str, &str); 5] = [
    ("count", "count(\"order.paid\", \"30d\")"),
    ("sum", "sum(\"order.paid\", \"amount\", \"30d\")"),
    ("last", "last(\"login\")"),
    ("days_since", "days_since(\"login\") or days_since(customer.joined_at)"),
    ("in_segment", "in_segment(\"big-spenders\")"),
];

/// Whole days between a time and now; what `days_since` of a value becomes.
pub(crate) const DAYS: &str = "@days";

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Times further than this from 1970, in milliseconds, are no times.
pub const MAX_TIME: i64 = 8_640_000_000_000_000;

/// One call of one of the functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// How many events there were in the window of so many milliseconds.
    Count { event: String, window: i64 },
    /// The sum of a property over them.
    Sum { event: String, field: String, window: i64 },
    /// When the latest event was, in Unix milliseconds.
    Last { event: String },
    /// Whole days since the latest event.
    DaysSince { event: String },
    /// Whether the customer is in a segment.
    InSegment { segment: String },
}

/// What a reading came to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    Truth(bool),
    Whole(i64),
    Number(f64),
}

impl Found {
    pub(super) fn value<'b>(self) -> CowVal<'b, 'b> {
        match self {
            Self::Truth(truth) => CowVal::owned(CelBool::from(truth)),
            Self::Whole(number) => CowVal::owned(CelInt::from(number)),
            Self::Number(number) => CowVal::owned(CelDouble::from(number)),
        }
    }
}

impl Reading {
    /// Looks the reading up in the customer's past; segments are for the caller.
    pub(super) fn look_up(&self, background: Background<'_>, now: i64) -> Option<Found> {
        let past = background.past;
        match self {
            Self::Count { event, window } => {
                Some(Found::Whole(past.map_or(0, |past| past.count(event, *window, now))))
            }
            Self::Sum { event, field, window } => {
                Some(Found::Number(past.map_or(0.0, |past| past.sum(event, field, *window, now))))
            }
            Self::Last { event } => past?.last(event, now).map(Found::Whole),
            Self::DaysSince { event } => {
                past?.last(event, now).map(|at| Found::Whole(now.saturating_sub(at) / DAY))
            }
            Self::InSegment { .. } => None,
        }
    }

    pub(super) fn add_to(&self, needs: &mut Needs) {
        match self {
            Self::Count { event, window } => {
                needs.event(event).widen(EventNeed { window: *window, ..EventNeed::default() });
            }
            Self::Sum { event, window, .. } => {
                let need = EventNeed { window: *window, properties: true, latest: false };
                needs.event(event).widen(need);
            }
            Self::Last { event } | Self::DaysSince { event } => needs.event(event).latest = true,
            Self::InSegment { segment } => {
                needs.segments.insert(segment.clone());
            }
        }
    }
}

/// Where a call is wrong: as a whole, or at this argument.
pub(super) enum Wrong {
    Call(String),
    Argument(u64, String),
}

/// Reads a call of one of the functions; none if it is `days_since` of a value, which is an ordinary function.
pub(super) fn read(call: &CallExpr, segments: Option<&Segments>) -> Result<Option<Reading>, Wrong> {
    let name = call.func_name.as_str();
    let arguments = match (name, call.args.len()) {
        ("days_since", 1) if literal(&call.args[0]).is_none_or(is_date) => return Ok(None),
        ("count", 2) | ("sum", 3) | ("last" | "days_since" | "in_segment", 1) => &call.args,
        _ => {
            let written = FUNCTIONS.iter().find(|(known, _)| *known == name);
            let written = written.map_or("", |(_, written)| written);
            return Err(Wrong::Call(format!(
                "`{name}` is not written this way; such as {written}"
            )));
        }
    };
    let first = text(&arguments[0], if name == "in_segment" { "segment" } else { "event" })?;
    if name == "in_segment" {
        return known_segment(&arguments[0], first, segments).map(Some);
    }
    if let Some(message) = wrong_event(first) {
        return Err(Wrong::Argument(arguments[0].id, message));
    }
    let event = first.to_owned();
    Ok(Some(match name {
        "count" => Reading::Count { event, window: window(&arguments[1])? },
        "sum" => {
            let field = property(&arguments[1])?;
            Reading::Sum { event, field, window: window(&arguments[2])? }
        }
        "last" => Reading::Last { event },
        _ => Reading::DaysSince { event },
    }))
}

fn known_segment(
    argument: &IdedExpr,
    name: &str,
    segments: Option<&Segments>,
) -> Result<Reading, Wrong> {
    if let Some(message) = wrong_segment(name) {
        return Err(Wrong::Argument(argument.id, message));
    }
    if let Some(segments) = segments.filter(|segments| segments.get(name).is_none()) {
        let hint = did_you_mean(name, segments.names())
            .unwrap_or_else(|| "apply its file with `waystation segment apply`".to_owned());
        let message = format!("there is no segment `{name}`; {hint}");
        return Err(Wrong::Argument(argument.id, message));
    }
    Ok(Reading::InSegment { segment: name.to_owned() })
}

fn literal(argument: &IdedExpr) -> Option<&str> {
    match &argument.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn text<'e>(argument: &'e IdedExpr, what: &str) -> Result<&'e str, Wrong> {
    literal(argument).ok_or_else(|| {
        let message =
            format!("the {what} must be written out in quotes, so that a check knows what is read");
        Wrong::Argument(argument.id, message)
    })
}

fn window(argument: &IdedExpr) -> Result<i64, Wrong> {
    duration(text(argument, "window")?).map_err(|message| Wrong::Argument(argument.id, message))
}

fn property(argument: &IdedExpr) -> Result<String, Wrong> {
    let field = text(argument, "property")?;
    if is_identifier(field) && field.len() <= 64 {
        return Ok(field.to_owned());
    }
    let message = format!(
        "`{field}` is no name of a property; write it as after `event.`, such as \"amount\""
    );
    Err(Wrong::Argument(argument.id, message))
}

/// Puts variables in place of the calls, and lists what they stand for. The calls have been found sound.
pub(super) fn replace(expression: &mut IdedExpr) -> Vec<Reading> {
    let mut readings = Vec::new();
    replace_below(expression, &mut readings);
    readings
}

fn replace_below(expression: &mut IdedExpr, readings: &mut Vec<Reading>) {
    for_each_part(expression, &mut |part| replace_below(part, readings));
    let Expr::Call(call) = &mut expression.expr else { return };
    if call.target.is_some() || !FUNCTIONS.iter().any(|(known, _)| *known == call.func_name) {
        return;
    }
    match read(call, None) {
        Ok(Some(reading)) => {
            let known = readings.iter().position(|known| *known == reading);
            let index = known.unwrap_or_else(|| {
                readings.push(reading);
                readings.len() - 1
            });
            expression.expr = Expr::Ident(format!("@{index}"));
        }
        Ok(None) => {
            DAYS.clone_into(&mut call.func_name);
            call.args.push(IdedExpr { id: 0, expr: Expr::Ident("now".to_owned()) });
        }
        Err(_) => debug_assert!(false, "calls are checked before they are replaced"),
    }
}

/// The reading that a variable stands for.
pub(crate) fn index(variable: &str) -> Option<usize> {
    variable.strip_prefix('@')?.parse().ok()
}

/// Adds the function that `days_since` of a value becomes.
pub(super) fn declare(environment: &mut cel::Env) {
    let declared = environment.add_overload(DAYS, "days", vec![DYN_TYPE, INT_TYPE], days);
    debug_assert!(declared.is_ok(), "no expression can spell the name, so it is free");
}

#[allow(clippy::needless_pass_by_value, reason = "the library hands over values")]
fn days<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [time, now] = arguments.as_slice() else {
        return Err(ExecutionError::InvalidArgumentCount { expected: 2, actual: arguments.len() });
    };
    let found = if let Some(time) = time.downcast_ref::<CelInt>() {
        Some(*time.inner()).filter(|time| (-MAX_TIME..=MAX_TIME).contains(time))
    } else {
        time.downcast_ref::<CelString<'_>>().and_then(|text| midnight(text.inner()))
    };
    let now = now.downcast_ref::<CelInt>().map(|now| *now.inner());
    match (found, now) {
        (Some(time), Some(now)) => Ok(CowVal::owned(CelInt::from((now - time) / DAY))),
        _ => Err(ExecutionError::FunctionError {
            function: "days_since".to_owned(),
            message:
                "the value is no time; it takes Unix milliseconds or a date such as 2027-06-18"
                    .to_owned(),
        }),
    }
}

fn is_date(text: &str) -> bool {
    midnight(text).is_some()
}

/// The start of a day written `2027-06-18`, in UTC and Unix milliseconds.
fn midnight(text: &str) -> Option<i64> {
    let shape = text.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !shape || text.len() != 10 {
        return None;
    }
    let (year, month, day) =
        (text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?);
    let date = civil::Date::new(year, month, day).ok()?;
    let midnight = date.to_zoned(TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_millisecond())
}
