//! Events sent by API.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use waystation_store::records::{NewEvent, Taken};

use super::App;
use super::extract::Json;
use super::problem::{ApiError, Fault, Problem};
use crate::event::{EVENTS, EventBody, Origin, event};

/// Source that events sent by API have, so that their identifiers are taken once.
pub(crate) const SOURCE: &str = "api";

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
        match event(body, Origin { source: SOURCE, id: None, at: now }) {
            Ok(event) => events.push(event),
            Err(fault) if fault.field.is_empty() => faults.push(Fault::new(place, fault.message)),
            Err(fault) => {
                faults.push(Fault::new(format!("{place}/{}", fault.field), fault.message));
            }
        }
    }
    if faults.is_empty() { Ok(events) } else { Err(ApiError::Invalid(faults)) }
}
