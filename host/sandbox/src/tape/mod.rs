//! Recording calls with what the plugin asked of the host, and playing them again with the outside stubbed.
//!
//! # Layout
//! - [`Recorder`]: how many calls of a connection are recorded, and where they go
//! - `notes`: what is gathered while a call runs; `take`: what a finished call hands over, redacted away from the call
//! - `replacer`, `pseudonym`, `redact`: finding what must not be kept, through the usual encodings, and what stands for it
//! - `player`: the stub of the outside; `rehearsal`: a release that is called with it
//! - `json`: records as JSON whose bytes can be read
//!
//! # Invariants
//! - A call that is not recorded pays for one comparison in each host function; one that is never waits for the recorder.
//! - A [`Recording`] holds no secret that the connection has, no placeholder and no code made with a secret.
//! - A rehearsal has no grant, so that nothing it does can reach the outside.

mod json;
mod notes;
mod player;
mod pseudonym;
mod recorder;
mod redact;
mod rehearsal;
mod replacer;
mod take;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) use json::Blob;
pub(crate) use notes::Notes;
pub(crate) use player::{Player, placeholder};
pub use recorder::{Recorder, RecorderCounts};
pub use rehearsal::{Match, Performance, Rehearsal, Request};
pub use take::Take;
pub(crate) use take::{PLACEHOLDER, SHA1, SHA256, SHA512, Signing};

/// One thing that a plugin asked of the host, and what it was answered: as the plugin saw both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The host's function, such as `http.send`. What a plugin asks for in a batch is noted one by one.
    pub function: String,
    /// What was asked, in the contract's records; bytes are text, or `{"base64": …}`.
    pub request: Value,
    /// What was answered.
    pub answer: Value,
}

/// A call to a plugin, redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The plugin's function, such as `channel.send`.
    pub function: String,
    /// Digest of the release that was called.
    pub release: String,
    /// When the call ended, in milliseconds since 1970-01-01T00:00:00Z.
    pub at: u64,
    /// What the plugin was given.
    pub input: Value,
    /// What it asked of the host, in order.
    pub exchanges: Vec<Exchange>,
    /// What it answered, within the bounds that the host sets.
    pub output: Value,
}

/// What a sandbox's host functions do with a call.
#[derive(Clone, Default)]
pub(crate) enum Tape {
    /// They do what they are for.
    #[default]
    Off,
    /// They do it and note it down.
    Recording(Arc<Mutex<Notes>>),
    /// They do nothing and answer what was noted.
    Replaying(Arc<Mutex<Player>>),
}

/// What is asked, kept while the answer is waited for; empty unless the call is recorded.
pub(crate) struct Asked(Vec<Option<Value>>);

impl Tape {
    pub(crate) fn player(&self) -> Option<MutexGuard<'_, Player>> {
        match self {
            Self::Replaying(player) => Some(player.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Off | Self::Recording(_) => None,
        }
    }

    /// When the replayed call ended.
    pub(crate) fn at(&self) -> Option<u64> {
        self.player().map(|player| player.at)
    }

    fn notes(&self) -> Option<MutexGuard<'_, Notes>> {
        match self {
            Self::Recording(notes) => Some(notes.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Off | Self::Replaying(_) => None,
        }
    }

    /// The sandbox has started: from here on there is a call to record.
    pub(crate) fn open(&self) {
        if let Some(mut notes) = self.notes() {
            notes.opened = true;
        }
    }

    /// Keeps what is about to be asked, if the call is recorded.
    pub(crate) fn asked<Q: Serialize>(&self, requests: &[Q]) -> Asked {
        let Some(mut notes) = self.notes() else { return Asked(Vec::new()) };
        Asked(requests.iter().map(|request| notes.keep(request)).collect())
    }

    /// Notes what was answered to what was asked, one by one.
    pub(crate) fn answered<A: Serialize>(
        &self,
        function: &'static str,
        asked: Asked,
        answers: &[A],
    ) {
        let Some(mut notes) = self.notes() else { return };
        for (request, answer) in asked.0.into_iter().zip(answers) {
            notes.note(function, request, answer);
        }
    }

    /// Notes one thing that was asked and answered at once.
    pub(crate) fn note<Q: Serialize, A: Serialize>(
        &self,
        function: &'static str,
        request: &Q,
        answer: &A,
    ) {
        if let Some(mut notes) = self.notes() {
            let request = notes.keep(request);
            notes.note(function, request, answer);
        }
    }

    /// Notes a code that was made with a secret.
    pub(crate) fn signed<E: Serialize>(&self, signing: &Signing, answer: &Result<Blob, E>) {
        self.note(take::HMAC, signing, answer);
        if let Some(mut player) = self.player() {
            player.signed(signing, &serde_json::to_value(answer).unwrap_or_default());
        }
    }

    /// Whether host functions have to tell what they are asked.
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// The stub's answers, one for each request, if the call is a replay. `missing` answers what is not in the recording;
    /// it is told whether the connection has the permission at all.
    pub(crate) fn replayed<Q: Serialize, A: Serialize + DeserializeOwned>(
        &self,
        function: &'static str,
        requests: &[Q],
        missing: impl Fn(bool) -> A,
    ) -> Option<Vec<A>> {
        let mut player = self.player()?;
        Some(requests.iter().map(|request| player.answer(function, request, &missing)).collect())
    }
}
