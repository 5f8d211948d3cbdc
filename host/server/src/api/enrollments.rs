//! Enrollments and what happened to them.

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use waystation_journey::Enrollment;
use waystation_store::records::Filter;

use super::extract::{Path, Query};
use super::problem::{ApiError, Problem};
use super::{App, page};

/// Most advances of one enrollment in an answer.
const HISTORY: i64 = 10_000;

/// Which enrollments to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of this journey.
    journey: Option<String>,
    /// Of this customer.
    customer: Option<String>,
    /// `active`, `finished` or `exited`.
    status: Option<String>,
    /// After this identifier: the last of the page before.
    after: Option<String>,
    /// Most rows, 1 to 1,000; 100 if absent.
    limit: Option<i64>,
}

/// One customer in one journey version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrollmentView {
    id: String,
    customer: String,
    journey: String,
    version: i64,
    /// What the customer is enrolled for, where the journey tells enrollments apart.
    key: String,
    /// `active`, `finished` or `exited`.
    status: &'static str,
    /// How it ended.
    outcome: Option<String>,
    enrolled_at: i64,
    ended_at: Option<i64>,
    /// When a timer is due.
    due_at: Option<i64>,
    goal_reached_at: Option<i64>,
    goal_value: Option<f64>,
}

/// An enrollment with its history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnrollmentDetail {
    #[serde(flatten)]
    enrollment: EnrollmentView,
    /// Every advance, oldest first.
    history: Vec<AdvanceView>,
}

/// One advance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdvanceView {
    /// Counts the enrollment's advances.
    seq: i64,
    at: i64,
    /// What happened, in order: kind, step, key and detail.
    entries: Value,
}

/// List enrollments in the order of their identifiers, which is the order of enrolling.
#[utoipa::path(
    get, path = "/v1/enrollments", tag = "enrollments", params(Which),
    responses((status = 200, description = "Enrollments", body = Vec<EnrollmentView>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Reply<Vec<EnrollmentView>>, ApiError> {
    let filter = Filter {
        journey: which.journey,
        customer: which.customer,
        state: which.status,
        after: which.after,
        limit: page(which.limit)?,
        ..Filter::default()
    };
    let found = app.engine.store().enrollments(&filter).await?;
    Ok(Reply(found.into_iter().map(EnrollmentView::from).collect()))
}

/// Read an enrollment with its history.
#[utoipa::path(
    get, path = "/v1/enrollments/{id}", tag = "enrollments",
    params(("id" = String, Path, description = "The enrollment's identifier")),
    responses(
        (status = 200, description = "The enrollment", body = EnrollmentDetail),
        (status = 404, description = "No such enrollment", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Reply<EnrollmentDetail>, ApiError> {
    let store = app.engine.store();
    let found = store.enrollment(&id).await?;
    let enrollment = found.ok_or_else(|| ApiError::NotFound(format!("enrollment `{id}`")))?;
    let history = store.history(&id, 0, HISTORY).await?;
    Ok(Reply(EnrollmentDetail {
        enrollment: enrollment.into(),
        history: history
            .into_iter()
            .map(|row| AdvanceView { seq: row.seq, at: row.at, entries: row.entries })
            .collect(),
    }))
}

impl From<Enrollment> for EnrollmentView {
    fn from(enrollment: Enrollment) -> Self {
        Self {
            id: enrollment.id,
            customer: enrollment.customer,
            journey: enrollment.journey,
            version: enrollment.version,
            key: enrollment.key,
            status: enrollment.status.as_str(),
            outcome: enrollment.outcome,
            enrolled_at: enrollment.enrolled_at,
            ended_at: enrollment.ended_at,
            due_at: enrollment.due_at,
            goal_reached_at: enrollment.goal_reached_at,
            goal_value: enrollment.goal_value,
        }
    }
}
