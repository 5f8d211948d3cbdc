//! Handing mail to the relay that an operator configured.
//!
//! # Layout
//! - `url`: what an operator writes
//! - `envelope`: what may be submitted at all
//! - `session`: one SMTP connection, which knows how far a submission came
//! - `pool`: a bounded number of sessions that are reused
//! - `folder`: files instead of a server, for trying out

mod envelope;
mod folder;
mod pool;
mod session;
mod url;

use std::{fmt, time::Instant};

pub(crate) use envelope::{Letter, allows};

use self::{folder::Folder, pool::Pool, url::Address};
use crate::error::SandboxError;

/// What became of a letter that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The relay said no for good; nothing was sent.
    Refused(String),
    /// Nothing was sent, and it may work later.
    Deferred(String),
    /// The connection was lost after the data had gone out: it may have been sent.
    Interrupted(String),
}

/// A relay for mail: an SMTP server, or a folder that keeps what would have been sent.
pub struct Relay(Kind);

enum Kind {
    Server(Pool),
    Folder(Folder),
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Server(pool) => write!(f, "Relay({pool:?})"),
            Kind::Folder(folder) => write!(f, "Relay({folder:?})"),
        }
    }
}

impl Relay {
    /// A relay at a URL:
    ///
    /// - `smtp://[user:password@]host[:port]`: port 587 with a user, else 25. `?tls=opportunistic` (the default) encrypts
    ///   if the server can, `required` does not go on without, `none` does not try. A password is never sent unencrypted
    ///   unless `tls=none` says so.
    /// - `smtps://[user:password@]host[:port]`: TLS from the start, port 465.
    /// - `file:///folder`: every letter becomes a file `*.eml` there; the folder is made if it is missing.
    ///
    /// `&hello=mail.example.com` is the name that the host gives itself in `EHLO`. User and password are percent-encoded.
    /// At most 8 connections are open at the same time; unused ones are closed after 30 s.
    ///
    /// # Errors
    /// [`SandboxError::Relay`] says what is wrong with the URL. Nothing is connected yet.
    pub fn new(url: &str) -> Result<Self, SandboxError> {
        let kind = match url::parse(url).map_err(SandboxError::Relay)? {
            Address::Server(server) => Kind::Server(Pool::new(*server)),
            Address::Folder(folder) => {
                Kind::Folder(Folder::open(folder).map_err(SandboxError::Relay)?)
            }
        };
        Ok(Self(kind))
    }

    /// Hands over one letter before `until`. Success is the relay's reply.
    pub(crate) async fn submit(&self, letter: &Letter, until: Instant) -> Result<String, Failure> {
        match &self.0 {
            Kind::Server(pool) => pool.submit(letter, until).await,
            Kind::Folder(folder) => folder.submit(letter).await,
        }
    }
}

/// Letters of one call that are submitted at the same time.
pub(crate) const CONCURRENT: usize = pool::CONNECTIONS;
