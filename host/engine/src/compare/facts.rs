//! What releases say about themselves and the connection's configuration.

use serde::Serialize;
use serde_json::{Map, Value, json};
use waystation_sandbox::Rehearsal;

use super::{Change, Stage, shown};

/// Most changes that are listed.
const CHANGES: usize = 200;

impl Stage {
    /// Everything but the calls: manifest, permissions, schemas, traits, and whether the configuration will do.
    pub(super) async fn facts(&self, config: &str) -> Vec<Change> {
        let current = facts(&self.current, config).await;
        let candidate = facts(&self.candidate, config).await;
        let mut found = Vec::new();
        changes("", &current, &candidate, &mut found);
        found.truncate(CHANGES);
        found
            .into_iter()
            .map(|(what, current, candidate)| Change {
                what,
                current: shown(&current),
                candidate: shown(&candidate),
            })
            .collect()
    }
}

async fn facts(rehearsal: &Rehearsal, config: &str) -> Value {
    let release = rehearsal.release();
    let mut manifest = json(release.manifest());
    // A candidate has a version of its own.
    manifest.remove("version");
    manifest.remove("permissions");
    let permissions: Map<String, Value> = release
        .manifest()
        .permissions
        .iter()
        .map(|asked| {
            let name = format!("{} {}", asked.name, asked.scope);
            (name.trim_end().to_owned(), Value::from(asked.reason.clone()))
        })
        .collect();
    let kinds: Map<String, Value> =
        release.kinds().iter().map(|kind| (kind.to_string(), Value::Bool(true))).collect();
    let traits: Map<String, Value> = rehearsal
        .traits()
        .await
        .into_iter()
        .map(|(kind, traits)| (kind.to_string(), traits.get("Ok").cloned().unwrap_or(traits)))
        .collect();
    let check = match rehearsal.check().await {
        Ok(Ok(())) => Value::Null,
        Ok(Err(problems)) => serde_json::to_value(problems).unwrap_or_default(),
        Err(error) => error.to_string().into(),
    };
    let mut facts = json!({
        "manifest": manifest,
        "permissions": permissions,
        "kinds": kinds,
        "traits": traits,
        "objections to the configuration": {
            "by its schema": objections(&release.manifest().config_schema, config),
            "by its check": check,
        },
    });
    open_schemas(&mut facts);
    facts
}

fn json<T: Serialize>(record: &T) -> Map<String, Value> {
    match serde_json::to_value(record) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// What the schema has against the configuration; null if nothing.
fn objections(schema: &str, config: &str) -> Value {
    let (Ok(schema), Ok(config)) =
        (serde_json::from_str::<Value>(schema), serde_json::from_str::<Value>(config))
    else {
        return Value::Null;
    };
    match jsonschema::validator_for(&schema) {
        Ok(validator) => {
            let listed: Vec<String> = validator
                .iter_errors(&config)
                .take(CHANGES)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            if listed.is_empty() { Value::Null } else { listed.into() }
        }
        Err(error) => format!("the schema is not valid: {error}").into(),
    }
}

/// Schemas are texts in the contract; here they are compared part by part.
fn open_schemas(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, item) in object.iter_mut() {
                if let (true, Value::String(text)) = (name.ends_with("schema"), &*item)
                    && let Ok(schema) = serde_json::from_str(text)
                {
                    *item = schema;
                } else {
                    open_schemas(item);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(open_schemas),
        _ => {}
    }
}

/// Where two values differ, with what stands there in each; null if nothing does.
pub(super) fn changes(
    place: &str,
    current: &Value,
    candidate: &Value,
    found: &mut Vec<(String, Value, Value)>,
) {
    if current == candidate {
        return;
    }
    let (Value::Object(was), Value::Object(is)) = (current, candidate) else {
        found.push((place.to_owned(), current.clone(), candidate.clone()));
        return;
    };
    let names = was.keys().chain(is.keys().filter(|name| !was.contains_key(*name)));
    for name in names {
        let place = if place.is_empty() { name.clone() } else { format!("{place}/{name}") };
        let of = |object: &Map<String, Value>| object.get(name).cloned().unwrap_or_default();
        changes(&place, &of(was), &of(is), found);
    }
}
