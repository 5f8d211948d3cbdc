//! The file as it stands, for telling versions apart.

use saphyr_parser::ScalarStyle;
use serde_json::Value;

use super::node::{Kind, Node};
use super::steps::KINDS;
use crate::outline::Outline;

pub(super) fn outline(root: &Node) -> Outline {
    Outline::of(value(root), &KINDS.map(|(kind, _)| kind))
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map(entries) => Value::Object(
            entries.iter().map(|(key, node)| (key.name.clone(), value(node))).collect(),
        ),
        Kind::Scalar(scalar) if scalar.is_null() => Value::Null,
        Kind::Scalar(scalar) => {
            let plain = (scalar.style == ScalarStyle::Plain)
                .then(|| serde_json::from_str(&scalar.text).ok())
                .flatten()
                .filter(|value: &Value| value.is_number() || value.is_boolean());
            plain.unwrap_or_else(|| Value::from(scalar.text.as_str()))
        }
    }
}
