//! Plugins: installed releases, and pools of codes for them.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use waystation_engine::Examined;
use waystation_store::records::{ReleaseRow, Signer};

use super::extract::{Body, Json, Path, Query};
use super::problem::{ApiError, Problem};
use super::settings::{Unsigned, unsigned_plugins};
use super::{App, keys, to_the_end};
use crate::trust;

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
    /// Title, summary, vendor, license, configuration schema, the permissions it asks for, and the traits of each kind as far
    /// as it tells them without a configuration.
    manifest: Value,
    installed_at: i64,
    /// Whose signature it was installed with; `null` if it was not signed.
    signer: Option<SignerView>,
    /// Whether it shares its name and version with other releases, and so is only meant by its digest.
    development: bool,
}

/// Who signed a release.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignerView {
    /// The key's name when the release was installed.
    name: String,
    /// The key's identifier.
    key: String,
}

/// How to install.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// Install it beside other releases of the same name and version. It is only meant by its digest then. Only where the
    /// workspace allows unsigned plugins.
    #[serde(default)]
    development: bool,
}

/// How many codes a pool got.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Imported {
    /// Codes that were not in the pool yet.
    added: u64,
}

/// Install a release: its signature is verified, then the component is checked, linked, compiled and asked to describe itself.
/// Installing the same component again changes nothing but who signed it.
#[utoipa::path(
    post, path = "/v1/plugins", tag = "plugins",
    params(
        How,
        ("waystation-signature" = Option<String>, Header, description = "The signature that `waystation plugin sign` made: `ed25519 <key id> <base64>`")
    ),
    request_body(content = String, content_type = "application/wasm", description = "The component, at most 64 MiB"),
    responses(
        (status = 201, description = "Installed", body = ReleaseView),
        (status = 409, description = "Another release has this name and version", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not a plugin, or not signed as the workspace wants it; the detail says why", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn install(
    State(app): State<App>,
    Query(how): Query<How>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<(StatusCode, Reply<ReleaseView>), ApiError> {
    to_the_end(async move {
        // Before anything of it is compiled or run.
        let signer = keys::signer(&app, &headers, &trust::digest(&body)).await?;
        if how.development && unsigned_plugins(&app).await? == Unsigned::Refuse {
            return Err(ApiError::invalid(
                "development",
                "this workspace installs signed plugins only, which development releases are not; allow unsigned ones with \
                 `waystation settings set unsigned-plugins allow`",
            ));
        }
        let workshop = app.engine.workshop();
        let wasm = body.to_vec();
        let examined = workshop.examine(wasm.clone()).await?;
        let row = row(&examined, app.engine.now(), signer, how.development);
        let _turn = app.changing.lock().await;
        if !row.development {
            refuse_second(&app.engine.store().releases().await?, &row)?;
        }
        let digest = row.digest.clone();
        workshop.install(row, wasm).await?;
        // As it is recorded: it may have been there already, and signed.
        let releases = app.engine.store().releases().await?;
        let installed = releases.into_iter().find(|release| release.digest == digest);
        let installed = installed
            .ok_or_else(|| ApiError::Internal(format!("{digest} is not there after its installation")))?;
        Ok((StatusCode::CREATED, Reply(installed.into())))
    })
    .await
}

/// A name and version mean one release, but for those in development.
fn refuse_second(releases: &[ReleaseRow], row: &ReleaseRow) -> Result<(), ApiError> {
    let known = releases.iter().find(|known| {
        known.name == row.name
            && known.version == row.version
            && known.digest != row.digest
            && !known.development
    });
    match known {
        None => Ok(()),
        Some(known) => Err(ApiError::Conflict(format!(
            "{} {} is installed already, with the digest {}; give the changed plugin a version of its own",
            known.name, known.version, known.digest
        ))),
    }
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

fn row(examined: &Examined, now: i64, signer: Option<Signer>, development: bool) -> ReleaseRow {
    let release = &examined.release;
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
            "traits": examined.traits,
        }),
        installed_at: now,
        signer,
        development,
    }
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
            signer: row.signer.map(|signer| SignerView { name: signer.name, key: signer.key }),
            development: row.development,
        }
    }
}
