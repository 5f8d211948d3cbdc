//! Asking for messages, group by group.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{Consumer, FromConsumer as _};
use async_nats::jetstream::{self, AckKind, Message};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;
use tracing::{info, warn};
use waystation_engine::Engine;
use waystation_store::records::StreamMessage;

use super::settings::{Weight, filter};
use super::{Connection, Source, Status, examine};
use crate::ingress::message::{Incoming, read};

/// Messages asked for at a time, and so the most that wait in memory.
pub(super) const ASK: usize = 2_000;
/// Most messages in one transaction.
pub(super) const GROUP: usize = 500;
/// Most events in one transaction, but for those of one message, which stay together.
const EVENTS: usize = 2_000;
/// Bytes asked for at a time, where two of the largest messages that the server takes are no more.
const BYTES: usize = 16 << 20;
/// How long the server may take to bring what was asked for, before it is asked again.
const EXPIRES: Duration = Duration::from_secs(30);
/// Time between two looks at the consumer.
const LOOK: Duration = Duration::from_secs(5);
/// Pause while too much waits for the engine.
const FULL: Duration = Duration::from_millis(200);
/// How long acknowledgements may take to leave. What is not acknowledged comes again and is dropped.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);

/// Reads a consumer until something fails.
pub(super) struct Session {
    pub(super) source: Source,
    pub(super) engine: Arc<Engine>,
    pub(super) stop: watch::Receiver<bool>,
    status: Arc<Status>,
    made: watch::Receiver<u64>,
    client: Client,
    consumer: Consumer<Config>,
    /// When stream and consumer were made: others of their names are others.
    born: (i64, i64),
    pub(super) filter: String,
    /// Sequence up to which everything is acknowledged, as of the last look.
    pub(super) floor: i64,
    bytes: usize,
    next_look: Instant,
    /// The floor that was stored last.
    stored_floor: i64,
    /// Parts set aside since the last look.
    pub(super) aside: u64,
}

/// Messages that are stored together.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) messages: Vec<StreamMessage>,
    /// As they came, to be acknowledged.
    came: Vec<Message>,
    events: usize,
}

/// What a session waits for.
enum Came {
    /// The server stops.
    Stop,
    /// Another connection: what was asked for over the one before is not coming, but for what is here.
    Connection,
    /// It is time for a look.
    Time,
    /// A message, a failure, or the end of what was asked for.
    Next(Option<Result<Box<Message>, async_nats::Error>>),
}

