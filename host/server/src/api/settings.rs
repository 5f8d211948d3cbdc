//! Settings of the workspace.

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Json;
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};

/// What the setting is called in the database.
const UNSIGNED_PLUGINS: &str = "unsigned_plugins";

/// What becomes of a release that nobody signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unsigned {
    /// It is not installed.
    #[default]
    Refuse,
    /// It is installed.
    Allow,
}

/// The workspace's settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingsView {
    /// Whether releases without a signature are installed: `refuse` (the default) or `allow`.
    unsigned_plugins: Unsigned,
}

/// Settings to change; those that are left out stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    #[serde(default)]
    unsigned_plugins: Option<Unsigned>,
}

/// Read the workspace's settings.
#[utoipa::path(
    get, path = "/v1/settings", tag = "trust",
    responses((status = 200, description = "The settings", body = SettingsView))
)]
pub(crate) async fn get(State(app): State<App>) -> Result<Reply<SettingsView>, ApiError> {
    Ok(Reply(SettingsView { unsigned_plugins: unsigned_plugins(&app).await? }))
}

/// Change settings of the workspace. What is installed already stays.
#[utoipa::path(
    put, path = "/v1/settings", tag = "trust", request_body = Changes,
    responses(
        (status = 200, description = "The settings now", body = SettingsView),
        (status = 422, description = "Not valid; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Json(changes): Json<Changes>,
) -> Result<Reply<SettingsView>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        if let Some(unsigned) = changes.unsigned_plugins {
            let word = match unsigned {
                Unsigned::Refuse => "refuse",
                Unsigned::Allow => "allow",
            };
            app.engine.store().set_setting(UNSIGNED_PLUGINS, word.to_owned()).await?;
        }
        Ok(Reply(SettingsView { unsigned_plugins: unsigned_plugins(&app).await? }))
    })
    .await
}

/// What becomes of releases that nobody signed.
pub(super) async fn unsigned_plugins(app: &App) -> Result<Unsigned, ApiError> {
    let set = app.engine.store().setting(UNSIGNED_PLUGINS).await?;
    // Only the very word opens the door, so that a damaged row does not.
    Ok(if set.as_deref() == Some("allow") { Unsigned::Allow } else { Unsigned::Refuse })
}
