//! The parser's errors, in words for people.

use cel::{ParseError, ParseErrors};

use super::{Fault, shorten};

/// What the parser's own errors start with, as opposed to those about macros and literals.
const SYNTAX: &str = "Syntax error: ";

/// Habits from other languages, and what to write instead.
const HABITS: [(&str, &str); 5] =
    [("=", "=="), ("and", "&&"), ("or", "||"), ("not", "!"), ("&", "&&")];

/// The first of the parser's errors: those that follow are mostly its consequences.
pub(super) fn fault(errors: &ParseErrors, text: &str) -> Fault {
    let syntax = errors.errors.iter().find(|error| error.msg.starts_with(SYNTAX));
    let Some(error) = syntax.or(errors.errors.first()) else {
        return Fault { line: 1, column: 1, message: "the expression cannot be read".to_owned() };
    };
    let (line, column) = place(error, text);
    Fault { line, column, message: describe(&error.msg) }
}

/// Line and column in characters. The parser counts characters in syntax errors and bytes in all others.
fn place(error: &ParseError, text: &str) -> (usize, usize) {
    let line = usize::try_from(error.pos.0).unwrap_or(1).clamp(1, text.lines().count().max(1));
    let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
    if error.msg.starts_with(SYNTAX) {
        return (line, column);
    }
    let before = text.lines().nth(line - 1).and_then(|text| text.get(..column - 1));
    (line, before.map_or(column, |before| before.chars().count() + 1))
}

fn describe(message: &str) -> String {
    if message.contains("Recursion limit") {
        return "the expression is nested too deep; split it into several steps".to_owned();
    }
    let Some(syntax) = message.strip_prefix(SYNTAX) else {
        return format!("the expression cannot be read: {}", shorten(message));
    };
    let Some(token) = offending(syntax) else {
        return format!("the expression cannot be read: {}", shorten(syntax));
    };
    if token == "<EOF>" {
        return "the expression ends too early; something is missing at its end".to_owned();
    }
    if token.starts_with(['"', '\'']) {
        return "the text that starts here is not closed; add the quote at its end".to_owned();
    }
    let habit = HABITS.iter().find(|(habit, _)| *habit == token);
    let hint = habit.map_or_else(String::new, |(_, instead)| format!("; write `{instead}`"));
    format!("`{}` does not belong here{hint}", shorten(token))
}

/// The part of the text that the parser complains of.
fn offending(syntax: &str) -> Option<&str> {
    let rest = [
        "mismatched input '",
        "extraneous input '",
        "token recognition error at: '",
        "no viable alternative at input '",
    ]
    .iter()
    .find_map(|start| syntax.strip_prefix(start))?;
    let end = rest.rfind("' expecting").or_else(|| rest.rfind('\''))?;
    Some(rest[..end].trim_end())
}
