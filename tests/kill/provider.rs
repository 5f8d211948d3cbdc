//! What the plugin `courier` talks to: a provider that journals every request, and fails as providers do.
//!
//! It speaks just enough of HTTP/1.1 to be able to break off a connection at the worst moment, which no web framework lets
//! one do. Each connection of the workspace has a path of its own, whose first word decides how the provider behaves:
//! - `window`: the same key again does nothing more, and is answered as before;
//! - `finding`: it does everything that it is asked to, and tells what became of a key;
//! - `plain`: it does everything that it is asked to, and tells nothing;
//! - `refusing`: it refuses everything;
//! - `source`: it tells what it has noticed from a place on, and always the last that it told before once more.
//!
//! What is done is done when the request has come, before it is answered: a provider that tells of a key knows of requests
//! that it still works on.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::random::Random;

/// Largest request: a message of a few hundred bytes, with room.
const BODY: usize = 64 << 10;
/// Longest line of a request's head, and most of them.
const HEAD: (u64, usize) = (4 << 10, 64);
/// Longest time that a slow answer takes.
const SLOW: Duration = Duration::from_millis(300);
/// Of a thousand requests, how many are answered slowly, put off, broken off before anything was done, and after it was.
const FAULTS: [u64; 4] = [60, 20, 15, 25];

/// Most events in the answer to a poll, beside the one that is told once more.
const NEWS: usize = 200;

/// What came under one key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) requests: Vec<Received>,
    /// What was answered when it was done, as JSON; none if it was not.
    answer: Option<Value>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Unix milliseconds.
    pub(crate) at: i64,
    pub(crate) body: Value,
    /// Whether something was done because of it.
    pub(crate) done: bool,
}

impl Kept {
    /// How many times it was done.
    pub(crate) fn done(&self) -> usize {
        self.requests.iter().filter(|request| request.done).count()
    }
}

/// Connection, kind of effect, key.
pub(crate) type Key = (String, String, String);

/// The provider; it ends when it is dropped.
pub(crate) struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// A poll that was answered, as far as the provider knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Unix milliseconds.
    pub(crate) at: i64,
    /// How much had been told before, as the cursor says: it came with an earlier answer.
    pub(crate) from: usize,
    /// How much is told now; it is the next cursor.
    pub(crate) upto: usize,
}

/// What the provider tells of when it is polled.
#[derive(Clone, Default)]
pub(crate) struct News(Arc<Mutex<Reports>>);

#[derive(Default)]
struct Reports {
    /// Oldest first.
    events: Vec<Value>,
    told: Vec<Told>,
}

impl News {
    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are told from now on.
    pub(crate) fn add(&self, events: impl Iterator<Item = Value>) {
        self.reports().events.extend(events);
    }

    /// Polls so far, in the order in which they came.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.reports().told.clone()
    }

    fn tell(&self, cursor: &Value) -> (u16, Value) {
        let reports = &mut *self.reports();
        let from = cursor.as_u64().and_then(|from| usize::try_from(from).ok());
        let Some(from) = from.filter(|from| *from <= reports.events.len()) else {
            return (422, Value::Null);
        };
        let upto = reports.events.len().min(from + NEWS);
        reports.told.push(Told { at: now(), from, upto });
        let events = &reports.events[from.saturating_sub(1)..upto];
        (200, json!({ "cursor": upto, "events": events }))
    }
}

struct Shared {
    journal: Mutex<HashMap<Key, Kept>>,
    news: News,
    random: Mutex<Random>,
    /// Whether it fails now and then.
    moody: AtomicBool,
}

