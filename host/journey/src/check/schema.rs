//! Holding parameters against the action's schema, as far as that can be told before they are filled in.
//!
//! Only what makes every call invalid is found here: a parameter that is missing, that the action does not know, or that is of
//! another type. The host holds the filled parameters against the whole schema before each call.

use serde_json::{Map, Value};

use super::node::{Key, Mark, Node};
use super::reader::Reader;
use crate::nearest::{did_you_mean, one_of};
use crate::template::Parameter;

/// Checks the parameters of a step at `mark`. `entries` are where they stand.
pub(super) fn check(
    reader: &mut Reader<'_>,
    mark: Mark,
    entries: &[(Key, Node)],
    parameters: &[(String, Parameter)],
    schema: &Map<String, Value>,
) {
    for name in strings(schema.get("required")) {
        if !parameters.iter().any(|(given, _)| given == name) {
            reader.error(mark, format!("the action needs the parameter `{name}`"));
        }
    }
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
        && !schema.contains_key("patternProperties");
    for ((key, node), (name, parameter)) in entries.iter().zip(parameters) {
        match known.get(name) {
            Some(property) => {
                reader.within(name, |reader| check_type(reader, node.mark, parameter, property));
            }
            None if closed => unknown(reader, key, known),
            None => {}
        }
    }
}

fn unknown(reader: &mut Reader<'_>, key: &Key, known: &Map<String, Value>) {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let hint = if names.is_empty() {
        "it takes none".to_owned()
    } else {
        did_you_mean(&key.name, names.iter().copied()).unwrap_or_else(|| one_of(&names))
    };
    reader.error(key.mark, format!("the action takes no parameter `{}`; {hint}", key.name));
}

fn check_type(reader: &mut Reader<'_>, mark: Mark, parameter: &Parameter, property: &Value) {
    let types: Vec<&str> = match property.get("type") {
        Some(Value::String(name)) => vec![name],
        several => strings(several).collect(),
    };
    let found = type_of(parameter);
    let fits = |name: &&str| *name == found || (*name == "number" && found == "integer");
    if types.is_empty() || types.iter().any(fits) {
        return;
    }
    let hint = match parameter {
        Parameter::Text(_) => "; what is quoted or filled in is a text",
        _ => "",
    };
    reader.error(mark, format!("the action takes {} here, not {found}{hint}", types.join(" or ")));
}

/// JSON Schema's word for what a parameter will be.
fn type_of(parameter: &Parameter) -> &'static str {
    match parameter {
        Parameter::Text(_) | Parameter::Fixed(Value::String(_)) => "string",
        Parameter::List(_) | Parameter::Fixed(Value::Array(_)) => "array",
        Parameter::Object(_) | Parameter::Fixed(Value::Object(_)) => "object",
        Parameter::Fixed(Value::Null) => "null",
        Parameter::Fixed(Value::Bool(_)) => "boolean",
        Parameter::Fixed(Value::Number(number)) => {
            let whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
            if whole { "integer" } else { "number" }
        }
    }
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
