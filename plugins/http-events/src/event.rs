//! The body of a request: one event or a list of them.

use serde_json::{Map, Value};
use waystation_sdk::trigger_source::{Event, Subject};
use waystation_sdk::{Identity, timestamp};

/// Most events in one request.
const MOST_EVENTS: usize = 1000;

/// Most characters of an event's identifier and name.
const MOST_CHARACTERS: usize = 128;

/// Reads the events of a body, all or none. An error says what is wrong and where, for whoever sent it.
///
/// Events without a time of their own happened at `sent_at` (milliseconds since 1970).
pub(crate) fn read(body: &[u8], sent_at: u64) -> Result<Vec<Event>, String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let list = match body {
        Value::Array(list) => list,
        one => return Ok(vec![event(one, sent_at).map_err(|fault| format!("event: {fault}"))?]),
    };
    if list.len() > MOST_EVENTS {
        return Err(format!("{} events; send at most {MOST_EVENTS} at once", list.len()));
    }
    let read =
        |(index, value)| event(value, sent_at).map_err(|fault| format!("event [{index}]: {fault}"));
    list.into_iter().enumerate().map(read).collect()
}

fn event(value: Value, sent_at: u64) -> Result<Event, String> {
    let mut fields = object(value, "it")?;
    let id = required(&mut fields, "id")?;
    let name = required(&mut fields, "name")?;
    let subject = subject(&mut fields)?;
    let at = match fields.remove("at") {
        None | Some(Value::Null) => sent_at,
        Some(value) => time(&value)?,
    };
    let properties = match fields.remove("properties") {
        None | Some(Value::Null) => Map::new(),
        Some(value) => object(value, "`properties`")?,
    };
    if let Some(unknown) = fields.keys().next() {
        return Err(format!(
            "`{unknown}` is no field of an event; put what is your own into `properties`"
        ));
    }
    if id.is_empty() || id.chars().count() > MOST_CHARACTERS {
        return Err(format!("`id` must have 1 to {MOST_CHARACTERS} characters"));
    }
    if !is_name(&name) {
        return Err(
            "`name` must be lower-case words joined by `.` or `_`, such as `cart.item_added`"
                .to_owned(),
        );
    }
    Ok(Event {
        id,
        name,
        subject,
        at,
        properties: Value::Object(properties).to_string(),
        subscription: None,
    })
}

/// Exactly one of `customer` and `identity`.
fn subject(fields: &mut Map<String, Value>) -> Result<Subject, String> {
    match (fields.remove("customer"), fields.remove("identity")) {
        (Some(customer), None) => Ok(Subject::Customer(text(customer, "customer")?)),
        (None, Some(identity)) => {
            let mut identity = object(identity, "`identity`")?;
            let kind = required(&mut identity, "kind")
                .map_err(|fault| format!("in `identity`, {fault}"))?;
            let value = required(&mut identity, "value")
                .map_err(|fault| format!("in `identity`, {fault}"))?;
            Ok(Subject::Identity(Identity { kind, value }))
        }
        (Some(_), Some(_)) => Err("give `customer` or `identity`, not both".to_owned()),
        (None, None) => Err("`customer` or `identity` is missing".to_owned()),
    }
}

/// RFC 3339 text or milliseconds since 1970.
fn time(value: &Value) -> Result<u64, String> {
    let milliseconds = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => timestamp::from_rfc3339(text),
        _ => None,
    };
    milliseconds.ok_or_else(|| {
        "`at` must be RFC 3339, such as 2026-05-20T10:00:00+08:00, or Unix milliseconds".to_owned()
    })
}

fn is_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= MOST_CHARACTERS && name.split(['.', '_']).all(word)
}

fn required(fields: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    text(fields.remove(name).ok_or_else(|| format!("`{name}` is missing"))?, name)
}

fn text(value: Value, name: &str) -> Result<String, String> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text),
        _ => Err(format!("`{name}` must be text and not empty")),
    }
}

fn object(value: Value, what: &str) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(format!("{what} must be an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT_AT: u64 = 1_700_000_000_000;

    #[test]
    fn one_event_or_a_list() {
        let one = r#"{"id":"1","name":"cart.item_added","customer":"c1","properties":{"sku":"a"}}"#;
        let events = read(one.as_bytes(), SENT_AT).unwrap();
        assert_eq!((events[0].at, events[0].properties.as_str()), (SENT_AT, r#"{"sku":"a"}"#));
        assert_eq!(read(format!("[{one},{one}]").as_bytes(), SENT_AT).unwrap().len(), 2);
        assert_eq!(read(b"[]", SENT_AT).unwrap(), []);
    }

    #[test]
    fn times_are_text_or_milliseconds() {
        let at = |at: &str| {
            let body = format!(
                r#"{{"id":"1","name":"a","identity":{{"kind":"email","value":"a@b"}},"at":{at}}}"#
            );
            read(body.as_bytes(), SENT_AT).map(|events| events[0].at)
        };
        assert_eq!(at("1716170400000"), Ok(1_716_170_400_000));
        assert_eq!(at("\"2024-05-20T10:00:00+08:00\""), Ok(1_716_170_400_000));
        assert_eq!(at("null"), Ok(SENT_AT));
        assert!(at("\"yesterday\"").is_err());
        assert!(at("-1").is_err());
    }

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let fault = read(body.as_bytes(), SENT_AT).unwrap_err();
        assert!(fault.starts_with(expected), "{fault}");
    }

    #[test]
    fn faults_say_what_and_where() {
        check("{", "the body is not JSON: ");
        check("7", "event: it must be an object");
        check(
            r#"[{"id":"1","name":"a","customer":"c"},{"id":"2"}]"#,
            "event [1]: `name` is missing",
        );
        check(r#"{"id":1}"#, "event: `id` must be text");
        check(
            r#"{"id":"1","name":"A b","customer":"c"}"#,
            "event: `name` must be lower-case words",
        );
        check(
            r#"{"id":"1","name":"a..b","customer":"c"}"#,
            "event: `name` must be lower-case words",
        );
        check(r#"{"id":"1","name":"a"}"#, "event: `customer` or `identity` is missing");
        check(
            r#"{"id":"1","name":"a","identity":{"kind":"email"}}"#,
            "event: in `identity`, `value` is missing",
        );
        check(
            r#"{"id":"1","name":"a","customer":"c","propertis":{}}"#,
            "event: `propertis` is no field",
        );
        check(
            r#"{"id":"1","name":"a","customer":"c","properties":[]}"#,
            "event: `properties` must be an object",
        );
        check(&format!("[{}]", vec!["{}"; 1001].join(",")), "1001 events; send at most 1000");
    }
}
