//! Events that come by a stream of messages: NATS `JetStream`, read by a durable pull consumer.
//!
//! # Layout
//! - `pull.rs`: messages are asked for, stored together with the position in the stream, and then acknowledged.
//! - `keep.rs`: storing them, however long it takes; what the database refuses alone is set aside.
//! - `message.rs`: a message as the events in it.
//! - `settings.rs`: whether stream and consumer are set up so that nothing is lost.
//!
//! # Invariants
//! - A message is acknowledged only after the commit that holds its events, or what of it was set aside.
//! - At most [`pull::ASK`] messages are in memory, and as many bytes as were asked for.

mod keep;
pub(crate) mod message;
mod pull;
pub(crate) mod settings;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};
use waystation_engine::Engine;

use self::settings::{Finding, Weight};

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Pause after a failure; each further one doubles it, up to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// How long what was acknowledged last may take to leave at the end.
const FLUSH: Duration = Duration::from_secs(5);

/// Where messages come from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) servers: Vec<ServerAddr>,
    /// File with a user's token and key.
    pub(crate) credentials: Option<PathBuf>,
    /// File with certificates of authorities that are trusted beside the system's.
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) stream: String,
    pub(crate) consumer: String,
}

/// The running ingress.
pub(crate) struct Ingress {
    pub(crate) status: Arc<Status>,
    task: JoinHandle<()>,
}

/// How it goes, for operators.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(crate) stream: String,
    pub(crate) consumer: String,
    now: Mutex<Now>,
}

/// What changes of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Now {
    /// Why nothing is read, if nothing is.
    pub(crate) error: Option<String>,
    /// What is wrong with the settings.
    pub(crate) findings: Vec<Finding>,
    /// Messages that were not delivered.
    pub(crate) pending: u64,
    /// Messages that were delivered and not acknowledged.
    pub(crate) unacknowledged: u64,
}

impl Status {
    pub(crate) fn now(&self) -> Now {
        self.now.lock().map(|now| now.clone()).unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        if let Ok(mut now) = self.now.lock() {
            change(&mut now);
        }
    }
}

impl Ingress {
    /// Starts reading, and goes on until `stop`. A stream that cannot be reached keeps nothing else from running; it is tried
    /// again.
    pub(crate) fn start(source: Source, engine: Arc<Engine>, stop: watch::Receiver<bool>) -> Self {
        let status = Arc::new(Status {
            stream: source.stream.clone(),
            consumer: source.consumer.clone(),
            now: Mutex::default(),
        });
        let reader = Reader { source, engine, status: Arc::clone(&status), stop };
        Self { status, task: tokio::spawn(reader.run()) }
    }

    /// Returns once what was being stored is stored and acknowledged, or the time is up: then it comes again, and counts once.
    /// `stop` must have been given.
    pub(crate) async fn ended(mut self, time: Duration) {
        match tokio::time::timeout(time, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => error!(%error, "the reader of the stream failed"),
            Err(_) => {
                warn!("the reader of the stream did not end in time and is broken off");
                self.task.abort();
                let _ = self.task.await;
            }
        }
    }
}

/// Opens connections, one after the other.
struct Reader {
    source: Source,
    engine: Arc<Engine>,
    status: Arc<Status>,
    stop: watch::Receiver<bool>,
}

/// A connection to the stream's server. It mends itself for as long as it lives.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// Changes whenever the connection was made again: what had been asked for is not coming.
    made: watch::Receiver<u64>,
}

impl Reader {
    async fn run(mut self) {
        let mut connection = None;
        let mut failures = 0;
        let mut told = String::new();
        while !*self.stop.borrow() {
            match self.session(&mut connection, &mut failures).await {
                Ok(()) => break,
                Err(reason) => {
                    // It had been read meanwhile, so the same reason is news.
                    if failures == 0 {
                        told.clear();
                    }
                    self.tell(&reason, &mut told);
                }
            }
            if connection.as_ref().is_some_and(|one| !one.is_open()) {
                connection = None;
            }
            let pause = BACK_OFF.0.saturating_mul(1 << failures.min(10)).min(BACK_OFF.1);
            failures += 1;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait_for(|stop| *stop) => {}
            }
        }
        if let Some(connection) = connection {
            // What is not acknowledged comes again and is dropped.
            let _ = tokio::time::timeout(FLUSH, connection.client.flush()).await;
        }
    }

    /// Reads until `stop`; says why it cannot go on.
    async fn session(
        &mut self,
        connection: &mut Option<Connection>,
        failures: &mut u32,
    ) -> Result<(), String> {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.source, Some(&self.engine)).await?),
        };
        let mut session = pull::Session::open(
            connection,
            &self.source,
            Arc::clone(&self.engine),
            Arc::clone(&self.status),
            self.stop.clone(),
        )
        .await?;
        *failures = 0;
        session.run().await
    }

    /// Reports a failure once, however often it is met.
    fn tell(&self, reason: &str, told: &mut String) {
        self.engine.stream_metrics().disconnected();
        self.status.change(|now| now.error = Some(reason.to_owned()));
        let (stream, consumer) = (&self.source.stream, &self.source.consumer);
        if told == reason {
            debug!(stream, consumer, reason, "the stream still cannot be read");
        } else {
            error!(stream, consumer, reason, "the stream cannot be read; it is tried again");
            reason.clone_into(told);
        }
    }
}

