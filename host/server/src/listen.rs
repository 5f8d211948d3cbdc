//! The HTTP listener: how many connections there may be, and how long each may keep the server waiting.
//!
//! A connection ends that does not get the head of a request across in time, whether it is slow or idle between two requests,
//! and one that does not take its answer. How long a body may take is for whoever reads it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tracing::{debug, warn};

/// Most connections at the same time, where the process may open as many files.
const CONNECTIONS: usize = 4096;
/// Longest time until the head of a request is there, counted from the connection's begin or the answer before.
const HEAD: Duration = Duration::from_secs(30);
/// Longest time that a client may take nothing of an answer.
const STALL: Duration = Duration::from_secs(30);
/// Largest head of a request, and most that is read ahead for each connection.
const READ_AHEAD: usize = 64 << 10;
/// Pause after the system gave no connection, as when no more files can be opened.
const RETRY: Duration = Duration::from_millis(200);
/// Time between two warnings that there are as many connections as there may be.
const WARN: Duration = Duration::from_secs(60);

/// What clients may take of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at the same time. More wait in the system's queue until one ends.
    connections: usize,
    /// Time until the head of a request is there.
    head: Duration,
    /// Time in which nothing of an answer is taken.
    stall: Duration,
}

impl Limits {
    /// Those of a process that may open so many files: half of them are for connections.
    pub(crate) fn of_this_process() -> Self {
        let files = std::fs::read_to_string("/proc/self/limits").ok();
        let files = files.as_deref().and_then(open_files).unwrap_or(1024);
        Self { connections: (files / 2).clamp(1, CONNECTIONS), head: HEAD, stall: STALL }
    }
}

/// The soft limit of open files in the form of `/proc/self/limits` (`man 5 proc`).
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        files => files.parse().ok(),
    }
}

/// Serves connections until `stop`, then lets each end with the request that it is at. Dropping it breaks off those that are
/// left.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    let of_connections = stop.clone();
    let mut warned: Option<Instant> = None;
    while !*stop.borrow() {
        let room = open.len() < limits.connections;
        if !room && warned.is_none_or(|at| at.elapsed() >= WARN) {
            warned = Some(Instant::now());
            warn!(
                connections = limits.connections,
                "there are as many HTTP connections as there may be; more wait until one ends"
            );
        }
        tokio::select! {
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    open.spawn(connection(stream, router.clone(), limits, of_connections.clone()));
                }
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    warn!(%error, "no connection can be accepted; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            },
            Some(_) = open.join_next() => {}
            () = told(&mut stop) => {}
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// Waits until the server is to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // The sender lives until the server has stopped.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Whether an error is of the connection that was to be accepted, and not of this process.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let stream = TokioIo::new(Patient { stream, patience: limits.stall, stalled: None });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(READ_AHEAD);
    let mut serving =
        std::pin::pin!(http.serve_connection(stream, TowerToHyperService::new(router)));
    let served = tokio::select! {
        served = &mut serving => served,
        () = told(&mut stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "a connection was broken off");
    }
}

/// A stream that fails once its other end has taken nothing for so long.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while something waits to be taken.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// What a write came to; one that is not over yet fails when the time is up.
    fn waited<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.waited(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.waited(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
