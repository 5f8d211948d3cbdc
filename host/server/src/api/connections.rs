//! Connections: releases in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json as Reply};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use waystation_engine::{
    Asked, ConnectionSpec, EngineError, LineStatus, PermissionSpec, choose, fits, wanting,
};
use waystation_journey::HOST_SOURCE;
use waystation_store::records::{ConnectionRow, ReleaseRow};

use super::auth::Caller;
use super::extract::{Json, Path};
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};
use crate::vault::Vault;

/// Events are known by their source: these sources are no connections.
const RESERVED: [&str; 2] = [HOST_SOURCE, super::events::SOURCE];
/// Longest name of a connection.
const NAME: usize = 64;

/// A connection as an operator writes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionBody {
    /// Name that journeys use: lower kebab case, at most 64 characters. May be left out, as it is in the address.
    #[serde(default)]
    connection: Option<String>,
    /// The plugin: its name (any release), `name@1.4.0`, a range such as `name@^1.4`, or a release's digest.
    plugin: String,
    /// What the plugin reads as its configuration.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: serde_json::Map<String, Value>,
    /// What it may do; nothing by default: `http` (`origins`, `networks`, `redirects`), `secrets` (each with the origins it may
    /// be sent to), `reveal` and `codes` (lists of names), `mail` (`relay` and `senders`), `store` (`kib`),
    /// `audience` (`fields` and `conditions`), `customer_fields`.
    #[serde(default)]
    #[schema(value_type = Object)]
    permissions: Value,
    /// How much a call may use: `memory_mib`, `call_ms`, `concurrency`, `rate_per_s`, `response_kib`.
    #[serde(default)]
    #[schema(value_type = Object)]
    limits: Value,
    /// How many calls are recorded, redacted, for comparing releases: `share` (0 to 1; 0.01) and `keep` (1 to 10,000; 1,000).
    #[serde(default)]
    #[schema(value_type = Object)]
    recording: Value,
    /// Secrets to set; those that are left out keep their value, and none can be read back.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

/// A connection as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    connection: String,
    /// The plugin as the connection names it.
    plugin: String,
    /// Digest of the release in use.
    release: String,
    /// Its version.
    version: Option<String>,
    /// Digest of the release used before, which `roll-back` goes back to.
    previous: Option<String>,
    #[schema(value_type = Object)]
    config: Value,
    #[schema(value_type = Object)]
    permissions: Value,
    #[schema(value_type = Object)]
    limits: Value,
    #[schema(value_type = Object)]
    recording: Value,
    /// Names of its secrets; nothing shows their values.
    secrets: Vec<String>,
    /// Permissions that the release asks for and was not granted: `name`, `scope`, `reason`.
    #[schema(value_type = Vec<Object>)]
    wanting: Vec<Asked>,
    /// Whether its plugin is loaded; the server's log says why not.
    loaded: bool,
    /// What it does now: calls under way, circuit breaker, candidate on trial with its figures, releases being drained.
    #[schema(value_type = Option<Object>)]
    status: Option<LineStatus>,
    updated_at: i64,
}

/// Create a connection or replace it. The plugin checks its configuration first; calls in flight end on the old settings. The
/// release in use stays as long as it is one that `plugin` names; else the highest version that fits is taken.
#[utoipa::path(
    put, path = "/v1/connections/{connection}", tag = "connections", request_body = ConnectionBody,
    params(("connection" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, description = "In use", body = ConnectionView),
        (status = 404, description = "No such release is installed", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not valid; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Json(body): Json<ConnectionBody>,
) -> Result<Reply<ConnectionView>, ApiError> {
    let spec = spec(name, &body)?;
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let store = app.engine.store();
        let releases = store.releases().await?;
        let former = store.connection(&spec.connection).await?;
        let present = former.as_ref().and_then(|row| {
            releases.iter().find(|one| one.digest == row.digest && fits(&spec.plugin, one))
        });
        let release = match present {
            Some(present) => present,
            None => choose(&releases, &spec.plugin).map_err(ApiError::NotFound)?,
        };
        let mut secrets = match &former {
            Some(row) => {
                app.vault.unseal(&row.name, &row.secrets).map_err(|error| internal(&error))?
            }
            None => BTreeMap::new(),
        };
        secrets.extend(body.secrets);
        let row = ConnectionRow {
            name: spec.connection.clone(),
            plugin: spec.plugin.clone(),
            digest: release.digest.clone(),
            config: Value::Object(spec.config.clone()).to_string(),
            permissions: text(&spec.permissions),
            limits: text(&spec.limits),
            recording: text(&spec.recording),
            secrets: app
                .vault
                .seal(&spec.connection, &secrets)
                .map_err(|error| internal(&error))?,
            previous: None,
            canary: None,
            updated_at: app.engine.now(),
        };
        app.engine.put_connection(row, &caller.0).await?;
        Ok(Reply(shown(&app, &spec.connection).await?))
    })
    .await
}

