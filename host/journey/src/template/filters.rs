//! Filters in place of those that could take memory without bound.
//!
//! Fuel bounds how long a text takes to render, and the output how much comes of it; in between stand values. A text that
//! could name a value and build a longer one of it, again and again, would double it with each step. So texts name nothing
//! (see `words`), and what is built within one placeholder is bounded here.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::{MAX_OUTPUT, date};

/// Filters that are left out: they repeat, or make as much as a number in their arguments says.
const LEFT_OUT: [&str; 6] = ["batch", "format", "indent", "pprint", "slice", "tojson"];

pub(super) fn set_up(environment: &mut Environment<'_>) {
    for name in LEFT_OUT {
        environment.remove_filter(name);
    }
    environment.add_filter("date", date::date);
    environment.add_filter("join", join);
    environment.add_filter("map", map);
    environment.add_filter("replace", replace);
}

/// The items of a list with something in between.
#[allow(clippy::needless_pass_by_value, reason = "minijinja hands over values")]
fn join(state: &mut State<'_, '_>, value: Value, between: Option<String>) -> Result<String, Error> {
    let between = between.unwrap_or_default();
    let mut joined = String::new();
    if value.kind() == ValueKind::String {
        return Err(invalid("`join` takes a list".to_owned()));
    }
    for (index, item) in value.try_iter()?.enumerate() {
        if index > 0 {
            push(&mut joined, &between)?;
        }
        push(&mut joined, &text(state, &item)?)?;
    }
    Ok(joined)
}

/// One field of each item: `map(attribute="name")`.
#[allow(clippy::needless_pass_by_value, reason = "minijinja hands over values")]
fn map(value: Value, arguments: Kwargs) -> Result<Vec<Value>, Error> {
    let attribute: String = arguments.get("attribute").map_err(|_| {
        invalid("`map` gives a field of each item: map(attribute=\"name\")".to_owned())
    })?;
    arguments.assert_all_used()?;
    let items = value.try_iter()?.map(|item| item.get_attr(&attribute));
    items
        .map(|item| {
            item.and_then(|item| if item.is_undefined() { Err(undefined()) } else { Ok(item) })
        })
        .collect()
}

/// A text with every occurrence of another replaced.
#[allow(clippy::needless_pass_by_value, reason = "minijinja hands over values")]
fn replace(value: String, from: String, to: String) -> Result<String, Error> {
    if from.is_empty() {
        return Err(invalid("`replace` needs something to look for".to_owned()));
    }
    let mut replaced = String::new();
    let mut parts = value.split(&from);
    push(&mut replaced, parts.next().unwrap_or_default())?;
    for part in parts {
        push(&mut replaced, &to)?;
        push(&mut replaced, part)?;
    }
    Ok(replaced)
}

/// An item as it would be printed, which is bounded for all but lists, and these are no text.
fn text(state: &mut State<'_, '_>, item: &Value) -> Result<String, Error> {
    match item.kind() {
        ValueKind::Undefined => Err(undefined()),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            Err(invalid("`join` takes a list of texts and numbers".to_owned()))
        }
        _ => state.format(item.clone()),
    }
}

fn push(into: &mut String, part: &str) -> Result<(), Error> {
    if into.len() + part.len() > MAX_OUTPUT {
        return Err(invalid("the text is larger than 1 MiB".to_owned()));
    }
    into.push_str(part);
    Ok(())
}

fn undefined() -> Error {
    Error::new(ErrorKind::UndefinedError, "a field is not there")
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
