//! One writer that commits many logical transactions at once.
//!
//! A durable commit costs a disk flush, whatever it holds. Callers hand their writes to one task, which runs all that
//! have gathered inside one transaction, each in a savepoint of its own, and answers them only after the commit.
//!
//! Where other hosts write too, a write may be in their way: then it alone is taken back and run again with the next
//! commit, a few times. A connection that broke is replaced with the next commit; the writes that it took along are
//! answered with an error, as nobody knows what became of them.

use std::time::Duration;

use fail::fail_point;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use super::{Conn, Source};
use crate::{StoreError, faults};

/// Writes that may wait for the writer; more wait at the sender.
const QUEUE: usize = 1024;
/// Most logical transactions in one commit.
const GROUP: usize = 128;
/// How often a write is run that others are in the way of.
const RUNS: u32 = 5;
/// How long the writer waits before it connects again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// One logical transaction.
trait Job: Send {
    /// Runs the statements, and keeps what came of them.
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> BoxFuture<'c, Done>;
    /// Tells the caller, after the commit.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// What came of a job's statements.
enum Done {
    Keep,
    TakeBack,
    /// Other writes were in the way.
    Again,
    /// The connection is of no use any more.
    Broken(StoreError),
}

struct Write<A, T, F> {
    arguments: A,
    statements: F,
    runs: u32,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<A, T, F> Job for Write<A, T, F>
where
    A: Send + Sync,
    T: Send,
    F: for<'c> Fn(&'c mut Conn, &'c A) -> BoxFuture<'c, Result<T, StoreError>> + Send + Sync,
{
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> BoxFuture<'c, Done> {
        Box::pin(async move {
            self.runs += 1;
            let result = (self.statements)(conn, &self.arguments).await;
            let done = match &result {
                Ok(_) => Done::Keep,
                Err(StoreError::InTheWay(_)) if self.runs < RUNS => Done::Again,
                Err(error @ StoreError::Unreachable(_)) => Done::Broken(error.clone()),
                Err(_) => Done::TakeBack,
            };
            self.result = Some(result);
            done
        })
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            (_, Some(Err(own))) => Err(own),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(StoreError::Closed),
        };
        // The caller may have stopped waiting; the write is done all the same.
        let _ = self.reply.send(result);
    }
}

/// Hands writes to the writer's task.
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the writer on a connection of its own; the task ends when every `Writer` is dropped.
    pub(crate) fn start(source: Source, conn: Conn) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let session = Session { source, conn: Some(conn), pause: PAUSES.0, not_before: None };
        (Self { queue }, tokio::spawn(work(session, jobs)))
    }

    /// Runs statements in a transaction and returns once they are durable. They may be run several times, each time as
    /// if for the first time.
    pub(crate) async fn write<A, T, F>(&self, arguments: A, statements: F) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Conn, &'c A) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + Sync
            + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write { arguments, statements, runs: 0, result: None, reply });
        self.queue.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

async fn work(mut session: Session, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut group = Vec::with_capacity(GROUP);
    loop {
        // Those that are to be run again go first.
        if group.is_empty() && jobs.recv_many(&mut group, GROUP).await == 0 {
            break;
        }
        let committed = session.commit(&mut group).await;
        fail_point!("commit.durable");
        match committed {
            Ok(again) => {
                let mut place = 0;
                let finished = group.extract_if(.., |_| {
                    place += 1;
                    !again.contains(&(place - 1))
                });
                finished.for_each(|job| job.finish(Ok(())));
            }
            Err(error) => {
                if session.conn.is_none() {
                    // None of those that wait could do better.
                    while let Ok(job) = jobs.try_recv() {
                        group.push(job);
                    }
                }
                error!(error = %error, writes = group.len(), "a commit failed; its writes are refused");
                for job in group.drain(..) {
                    job.finish(Err(error.clone()));
                }
            }
        }
        fail_point!("commit.answered");
    }
    if let Some(conn) = session.conn {
        super::finish(conn).await;
    }
}

/// The writer's connection, and how it gets another one.
struct Session {
    source: Source,
    conn: Option<Conn>,
    /// How long to wait after the next failure to connect.
    pause: Duration,
    /// When to connect again at the earliest.
    not_before: Option<Instant>,
}

impl Session {
    /// Commits a group; gives the places of those jobs that are to be run again.
    async fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<Vec<usize>, StoreError> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        let outcome = transaction(&self.source, &mut conn, group).await;
        // A connection that may be in the middle of anything is dropped, and the database takes back what is open.
        if !matches!(outcome, Err(StoreError::Unreachable(_))) {
            self.conn = Some(conn);
        }
        outcome
    }

    async fn connect(&mut self) -> Result<Conn, StoreError> {
        if let Some(not_before) = self.not_before {
            sleep_until(not_before).await;
        }
        match self.source.connect().await {
            Ok(conn) => {
                warn!("the writer has connected to the database again");
                (self.pause, self.not_before) = (PAUSES.0, None);
                Ok(conn)
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(PAUSES.1);
                Err(StoreError::Unreachable(error.to_string()))
            }
        }
    }
}

async fn transaction(
    source: &Source,
    conn: &mut Conn,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<usize>, StoreError> {
    fail_point!("commit.begin");
    source.begin(conn).await?;
    fail_point!("commit.begun");
    let outcome = match group {
        [job] => alone(source, conn, job).await,
        several => together(source, conn, several).await,
    };
    fail_point!("commit.end");
    let end = match &outcome {
        Ok(ran) if ran.keep => "commit",
        Err(error @ StoreError::Unreachable(_)) => return Err(error.clone()),
        _ => "rollback",
    };
    let ended = source.statement(conn, end).await;
    if ended.is_err() && end == "commit" {
        // A commit that failed leaves the transaction open; the next one must not build on it. Where the database has
        // ended it already, this second rollback fails, which is what we want.
        let _ = source.statement(conn, "rollback").await;
    }
    let ran = outcome?;
    ended?;
    if end == "commit" && faults::planted("fault.lost-answer") {
        return Err(StoreError::Unreachable("a test lost the answer".to_owned()));
    }
    Ok(ran.again)
}

struct Ran {
    /// Whether there is anything to commit.
    keep: bool,
    /// The places of those to be run again.
    again: Vec<usize>,
}

/// The transaction itself is the one job's savepoint.
async fn alone(
    source: &Source,
    conn: &mut Conn,
    job: &mut Box<dyn Job>,
) -> Result<Ran, StoreError> {
    let done = source.within(job.run(conn)).await?;
    fail_point!("commit.job");
    match done {
        Done::Keep => Ok(Ran { keep: true, again: Vec::new() }),
        Done::TakeBack => Ok(Ran { keep: false, again: Vec::new() }),
        Done::Again => Ok(Ran { keep: false, again: vec![0] }),
        Done::Broken(error) => Err(error),
    }
}

async fn together(
    source: &Source,
    conn: &mut Conn,
    group: &mut [Box<dyn Job>],
) -> Result<Ran, StoreError> {
    let mut again = Vec::new();
    for (place, job) in group.iter_mut().enumerate() {
        source.statement(conn, "savepoint job").await?;
        let done = source.within(job.run(conn)).await?;
        fail_point!("commit.job");
        let keep = match done {
            Done::Keep => true,
            Done::TakeBack => false,
            Done::Again => {
                again.push(place);
                false
            }
            Done::Broken(error) => return Err(error),
        };
        if !keep {
            source.statement(conn, "rollback to savepoint job").await?;
        }
        source.statement(conn, "release savepoint job").await?;
    }
    Ok(Ran { keep: true, again })
}
