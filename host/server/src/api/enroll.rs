//! Enrolling customers by hand.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waystation_engine::ByHand;
use waystation_store::records::Taken;

use super::App;
use super::events::{Received, received};
use super::extract::{Json, Path};
use super::problem::{ApiError, Fault, Problem};
use crate::event::{CUSTOMER_ID, check_size, customer_id};

/// Most customers in one request.
const CUSTOMERS: usize = 1000;
/// Most characters of an identifier: enough for a customer's and what tells one run from another.
const ID: usize = 256;

/// A customer to be enrolled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrollmentBody {
    /// Unique within the journey, 1 to 256 characters; the same identifier is taken once.
    id: String,
    /// A known customer's identifier.
    customer: String,
    /// What the journey sees as `entry`, at most 64 KiB.
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Enroll up to 1,000 customers in a live journey by hand, whatever it is entered by; its `again` and `key` hold, its entry
/// condition is not asked. They are durable when the answer comes; all of a request or, on an error, none.
#[utoipa::path(
    post, path = "/v1/journeys/{journey}/enrollments", tag = "enrollments", request_body = Vec<EnrollmentBody>,
    params(("journey" = String, Path, description = "The journey's name")),
    responses(
        (status = 202, description = "Taken, but for unknown customers", body = Received),
        (status = 404, description = "No such journey", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The journey is not live", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not valid; nobody is enrolled", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is waiting", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn enroll(
    State(app): State<App>,
    Path(journey): Path<String>,
    Json(bodies): Json<Vec<EnrollmentBody>>,
) -> Result<(StatusCode, Reply<Received>), ApiError> {
    if bodies.is_empty() || bodies.len() > CUSTOMERS {
        let message =
            format!("send 1 to {CUSTOMERS} customers in one request, not {}", bodies.len());
        return Err(ApiError::invalid("", message));
    }
    let faults: Vec<Fault> =
        bodies.iter().enumerate().flat_map(|(index, body)| faults(index, body)).collect();
    if !faults.is_empty() {
        return Err(ApiError::Invalid(faults));
    }
    let customers = bodies.into_iter().map(|body| ByHand {
        id: body.id,
        customer: body.customer,
        properties: body.properties,
    });
    let taken = app.engine.enroll(&journey, customers.collect()).await?;
    Ok((StatusCode::ACCEPTED, Reply(received(&taken))))
}

/// The customers of a segment to be enrolled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentBody {
    /// The segment's name.
    segment: String,
    /// Names this run, 1 to 128 characters: a customer is taken once in a run.
    run: String,
    /// What the journey sees as `entry`, at most 64 KiB.
    #[serde(default)]
    properties: Map<String, Value>,
    /// The `next` of the part before.
    #[serde(default)]
    after: Option<String>,
}

/// What became of a part of a segment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegmentPart {
    /// Customers taken.
    accepted: usize,
    /// Customers who had been taken in this run before.
    duplicates: usize,
    /// Where the next part starts; absent at the end.
    next: Option<String>,
}

/// Enroll the customers of a segment in a live journey by hand, up to 1,000 at a time: repeat the request with `after` until
/// there is no `next`.
#[utoipa::path(
    post, path = "/v1/journeys/{journey}/enrollments/segment", tag = "enrollments", request_body = SegmentBody,
    params(("journey" = String, Path, description = "The journey's name")),
    responses(
        (status = 202, description = "Taken", body = SegmentPart),
        (status = 404, description = "No such journey or segment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The journey is not live", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not valid; nobody is enrolled", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too much is waiting", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn enroll_segment(
    State(app): State<App>,
    Path(journey): Path<String>,
    Json(body): Json<SegmentBody>,
) -> Result<(StatusCode, Reply<SegmentPart>), ApiError> {
    if !customer_id(&body.run) {
        let message = "a run has 1 to 128 characters and no control characters";
        return Err(ApiError::invalid("/run", message));
    }
    check_size(&body.properties)
        .map_err(|fault| ApiError::invalid("/properties", fault.message))?;
    let SegmentBody { segment, run, properties, after } = body;
    let (taken, next) =
        app.engine.enroll_segment(&journey, &segment, &run, &properties, after.as_deref()).await?;
    let accepted = taken.iter().filter(|one| **one == Taken::Accepted).count();
    let duplicates = taken.iter().filter(|one| **one == Taken::Duplicate).count();
    Ok((StatusCode::ACCEPTED, Reply(SegmentPart { accepted, duplicates, next })))
}

fn faults(index: usize, body: &EnrollmentBody) -> Vec<Fault> {
    let mut faults = Vec::new();
    let sound = (1..=ID).contains(&body.id.chars().count());
    if !sound || body.id.chars().any(char::is_control) {
        let message = format!(
            "an identifier has 1 to {ID} characters and no control characters: it is what keeps a repeated request from counting twice"
        );
        faults.push(Fault::new(format!("/{index}/id"), message));
    }
    if !customer_id(&body.customer) {
        faults.push(Fault::new(format!("/{index}/customer"), CUSTOMER_ID.to_owned()));
    }
    if let Err(fault) = check_size(&body.properties) {
        faults.push(Fault::new(format!("/{index}/properties"), fault.message));
    }
    faults
}
