//! Releases swapped while servers die, and what must have become of the history of that.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Api, Body};
use super::oracle::Verdict;

/// Two releases of the plugin that `window` uses.
pub(crate) type Releases = [String; 2];

/// Puts the other release into use; says whether that was acknowledged.
pub(crate) async fn swap(api: &Api, url: &str, releases: &Releases) -> bool {
    for release in releases {
        let url = format!("{url}/v1/connections/window/activate");
        let body = Body::Json(json!({ "release": release }));
        match api.attempt(Method::POST, url, body).await {
            Ok((status, _)) if status.is_success() => return true,
            // It is in use already; the other one is not.
            Ok((status, _)) if status == 409 => {}
            _ => return false,
        }
    }
    false
}

/// A connection's history of releases must be whole, and the last of it be what is in use. So many swaps were acknowledged.
pub(crate) async fn judge(
    api: &Api,
    url: &str,
    swaps: usize,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let connection = api.get(format!("{url}/v1/connections/window")).await?;
    let history = api.get(format!("{url}/v1/connections/window/history?limit=1000")).await?;
    let mut changes: Vec<&Value> = history.as_array().context("a history")?.iter().collect();
    changes.sort_by_key(|change| change["number"].as_i64());
    let numbers = changes.iter().filter_map(|change| change["number"].as_i64());
    let first = numbers.clone().next().unwrap_or(1);
    if !numbers.clone().eq(first..first + changes.len() as i64) {
        verdict.lost.push(format!("changes of releases are missing: {changes:?}"));
    }
    let last = changes.last().map(|change| &change["release"]);
    if last != Some(&connection["release"]) {
        verdict.off_model.push(format!(
            "{} is in use, and the history ends with {last:?}",
            connection["release"]
        ));
    }
    // The first change is that the connection was made.
    if changes.len() < 1000 && changes.len() < swaps + 1 {
        verdict.lost.push(format!(
            "{swaps} swaps were acknowledged, and the history has {}",
            changes.len()
        ));
    }
    Ok(())
}
