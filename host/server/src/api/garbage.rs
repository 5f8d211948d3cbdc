//! Removing releases, and what nothing refers to any more.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json as Reply;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use waystation_sandbox::Sweep;
use waystation_store::records::ReleaseRow;

use super::extract::{Path, Query};
use super::plugins::ReleaseView;
use super::problem::{ApiError, Problem};
use super::{App, to_the_end};

/// How to collect.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct How {
    /// Only say what would be removed.
    #[serde(default)]
    dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Collected {
    /// Releases that no connection refers to, neither as the one in use nor as one to go back to.
    releases: Vec<ReleaseView>,
    /// Files of those releases, and of none at all: components and compiled code.
    files: u64,
    /// Bytes in these files.
    bytes: u64,
}

/// Remove a release that no connection refers to, with its component and compiled code.
#[utoipa::path(
    delete, path = "/v1/plugins/{release}", tag = "plugins",
    params(("release" = String, Path, description = "`name@version`, or the digest")),
    responses(
        (status = 200, description = "Removed", body = ReleaseView),
        (status = 404, description = "No such release is installed", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "A connection refers to it; nothing changed", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(wanted): Path<String>,
) -> Result<Reply<ReleaseView>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let release = meant(app.engine.store().releases().await?, &wanted)?;
        if let Some(connections) = in_use(&app).await?.remove(&release.digest) {
            let connections: Vec<String> = connections.into_iter().collect();
            return Err(ApiError::Conflict(format!(
                "{}@{} is used by the connections {}, as the present release or as one to go back to; put another release into \
                 use there first",
                release.name,
                release.version,
                connections.join(", ")
            )));
        }
        // The row goes first: a file without a row is swept the next time, a row without a file would be a broken release.
        let removed = app.engine.store().remove_releases(vec![release.digest.clone()]).await?;
        if removed.is_empty() {
            return Err(ApiError::Conflict(format!(
                "{}@{} came into use just now, so it stays",
                release.name, release.version
            )));
        }
        app.engine.workshop().forget(&release.digest).await?;
        Ok(Reply(release.into()))
    })
    .await
}

/// Remove every release that nothing refers to, and files that belong to no release.
#[utoipa::path(
    post, path = "/v1/plugins/gc", tag = "plugins", params(How),
    responses((status = 200, description = "What was removed, or would be", body = Collected))
)]
pub(crate) async fn collect(
    State(app): State<App>,
    Query(how): Query<How>,
) -> Result<Reply<Collected>, ApiError> {
    to_the_end(async move {
        let _turn = app.changing.lock().await;
        let store = app.engine.store();
        let used = in_use(&app).await?;
        let mut kept = store.releases().await?;
        let mut unused: Vec<ReleaseRow> =
            kept.extract_if(.., |release| !used.contains_key(&release.digest)).collect();
        let sweep = if how.dry_run { Sweep::Look } else { Sweep::Delete };
        if sweep == Sweep::Delete {
            let digests = unused.iter().map(|release| release.digest.clone()).collect();
            let removed = store.remove_releases(digests).await?;
            // What has come into use since it was looked at stays, and its files with it.
            kept.extend(unused.extract_if(.., |release| !removed.contains(&release.digest)));
        }
        let kept = kept.into_iter().map(|release| release.digest).collect();
        let swept = app.engine.workshop().tidy(kept, sweep).await?;
        Ok(Reply(Collected {
            releases: unused.into_iter().map(ReleaseView::from).collect(),
            files: swept.files,
            bytes: swept.bytes,
        }))
    })
    .await
}

/// Releases that connections refer to, each with the connections' names.
async fn in_use(app: &App) -> Result<BTreeMap<String, BTreeSet<String>>, ApiError> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in app.engine.store().releases_in_use().await? {
        used.entry(one.digest).or_default().insert(one.connection);
    }
    Ok(used)
}

/// The one release that `name@version` or a digest means.
fn meant(releases: Vec<ReleaseRow>, wanted: &str) -> Result<ReleaseRow, ApiError> {
    let fits = |release: &ReleaseRow| match wanted.split_once('@') {
        Some((name, version)) => release.name == name && release.version == version,
        None => release.digest == wanted,
    };
    let mut found: Vec<ReleaseRow> = releases.into_iter().filter(fits).collect();
    if found.len() > 1 {
        let digests: Vec<String> = found.into_iter().map(|release| release.digest).collect();
        return Err(ApiError::Conflict(format!(
            "`{wanted}` is several releases, of which some are for development; name the one you mean: {}",
            digests.join(", ")
        )));
    }
    found.pop().ok_or_else(|| {
        ApiError::NotFound(format!(
            "installed release `{wanted}`; name it as `name@version` or by its digest, as `waystation plugin list` shows it"
        ))
    })
}
