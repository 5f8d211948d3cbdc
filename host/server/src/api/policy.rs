//! The workspace's policy, and why customers got what they got.

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_journey::Policy;

use super::extract::{Body, Path, Query};
use super::problem::{ApiError, Fault, Problem, faults};
use super::{App, to_the_end};

/// The workspace's policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyView {
    /// The policy file; absent where none was applied.
    source: Option<String>,
    /// What could be better, as `line:column` and message.
    warnings: Vec<Fault>,
}

/// Read the workspace's policy.
#[utoipa::path(
    get, path = "/v1/policy", tag = "policy",
    responses((status = 200, description = "The policy", body = PolicyView))
)]
pub(crate) async fn get(State(app): State<App>) -> Result<Reply<PolicyView>, ApiError> {
    let warnings = outdated(&app, &app.engine.policy());
    Ok(Reply(PolicyView { source: app.engine.policy_file().await?, warnings }))
}

/// Apply a policy file (YAML or JSON) in place of the one in use. It holds for every message that is not handed over yet.
#[utoipa::path(
    put, path = "/v1/policy", tag = "policy",
    request_body(content = String, content_type = "application/yaml", description = "The policy file, at most 256 KiB"),
    responses(
        (status = 200, description = "In use", body = PolicyView),
        (status = 422, description = "The file has errors, each with its line and column; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn put(State(app): State<App>, body: Body) -> Result<Reply<PolicyView>, ApiError> {
    to_the_end(async move {
        let source = body.text()?.to_owned();
        let checked = Policy::check(&source);
        let mut faults = faults(&checked.problems);
        let Some(policy) = checked.policy else { return Err(ApiError::Invalid(faults)) };
        faults.extend(outdated(&app, &policy));
        app.engine.use_policy(source.clone(), policy).await?;
        Ok(Reply(PolicyView { source: Some(source), warnings: faults }))
    })
    .await
}

/// Calendars that do not reach far enough.
fn outdated(app: &App, policy: &Policy) -> Vec<Fault> {
    let warnings = policy.outdated(app.engine.now()).into_iter();
    warnings.map(|message| Fault::new("calendar", message)).collect()
}

/// Which part to tell.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only what concerns this journey.
    #[serde(default)]
    journey: Option<String>,
}

/// What a customer got and did not get, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhyView {
    customer: String,
    /// The customer's time zone, in which times are written.
    zone: String,
    /// In the order of time; of the latest 1,000 deliveries, decisions and enrollments.
    lines: Vec<WhyLineView>,
}

/// One thing that happened or did not happen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhyLineView {
    /// Unix milliseconds.
    at: i64,
    /// The same as clocks in the customer's zone show it.
    time: String,
    /// `entered`, `left`, `sent`, `given`, `waiting`, `suppressed`, `delayed`, `passed`, or another outcome of a delivery.
    kind: String,
    journey: String,
    /// The delivery's key.
    delivery: Option<String>,
    /// A sentence.
    text: String,
}

/// Tell what a customer got and did not get, and why.
#[utoipa::path(
    get, path = "/v1/customers/{id}/why", tag = "policy",
    params(("id" = String, Path, description = "The customer's identifier"), Which),
    responses(
        (status = 200, description = "Sentences in the order of time", body = WhyView),
        (status = 404, description = "No such customer", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn why(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Reply<WhyView>, ApiError> {
    let told = app.engine.why(&id, which.journey.as_deref()).await?;
    let told = told.ok_or_else(|| ApiError::NotFound(format!("customer `{id}`")))?;
    let zone = told.zone;
    let lines = told.lines.into_iter().map(|line| WhyLineView {
        at: line.at,
        time: zone.write(line.at),
        kind: line.kind,
        journey: line.journey,
        delivery: line.delivery,
        text: line.text,
    });
    Ok(Reply(WhyView { customer: id, zone: zone.name().to_owned(), lines: lines.collect() }))
}