impl Session {
    /// Looks stream and consumer up, tells what is wrong with them, and refuses those that would lose messages.
    pub(super) async fn open(
        connection: &Connection,
        source: &Source,
        engine: Arc<Engine>,
        status: Arc<Status>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, String> {
        let mut made = connection.made.clone();
        made.mark_unchanged();
        let found = examine(&connection.client, source).await?;
        let known = status.now().findings;
        for finding in found.findings.iter().filter(|one| !known.contains(one)) {
            if finding.weight == Weight::Warned {
                warn!(stream = source.stream, consumer = source.consumer, "{}", finding.message);
            }
        }
        let refused = found.refused();
        status.change(|now| now.findings.clone_from(&found.findings));
        if let Some(reason) = refused {
            return Err(reason);
        }
        let config = Config::try_from_consumer_config(found.consumer.config.clone())
            .map_err(|error| error.to_string())?;
        let filter = filter(&found.consumer.config);
        let born = (nanos(found.stream.created), nanos(found.consumer.created));
        let context = jetstream::new(connection.client.clone());
        let floor = sequence(found.consumer.ack_floor.stream_sequence);
        let bytes = BYTES.max(2 * connection.client.server_info().max_payload);
        info!(
            stream = source.stream,
            consumer = source.consumer,
            pending = found.consumer.num_pending,
            "reading the stream"
        );
        let session = Self {
            source: source.clone(),
            engine,
            stop,
            status,
            made,
            client: connection.client.clone(),
            consumer: Consumer::new(config, found.consumer, context),
            born,
            filter,
            floor,
            stored_floor: 0,
            bytes,
            next_look: Instant::now(),
            aside: 0,
        };
        session.compare().await?;
        Ok(session)
    }

    /// Says so if the server knows of more as stored than the database does.
    async fn compare(&self) -> Result<(), String> {
        let (stream, consumer) = (&self.source.stream, &self.source.consumer);
        let stored = self.engine.store().stream_position(stream, consumer).await;
        let Some(stored) = stored.map_err(|error| error.to_string())? else { return Ok(()) };
        let known = stored.created == self.born.0 && stored.filter == self.filter;
        if known && self.floor > stored.highest {
            warn!(
                stream,
                consumer,
                acknowledged = self.floor,
                taken = stored.highest,
                "more of the stream is acknowledged than this database has taken: somebody else reads by this consumer, messages were \
                 purged, or the database was restored from a backup; to take what lies between again, make a consumer of another \
                 name that starts behind what was taken"
            );
        }
        Ok(())
    }

    /// Reads until `stop`.
    pub(super) async fn run(&mut self) -> Result<(), String> {
        let mut asked: Option<Batch> = None;
        let mut came = 0_usize;
        // Whether nothing more comes of what was asked for than what is here.
        let mut cut = false;
        loop {
            if self.next_look <= Instant::now() {
                self.look().await?;
            }
            if !self.wait_for_room().await? {
                give_back(asked).await;
                return Ok(());
            }
            let batch = match &mut asked {
                Some(batch) => batch,
                none => {
                    (came, cut) = (0, false);
                    none.insert(self.ask().await?)
                }
            };
            let came_next = if cut {
                Came::next(unconstrained(batch.next()).now_or_never().flatten())
            } else {
                self.next(batch).await
            };
            match came_next {
                Came::Time => {}
                Came::Stop => {
                    give_back(asked).await;
                    return Ok(());
                }
                Came::Connection => cut = true,
                Came::Next(None) => asked = None,
                Came::Next(Some(Err(error))) => {
                    // The next message would have been more than the bytes asked for: the usual end where they are large.
                    if came == 0 || !error.to_string().contains("MaxBytes") {
                        return Err(format!("messages cannot be had: {error}"));
                    }
                    asked = None;
                }
                Came::Next(Some(Ok(message))) => {
                    let gathered = self.gather(*message, batch);
                    came += gathered.came.len();
                    if !self.keep(&gathered.messages).await {
                        return Ok(());
                    }
                    acknowledge(&gathered.came).await;
                }
            }
        }
    }

    /// Waits for a message, or for what comes before it.
    async fn next(&mut self, batch: &mut Batch) -> Came {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Came::Stop,
            _ = self.made.changed() => Came::Connection,
            () = tokio::time::sleep_until(self.next_look) => Came::Time,
            next = batch.next() => Came::next(next),
        }
    }

    /// Asks for messages.
    async fn ask(&self) -> Result<Batch, String> {
        let allowed = &self.consumer.cached_info().config;
        let up_to = |most: usize, limit: i64| match usize::try_from(limit) {
            Ok(limit) if limit > 0 => most.min(limit),
            _ => most,
        };
        let expires = match allowed.max_expires {
            Duration::ZERO => EXPIRES,
            limit => EXPIRES.min(limit),
        };
        self.consumer
            .batch()
            .max_messages(up_to(ASK, allowed.max_batch))
            .max_bytes(up_to(self.bytes, allowed.max_bytes))
            .expires(expires)
            .messages()
            .await
            .map_err(|error| format!("messages cannot be asked for: {error}"))
    }

    /// A message, and what has come behind it already.
    fn gather(&self, first: Message, batch: &mut Batch) -> Gathered {
        let mut gathered = Gathered::default();
        gathered.add(first, &self.source.stream);
        while gathered.came.len() < GROUP && gathered.events < EVENTS {
            // Without the scheduler's budget, which would end a group after some hundred messages. An error ends the batch;
            // the next request meets it again.
            match unconstrained(batch.next()).now_or_never() {
                Some(Some(Ok(message))) => gathered.add(message, &self.source.stream),
                _ => break,
            }
        }
        gathered
    }

    /// Waits while the engine has enough to do. Says whether to go on.
    async fn wait_for_room(&mut self) -> Result<bool, String> {
        loop {
            match self.engine.inbox_is_full().await {
                Ok(false) => {
                    self.engine.stream_metrics().goes_on();
                    return Ok(!*self.stop.borrow());
                }
                Ok(true) => self.engine.stream_metrics().waits(),
                Err(error) => return Err(error.to_string()),
            }
            tokio::select! {
                () = tokio::time::sleep(FULL) => {}
                _ = self.stop.wait_for(|stop| *stop) => return Ok(false),
            }
            if self.next_look <= Instant::now() {
                self.see().await?;
            }
        }
    }