impl Connection {
    fn is_open(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }
}

/// Connects; with an engine, its counters hear of it.
pub(crate) async fn connect(
    source: &Source,
    engine: Option<&Arc<Engine>>,
) -> Result<Connection, String> {
    let (counted, made) = watch::channel(0_u64);
    let engine = engine.cloned();
    let mut options = ConnectOptions::new()
        .name("waystation")
        .connection_timeout(CONNECT)
        .reconnect_delay_callback(|attempt| {
            let doubled = u32::try_from(attempt.min(10)).unwrap_or(10);
            BACK_OFF.0.saturating_mul(1 << doubled).min(BACK_OFF.1)
        })
        .event_callback(move |event| {
            match event {
                Event::Connected => {
                    counted.send_modify(|count| *count += 1);
                    if let Some(engine) = &engine {
                        engine.stream_metrics().connects();
                    }
                    info!("connected to NATS");
                }
                Event::Disconnected => {
                    warn!("the connection to NATS was lost; it is made again");
                }
                // How a reconnection fails, and the like.
                other => debug!(%other, "NATS"),
            }
            std::future::ready(())
        });
    if let Some(file) = &source.credentials {
        options = options.credentials_file(file).await.map_err(|error| {
            format!("the credentials in {} cannot be read: {error}", file.display())
        })?;
    }
    if let Some(file) = &source.authorities {
        options = options.add_root_certificates(file.clone());
    }
    let client = options.connect(source.servers.as_slice()).await.map_err(|error| {
        format!(
            "there is no connection to {}: {error}; is the server running there, and are the credentials right?",
            places(&source.servers)
        )
    })?;
    let mut made = made;
    // It is told of apart; a session that heard of it later would take it for another connection.
    let _ = tokio::time::timeout(CONNECT, made.changed()).await;
    Ok(Connection { client, made })
}

/// Addresses without what opens them.
fn places(servers: &[ServerAddr]) -> String {
    let place = |server: &ServerAddr| format!("{}:{}", server.host(), server.port());
    servers.iter().map(place).collect::<Vec<_>>().join(", ")
}

/// A stream and its consumer as they are, and what is wrong with them.
pub(crate) struct Examined {
    pub(crate) stream: stream::Info,
    pub(crate) consumer: jetstream::consumer::Info,
    pub(crate) findings: Vec<Finding>,
}

/// Looks stream and consumer up.
pub(crate) async fn examine(client: &Client, source: &Source) -> Result<Examined, String> {
    let context = jetstream::new(client.clone());
    let (stream, consumer) = (&source.stream, &source.consumer);
    let found = context.get_stream(stream).await.map_err(|error| {
        format!(
            "stream `{stream}` cannot be read: {error}; `waystation ingress check --create` makes one that loses nothing"
        )
    })?;
    let info = found.consumer_info(consumer).await.map_err(|error| {
        format!(
            "consumer `{consumer}` of stream `{stream}` cannot be read: {error}; `waystation ingress check --create` makes one that loses nothing"
        )
    })?;
    let stream = found.cached_info().clone();
    let findings = settings::check(&stream.config, &info.config);
    Ok(Examined { stream, consumer: info, findings })
}

impl Examined {
    /// What forbids reading, if anything does.
    pub(crate) fn refused(&self) -> Option<String> {
        let refused: Vec<&str> = self
            .findings
            .iter()
            .filter(|one| one.weight == Weight::Refused)
            .map(|one| one.message.as_str())
            .collect();
        (!refused.is_empty()).then(|| refused.join("; "))
    }
}
