//! One writer that commits many logical transactions at once.
//!
//! A durable commit costs a disk flush, whatever it holds. Callers hand their writes to one task, which runs all that
//! have gathered inside one transaction, each in a savepoint of its own, and answers them only after the commit.

use fail::fail_point;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::error;

use super::{Conn, begin};
use crate::StoreError;

/// Writes that may wait for the writer; more wait at the sender.
const QUEUE: usize = 1024;
/// Most logical transactions in one commit.
const GROUP: usize = 128;

/// One logical transaction.
trait Job: Send {
    /// Runs the statements; says whether they are to be kept.
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> BoxFuture<'c, bool>;
    /// Tells the caller, after the commit.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<T, F> {
    statements: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
{
    fn run<'c>(&'c mut self, conn: &'c mut Conn) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            let Some(statements) = self.statements.take() else { return false };
            let result = statements(conn).await;
            let keep = result.is_ok();
            self.result = Some(result);
            keep
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
    pub(crate) fn start(conn: Conn) -> (Self, JoinHandle<()>) {
        let (queue, jobs) = mpsc::channel(QUEUE);
        (Self { queue }, tokio::spawn(work(conn, jobs)))
    }

    /// Runs statements in a transaction and returns once they are durable.
    pub(crate) async fn write<T, F>(&self, statements: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Conn) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Write { statements: Some(statements), result: None, reply });
        self.queue.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

async fn work(mut conn: Conn, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut group = Vec::with_capacity(GROUP);
    while jobs.recv_many(&mut group, GROUP).await > 0 {
        let committed = commit(&mut conn, &mut group).await;
        if let Err(error) = &committed {
            error!(error = %error, writes = group.len(), "a commit failed; its writes are refused");
        }
        fail_point!("commit.durable");
        for job in group.drain(..) {
            job.finish(committed.clone());
        }
        fail_point!("commit.answered");
    }
    super::finish(conn).await;
}

async fn commit(conn: &mut Conn, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    fail_point!("commit.begin");
    begin(conn).await?;
    fail_point!("commit.begun");
    let outcome = run(conn, group).await;
    fail_point!("commit.end");
    let end = if outcome.is_ok() { "commit" } else { "rollback" };
    let ended = sqlx::query(end).execute(&mut *conn).await;
    if ended.is_err() && outcome.is_ok() {
        // A commit that failed leaves the transaction open; the next one must not build on it. Where the database has
        // ended it already, this second rollback fails, which is what we want.
        let _ = sqlx::query("rollback").execute(&mut *conn).await;
    }
    outcome?;
    ended?;
    Ok(())
}

async fn run(conn: &mut Conn, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    for job in group {
        sqlx::query("savepoint job").execute(&mut *conn).await?;
        if !job.run(conn).await {
            sqlx::query("rollback to savepoint job").execute(&mut *conn).await?;
        }
        fail_point!("commit.job");
        sqlx::query("release savepoint job").execute(&mut *conn).await?;
    }
    Ok(())
}
