//! A workspace for the journeys: plugins, connections, codes and the journeys themselves.

use std::path::Path;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Api, Body, Host};
use super::journeys::{BESIDE, JOURNEYS};
use super::provider::Provider;
use super::releases::Releases;

/// The pool that codes are taken from.
pub(crate) const POOL: &str = "pool";
/// Most codes in one request.
const CODES: usize = 10_000;
/// For how long the provider's `window` dedupes: longer than any run.
const WINDOW_SECONDS: u64 = 86_400;

/// The plugins, built once.
pub(crate) struct Plugins {
    courier: Vec<u8>,
    coupon_codes: Vec<u8>,
}

/// The same component as its next version.
fn next(courier: &[u8]) -> anyhow::Result<Vec<u8>> {
    let [from, to] = [b"71.82.0", b"71.82.1"];
    let mut wasm = courier.to_vec();
    let mut places = 0;
    for at in 0..wasm.len() - from.len() {
        if wasm[at..].starts_with(from) {
            wasm[at..at + to.len()].copy_from_slice(to);
            places += 1;
        }
    }
    ensure!(places > 0, "the component does not hold its version");
    Ok(wasm)
}

impl Plugins {
    /// Builds them; `root` is the repository.
    pub(crate) fn build(root: &Path) -> anyhow::Result<Self> {
        let build = |folder: &str| {
            let built =
                waystation_build::build(&root.join(folder), &waystation_build::Options::default())?;
            std::fs::read(&built.wasm).with_context(|| format!("reading {}", built.wasm.display()))
        };
        Ok(Self {
            courier: build("tests/guests/courier")?,
            coupon_codes: build("plugins/coupon-codes")?,
        })
    }

    /// Installs everything, for as many codes as there may be customers.
    pub(crate) async fn set_up(
        &self,
        api: &Api,
        host: &Host,
        provider: &Provider,
        codes: usize,
    ) -> anyhow::Result<Releases> {
        let settings = Body::Json(json!({ "unsigned_plugins": "allow" }));
        api.ask(Method::PUT, host.url("/v1/settings"), settings).await?;
        let install = async |wasm: Vec<u8>| {
            let url = host.url("/v1/plugins");
            let installed = api.ask(Method::POST, url, Body::Wasm(wasm)).await?;
            installed["digest"].as_str().map(str::to_owned).context("no digest")
        };
        let releases = [install(self.courier.clone()).await?, install(next(&self.courier)?).await?];
        install(self.coupon_codes.clone()).await?;
        for first in (0..codes).step_by(CODES) {
            let codes: Vec<String> =
                (first..codes.min(first + CODES)).map(|number| format!("P-{number:06}")).collect();
            let url = host.url(&format!("/v1/pools/{POOL}/codes"));
            api.ask(Method::POST, url, Body::Json(json!(codes))).await?;
        }
        let put = async |name: &str, body: Value| {
            let url = host.url(&format!("/v1/connections/{name}"));
            api.ask(Method::PUT, url, Body::Json(body)).await
        };
        let courier = |name: &str, mut config: Value| {
            config["url"] = json!(provider.url(name));
            json!({
                "plugin": "courier",
                "config": config,
                "permissions": {
                    "http": { "origins": [provider.origin()], "networks": ["127.0.0.0/8"] },
                },
                "limits": { "call_ms": 3_000, "concurrency": 3 },
                "recording": { "share": 0 },
            })
        };
        put("window", courier("window", json!({ "dedupe_seconds": WINDOW_SECONDS }))).await?;
        put("finding", courier("finding", json!({ "finds": true }))).await?;
        put("plain", courier("plain", json!({}))).await?;
        put("refusing", courier("refusing", json!({}))).await?;
        put("source", courier("source", json!({ "polls": true }))).await?;
        let pool = json!({
            "plugin": "coupon-codes",
            "config": { "mode": "pool", "pool": POOL },
            "permissions": { "codes": [POOL] },
            "recording": { "share": 0 },
        });
        put("pool", pool).await?;
        for journey in JOURNEYS.iter().chain(BESIDE) {
            api.ask(Method::POST, host.url("/v1/journeys"), Body::Yaml(journey.file)).await?;
        }
        Ok(releases)
    }
}
