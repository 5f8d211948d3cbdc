//! Splits: what came of their arms, and which of them wins.

use axum::Extension;
use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use waystation_engine::SplitView;
use waystation_journey::Winner;

use super::auth::Caller;
use super::extract::{Json, Path};
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};

/// A split of a journey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Split {
    split: String,
    /// Who decides: `automatic` or `manual`.
    winner: String,
    arms: Vec<ArmOfSplit>,
    /// Absent until it is decided.
    decided: Option<Decision>,
}

/// An arm, and what came of it so far.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ArmOfSplit {
    arm: String,
    /// Enrollments that were given it before the split was decided.
    entered: i64,
    /// Those of them that reached the goal so far.
    reached: i64,
    /// The share that reached it, 0 to 1.
    share: f64,
}

/// Which arm everybody gets, and how that came about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Decision {
    arm: String,
    decided_at: i64,
    /// Who decided; `waystation` if the figures did.
    decided_by: String,
    /// The counts that it was decided on, by arm.
    #[schema(value_type = Vec<Object>)]
    figures: Value,
}

/// The arm that is to win.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    arm: String,
}

/// List the splits of the version in use with what came of their arms.
#[utoipa::path(
    get, path = "/v1/journeys/{journey}/splits", tag = "journeys",
    params(("journey" = String, Path, description = "The journey's name")),
    responses(
        (status = 200, description = "Splits", body = Vec<Split>),
        (status = 404, description = "No such journey", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    Path(journey): Path<String>,
) -> Result<Reply<Vec<Split>>, ApiError> {
    let splits = app.engine.splits(&journey).await?;
    Ok(Reply(splits.into_iter().map(Split::from).collect()))
}

/// Decide a split: everybody who reaches it from now on gets this arm.
#[utoipa::path(
    put, path = "/v1/journeys/{journey}/splits/{split}/winner", tag = "journeys", request_body = Decide,
    params(
        ("journey" = String, Path, description = "The journey's name"),
        ("split" = String, Path, description = "The split's name")
    ),
    responses(
        (status = 200, description = "Decided", body = Vec<Split>),
        (status = 404, description = "No such journey, split or arm", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn decide(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((journey, split)): Path<(String, String)>,
    Json(body): Json<Decide>,
) -> Result<Reply<Vec<Split>>, ApiError> {
    to_the_end(async move {
        app.engine.decide_split(&journey, &split, &body.arm, &caller.0).await?;
        let splits = app.engine.splits(&journey).await?;
        Ok(Reply(splits.into_iter().map(Split::from).collect()))
    })
    .await
}

impl From<SplitView> for Split {
    fn from(view: SplitView) -> Self {
        let winner = match view.winner {
            Winner::Automatic => "automatic",
            Winner::Manual => "manual",
        };
        let arms = view.arms.into_iter().map(|arm| ArmOfSplit {
            share: if arm.entered == 0 { 0.0 } else { arm.reached as f64 / arm.entered as f64 },
            arm: arm.arm,
            entered: arm.entered,
            reached: arm.reached,
        });
        let decided = view.decided.map(|decided| Decision {
            arm: decided.arm,
            decided_at: decided.decided_at,
            decided_by: decided.decided_by,
            figures: serde_json::from_str(&decided.figures).unwrap_or_default(),
        });
        Self { split: view.split, winner: winner.to_owned(), arms: arms.collect(), decided }
    }
}
