//! Events sent by API.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waystation_store::records::{NewEvent, Subject, Taken};

use super::App;
use super::extract::Json;
use super::problem::{ApiError, Fault, Problem};

/// Source that events sent by API have, so that their identifiers are taken once.
pub(crate) const SOURCE: &str = "api";
/// Most events in one request.
const EVENTS: usize = 1000;
/// Most bytes of one event's properties.
pub(super) const PROPERTIES: usize = 64 << 10;

/// Something that happened to a customer. Either `customer` or `identity` says to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventBody {
    /// Unique among events sent by API, 1 to 128 characters; the same identifier is taken once.
    id: Option<String>,
    /// Lower case words joined by `.` and `_`, such as `cart.item_added`.
    name: Option<String>,
    /// The customer's identifier; an unknown customer is created.
    customer: Option<String>,
    /// An identity of a known customer.
    identity: Option<IdentityBody>,
    /// When it happened, in Unix milliseconds; now if absent.
    at: Option<i64>,
    /// Anything else about it, at most 64 KiB.
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Something that names a customer outside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityBody {
    /// Kind such as `email`.
    kind: String,
    /// The address or identifier.
    value: String,
}

/// One event, or up to 1,000.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it describes the body, which is read event by event so that every fault has its place"
)]
pub(crate) enum EventsBody {
    /// Several events.
    Many(Vec<EventBody>),
    /// One event.
    One(Box<EventBody>),
}

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Received {
    /// Events stored.
    accepted: usize,
    /// Events whose identifier was taken before.
    duplicates: usize,
    /// For each event in order: `accepted`, `duplicate` or `unknown_customer`.
    results: Vec<&'static str>,
}

/// Take events in. They are durable when the answer comes; all of a request or, on an error, none.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", request_body = EventsBody,
    responses(
        (status = 202, description = "Stored", body = Received),
        (status = 422, description = "Not valid; nothing stored", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is waiting", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn send(
    State(app): State<App>,
    Json(body): Json<Value>,
) -> Result<(StatusCode, Reply<Received>), ApiError> {
    let events = read(body, app.engine.now())?;
    let taken = app.engine.take(events).await?;
    Ok((StatusCode::ACCEPTED, Reply(received(&taken))))
}

/// What became of events, for the caller.
pub(super) fn received(taken: &[Taken]) -> Received {
    let results: Vec<&'static str> = taken
        .iter()
        .map(|taken| match taken {
            Taken::Accepted => "accepted",
            Taken::Duplicate => "duplicate",
            Taken::UnknownCustomer => "unknown_customer",
        })
        .collect();
    let count = |kind| taken.iter().filter(|one| **one == kind).count();
    Received { accepted: count(Taken::Accepted), duplicates: count(Taken::Duplicate), results }
}

fn read(body: Value, now: i64) -> Result<Vec<NewEvent>, ApiError> {
    let (bodies, many) = match body {
        Value::Array(bodies) => (bodies, true),
        body => (vec![body], false),
    };
    if bodies.is_empty() || bodies.len() > EVENTS {
        return Err(ApiError::invalid(
            "",
            format!("send 1 to {EVENTS} events in one request, not {}", bodies.len()),
        ));
    }
    let mut faults = Vec::new();
    let mut events = Vec::with_capacity(bodies.len());
    for (index, body) in bodies.into_iter().enumerate() {
        let place = if many { format!("/{index}") } else { String::new() };
        match serde_json::from_value(body) {
            Ok(body) => match event(body, now) {
                Ok(event) => events.push(event),
                Err((field, message)) => {
                    faults.push(Fault::new(format!("{place}/{field}"), message))
                }
            },
            Err(error) => faults.push(Fault::new(place, error.to_string())),
        }
    }
    if faults.is_empty() { Ok(events) } else { Err(ApiError::Invalid(faults)) }
}

fn event(body: EventBody, now: i64) -> Result<NewEvent, (&'static str, String)> {
    let id = body.id.filter(|id| customer_id(id)).ok_or((
        "id",
        "give the event an identifier of 1 to 128 characters: it is what keeps a repeated request from counting twice".to_owned(),
    ))?;
    let name = body.name.filter(|name| event_name(name)).ok_or((
        "name",
        "give the event a name of lower case words joined by `.` and `_`, such as `cart.item_added`, at most 128 characters".to_owned(),
    ))?;
    let subject = match (body.customer, body.identity) {
        (Some(customer), None) if customer_id(&customer) => Subject::Customer(customer),
        (Some(_), None) => return Err(("customer", CUSTOMER_ID.to_owned())),
        (None, Some(identity)) => Subject::Identity { kind: identity.kind, value: identity.value },
        _ => {
            return Err((
                "customer",
                "say whom it is about: either `customer` or `identity`".to_owned(),
            ));
        }
    };
    let size = size(&body.properties);
    if size > PROPERTIES {
        return Err((
            "properties",
            format!("the properties have {size} bytes, more than the {PROPERTIES} allowed"),
        ));
    }
    Ok(NewEvent {
        source: SOURCE.to_owned(),
        id,
        name,
        subject,
        at: body.at.unwrap_or(now),
        subscription: None,
        properties: body.properties,
    })
}

/// Bytes of properties.
pub(super) fn size(properties: &Map<String, Value>) -> usize {
    properties.iter().map(|(name, value)| name.len() + value.to_string().len()).sum()
}

fn event_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.len() <= 128 && name.split(['.', '_']).all(word)
}

/// What a customer's identifier must look like.
pub(crate) const CUSTOMER_ID: &str =
    "a customer's identifier has 1 to 128 characters and no control characters";

/// Whether it is a customer's identifier.
pub(crate) fn customer_id(id: &str) -> bool {
    (1..=128).contains(&id.chars().count()) && !id.chars().any(char::is_control)
}
