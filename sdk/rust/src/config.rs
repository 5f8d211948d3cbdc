//! The connection's configuration as a type.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bindings::host::waystation::plugin::config;
use crate::{Plugin, Problem, json};

/// The configuration of a plugin that has nothing to configure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct NoConfig {}

/// The plugin with the connection's configuration, or what is wrong with that.
pub(crate) fn load<P: Plugin>() -> Result<P, Problem> {
    P::new(read(&config::get())?)
}

fn read<C: DeserializeOwned>(json: &str) -> Result<C, Problem> {
    json::read(json.as_bytes()).map_err(|fault| Problem::new(fault.path, fault.message))
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
