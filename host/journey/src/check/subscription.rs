//! Reading an entry by a subscription to a trigger source.

use jsonschema::Draft;
use serde_json::{Map, Value};

use super::actions::fixed;
use super::effects::connection;
use super::fields::Fields;
use super::node::{Kind, Mark, Node};
use super::reader::Reader;
use crate::program::Trigger;

/// Largest parameters in bytes of JSON.
const MAX_PARAMETERS: usize = 16 * 1024;

/// Most faults of one subscription's parameters that are told.
const MAX_FAULTS: usize = 20;

pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Trigger> {
    let connection = reader.required(fields, "use", |reader, node| {
        connection(reader, node, "trigger source", |facts| facts.trigger_source)
    });
    let parameters = match fields.get("with") {
        None => Some(Map::new()),
        Some(node) => reader.within("with", |reader| parameters(reader, node)),
    };
    let (connection, parameters) = (connection?, parameters?);
    check(reader, fields, &connection, &parameters);
    Some(Trigger::Subscription { connection, parameters })
}

fn parameters(reader: &mut Reader<'_>, node: &Node) -> Option<Map<String, Value>> {
    reader.entries(node, "the parameters")?;
    let Value::Object(parameters) = fixed(reader, node) else { return None };
    let bytes = Value::Object(parameters.clone()).to_string().len();
    if bytes > MAX_PARAMETERS {
        let message =
            format!("the parameters are larger than {} KiB as JSON", MAX_PARAMETERS / 1024);
        reader.error(node.mark, message);
        return None;
    }
    Some(parameters)
}

/// Holds the parameters against the trigger source's schema. They are fixed, so that all that is wrong is found here.
fn check(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    connection: &str,
    parameters: &Map<String, Value>,
) {
    let facts = reader.connections.and_then(|connections| connections.get(connection));
    let Some(schema) = facts.and_then(|facts| facts.subscription.as_ref()) else { return };
    // A schema that points elsewhere is not followed; the host refuses such a connection.
    let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
    let Ok(validator) = options.build(schema) else { return };
    let value = Value::Object(parameters.clone());
    let faults: Vec<(String, String)> = validator
        .iter_errors(&value)
        .take(MAX_FAULTS)
        .map(|error| (error.instance_path().to_string(), error.to_string()))
        .collect();
    for (place, message) in faults {
        let mark = fields.get("with").map_or(fields.mark, |node| mark_at(node, &place));
        let path = path_of(&place);
        reader.within(&format!("with{path}"), |reader| reader.error(mark, message));
    }
}

/// Where the value stands that a JSON pointer names; where the pointer leads nowhere, what it leads to last.
fn mark_at(node: &Node, pointer: &str) -> Mark {
    let mut node = node;
    for word in pointer.split('/').skip(1) {
        let next = match &node.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(key, _)| key.name == word).map(|(_, node)| node)
            }
            Kind::List(items) => word.parse().ok().and_then(|index: usize| items.get(index)),
            Kind::Scalar(_) => None,
        };
        let Some(next) = next else { break };
        node = next;
    }
    node.mark
}

/// `/days/0` as `.days[0]`, which is how paths are written here.
fn path_of(pointer: &str) -> String {
    let words = pointer.split('/').skip(1);
    words.fold(String::new(), |path, word| match word.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) => format!("{path}.{word}"),
    })
}
