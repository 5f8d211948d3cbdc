//! Keys whose signatures the workspace trusts, and whose signature a release came with.

use axum::Json as Reply;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use waystation_store::records::{KeyRow, ReleaseRow, Signer};

use super::extract::{Json, Path};
use super::plugins::ReleaseView;
use super::problem::{ApiError, Problem};
use super::settings::{Unsigned, unsigned_plugins};
use super::{App, to_the_end};
use crate::trust::{PublicKey, Signature};

/// Header that carries a release's signature.
const SIGNATURE: &str = "waystation-signature";
/// Most trusted keys.
const KEYS: usize = 100;
/// Longest name of a key.
const NAME: usize = 64;

/// A key to trust.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// The public key, `ed25519:<base64 of 32 bytes>`, as `waystation plugin keygen` prints it.
    public: String,
}

/// A trusted key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    name: String,
    /// What signatures name it by: the first 16 hexadecimal digits of the SHA-256 of its public bytes.
    id: String,
    public: String,
    added_at: i64,
}

/// A key with what it signed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyDetail {
    #[serde(flatten)]
    key: KeyView,
    /// Installed releases that were installed with a signature of this key.
    signed: Vec<ReleaseView>,
}

/// List trusted keys by name.
#[utoipa::path(
    get, path = "/v1/keys", tag = "trust",
    responses((status = 200, description = "Trusted keys", body = Vec<KeyView>))
)]
pub(crate) async fn list(State(app): State<App>) -> Result<Reply<Vec<KeyView>>, ApiError> {
    Ok(Reply(app.engine.store().trusted_keys().await?.into_iter().map(KeyView::from).collect()))
}

/// Read a trusted key, and which installed releases it signed.
#[utoipa::path(
    get, path = "/v1/keys/{name}", tag = "trust",
    params(("name" = String, Path, description = "The key's name")),
    responses(
        (status = 200, description = "The key", body = KeyDetail),
        (status = 404, description = "No such key", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Reply<KeyDetail>, ApiError> {
    Ok(Reply(detail(&app, find(&app, &name).await?).await?))
}

/// Trust a key: releases that it signed can be installed from now on. The same key again changes nothing.
#[utoipa::path(
    put, path = "/v1/keys/{name}", tag = "trust", request_body = KeyBody,
    params(("name" = String, Path, description = "Name for the key: lower kebab case, at most 64 characters")),
    responses(
        (status = 200, description = "Trusted", body = KeyDetail),
        (status = 409, description = "The name has another key, or the key another name", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not a key; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(body): Json<KeyBody>,
) -> Result<Reply<KeyDetail>, ApiError> {
    check_name(&name)?;
    let public: PublicKey = body
        .public
        .parse()
        .map_err(|error: anyhow::Error| ApiError::invalid("/public", format!("{error:#}")))?;
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let known = app.engine.store().trusted_keys().await?;
        let id = public.id();
        if let Some(same) = known.iter().find(|key| key.name == name || key.id == id) {
            if same.name == name && same.id == id {
                return Ok(Reply(detail(&app, same.clone()).await?));
            }
            return Err(ApiError::Conflict(format!(
                "the key {} is trusted already, under the name `{}`; remove that first with `waystation key remove {}`",
                same.id, same.name, same.name
            )));
        }
        if known.len() >= KEYS {
            return Err(ApiError::Conflict(format!(
                "{KEYS} keys are trusted already, which is as many as there may be; remove one with `waystation key remove NAME`"
            )));
        }
        let row = KeyRow { name, id, public: public.to_string(), added_at: app.engine.now() };
        app.engine.store().trust_key(row.clone()).await?;
        Ok(Reply(detail(&app, row).await?))
    })
    .await
}

/// Trust a key no longer. Releases that it signed stay installed and usable; the answer names them.
#[utoipa::path(
    delete, path = "/v1/keys/{name}", tag = "trust",
    params(("name" = String, Path, description = "The key's name")),
    responses(
        (status = 200, description = "Not trusted any more", body = KeyDetail),
        (status = 404, description = "No such key", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Reply<KeyDetail>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let removed = detail(&app, find(&app, &name).await?).await?;
        app.engine.store().distrust_key(name).await?;
        Ok(Reply(removed))
    })
    .await
}

/// Who signed the component with this digest. A signature that is there must be right and of a trusted key, whatever the
/// workspace says about unsigned ones; none is right only where the workspace allows that.
pub(super) async fn signer(
    app: &App,
    headers: &HeaderMap,
    digest: &str,
) -> Result<Option<Signer>, ApiError> {
    let refused = |why: String| ApiError::invalid(SIGNATURE, why);
    let Some(header) = headers.get(SIGNATURE) else {
        return match unsigned_plugins(app).await? {
            Unsigned::Allow => Ok(None),
            Unsigned::Refuse => Err(refused(
                "the component is not signed, and this workspace installs signed ones only; sign it with `waystation plugin \
                 sign` and trust the key with `waystation key add`, or allow unsigned ones with `waystation settings set \
                 unsigned-plugins allow`"
                    .to_owned(),
            )),
        };
    };
    let signature: Signature = header
        .to_str()
        .map_err(anyhow::Error::from)
        .and_then(str::parse)
        .map_err(|error| refused(format!("{error:#}")))?;
    let keys = app.engine.store().trusted_keys().await?;
    let Some(key) = keys.iter().find(|key| key.id == signature.key) else {
        return Err(refused(format!(
            "the component is signed by the key {}, which this workspace does not trust; if you do, add it with `waystation key \
             add NAME PUBLIC`, and look at those it trusts with `waystation key list`",
            signature.key
        )));
    };
    let public: PublicKey = key.public.parse().map_err(|error: anyhow::Error| {
        ApiError::Internal(format!("the trusted key {}: {error:#}", key.name))
    })?;
    if !public.verifies(&signature, digest) {
        return Err(refused(format!(
            "the signature is not one of the key `{}` for this component ({digest}); one of the two was changed or they do not \
             belong together, so get both again, or sign this component",
            key.name
        )));
    }
    Ok(Some(Signer { name: key.name.clone(), key: key.id.clone() }))
}

async fn find(app: &App, name: &str) -> Result<KeyRow, ApiError> {
    let keys = app.engine.store().trusted_keys().await?;
    keys.into_iter()
        .find(|key| key.name == name)
        .ok_or_else(|| ApiError::NotFound(format!("trusted key `{name}`")))
}

async fn detail(app: &App, key: KeyRow) -> Result<KeyDetail, ApiError> {
    let by_it =
        |release: &ReleaseRow| release.signer.as_ref().is_some_and(|signer| signer.key == key.id);
    let releases = app.engine.store().releases().await?;
    let signed = releases.into_iter().filter(by_it).map(ReleaseView::from).collect();
    Ok(KeyDetail { key: key.into(), signed })
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    if name.len() <= NAME && name.split('-').all(word) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "name",
        format!(
            "`{name}`: a key's name is lower case words joined by `-`, at most {NAME} characters"
        ),
    ))
}

impl From<KeyRow> for KeyView {
    fn from(row: KeyRow) -> Self {
        Self { name: row.name, id: row.id, public: row.public, added_at: row.added_at }
    }
}
