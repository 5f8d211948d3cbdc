//! A workspace that was restored from a backup.

use axum::Extension;
use axum::Json as Reply;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use waystation_engine::Restored;

use super::auth::Caller;
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};

/// When it was restored, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RestoredView {
    /// When the backup was made.
    backup_at: i64,
    /// When it was restored.
    restored_at: i64,
    /// When an operator let it go on; absent while everything but taking events in is held.
    resumed_at: Option<i64>,
    /// Until when messages of enrollments that were in the backup are asked for at their providers first.
    doubtful_until: Option<i64>,
}

/// Let a restored workspace go on.
#[utoipa::path(
    post, path = "/v1/resume", tag = "trust",
    responses(
        (status = 200, description = "It goes on", body = RestoredView),
        (status = 409, description = "Nothing is held", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn resume(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Reply<RestoredView>, ApiError> {
    to_the_end(async move {
        let restored = app.engine.resume(&caller.0).await?;
        Ok(Reply(restored.into()))
    })
    .await
}

/// Read whether the workspace was restored from a backup, and how far it is.
#[utoipa::path(
    get, path = "/v1/restored", tag = "trust",
    responses(
        (status = 200, description = "When it was restored", body = RestoredView),
        (status = 404, description = "It was not", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(State(app): State<App>) -> Result<Reply<RestoredView>, ApiError> {
    let restored = app.engine.restored();
    let restored = restored.ok_or_else(|| {
        ApiError::NotFound("restoration: the workspace is not from a backup".to_owned())
    })?;
    Ok(Reply(restored.into()))
}

impl From<Restored> for RestoredView {
    fn from(restored: Restored) -> Self {
        Self {
            backup_at: restored.backup_at,
            restored_at: restored.restored_at,
            resumed_at: restored.resumed_at,
            doubtful_until: restored.doubtful_until(),
        }
    }
}
