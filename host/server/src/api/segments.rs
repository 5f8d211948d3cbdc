//! Segments: who is in them, counted and listed before anything is sent.

use std::collections::BTreeMap;

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use waystation_journey::{Audience, Customer, Segment, Segments, check_segment};
use waystation_store::records::SegmentRow;

use super::extract::{Body, Json, Path, Query};
use super::journeys::How;
use super::problem::{ApiError, Fault, Problem, faults};
use super::{App, page, to_the_end};

/// Most fields of a customer in one list.
const FIELDS: usize = 50;

/// A segment that was applied or checked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppliedSegment {
    segment: String,
    /// What could be better, as `line:column` and message.
    warnings: Vec<Fault>,
}

/// A segment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegmentView {
    segment: String,
    title: String,
    owner: String,
    updated_at: i64,
}

/// A segment with its file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegmentDetail {
    #[serde(flatten)]
    segment: SegmentView,
    /// Its file.
    source: String,
}

/// How many customers there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Size {
    customers: i64,
    /// The time that it was counted as of.
    at: i64,
}

/// A condition on customers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// CEL, as a segment's `when`.
    when: String,
}

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Only customers after this identifier: `next` of the page before.
    after: Option<String>,
    /// At most so many: 1 to 1000, 100 if absent.
    limit: Option<i64>,
    /// Fields of the customers, separated by commas: attributes, `tags`, or identities such as `identity.email`.
    #[serde(default)]
    fields: String,
    /// The time as of which to look: `at` of the page before, so that all pages agree.
    at: Option<i64>,
}

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Members {
    members: Vec<Member>,
    /// Ask with this as `after` for the next page; absent on the last one.
    next: Option<String>,
    at: i64,
}

/// A member of a segment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Member {
    customer: String,
    /// Those of the fields asked for that the customer has.
    fields: BTreeMap<String, Value>,
}

