//! States of journeys, and what becomes of those inside.

use axum::Extension;
use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_engine::{InUse, Inside, Operation, Treatment};
use waystation_store::records::Transfer;

use super::auth::Caller;
use super::extract::{Json, Path, Query};
use super::journeys::wrong_map;
use super::problem::{ApiError, Problem};
use super::{App, page, to_the_end};

/// What to do with a journey.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operate {
    /// `pause`, `resume`, `drain` or `retire`.
    #[schema(value_type = String)]
    operation: Operation,
}

/// Which version to put into use, and what becomes of those inside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoLive {
    /// A stored version; the newest one if absent.
    version: Option<i64>,
    /// `stay`, `move` or `leave`. If it is not said they stay, and move where only texts differ.
    #[schema(value_type = Option<String>)]
    inside: Option<Inside>,
    /// Steps that are the same ones, as pairs of their older and newer path.
    #[serde(default)]
    map: Vec<(String, String)>,
}

/// Where a journey stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    journey: String,
    /// `draft`, `live`, `paused`, `draining` or `retired`.
    state: String,
    /// The version that new customers enter, or entered last.
    version: i64,
    /// What becomes of those inside, in batches, if they do not simply go on: `move`, `copy`, `leave`, or `wake` after a pause.
    inside: Option<String>,
}

/// What becomes of those inside a journey, and how far it has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransferView {
    id: i64,
    /// `move`, `copy`, `leave` or `wake`.
    kind: String,
    /// The version that they move into; absent if they do not move.
    version: Option<i64>,
    /// How many it has been done with.
    done: i64,
    /// How many stay in their version, as their step has no counterpart.
    stayed: i64,
    created_at: i64,
    /// Absent while it is under way.
    finished_at: Option<i64>,
    /// Who asked for it.
    actor: String,
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Newest {
    /// Most rows, 1 to 1,000; 100 if absent.
    pub(super) limit: Option<i64>,
}

/// Pause, resume, drain or retire a journey.
#[utoipa::path(
    post, path = "/v1/journeys/{journey}/state", tag = "journeys", request_body = Operate,
    params(("journey" = String, Path, description = "The journey's name")),
    responses(
        (status = 200, description = "Done", body = Standing),
        (status = 404, description = "No such journey", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Not possible in the present state; the answer says what is", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn operate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(journey): Path<String>,
    Json(body): Json<Operate>,
) -> Result<Reply<Standing>, ApiError> {
    to_the_end(async move {
        let in_use = app.engine.operate(&journey, body.operation, &caller.0).await?;
        Ok(Reply(Standing::of(journey, in_use)))
    })
    .await
}

/// Put a stored version into use.
#[utoipa::path(
    post, path = "/v1/journeys/{journey}/live", tag = "journeys", request_body = GoLive,
    params(("journey" = String, Path, description = "The journey's name")),
    responses(
        (status = 200, description = "In use", body = Standing),
        (status = 404, description = "No such journey or version", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Those inside are still leaving", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn live(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(journey): Path<String>,
    Json(body): Json<GoLive>,
) -> Result<Reply<Standing>, ApiError> {
    to_the_end(async move {
        let how = Treatment { inside: body.inside, map: body.map };
        let in_use = app.engine.set_live(&journey, body.version, how, &caller.0).await;
        Ok(Reply(Standing::of(journey, in_use.map_err(wrong_map)?)))
    })
    .await
}

/// List what became of those inside a journey when it changed, the newest first.
#[utoipa::path(
    get, path = "/v1/journeys/{journey}/transfers", tag = "journeys",
    params(("journey" = String, Path, description = "The journey's name"), Newest),
    responses(
        (status = 200, description = "Transfers", body = Vec<TransferView>),
        (status = 404, description = "No such journey", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn transfers(
    State(app): State<App>,
    Path(journey): Path<String>,
    Query(query): Query<Newest>,
) -> Result<Reply<Vec<TransferView>>, ApiError> {
    let rows = app.engine.store().transfers(&journey, page(query.limit)?).await?;
    if rows.is_empty() {
        exists(&app, &journey).await?;
    }
    Ok(Reply(rows.into_iter().map(TransferView::from).collect()))
}

/// An empty list is one of a journey that is there.
pub(super) async fn exists(app: &App, journey: &str) -> Result<(), ApiError> {
    let found = app.engine.store().journey(journey).await?;
    found.map(|_| ()).ok_or_else(|| ApiError::NotFound(format!("journey `{journey}`")))
}

impl Standing {
    fn of(journey: String, in_use: InUse) -> Self {
        Self {
            journey,
            state: in_use.state,
            version: in_use.version,
            inside: in_use.transfer.map(|kind| kind.word().to_owned()),
        }
    }
}

impl From<Transfer> for TransferView {
    fn from(row: Transfer) -> Self {
        let moves = ["move", "copy"].contains(&row.kind.word());
        Self {
            id: row.id,
            kind: row.kind.word().to_owned(),
            version: moves.then_some(row.version),
            done: row.done,
            stayed: row.stayed,
            created_at: row.created_at,
            finished_at: row.finished_at,
            actor: row.actor,
        }
    }
}
