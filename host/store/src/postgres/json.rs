//! Looking into columns of JSON text, in PostgreSQL's words. `column` and `path` are SQL.

/// The place of a field within JSON text. Field names are identifiers, so that none needs escaping.
pub(crate) fn path<'a>(field: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = field.into_iter().map(|name| format!("\"{name}\"")).collect();
    format!("{{{}}}", names.join(","))
}

/// What is there, as JSON; null if there is nothing.
fn part(column: &str, path: &str) -> String {
    format!("(cast({column} as jsonb) #> cast({path} as text[]))")
}

/// A number, a text or a truth value as text.
fn word(column: &str, path: &str) -> String {
    format!("(cast({column} as jsonb) #>> cast({path} as text[]))")
}

/// Its type in PostgreSQL's words; null if there is nothing.
fn kind(column: &str, path: &str) -> String {
    format!("jsonb_typeof({})", part(column, path))
}

/// Whether there is something.
pub(crate) fn is_there(column: &str, path: &str) -> String {
    format!("{} is not null", part(column, path))
}

pub(crate) fn is_absent(column: &str, path: &str) -> String {
    format!("{} is null", part(column, path))
}

pub(crate) fn is_number(column: &str, path: &str) -> String {
    format!("{} = 'number'", kind(column, path))
}

/// Numbers keep the point that they were written with.
pub(crate) fn is_whole(column: &str, path: &str) -> String {
    format!("({} = 'number' and strpos({}, '.') = 0)", kind(column, path), word(column, path))
}

pub(crate) fn is_text(column: &str, path: &str) -> String {
    format!("{} = 'string'", kind(column, path))
}

pub(crate) fn is_truth(column: &str, path: &str) -> String {
    format!("{} = 'boolean'", kind(column, path))
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

/// The value, where it is a number; it must not be asked for otherwise.
pub(crate) fn number(column: &str, path: &str) -> String {
    format!("cast({} as numeric)", word(column, path))
}

/// The value, where it is a text, in the order of its bytes.
pub(crate) fn text(column: &str, path: &str) -> String {
    format!("({} collate \"C\")", word(column, path))
}

/// The value, where it is a truth value; it must not be asked for otherwise.
pub(crate) fn truth(column: &str, path: &str) -> String {
    format!("cast({} as boolean)", word(column, path))
}

/// Whether a list of texts, which is all that the column holds, has this one.
pub(crate) fn has_text(column: &str, text: &str) -> String {
    format!("(cast({column} as jsonb) ? {text})")
}

/// Whether a list holds a text.
pub(crate) fn holds_text(column: &str, path: &str, text: &str) -> String {
    format!("({} ? {text})", part(column, path))
}

/// Whether a list holds a number; it must not be asked of anything else.
pub(crate) fn holds_number(column: &str, path: &str, number: &str) -> String {
    format!(
        "exists (select 1 from jsonb_array_elements({}) as item (value) \
         where case when jsonb_typeof(item.value) = 'number' then cast(item.value as numeric) = {number} end)",
        part(column, path)
    )
}

/// Whether a list holds a truth value.
pub(crate) fn holds_truth(column: &str, path: &str, truth: bool) -> String {
    format!("({} @> '[{truth}]')", part(column, path))
}

/// Whether an object has a key.
pub(crate) fn has_key(column: &str, path: &str, key: &str) -> String {
    format!("({} ? {key})", part(column, path))
}

/// Where one text is within another, from 1; 0 if it is not.
pub(crate) fn place_in(text: &str, part: &str) -> String {
    format!("strpos({text}, {part})")
}

/// The start of a day written `2027-06-18`, in UTC and Unix milliseconds; null if it is none.
pub(crate) fn midnight(text: &str) -> String {
    format!("midnight({text})")
}

/// A number without what is behind its point.
pub(crate) fn whole_part(number: &str) -> String {
    format!("cast(trunc({number}) as bigint)")
}
