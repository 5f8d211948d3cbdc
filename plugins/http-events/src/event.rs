//! The body of a request: one event or a list of them.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};
use waystation_sdk::http::HttpRequest;
use waystation_sdk::trigger_source::{Event, Subject};
use waystation_sdk::{Identity, timestamp};

/// Most events in one request.
const MOST_EVENTS: usize = 1000;

/// Most characters of an event's identifier and name.
const MOST_CHARACTERS: usize = 128;

/// An event as it is posted. Each field checks itself, so that a fault comes with the field's place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    #[serde(deserialize_with = "id")]
    id: String,
    #[serde(deserialize_with = "name")]
    name: String,
    customer: Option<String>,
    identity: Option<PostedIdentity>,
    #[serde(default, deserialize_with = "time")]
    at: Option<u64>,
    #[serde(default)]
    properties: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostedIdentity {
    kind: String,
    value: String,
}

/// Reads the events of a body, all or none. An error says what is wrong and where, for whoever sent it.
///
/// Events without a time of their own happened at `sent_at` (milliseconds since 1970).
pub(crate) fn read(request: &HttpRequest, sent_at: u64) -> Result<Vec<Event>, String> {
    if !request.body.trim_ascii_start().starts_with(b"[") {
        return Ok(vec![event(request.json()?, sent_at)?]);
    }
    let list: Vec<Posted> = request.json()?;
    if list.len() > MOST_EVENTS {
        return Err(format!("{} events; send at most {MOST_EVENTS} at once", list.len()));
    }
    let numbered = |(index, posted)| {
        event(posted, sent_at).map_err(|fault: String| format!("/{index}: {fault}"))
    };
    list.into_iter().enumerate().map(numbered).collect()
}

fn event(posted: Posted, sent_at: u64) -> Result<Event, String> {
    let subject = match (posted.customer, posted.identity) {
        (Some(customer), None) if !customer.is_empty() => Subject::Customer(customer),
        (None, Some(PostedIdentity { kind, value })) if !kind.is_empty() && !value.is_empty() => {
            Subject::Identity(Identity { kind, value })
        }
        (Some(_), Some(_)) => return Err("give `customer` or `identity`, not both".to_owned()),
        (None, None) => return Err("`customer` or `identity` is missing".to_owned()),
        _ => return Err("`customer`, or the parts of `identity`, must not be empty".to_owned()),
    };
    Ok(Event {
        id: posted.id,
        name: posted.name,
        subject,
        at: posted.at.unwrap_or(sent_at),
        properties: Value::Object(posted.properties.unwrap_or_default()).to_string(),
        subscription: None,
    })
}

fn id<'de, D: Deserializer<'de>>(field: D) -> Result<String, D::Error> {
    let id = String::deserialize(field)?;
    if id.is_empty() || id.chars().count() > MOST_CHARACTERS {
        return Err(D::Error::custom(format!("use 1 to {MOST_CHARACTERS} characters")));
    }
    Ok(id)
}

fn name<'de, D: Deserializer<'de>>(field: D) -> Result<String, D::Error> {
    let name = String::deserialize(field)?;
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.len() > MOST_CHARACTERS || !name.split(['.', '_']).all(is_word) {
        return Err(D::Error::custom(
            "use lower-case words joined by `.` or `_`, such as `cart.item_added`",
        ));
    }
    Ok(name)
}

/// RFC 3339 text or milliseconds since 1970.
fn time<'de, D: Deserializer<'de>>(field: D) -> Result<Option<u64>, D::Error> {
    let milliseconds = match Value::deserialize(field)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => timestamp::from_rfc3339(&text),
        _ => None,
    };
    milliseconds.map(Some).ok_or_else(|| {
        D::Error::custom("use RFC 3339, such as 2026-05-20T10:00:00+08:00, or Unix milliseconds")
    })
}

#[cfg(test)]
mod tests;
