//! The connection's configuration as a type.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::bindings::host::waystation::plugin::config;
use crate::{Plugin, Problem};

/// The configuration of a plugin that has nothing to configure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct NoConfig {}

/// The plugin with the connection's configuration, or what is wrong with that.
pub(crate) fn load<P: Plugin>() -> Result<P, Problem> {
    P::new(read(&config::get())?)
}

fn read<C: DeserializeOwned>(json: &str) -> Result<C, Problem> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Problem::new(pointer(error.path()), message(error.inner())))?;
    deserializer.end().map_err(|error| Problem::new("", message(&error)))?;
    Ok(value)
}

/// The place in the text that the library appends means nothing to an operator, who edits a form or YAML.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) if error.is_data() => message.to_owned(),
        _ => text,
    }
}

/// The path as a JSON Pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // The variant of an enum is no level of its own in JSON that the reader could look up.
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&name);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "a/b")]
        slashed: Option<u8>,
        list: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        name: String,
    }

    #[track_caller]
    fn check(json: &str, path: &str, message: &str) {
        let problem = read::<Sample>(json).unwrap_err();
        assert_eq!((problem.path.as_str(), problem.message.as_str()), (path, message));
    }

    #[test]
    fn problems_name_the_place_and_the_fault() {
        check(
            r#"{"list": [{"name": "x"}, {"name": 7}]}"#,
            "/list/1/name",
            "invalid type: integer `7`, expected a string",
        );
        check(r#"{"list": [], "a/b": 300}"#, "/a~1b", "invalid value: integer `300`, expected u8");
        check(r#"{"a/b": 1}"#, "", "missing field `list`");
        check(r#"{"list": [], "c": 1}"#, "/c", "unknown field `c`, expected `a/b` or `list`");
        check("{", "", "EOF while parsing an object at line 1 column 1");
    }

    #[test]
    fn nothing_to_configure_takes_an_empty_object() {
        assert_eq!(read("{}"), Ok(NoConfig {}));
    }
}
