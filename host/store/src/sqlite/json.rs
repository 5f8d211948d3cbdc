//! Looking into columns of JSON text, in SQLite's words. `column` and `path` are SQL.

/// The place of a field within JSON text. Field names are identifiers, so that none needs escaping.
pub(crate) fn path<'a>(field: impl IntoIterator<Item = &'a String>) -> String {
    field.into_iter().fold("$".to_owned(), |path, name| format!("{path}.\"{name}\""))
}

/// Its type in SQLite's words; null if there is nothing.
fn kind(column: &str, path: &str) -> String {
    format!("json_type({column}, {path})")
}

/// Whether there is something.
pub(crate) fn is_there(column: &str, path: &str) -> String {
    format!("{} is not null", kind(column, path))
}

pub(crate) fn is_absent(column: &str, path: &str) -> String {
    format!("{} is null", kind(column, path))
}

pub(crate) fn is_number(column: &str, path: &str) -> String {
    format!("{} in ('integer', 'real')", kind(column, path))
}

pub(crate) fn is_whole(column: &str, path: &str) -> String {
    format!("{} = 'integer'", kind(column, path))
}

pub(crate) fn is_text(column: &str, path: &str) -> String {
    format!("{} = 'text'", kind(column, path))
}

pub(crate) fn is_truth(column: &str, path: &str) -> String {
    format!("{} in ('true', 'false')", kind(column, path))
}

pub(crate) fn is_null(column: &str, path: &str) -> String {
    format!("{} = 'null'", kind(column, path))
}

pub(crate) fn is_list(column: &str, path: &str) -> String {
    format!("{} = 'array'", kind(column, path))
}

pub(crate) fn is_object(column: &str, path: &str) -> String {
    format!("{} = 'object'", kind(column, path))
}

/// The value, where it is a number.
pub(crate) fn number(column: &str, path: &str) -> String {
    format!("({column} ->> {path})")
}

/// The value, where it is a text.
pub(crate) fn text(column: &str, path: &str) -> String {
    format!("({column} ->> {path})")
}

/// The value, where it is a truth value.
pub(crate) fn truth(column: &str, path: &str) -> String {
    format!("({column} ->> {path})")
}

/// Whether a list of texts, which is all that the column holds, has this one.
pub(crate) fn has_text(column: &str, text: &str) -> String {
    format!("exists (select 1 from json_each({column}) as item where item.value = {text})")
}

/// Whether a list holds a text.
pub(crate) fn holds_text(column: &str, path: &str, text: &str) -> String {
    format!(
        "exists (select 1 from json_each({column}, {path}) as item \
         where item.type = 'text' and item.value = {text})"
    )
}

/// Whether a list holds a number.
pub(crate) fn holds_number(column: &str, path: &str, number: &str) -> String {
    format!(
        "exists (select 1 from json_each({column}, {path}) as item \
         where item.type in ('integer', 'real') and item.value = {number})"
    )
}

/// Whether a list holds a truth value.
pub(crate) fn holds_truth(column: &str, path: &str, truth: bool) -> String {
    format!(
        "exists (select 1 from json_each({column}, {path}) as item where item.type = '{truth}')"
    )
}

/// Whether an object has a key.
pub(crate) fn has_key(column: &str, path: &str, key: &str) -> String {
    format!("exists (select 1 from json_each({column}, {path}) as item where item.key = {key})")
}

/// Where one text is within another, from 1; 0 if it is not.
pub(crate) fn place_in(text: &str, part: &str) -> String {
    format!("instr({text}, {part})")
}

/// The start of a day written `2027-06-18`, in UTC and Unix milliseconds; null if it is none.
pub(crate) fn midnight(text: &str) -> String {
    format!(
        "case when {text} glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' and date({text}) = {text} \
         then unixepoch({text}) * 1000 end"
    )
}

/// A number without what is behind its point.
pub(crate) fn whole_part(number: &str) -> String {
    format!("cast({number} as bigint)")
}