/// List connections by name.
#[utoipa::path(
    get, path = "/v1/connections", tag = "connections",
    responses((status = 200, description = "Connections", body = Vec<ConnectionView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Reply<Vec<ConnectionView>>, ApiError> {
    let releases = app.engine.store().releases().await?;
    let rows = app.engine.store().connections().await?;
    Ok(Reply(rows.into_iter().map(|row| view(&app, row, &releases)).collect()))
}

/// Show a connection.
#[utoipa::path(
    get, path = "/v1/connections/{connection}", tag = "connections",
    params(("connection" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, description = "The connection", body = ConnectionView),
        (status = 404, description = "No such connection", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Reply<ConnectionView>, ApiError> {
    Ok(Reply(shown(&app, &name).await?))
}

/// Set or, with `null`, remove some of a connection's secrets. Calls in flight end with the old ones; nothing is restarted.
#[utoipa::path(
    patch, path = "/v1/connections/{connection}/secrets", tag = "connections",
    request_body = BTreeMap<String, Option<String>>,
    params(("connection" = String, Path, description = "The connection's name")),
    responses(
        (status = 200, description = "In use", body = ConnectionView),
        (status = 404, description = "No such connection", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The plugin objects; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(changes): Json<BTreeMap<String, Option<String>>>,
) -> Result<Reply<ConnectionView>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let vault = Arc::clone(&app.vault);
        let failed = |error: anyhow::Error| EngineError::Invalid(format!("{error:#}"));
        let reseal = |sealed: &str| {
            let mut secrets = vault.unseal(&name, sealed).map_err(failed)?;
            for (secret, value) in changes {
                match value {
                    Some(value) => secrets.insert(secret, value),
                    None => secrets.remove(&secret),
                };
            }
            vault.seal(&name, &secrets).map_err(failed)
        };
        app.engine.rotate_secrets(&name, reseal).await?;
        Ok(Reply(shown(&app, &name).await?))
    })
    .await
}

/// What a stored connection was written as, with its secrets open.
pub(crate) fn reopen(
    vault: &Vault,
    row: &ConnectionRow,
) -> Result<(ConnectionSpec, BTreeMap<String, String>), EngineError> {
    let invalid = |what: String| EngineError::Invalid(format!("connection {}: {what}", row.name));
    let spec = ConnectionSpec {
        connection: row.name.clone(),
        plugin: row.plugin.clone(),
        config: serde_json::from_str(&row.config).map_err(|error| invalid(error.to_string()))?,
        permissions: serde_json::from_str(&row.permissions)
            .map_err(|error| invalid(error.to_string()))?,
        limits: serde_json::from_str(&row.limits).map_err(|error| invalid(error.to_string()))?,
        recording: serde_json::from_str(&row.recording)
            .map_err(|error| invalid(error.to_string()))?,
    };
    let secrets =
        vault.unseal(&row.name, &row.secrets).map_err(|error| invalid(format!("{error:#}")))?;
    Ok((spec, secrets))
}

fn spec(name: String, body: &ConnectionBody) -> Result<ConnectionSpec, ApiError> {
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if name.len() > NAME || !name.split('-').all(word) {
        return Err(ApiError::invalid(
            "/connection",
            format!(
                "`{name}`: a connection's name is lower case words joined by `-`, at most {NAME} characters"
            ),
        ));
    }
    if RESERVED.contains(&name.as_str()) {
        let message =
            format!("`{name}` is the source of other events; call the connection something else");
        return Err(ApiError::invalid("/connection", message));
    }
    if body.connection.as_ref().is_some_and(|given| *given != name) {
        return Err(ApiError::invalid(
            "/connection",
            "the name in the body differs from the one in the address",
        ));
    }
    let or_empty = |value: &Value| {
        if value.is_null() { Value::Object(serde_json::Map::new()) } else { value.clone() }
    };
    Ok(ConnectionSpec {
        connection: name,
        plugin: body.plugin.clone(),
        config: body.config.clone(),
        permissions: serde_json::from_value(or_empty(&body.permissions))
            .map_err(|error| ApiError::invalid("/permissions", error.to_string()))?,
        limits: serde_json::from_value(or_empty(&body.limits))
            .map_err(|error| ApiError::invalid("/limits", error.to_string()))?,
        recording: serde_json::from_value(or_empty(&body.recording))
            .map_err(|error| ApiError::invalid("/recording", error.to_string()))?,
    })
}

fn text<T: Serialize>(value: &T) -> String {
    // Plain structs of strings and numbers: it cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// A connection as it stands now.
pub(super) async fn shown(app: &App, name: &str) -> Result<ConnectionView, ApiError> {
    let missing = || ApiError::NotFound(format!("connection `{name}`"));
    let row = app.engine.store().connection(name).await?.ok_or_else(missing)?;
    let releases = app.engine.store().releases().await?;
    Ok(view(app, row, &releases))
}

fn view(app: &App, row: ConnectionRow, releases: &[ReleaseRow]) -> ConnectionView {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
    let status = app.engine.status(&row.name);
    let release = releases.iter().find(|release| release.digest == row.digest);
    let granted: PermissionSpec = serde_json::from_str(&row.permissions).unwrap_or_default();
    // Those that were sealed with another key keep the connection from loading, which the log says.
    let secrets = app.vault.unseal(&row.name, &row.secrets).unwrap_or_default();
    ConnectionView {
        config: json(&row.config),
        permissions: json(&row.permissions),
        limits: json(&row.limits),
        recording: json(&row.recording),
        secrets: secrets.into_keys().collect(),
        wanting: release.map(|release| wanting(release, &granted)).unwrap_or_default(),
        version: release.map(|release| release.version.clone()),
        connection: row.name,
        plugin: row.plugin,
        release: row.digest,
        previous: row.previous,
        loaded: status.is_some(),
        status,
        updated_at: row.updated_at,
    }
}

fn internal(error: &anyhow::Error) -> ApiError {
    ApiError::Internal(format!("{error:#}"))
}
