//! Connections: releases in use.

use std::collections::BTreeMap;

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use waystation_engine::{ConnectionSpec, EngineError};
use waystation_store::records::{ConnectionRow, ReleaseRow};

use super::extract::{Json, Path};
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};
use crate::vault::Vault;

/// Longest name of a connection.
const NAME: usize = 64;

/// A connection as an operator writes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionBody {
    /// Name that journeys use: lower kebab case, at most 64 characters. May be left out, as it is in the address.
    #[serde(default)]
    connection: Option<String>,
    /// The plugin: its name (the newest installed release), `name@version`, or a release's digest.
    plugin: String,
    /// What the plugin reads as its configuration.
    #[serde(default)]
    #[schema(value_type = Object)]
    config: serde_json::Map<String, Value>,
    /// What it may do: `secrets`, `reveal` and `codes` (lists of names), `mail` (`relay` and `senders`). Nothing by default.
    #[serde(default)]
    #[schema(value_type = Object)]
    permissions: Value,
    /// How much a call may use: `memory_mib`, `call_ms`, `concurrency`.
    #[serde(default)]
    #[schema(value_type = Object)]
    limits: Value,
    /// Secrets to set; those that are left out keep their value, and none can be read back.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

/// A connection as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionView {
    connection: String,
    /// The plugin's name.
    plugin: String,
    /// Digest of the release in use.
    release: String,
    #[schema(value_type = Object)]
    config: Value,
    #[schema(value_type = Object)]
    permissions: Value,
    #[schema(value_type = Object)]
    limits: Value,
    /// Whether its plugin is loaded; the server's log says why not.
    loaded: bool,
    updated_at: i64,
}

/// Create a connection or replace it. The plugin checks its configuration first; calls in flight end on the old release.
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
    Path(name): Path<String>,
    Json(body): Json<ConnectionBody>,
) -> Result<Reply<ConnectionView>, ApiError> {
    let spec = spec(name, &body)?;
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let store = app.engine.store();
        let digest = pick(&store.releases().await?, &spec.plugin)?.digest;
        let former = store.connections().await?.into_iter().find(|row| row.name == spec.connection);
        let internal = |error: anyhow::Error| ApiError::Internal(format!("{error:#}"));
        let mut secrets = match &former {
            Some(row) => app.vault.unseal(&row.name, &row.secrets).map_err(internal)?,
            None => BTreeMap::new(),
        };
        secrets.extend(body.secrets);
        let sealed = app.vault.seal(&spec.connection, &secrets).map_err(internal)?;
        let link = app.engine.workshop().connect(&spec, &digest, secrets).await?;
        let row = ConnectionRow {
            name: spec.connection.clone(),
            plugin: spec.plugin.clone(),
            digest,
            config: Value::Object(spec.config.clone()).to_string(),
            permissions: text(&spec.permissions),
            limits: text(&spec.limits),
            secrets: sealed,
            updated_at: app.engine.now(),
        };
        store.put_connection(row.clone()).await?;
        app.engine.use_connection(link).await;
        Ok(Reply(view(row, true)))
    })
    .await
}

/// List connections by name.
#[utoipa::path(
    get, path = "/v1/connections", tag = "connections",
    responses((status = 200, description = "Connections", body = Vec<ConnectionView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Reply<Vec<ConnectionView>>, ApiError> {
    let rows = app.engine.store().connections().await?;
    Ok(Reply(
        rows.into_iter()
            .map(|row| {
                let loaded = app.engine.link(&row.name).is_some();
                view(row, loaded)
            })
            .collect(),
    ))
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
    })
}

/// The release that `name`, `name@version` or a digest means; of a mere name, the one installed last. Development releases are
/// only meant by their digest.
fn pick(releases: &[ReleaseRow], wanted: &str) -> Result<ReleaseRow, ApiError> {
    let fits = |release: &&ReleaseRow| match wanted.split_once('@') {
        Some((name, version)) => {
            release.name == name && release.version == version && !release.development
        }
        None => (release.name == wanted && !release.development) || release.digest == wanted,
    };
    releases.iter().find(fits).cloned().ok_or_else(|| {
        let known: Vec<String> = releases.iter().map(|one| format!("{}@{}", one.name, one.version)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        ApiError::NotFound(format!(
            "installed release `{wanted}` (installed: {known}); install it with `waystation plugin install FILE.wasm`"
        ))
    })
}

fn text<T: Serialize>(value: &T) -> String {
    // Plain structs of strings and numbers: it cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

fn view(row: ConnectionRow, loaded: bool) -> ConnectionView {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_default();
    ConnectionView {
        config: json(&row.config),
        permissions: json(&row.permissions),
        limits: json(&row.limits),
        connection: row.name,
        plugin: row.plugin,
        release: row.digest,
        loaded,
        updated_at: row.updated_at,
    }
}
