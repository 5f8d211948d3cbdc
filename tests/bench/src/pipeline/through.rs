//! The whole pipeline, timed from the first event to the last recorded end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use waystation_engine::{
    Clock as _, ConnectionSpec, Engine, EngineError, HostSpec, LimitSpec, Parts, PermissionSpec,
    RecordingSpec, SystemClock, Treatment,
};
use waystation_sandbox::Sandbox;
use waystation_store::records::{ConnectionRow, Deliveries, Taken};
use waystation_store::{Database, Store};

use super::workload::{CHANNEL, JOURNEY, Workload};
use crate::until::until;

/// A run that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(600);
/// Effects counted by one query.
const PAGE: i64 = 1_000;

/// Runs the workload through an engine with a database in this folder.
pub(super) async fn time(
    workload: &Workload,
    database: &Database,
    folder: &Path,
    wasm: &[u8],
) -> anyhow::Result<Duration> {
    let store = Arc::new(Store::open(database).await?);
    workload.store_customers(&store).await?;
    let engine = start(Arc::clone(&store), folder, wasm).await?;
    let events = workload.events(engine.now());
    let started = Instant::now();
    for batch in events {
        let taken = engine.take(batch).await?;
        ensure!(taken.iter().all(|taken| *taken == Taken::Accepted), "an event was not accepted");
    }
    until(PATIENCE, async || {
        let open = store.counts().await?;
        Ok(open.events_open == 0 && open.effects_open.is_empty())
    })
    .await?;
    let elapsed = started.elapsed();
    engine.stop().await;
    verify(&store, workload.customers).await?;
    store.close().await;
    Ok(elapsed)
}

async fn start(store: Arc<Store>, folder: &Path, wasm: &[u8]) -> anyhow::Result<Arc<Engine>> {
    let releases = folder.join("releases");
    std::fs::create_dir(&releases)?;
    let parts = Parts {
        store: Arc::clone(&store),
        clock: Arc::new(SystemClock),
        sandbox: Sandbox::new(&waystation_sandbox::Options::new(folder.join("cache")))?,
        relays: BTreeMap::new(),
        releases,
        plugin_clock: Arc::new(|| SystemClock.now().unsigned_abs()),
        unsubscribe: None,
        host: HostSpec::default(),
    };
    let engine = Engine::start(parts, Arc::new(unseal)).await?;
    let digest = install(&engine, wasm).await?;
    engine.put_connection(connection(&digest), "bench").await?;
    let (file, program) = (Workload::file().to_owned(), Workload::program()?);
    engine.apply_journey(file, program, Treatment::default(), "bench").await?;
    Ok(engine)
}

/// Puts a component where the engine finds it; answers with its digest.
pub(crate) async fn install(engine: &Engine, wasm: &[u8]) -> anyhow::Result<String> {
    let release = engine.workshop().inspect(wasm.to_vec()).await?;
    std::fs::write(engine.workshop().release_file(release.digest()), wasm)?;
    Ok(release.digest().to_owned())
}

/// The channel on a release, with everything as it is by default.
pub(crate) fn connection(digest: &str) -> ConnectionRow {
    ConnectionRow {
        name: CHANNEL.to_owned(),
        plugin: digest.to_owned(),
        digest: digest.to_owned(),
        config: "{}".to_owned(),
        permissions: "{}".to_owned(),
        limits: "{}".to_owned(),
        recording: "{}".to_owned(),
        secrets: String::new(),
        previous: None,
        canary: None,
        updated_at: 0,
    }
}

/// What is stored about a connection here has no secret.
pub(crate) fn unseal(
    row: &ConnectionRow,
) -> Result<(ConnectionSpec, BTreeMap<String, String>), EngineError> {
    let spec = ConnectionSpec {
        connection: row.name.clone(),
        plugin: row.plugin.clone(),
        config: serde_json::Map::new(),
        permissions: PermissionSpec::default(),
        limits: LimitSpec::default(),
        recording: RecordingSpec::default(),
    };
    Ok((spec, BTreeMap::new()))
}

/// Everyone finished, and every message was accepted.
pub(crate) async fn verify(store: &Store, customers: usize) -> anyhow::Result<()> {
    let ends = store.enrollment_counts(JOURNEY).await?;
    let expected = BTreeMap::from([("finished".to_owned(), i64::try_from(customers)?)]);
    ensure!(ends == expected, "{customers} customers ended as {ends:?}");
    let mut filter = Deliveries {
        journey: Some(JOURNEY.to_owned()),
        outcomes: vec!["accepted".to_owned()],
        ..Deliveries::default()
    };
    let mut accepted = 0;
    loop {
        let page = store.deliveries(&filter, PAGE).await?;
        let Some(last) = page.last() else { break };
        ensure!(
            page.iter().all(|effect| effect.phase == "done"),
            "an accepted message is not done"
        );
        accepted += page.len();
        filter.after = Some(last.key.clone());
    }
    ensure!(accepted == customers, "{accepted} messages of {customers} were accepted");
    Ok(())
}
