//! What is gathered while a recorded call runs.

use serde::Serialize;
use serde_json::Value;

use super::{Exchange, json};

/// Most bytes of one recorded call, as JSON.
pub(super) const CALL_BYTES: usize = 256 << 10;

/// What a call asked for so far, as it was: secrets and customers are taken out afterwards.
pub(crate) struct Notes {
    /// Whether the sandbox has started.
    pub(crate) opened: bool,
    pub(super) exchanges: Vec<Exchange>,
    /// Bytes that the call may still take; `None` once it took more.
    left: Option<usize>,
}

impl Default for Notes {
    fn default() -> Self {
        Self { opened: false, exchanges: Vec::new(), left: Some(CALL_BYTES) }
    }
}

impl Notes {
    /// A record as JSON; `None` when the call has become too large to be recorded.
    pub(super) fn keep<T: Serialize + ?Sized>(&mut self, record: &T) -> Option<Value> {
        let left = self.left?;
        let kept = json::value(record, left);
        self.left = kept.as_ref().map(|value| left - json::size(value));
        if kept.is_none() {
            // What was gathered is of no use without the rest.
            self.exchanges = Vec::new();
        }
        kept
    }

    pub(super) fn note<A: Serialize>(
        &mut self,
        function: &'static str,
        request: Option<Value>,
        answer: &A,
    ) {
        let Some(request) = request else { return };
        let Some(answer) = self.keep(answer) else { return };
        // The names take room too, and a plugin may ask for next to nothing very often.
        let Some(left) = self.left.and_then(|left| left.checked_sub(function.len() + ENVELOPE))
        else {
            self.left = None;
            self.exchanges = Vec::new();
            return;
        };
        self.left = Some(left);
        self.exchanges.push(Exchange { function: function.to_owned(), request, answer });
    }
}

/// Bytes that an exchange takes beside what was asked and answered: `{"function":"","request":,"answer":},`.
const ENVELOPE: usize = 40;
