//! What journeys give people to do.

use axum::Extension;
use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_store::StoreError;
use waystation_store::records::{AssignmentFilter, AssignmentRow};

use super::auth::Caller;
use super::extract::{Json, Path, Query};
use super::problem::{ApiError, Problem};
use super::{App, page, to_the_end};

/// Longest outcome in characters.
const MAX_OUTCOME: usize = 64;

/// Which assignments to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of this person or queue.
    assignee: Option<String>,
    /// About this customer.
    customer: Option<String>,
    /// Only those that are not done.
    #[serde(default)]
    open: bool,
    /// After this key: the last of the page before.
    after: Option<String>,
    /// Most rows, 1 to 1,000; 100 if absent.
    limit: Option<i64>,
}

/// Something for a person to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignmentView {
    key: String,
    /// The enrollment that asked for it.
    enrollment: String,
    customer: String,
    journey: String,
    /// Path of the step.
    step: String,
    /// A person or a queue.
    assignee: String,
    /// What is to be done.
    note: String,
    /// When it should be done.
    due_at: Option<i64>,
    created_at: i64,
    done_at: Option<i64>,
    /// What came of it, in one word.
    outcome: Option<String>,
    /// Who said so.
    done_by: Option<String>,
}

/// What came of an assignment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    /// A word of your own such as `reached`; lower-case letters, digits, `-` and `_`, at most 64.
    outcome: String,
}

/// List assignments, by key.
#[utoipa::path(
    get, path = "/v1/assignments", tag = "assignments", params(Which),
    responses((status = 200, description = "Assignments", body = Vec<AssignmentView>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Query(which): Query<Which>,
) -> Result<Reply<Vec<AssignmentView>>, ApiError> {
    let filter = AssignmentFilter {
        assignee: which.assignee,
        customer: which.customer,
        open: which.open,
        after: which.after,
        limit: page(which.limit)?,
    };
    let rows = app.engine.store().assignments(&filter).await?;
    Ok(Reply(rows.into_iter().map(AssignmentView::from).collect()))
}

/// Say that an assignment is done. The event `assignment.done` with its key, outcome and assignee happens to its customer, so
/// that a journey may wait for it.
#[utoipa::path(
    post, path = "/v1/assignments/{key}/done", tag = "assignments", request_body = Done,
    params(("key" = String, Path, description = "The assignment's key")),
    responses(
        (status = 200, description = "Done", body = AssignmentView),
        (status = 404, description = "No such assignment", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was done before", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn done(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Json(body): Json<Done>,
) -> Result<Reply<AssignmentView>, ApiError> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if body.outcome.is_empty()
        || body.outcome.len() > MAX_OUTCOME
        || !body.outcome.chars().all(word)
    {
        let message = format!(
            "the outcome must be one word of 1 to {MAX_OUTCOME} lower-case letters, digits, `-` and `_`"
        );
        return Err(ApiError::invalid("/outcome", message));
    }
    to_the_end(async move {
        let done = app.engine.complete_assignment(&key, &body.outcome, &caller.0).await;
        match done {
            Ok(row) => Ok(Reply(row.into())),
            Err(waystation_engine::EngineError::Store(StoreError::Conflict(_))) => {
                Err(ApiError::Conflict(format!(
                    "assignment `{key}` was done before; its outcome stays"
                )))
            }
            Err(error) => Err(error.into()),
        }
    })
    .await
}

impl From<AssignmentRow> for AssignmentView {
    fn from(row: AssignmentRow) -> Self {
        Self {
            key: row.key,
            enrollment: row.enrollment,
            customer: row.customer,
            journey: row.journey,
            step: row.step,
            assignee: row.assignee,
            note: row.note,
            due_at: row.due_at,
            created_at: row.created_at,
            done_at: row.done_at,
            outcome: row.outcome,
            done_by: row.done_by,
        }
    }
}
