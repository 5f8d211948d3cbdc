//! Plugins: installed releases, and pools of codes for them.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use waystation_engine::EngineError;
use waystation_sandbox::Release;
use waystation_store::records::ReleaseRow;

use super::extract::{Body, Json, Path};
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};

/// Most codes in one request.
const CODES: usize = 10_000;

/// An installed release.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReleaseView {
    /// SHA-256 of the component.
    digest: String,
    /// The plugin's name.
    name: String,
    version: String,
    /// `channel`, `trigger-source`, `coupon`, `action`.
    kinds: Vec<String>,
    /// Title, summary, vendor, license, configuration schema and the permissions it asks for.
    manifest: Value,
    installed_at: i64,
}

/// How many codes a pool got.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Imported {
    /// Codes that were not in the pool yet.
    added: u64,
}

/// Install a release: the component is checked, linked, compiled and asked to describe itself. Installing the same
/// component again changes nothing.
#[utoipa::path(
    post, path = "/v1/plugins", tag = "plugins",
    request_body(content = String, content_type = "application/wasm", description = "The component, at most 64 MiB"),
    responses(
        (status = 201, description = "Installed", body = ReleaseView),
        (status = 422, description = "Not a plugin; the detail says why", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn install(
    State(app): State<App>,
    Body(body): Body,
) -> Result<(StatusCode, Reply<ReleaseView>), ApiError> {
    to_the_end(async move {
    let workshop = app.engine.workshop();
    let wasm = body.to_vec();
    let release = workshop.inspect(wasm.clone()).await?;
    let row = row(&release, app.engine.now());
    let _turn = app.changing.lock().await;
    let known = app.engine.store().releases().await?.into_iter().find(|known| {
        known.name == row.name && known.version == row.version && known.digest != row.digest
    });
    if let Some(known) = known {
        return Err(ApiError::Conflict(format!(
            "{} {} is installed already, with the digest {}; give the changed plugin a version of its own",
            known.name, known.version, known.digest
        )));
    }
    write(workshop.release_file(release.digest()), wasm).await?;
    app.engine.store().install(row.clone()).await?;
    Ok((StatusCode::CREATED, Reply(row.into())))
    })
    .await
}

/// List installed releases.
#[utoipa::path(
    get, path = "/v1/plugins", tag = "plugins",
    responses((status = 200, description = "Releases by name, the newest first", body = Vec<ReleaseView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Reply<Vec<ReleaseView>>, ApiError> {
    Ok(Reply(app.engine.store().releases().await?.into_iter().map(ReleaseView::from).collect()))
}

/// Add up to 10,000 coupon codes to a pool. Codes that it holds already are passed over.
#[utoipa::path(
    post, path = "/v1/pools/{pool}/codes", tag = "plugins", request_body = Vec<String>,
    params(("pool" = String, Path, description = "The pool's name")),
    responses(
        (status = 200, description = "Stored", body = Imported),
        (status = 422, description = "Not valid; nothing stored", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn import_codes(
    State(app): State<App>,
    Path(pool): Path<String>,
    Json(codes): Json<Vec<String>>,
) -> Result<Reply<Imported>, ApiError> {
    if codes.is_empty() || codes.len() > CODES {
        return Err(ApiError::invalid(
            "",
            format!("send 1 to {CODES} codes in one request, not {}", codes.len()),
        ));
    }
    let wrong =
        |code: &&String| code.is_empty() || code.len() > 128 || code.contains(char::is_control);
    if let Some(code) = codes.iter().find(wrong) {
        return Err(ApiError::invalid(
            "",
            format!("`{code}`: a code has 1 to 128 bytes and no control characters"),
        ));
    }
    let added = app.engine.store().import_codes(pool, codes).await?;
    Ok(Reply(Imported { added }))
}

fn row(release: &Release, now: i64) -> ReleaseRow {
    let manifest = release.manifest();
    ReleaseRow {
        digest: release.digest().to_owned(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        kinds: release.kinds().iter().map(|kind| kind.as_str().to_owned()).collect(),
        manifest: json!({
            "title": manifest.title,
            "summary": manifest.summary,
            "vendor": manifest.vendor,
            "license": manifest.license,
            "config_schema": serde_json::from_str::<Value>(&manifest.config_schema).unwrap_or_default(),
            "permissions": manifest.permissions.iter().map(|permission| json!({
                "name": permission.name,
                "scope": permission.scope,
                "reason": permission.reason,
            })).collect::<Vec<_>>(),
        }),
        installed_at: now,
    }
}

/// Writes a file whole or not at all.
async fn write(path: std::path::PathBuf, bytes: Vec<u8>) -> Result<(), ApiError> {
    let place = path.display().to_string();
    let failed =
        |error: std::io::Error| ApiError::from(EngineError::File { path: place.clone(), error });
    let written = tokio::task::spawn_blocking(move || {
        let folder = path.parent().unwrap_or(std::path::Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, &bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    });
    written.await.map_err(|error| ApiError::Internal(error.to_string()))?.map_err(failed)
}

impl From<ReleaseRow> for ReleaseView {
    fn from(row: ReleaseRow) -> Self {
        Self {
            digest: row.digest,
            name: row.name,
            version: row.version,
            kinds: row.kinds,
            manifest: row.manifest,
            installed_at: row.installed_at,
        }
    }
}
