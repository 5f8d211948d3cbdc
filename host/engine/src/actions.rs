//! What an action is told, and what it takes.

use std::collections::BTreeSet;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use waystation_journey::Customer;
use waystation_sandbox::contract::action;

/// Most bytes of a customer's fields, names and values together, that one call carries.
const FIELD_BYTES: usize = 64 << 10;
/// Longest detail that is kept, in characters.
const DETAIL_CHARS: usize = 1_000;
/// What stands before the kind of an identity.
const IDENTITY: &str = "identity.";
/// The field that holds all tags, as a JSON list.
const TAGS: &str = "tags";

/// The terms on which a connection runs actions: which parameters it takes, which fields of a customer it may see.
pub(crate) struct Terms {
    /// None for an action that takes no parameters.
    schema: Option<Validator>,
    fields: BTreeSet<String>,
}

/// Why a call cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// A word for journeys.
    pub(crate) reason: &'static str,
    /// For an operator; without the customer's data.
    pub(crate) detail: String,
}

impl Terms {
    /// `granted` are names of attributes, `identity.<kind>` or `tags`.
    pub(crate) fn new(
        traits: Option<&action::Traits>,
        granted: &BTreeSet<String>,
    ) -> Result<Self, String> {
        check_fields(granted, "permissions.customer_fields")?;
        let schema = traits.map_or("", |traits| traits.parameters_schema.as_str());
        let schema = if schema.is_empty() { None } else { Some(compiled(schema)?) };
        Ok(Self { schema, fields: granted.clone() })
    }

    /// Words a call, if the action takes these parameters.
    pub(crate) fn call(
        &self,
        key: &str,
        customer: &Customer,
        parameters: String,
    ) -> Result<action::Call, Fault> {
        self.check(&parameters).map_err(|detail| Fault { reason: "parameters", detail })?;
        let fields = self.fields(customer);
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > FIELD_BYTES {
            let detail = format!(
                "the granted fields of the customer have {bytes} bytes, more than {FIELD_BYTES}; grant fewer"
            );
            return Err(Fault { reason: "customer_fields", detail });
        }
        Ok(action::Call { key: key.to_owned(), customer: customer.id.clone(), fields, parameters })
    }

    fn check(&self, parameters: &str) -> Result<(), String> {
        let parameters: Value =
            serde_json::from_str(parameters).map_err(|error| format!("not JSON: {error}"))?;
        let Some(schema) = &self.schema else {
            let none = parameters.as_object().is_some_and(serde_json::Map::is_empty);
            return if none { Ok(()) } else { Err("the action takes no parameters".to_owned()) };
        };
        schema.validate(&parameters).map_err(|error| {
            // The value may be the customer's own; its place says enough.
            let text = format!("{}: {}", error.instance_path(), error.masked());
            text.chars().take(DETAIL_CHARS).collect()
        })
    }

    /// The granted fields that have a value: texts as they are, anything else as JSON.
    fn fields(&self, customer: &Customer) -> Vec<(String, String)> {
        let value = |name: &String| Some((name.clone(), field(customer, name)?));
        self.fields.iter().filter_map(value).collect()
    }
}

/// A field of a customer as plugins are told it, if it has a value.
pub(crate) fn field(customer: &Customer, name: &str) -> Option<String> {
    if let Some(kind) = name.strip_prefix(IDENTITY) {
        return customer.identities.get(kind).cloned();
    }
    if name == TAGS {
        let some = !customer.tags.is_empty();
        return some.then(|| serde_json::to_string(&customer.tags).unwrap_or_default());
    }
    match customer.attributes.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Says which granted field names none. `permission` is where it stands.
pub(crate) fn check_fields(granted: &BTreeSet<String>, permission: &str) -> Result<(), String> {
    match granted.iter().find(|name| name.is_empty() || *name == IDENTITY) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{permission}: `{name}` names no field; write an attribute's name, identity.<kind> or tags"
        )),
    }
}

/// The schema as journeys are held against it when they are checked.
pub(crate) fn parameters_schema(schema: &str) -> Value {
    if schema.is_empty() {
        return json!({ "type": "object", "additionalProperties": false });
    }
    // What is no JSON was refused before.
    serde_json::from_str(schema).unwrap_or(Value::Bool(true))
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms").field("fields", &self.fields).finish_non_exhaustive()
    }
}

fn compiled(schema: &str) -> Result<Validator, String> {
    let fault = |error: String| format!("the plugin's parameters-schema cannot be used: {error}");
    let schema: Value = serde_json::from_str(schema).map_err(|error| fault(error.to_string()))?;
    // A schema that points elsewhere would be fetched from there.
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .build(&schema)
        .map_err(|error| fault(error.to_string()))
}

#[cfg(test)]
mod tests;
