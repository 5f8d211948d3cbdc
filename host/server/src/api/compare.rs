//! Comparing a component with the release that a connection uses.

use axum::Json as Reply;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::App;
use super::extract::{Body, Path, Query};
use super::problem::{ApiError, Problem};

/// Examples of each kind of difference where the caller does not say.
const EXAMPLES: usize = 3;
/// Most examples of each kind.
const EXAMPLES_MAX: usize = 100;

/// How much is shown.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Shown {
    /// Examples of each kind of difference, 0 to 100; 3 by default.
    limit: Option<usize>,
}

/// Make a connection's recorded calls again, with the release in use and with a candidate, both with the outside stubbed
/// alike, and tell what is different. Nothing is installed, and nothing reaches anybody. The same candidate and the same
/// recordings give the same answer.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/compare", tag = "connections",
    request_body(content = String, content_type = "application/wasm", description = "The component, at most 64 MiB"),
    params(("connection" = String, Path, description = "The connection's name"), Shown),
    responses(
        (status = 200, description = "What is different: `same`, `facts`, `outcomes`, `requests`, `not_reproduced`", body = Value),
        (status = 404, description = "No such connection", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not a plugin; the detail says why", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn compare(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(shown): Query<Shown>,
    Body(body): Body,
) -> Result<Reply<Value>, ApiError> {
    let examples = match shown.limit {
        None => EXAMPLES,
        Some(limit) if limit <= EXAMPLES_MAX => limit,
        Some(limit) => {
            return Err(ApiError::invalid(
                "limit",
                format!("`limit` is {limit}; it must be from 0 to {EXAMPLES_MAX}"),
            ));
        }
    };
    let compared = app.engine.compare(&name, body.to_vec(), examples).await?;
    serde_json::to_value(compared).map(Reply).map_err(|error| ApiError::Internal(error.to_string()))
}