/// Apply a segment file (YAML or JSON): check it and put it into use, in place of that of its name.
#[utoipa::path(
    post, path = "/v1/segments", tag = "segments", params(How),
    request_body(content = String, content_type = "application/yaml", description = "The segment file, at most 256 KiB"),
    responses(
        (status = 200, description = "In use", body = AppliedSegment),
        (status = 422, description = "The file has errors, each with its line and column; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn apply(
    State(app): State<App>,
    Query(how): Query<How>,
    body: Body,
) -> Result<Reply<AppliedSegment>, ApiError> {
    to_the_end(async move {
        let source = body.text()?;
        let _turn = app.changing.lock().await;
        let known = app.engine.segments();
        let checked = check_segment(source, &known);
        let faults = faults(&checked.problems);
        let Some(segment) = checked.segment else { return Err(ApiError::Invalid(faults)) };
        let name = segment.name().to_owned();
        let next = known.with(segment).map_err(|message| ApiError::invalid("1:1", message))?;
        if !how.check {
            let (source, updated_at) = (source.to_owned(), app.engine.now());
            let row = SegmentRow { name: name.clone(), source, updated_at };
            app.engine.store().put_segment(row).await?;
            app.engine.use_segments(next);
        }
        Ok(Reply(AppliedSegment { segment: name, warnings: faults }))
    })
    .await
}

/// List segments by name.
#[utoipa::path(
    get, path = "/v1/segments", tag = "segments",
    responses((status = 200, description = "Segments", body = Vec<SegmentView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Reply<Vec<SegmentView>>, ApiError> {
    let segments = app.engine.segments();
    let rows = app.engine.store().segments().await?;
    Ok(Reply(rows.iter().map(|row| view(row, &segments)).collect()))
}

/// Read a segment.
#[utoipa::path(
    get, path = "/v1/segments/{segment}", tag = "segments",
    params(("segment" = String, Path, description = "The segment's name")),
    responses(
        (status = 200, description = "The segment", body = SegmentDetail),
        (status = 404, description = "No such segment", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Reply<SegmentDetail>, ApiError> {
    let rows = app.engine.store().segments().await?;
    let row = rows.into_iter().find(|row| row.name == name).ok_or_else(|| missing(&name))?;
    Ok(Reply(SegmentDetail { segment: view(&row, &app.engine.segments()), source: row.source }))
}

/// Remove a segment that no live journey and no other segment asks for.
#[utoipa::path(
    delete, path = "/v1/segments/{segment}", tag = "segments",
    params(("segment" = String, Path, description = "The segment's name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such segment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something asks for it", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let known = app.engine.segments();
        let next = known.without(&name).map_err(|asking| {
            ApiError::Conflict(format!("segment `{asking}` asks for `{name}`; change that first"))
        })?;
        if let Some(journey) = app.engine.journey_asking_for(&name) {
            let detail = format!(
                "the live journey `{journey}` asks for segment `{name}`; change that first"
            );
            return Err(ApiError::Conflict(detail));
        }
        if !app.engine.store().remove_segment(name.clone()).await? {
            return Err(missing(&name));
        }
        app.engine.use_segments(next);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Count the members of a segment.
#[utoipa::path(
    get, path = "/v1/segments/{segment}/count", tag = "segments",
    params(("segment" = String, Path, description = "The segment's name")),
    responses(
        (status = 200, description = "How many customers are in it now", body = Size),
        (status = 404, description = "No such segment", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn count(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Reply<Size>, ApiError> {
    let segments = app.engine.segments();
    let segment = segments.get(&name).ok_or_else(|| missing(&name))?;
    size(&app, segment.audience(), &segments).await
}

/// Count the customers for whom a condition holds, without applying a segment.
#[utoipa::path(
    post, path = "/v1/audience/count", tag = "segments", request_body = Asked,
    responses(
        (status = 200, description = "For how many customers it holds now", body = Size),
        (status = 422, description = "The condition has errors, each with its line and column", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn count_asked(
    State(app): State<App>,
    Json(asked): Json<Asked>,
) -> Result<Reply<Size>, ApiError> {
    let segments = app.engine.segments();
    let audience = Audience::parse(&asked.when, &segments)
        .map_err(|problems| ApiError::Invalid(faults(&problems)))?;
    size(&app, &audience, &segments).await
}

/// List the members of a segment by their identifiers, a page at a time.
#[utoipa::path(
    get, path = "/v1/segments/{segment}/members", tag = "segments",
    params(("segment" = String, Path, description = "The segment's name"), Part),
    responses(
        (status = 200, description = "A page of members", body = Members),
        (status = 404, description = "No such segment", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn members(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(part): Query<Part>,
) -> Result<Reply<Members>, ApiError> {
    let limit = page(part.limit)?;
    let wanted: Vec<&str> = part.fields.split(',').filter(|field| !field.is_empty()).collect();
    if wanted.len() > FIELDS {
        return Err(ApiError::invalid("fields", format!("ask for {FIELDS} fields at most")));
    }
    let segments = app.engine.segments();
    let segment = segments.get(&name).ok_or_else(|| missing(&name))?;
    let at = part.at.unwrap_or_else(|| app.engine.now());
    let condition = segment.audience().condition(&segments, at).map_err(ApiError::Internal)?;
    let store = app.engine.store();
    let ids = store.audience(&condition, part.after.as_deref(), limit).await?;
    let full = i64::try_from(ids.len()).is_ok_and(|found| found == limit);
    let next = ids.last().filter(|_| full).cloned();
    let mut customers =
        if wanted.is_empty() { BTreeMap::new() } else { store.customers(&ids).await? };
    let members = ids.into_iter().map(|id| {
        let fields = customers.remove(&id).map(|customer| fields(&customer, &wanted));
        Member { fields: fields.unwrap_or_default(), customer: id }
    });
    Ok(Reply(Members { members: members.collect(), next, at }))
}

fn fields(customer: &Customer, wanted: &[&str]) -> BTreeMap<String, Value> {
    let value = |field: &str| match field.strip_prefix("identity.") {
        Some(kind) => customer.identities.get(kind).cloned().map(Value::from),
        None if field == "tags" => Some(customer.tags.iter().cloned().collect()),
        None => customer.attributes.get(field).cloned(),
    };
    wanted.iter().filter_map(|field| Some(((*field).to_owned(), value(field)?))).collect()
}

async fn size(
    app: &App,
    audience: &Audience,
    segments: &Segments,
) -> Result<Reply<Size>, ApiError> {
    let at = app.engine.now();
    let condition = audience.condition(segments, at).map_err(ApiError::Internal)?;
    Ok(Reply(Size { customers: app.engine.store().audience_size(&condition).await?, at }))
}

fn view(row: &SegmentRow, segments: &Segments) -> SegmentView {
    let segment = segments.get(&row.name);
    SegmentView {
        segment: row.name.clone(),
        title: segment.map_or(&*row.name, Segment::title).to_owned(),
        owner: segment.and_then(Segment::owner).unwrap_or_default().to_owned(),
        updated_at: row.updated_at,
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::NotFound(format!("segment `{name}`"))
}