    /// Looks at the consumer and at what is set aside.
    async fn look(&mut self) -> Result<(), String> {
        self.see().await?;
        // Also while nothing comes, so that what is delivered again then is known by its place.
        if self.floor != self.stored_floor {
            let floor = self.floor;
            if self.keep(&[]).await {
                self.stored_floor = floor;
            }
        }
        let store = self.engine.store();
        let metrics = self.engine.stream_metrics();
        let failed = |error: waystation_store::StoreError| error.to_string();
        metrics.swept(store.sweep_set_aside(self.engine.now()).await.map_err(failed)?);
        metrics.kept(store.set_aside_count().await.map_err(failed)?);
        let aside = std::mem::take(&mut self.aside);
        if aside > 0 {
            warn!(
                stream = self.source.stream,
                count = aside,
                "messages could not be taken in and were set aside; see `waystation ingress list`"
            );
        }
        Ok(())
    }

    /// Sees how far the consumer is, and whether it is still the same.
    async fn see(&mut self) -> Result<(), String> {
        self.next_look = Instant::now() + LOOK;
        let info = self.consumer.get_info().await.map_err(|error| {
            format!("consumer `{}` cannot be read: {error}", self.source.consumer)
        })?;
        if nanos(info.created) != self.born.1 {
            self.compare_anew().await?;
        }
        self.floor = sequence(info.ack_floor.stream_sequence);
        let (pending, unacknowledged) = (info.num_pending, info.num_ack_pending as u64);
        let metrics = self.engine.stream_metrics();
        metrics.connected();
        metrics.lag(pending, unacknowledged);
        self.status.change(|now| {
            now.error = None;
            now.pending = pending;
            now.unacknowledged = unacknowledged;
        });
        Ok(())
    }

    /// Looks whether a consumer of another birth is another one: some servers give it a new time of birth when they start.
    async fn compare_anew(&mut self) -> Result<(), String> {
        let found = examine(&self.client, &self.source).await?;
        let same = nanos(found.stream.created) == self.born.0
            && filter(&found.consumer.config) == self.filter
            && found.refused().is_none();
        if !same {
            return Err("stream or consumer were made anew; they are looked at again".to_owned());
        }
        self.born.1 = nanos(found.consumer.created);
        Ok(())
    }

    /// When the stream was made, in Unix nanoseconds.
    pub(super) fn stream_born(&self) -> i64 {
        self.born.0
    }
}

impl Came {
    fn next(next: Option<Result<Message, async_nats::Error>>) -> Self {
        Self::Next(next.map(|message| message.map(Box::new)))
    }
}

impl Gathered {
    fn add(&mut self, message: Message, stream: &str) {
        // A pull consumer's messages always say where they are; one that does not is not ours to acknowledge.
        let Ok(place) = message.info() else {
            warn!(stream, subject = %message.subject, "a message without its place in the stream was passed over");
            return;
        };
        let header = message.headers.as_ref();
        let read = read(Incoming {
            stream,
            subject: &message.subject,
            sequence: sequence(place.stream_sequence),
            published: nanos(place.published),
            message_id: header
                .and_then(|headers| headers.get(async_nats::header::NATS_MESSAGE_ID))
                .map(async_nats::HeaderValue::as_str),
            payload: &message.payload,
        });
        self.events += read.events.len() + read.bad.len();
        self.messages.push(read);
        self.came.push(message);
    }
}

/// Tells the server that messages are stored. Those of which it does not hear come again and are dropped.
async fn acknowledge(messages: &[Message]) {
    let all = async {
        for message in messages {
            if let Err(error) = message.ack().await {
                warn!(%error, "messages cannot be acknowledged; they come again and are dropped");
                return;
            }
        }
    };
    let _ = tokio::time::timeout(ACKNOWLEDGE, all).await;
}

/// Lets other hosts have at once what has come and is not stored.
async fn give_back(asked: Option<Batch>) {
    let Some(mut batch) = asked else { return };
    let all = async {
        while let Some(Some(Ok(message))) = unconstrained(batch.next()).now_or_never() {
            // What cannot be given back comes again by itself, only later.
            let _ = message.ack_with(AckKind::Nak(None)).await;
        }
    };
    let _ = tokio::time::timeout(ACKNOWLEDGE, all).await;
}

/// A sequence as the database keeps it.
fn sequence(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn nanos(time: async_nats::datetime::DateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}
