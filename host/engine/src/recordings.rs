//! Storing what is recorded of calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::error;
use waystation_sandbox::{Recorder, RecorderCounts, Recording, Take};
use waystation_store::records::{NewRecording, RecordingBounds};
use waystation_store::{Store, StoreError};

use crate::metrics::Metrics;
use crate::spec::RecordingSpec;

/// Finished calls that may wait to be stored; more are dropped and counted.
const QUEUE: usize = 64;
/// Most calls in one statement.
const BATCH: usize = 32;
/// Most bytes that are kept of a connection's calls.
const CONNECTION_BYTES: i64 = 64 << 20;
/// How often what was passed over is counted while nothing is recorded.
const COUNTING: Duration = Duration::from_secs(10);
/// The setting that holds the key of pseudonyms, in hexadecimal digits.
const KEY: &str = "recording_key";

/// Gives every connection its recorder.
pub(crate) struct Recordings {
    key: [u8; 32],
    takes: mpsc::Sender<Take>,
    connections: Mutex<BTreeMap<String, Recorded>>,
}

/// How a connection is recorded.
struct Recorded {
    spec: RecordingSpec,
    recorder: Recorder,
    /// What the metrics know already.
    counted: RecorderCounts,
}

impl Recordings {
    /// Recordings whose pseudonyms stay the same for as long as the database is there.
    pub(crate) async fn open(
        store: &Store,
    ) -> Result<(Arc<Self>, mpsc::Receiver<Take>), StoreError> {
        let mut new = [0; 32];
        getrandom::fill(&mut new).map_err(|error| {
            StoreError::Database(format!("the operating system gives no randomness: {error}"))
        })?;
        let digits: String = new.iter().map(|byte| format!("{byte:02x}")).collect();
        let digits = store.setting_or(KEY, digits).await?;
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            *byte = u8::from_str_radix(pair, 16).map_err(|error| StoreError::Corrupt {
                what: format!("the setting {KEY}"),
                detail: error.to_string(),
            })?;
        }
        let (takes, developed) = mpsc::channel(QUEUE);
        Ok((Arc::new(Self { key, takes, connections: Mutex::default() }), developed))
    }

    /// The recorder of a connection. All its releases share one.
    pub(crate) fn recorder(&self, connection: &str, spec: &RecordingSpec) -> Recorder {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connections.get_mut(connection)
            && known.spec.share == spec.share
        {
            known.spec = spec.clone();
            return known.recorder.clone();
        }
        let recorder = Recorder::new(spec.share.get(), self.key, self.takes.clone());
        let recorded = Recorded {
            spec: spec.clone(),
            recorder: recorder.clone(),
            counted: RecorderCounts::default(),
        };
        connections.insert(connection.to_owned(), recorded);
        recorder
    }

    fn bounds(&self, connection: &str) -> RecordingBounds {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let keep = connections.get(connection).map(|recorded| recorded.spec.keep);
        RecordingBounds {
            connection: connection.to_owned(),
            keep: i64::from(keep.unwrap_or_else(|| RecordingSpec::default().keep)),
            bytes: CONNECTION_BYTES,
        }
    }

    fn count(&self, metrics: &Metrics) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, recorded) in connections.iter_mut() {
            let counts = recorded.recorder.counts();
            metrics.recorded(name, &counts, &recorded.counted);
            recorded.counted = counts;
        }
    }

    /// Redacts and stores what was recorded until `stop`. A recording that cannot be stored is lost: it is one of many.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut takes: mpsc::Receiver<Take>,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut counting = tokio::time::interval(COUNTING);
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                _ = takes.recv_many(&mut batch, BATCH) => {}
                _ = counting.tick() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            self.store(batch, &store).await;
            self.count(&metrics);
        }
        let mut rest = Vec::new();
        while let Ok(take) = takes.try_recv() {
            rest.push(take);
        }
        self.store(rest, &store).await;
    }

    async fn store(&self, takes: Vec<Take>, store: &Store) {
        if takes.is_empty() {
            return;
        }
        let mut bounds = BTreeMap::new();
        for take in &takes {
            let name = take.connection();
            bounds.entry(name.to_owned()).or_insert_with(|| self.bounds(name));
        }
        let developed = tokio::task::spawn_blocking(move || {
            takes.into_iter().filter_map(row).collect::<Vec<NewRecording>>()
        });
        let stored = match developed.await {
            Ok(rows) => store.record(rows, bounds.into_values().collect()).await,
            Err(error) => Err(StoreError::Database(error.to_string())),
        };
        if let Err(error) = stored {
            error!(%error, "recorded calls could not be stored; they are lost");
        }
    }
}

fn row(take: Take) -> Option<NewRecording> {
    let connection = take.connection().to_owned();
    let recording: Recording = take.develop();
    Some(NewRecording {
        connection,
        at: i64::try_from(recording.at).unwrap_or(i64::MAX),
        body: serde_json::to_string(&recording).ok()?,
        function: recording.function,
        release: recording.release,
    })
}
