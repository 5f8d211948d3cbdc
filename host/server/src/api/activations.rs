//! Changing the release that a connection uses, and the history of that.

use axum::extract::State;
use axum::{Extension, Json as Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use waystation_engine::{CanaryPlan, EngineError, PermissionSpec, choose, fits, wanting};
use waystation_store::records::{ActivationRow, ReleaseRow};

use super::auth::Caller;
use super::connections::{ConnectionView, shown};
use super::extract::{Json, Path, Query};
use super::problem::{ApiError, Problem};
use super::{App, page, to_the_end};

/// What to put into use, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activation {
    /// `name@version` or a digest; the highest installed version that the connection's `plugin` names if absent.
    #[serde(default)]
    release: Option<String>,
    /// Try it on a share of the customers first: `share` (0.001 .. 0.5), `sample` (effects in each group until it is promoted),
    /// `calls` (as many calls as well), `at_most_ms`. An empty object takes the defaults.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    canary: Option<Value>,
    /// Go ahead although the release asks for permissions that the connection was not granted and that the release in use does
    /// not ask for. They stay ungranted.
    #[serde(default)]
    without_wanted: bool,
}

/// One change of the release that a connection uses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Change {
    /// Counts the connection's changes from 1.
    number: i64,
    at: i64,
    /// `activate`, `canary`, `promote` or `roll_back`.
    kind: String,
    /// Digest of the release that it is about.
    release: String,
    /// Digest of the release that was, or might have been, in use instead.
    former: Option<String>,
    /// Who made it: a token, or `canary` for a trial that ended by itself.
    actor: String,
    /// Why, with the figures that decided.
    reason: String,
}

/// How much of the history to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Most changes, 1 .. 1,000; 100 if absent.
    limit: Option<i64>,
}

/// Put a release into use, at once or after a trial. Calls in flight end on the release before; none fails for it.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/activate", tag = "connections", request_body = Activation,
    params(("connection" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, description = "In use, or on trial", body = ConnectionView),
        (status = 404, description = "No such connection or release", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "In use already, not a release that the connection names, or it asks for more permissions; nothing changed", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The configuration does not suit the release; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn activate(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Json(body): Json<Activation>,
) -> Result<Reply<ConnectionView>, ApiError> {
    let plan: Option<CanaryPlan> = body
        .canary
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| ApiError::invalid("/canary", error.to_string()))?;
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let store = app.engine.store();
        let missing = || ApiError::NotFound(format!("connection `{name}`"));
        let row = store.connection(&name).await?.ok_or_else(missing)?;
        let releases = store.releases().await?;
        let wanted = body.release.as_deref().unwrap_or(&row.plugin);
        let release = choose(&releases, wanted).map_err(ApiError::NotFound)?;
        // A release in development is meant by its digest, whatever the connection names.
        let allowed = fits(&row.plugin, release)
            || release.development && of_same_plugin(&row.plugin, release);
        if !allowed {
            return Err(ApiError::Conflict(format!(
                "connection `{name}` uses `{}`, which {}@{} is not; apply the connection with another `plugin` first",
                row.plugin, release.name, release.version
            )));
        }
        if !body.without_wanted {
            let present = releases.iter().find(|one| one.digest == row.digest);
            let granted: PermissionSpec = serde_json::from_str(&row.permissions).unwrap_or_default();
            refuse_more(&name, present, release, &granted)?;
        }
        app.engine.activate(&name, &release.digest, plan, &caller.0).await?;
        Ok(Reply(shown(&app, &name).await?))
    })
    .await
}

/// Whether the connection names the plugin of this release, in whatever version.
fn of_same_plugin(wanted: &str, release: &ReleaseRow) -> bool {
    let name = wanted.split_once('@').map_or(wanted, |(name, _)| name);
    name == release.name || name.len() == 64
}

/// A release that wants to do more than the one in use needs the operator's word.
fn refuse_more(
    connection: &str,
    present: Option<&ReleaseRow>,
    next: &ReleaseRow,
    granted: &PermissionSpec,
) -> Result<(), ApiError> {
    let before = present.map(|present| wanting(present, granted)).unwrap_or_default();
    let same = |one: &waystation_engine::Asked| {
        before.iter().any(|other| other.name == one.name && other.scope == one.scope)
    };
    let more: Vec<String> = wanting(next, granted)
        .iter()
        .filter(|one| !same(one))
        .map(|one| format!("{} {} ({})", one.name, one.scope, one.reason))
        .collect();
    if more.is_empty() {
        return Ok(());
    }
    Err(ApiError::Conflict(format!(
        "{}@{} asks for more than the release in use: {}; grant it by applying connection `{connection}` with these \
         permissions, or activate the release without them (`without_wanted`, `--without-wanted`)",
        next.name,
        next.version,
        more.join("; ")
    )))
}

/// End a trial in favour of the release in use; without a trial, go back to the release used before.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/roll-back", tag = "connections",
    params(("connection" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, description = "In use", body = ConnectionView),
        (status = 404, description = "No such connection", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is nothing to go back to", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn roll_back(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Reply<ConnectionView>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        app.engine.roll_back(&name, &caller.0, "by hand").await?;
        Ok(Reply(shown(&app, &name).await?))
    })
    .await
}

/// End a trial in favour of the candidate.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/promote", tag = "connections",
    params(("connection" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, description = "In use", body = ConnectionView),
        (status = 404, description = "No such connection", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "No candidate is on trial", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn promote(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Reply<ConnectionView>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        app.engine.promote(&name, &caller.0).await?;
        Ok(Reply(shown(&app, &name).await?))
    })
    .await
}

/// List the changes of a connection's release, the newest first.
#[utoipa::path(
    get, path = "/v1/connections/{connection}/history", tag = "connections",
    params(("connection" = String, Path, description = "The connection's name"), HistoryQuery),
    responses((status = 200, description = "Changes", body = Vec<Change>))
)]
pub(crate) async fn history(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Reply<Vec<Change>>, ApiError> {
    let rows = app.engine.store().activations(&name, page(query.limit)?).await?;
    if rows.is_empty() && app.engine.store().connection(&name).await?.is_none() {
        return Err(EngineError::Missing(format!("connection `{name}`")).into());
    }
    Ok(Reply(rows.into_iter().map(Change::from).collect()))
}

impl From<ActivationRow> for Change {
    fn from(row: ActivationRow) -> Self {
        Self {
            number: row.number,
            at: row.at,
            kind: row.kind,
            release: row.release,
            former: row.former,
            actor: row.actor,
            reason: row.reason,
        }
    }
}
