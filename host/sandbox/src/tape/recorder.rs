//! How many calls of a connection are recorded, and where they go.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use tokio::sync::mpsc;

use super::{Notes, Recording, Take, Tape};
use crate::Connection;

/// Records a share of a connection's calls.
#[derive(Clone)]
pub struct Recorder {
    /// Of 2^32 calls so many are recorded.
    share: u64,
    /// What pseudonyms are made with.
    pub(super) key: [u8; 32],
    takes: mpsc::Sender<Take>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    recorded: AtomicU64,
    too_large: AtomicU64,
    missed: AtomicU64,
}

/// What became of a connection's calls, as far as they were to be recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecorderCounts {
    /// Handed over.
    pub recorded: u64,
    /// Passed over because the call had more than 256 KiB.
    pub too_large: u64,
    /// Passed over because the receiver was behind.
    pub missed: u64,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder of a share of calls, 0 .. 1, each picked by chance. Finished calls are handed to the channel; when it is
    /// full they are dropped and counted. Under the same key a customer has the same pseudonyms in every recording.
    #[must_use]
    pub fn new(share: f64, key: [u8; 32], takes: mpsc::Sender<Take>) -> Self {
        // Within 0 .. 2^32, where no number is cut.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float becomes the nearest number that there is"
        )]
        let share = (share.clamp(0.0, 1.0) * 4_294_967_296.0) as u64;
        Self { share, key, takes, counts: Arc::default() }
    }

    /// What became of calls so far.
    #[must_use]
    pub fn counts(&self) -> RecorderCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RecorderCounts {
            recorded: of(&self.counts.recorded),
            too_large: of(&self.counts.too_large),
            missed: of(&self.counts.missed),
        }
    }

    /// Whether the next call is to be recorded.
    pub(super) fn picks(&self) -> bool {
        if self.share == 0 {
            return false;
        }
        // Scrambled, so that calls which come in a rhythm are picked evenly (the finalizer of SplitMix64).
        let mut mixed = self
            .counts
            .calls
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(u64::from_le_bytes(seed(&self.key)))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 32 < self.share
    }

    /// Hands a finished call over, or drops it when the receiver is behind.
    pub(super) fn hand_over(&self, take: Take) {
        let count = match self.takes.try_send(take) {
            Ok(()) => &self.counts.recorded,
            Err(_) => &self.counts.missed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn too_large(&self) {
        self.counts.too_large.fetch_add(1, Ordering::Relaxed);
    }
}

fn seed(key: &[u8; 32]) -> [u8; 8] {
    let mut seed = [0; 8];
    seed.copy_from_slice(&key[..8]);
    seed
}

impl Connection {
    /// The tape for the next call: it records if the call was picked.
    pub(crate) fn tape(&self) -> Tape {
        match &self.context().recorder {
            Some(recorder) if recorder.picks() => {
                Tape::Recording(Arc::new(Mutex::new(Notes::default())))
            }
            _ => Tape::Off,
        }
    }

    /// Hands a call over that was recorded and has begun.
    pub(crate) fn keep<I: Serialize + ?Sized, O: Serialize>(
        &self,
        tape: Tape,
        function: &'static str,
        input: &I,
        output: &O,
    ) {
        let (Tape::Recording(notes), Some(recorder)) = (tape, &self.context().recorder) else {
            return;
        };
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.opened {
            return;
        }
        let (Some(input), Some(output)) = (notes.keep(input), notes.keep(output)) else {
            recorder.too_large();
            return;
        };
        recorder.hand_over(Take {
            connection: self.name().to_owned(),
            key: recorder.key,
            secrets: Arc::clone(&self.context().secrets),
            call: Recording {
                function: function.to_owned(),
                release: self.release().digest().to_owned(),
                at: self.now(),
                input,
                exchanges: std::mem::take(&mut notes.exchanges),
                output,
            },
        });
    }
}