impl Provider {
    pub(crate) async fn start(random: Random) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            journal: Mutex::default(),
            news: News::default(),
            random: Mutex::new(random),
            moody: AtomicBool::new(true),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, serving })
    }

    /// Where connections of this name find it.
    pub(crate) fn url(&self, connection: &str) -> String {
        format!("http://{}/{connection}", self.address)
    }

    /// What may be granted to connections that use it.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where something is noticed that it tells from then on.
    pub(crate) fn news(&self) -> &News {
        &self.shared.news
    }

    /// No more faults, so that what is left comes to an end.
    pub(crate) fn calm_down(&self) {
        self.shared.moody.store(false, Ordering::Relaxed);
    }

    pub(crate) fn journal(&self) -> HashMap<Key, Kept> {
        self.shared.journal().clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What becomes of one request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    Slow(Duration),
    PutOff,
    BrokenOffBefore,
    BrokenOffAfter,
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self) -> Fate {
        if !self.moody.load(Ordering::Relaxed) {
            return Fate::Answered;
        }
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let slow = Duration::from_millis(random.below(SLOW.as_millis() as u64));
        let fates = [Fate::Slow(slow), Fate::PutOff, Fate::BrokenOffBefore, Fate::BrokenOffAfter];
        let mut left = random.below(1000);
        for (fate, share) in fates.into_iter().zip(FAULTS) {
            if left < share {
                return fate;
            }
            left -= share;
        }
        Fate::Answered
    }

    /// Does what is asked, unless it is done already and the provider dedupes.
    fn take(&self, connection: &str, kind: &str, body: Value, fate: Fate) -> (u16, Value) {
        let key = body["key"].as_str().unwrap_or_default().to_owned();
        let place = (connection.to_owned(), kind.to_owned(), key.clone());
        let mut journal = self.journal();
        let kept = journal.entry(place).or_default();
        let refused = connection == "refusing";
        let again = connection == "window" && kept.answer.is_some();
        let done = !refused && !again && !matches!(fate, Fate::PutOff | Fate::BrokenOffBefore);
        if done {
            kept.answer = Some(answer(kind, &key, &body));
        }
        kept.requests.push(Received { at: now(), body, done });
        match (&kept.answer, fate) {
            (_, Fate::PutOff) => (503, Value::Null),
            _ if refused => (422, Value::Null),
            (Some(answer), _) => (200, answer.clone()),
            (None, _) => (500, Value::Null),
        }
    }

    fn find(&self, connection: &str, keys: &Value) -> Value {
        let journal = self.journal();
        let find = |key: &Value| {
            let key = key.as_str().unwrap_or_default();
            let known = ["send", "issue"].into_iter().find_map(|kind| {
                let place = (connection.to_owned(), kind.to_owned(), key.to_owned());
                journal.get(&place)?.answer.clone()
            });
            known.unwrap_or_default()
        };
        keys.as_array().into_iter().flatten().map(find).collect()
    }
}

/// What the provider answers to what it has done; the oracle knows it as well.
pub(crate) fn answer(kind: &str, key: &str, body: &Value) -> Value {
    match kind {
        "issue" => json!({ "code": code(key), "valid_until": body["valid_until"] }),
        "run" => result(key),
        _ => json!({}),
    }
}

/// The coupon that is issued under a key.
pub(crate) fn code(key: &str) -> String {
    format!("C-{key}")
}

/// What an action answers.
pub(crate) fn result(key: &str) -> Value {
    json!({ "result": format!("R-{key}") })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // It ends with the connection, whoever breaks it off.
            let _ = converse(stream, &shared).await;
        });
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some((path, body)) = request(&mut stream).await? {
        let (connection, kind) =
            path.trim_start_matches('/').split_once('/').context("a path of two words")?;
        let fate = shared.fate();
        let (status, answer) = match kind {
            "find" | "poll" if fate == Fate::PutOff => (503, Value::Null),
            "poll" if fate == Fate::BrokenOffBefore => return Ok(()),
            "poll" => shared.news.tell(&body),
            "find" => (200, shared.find(connection, &body)),
            kind => shared.take(connection, kind, body, fate),
        };
        match fate {
            Fate::BrokenOffBefore | Fate::BrokenOffAfter => return Ok(()),
            Fate::Slow(pause) => tokio::time::sleep(pause).await,
            Fate::Answered | Fate::PutOff => {}
        }
        let text = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all((head + &text).as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

/// Path and body of the next request; none when there is no more.
async fn request(stream: &mut BufReader<TcpStream>) -> anyhow::Result<Option<(String, Value)>> {
    let mut path = None;
    let mut length = 0;
    for _ in 0..HEAD.1 {
        let mut line = String::new();
        if (&mut *stream).take(HEAD.0).read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        let Some(first) = &path else {
            path = line.split(' ').nth(1).map(str::to_owned);
            ensure!(path.is_some(), "no request: {line}");
            continue;
        };
        if line.is_empty() {
            ensure!(length <= BODY, "a body of {length} bytes");
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            return Ok(Some((first.clone(), serde_json::from_slice(&body)?)));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    bail!("too many lines in the head of a request")
}
