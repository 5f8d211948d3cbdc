//! A call seen from outside: a tracing span with what it was about and how it ended.

use std::time::Instant;

use tracing::{Instrument as _, field::Empty};

use crate::{Connection, error::CallError};

impl Connection {
    /// Runs a call within a span `plugin.call` of the target `waystation::call`, which costs next to nothing where nobody listens
    /// for it. `items` is the size of the batch.
    ///
    /// The span is one for debugging because the log does not need it: what became of each effect is in the ledger.
    pub(crate) async fn spanned<T>(
        &self,
        function: &'static str,
        items: usize,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let release = self.release();
        let span = tracing::debug_span!(
            target: "waystation::call",
            "plugin.call",
            connection = self.name(),
            plugin.name = release.manifest().name,
            plugin.version = release.manifest().version,
            plugin.digest = release.digest(),
            function,
            items,
            outcome = Empty,
            duration_ms = Empty,
        );
        if span.is_disabled() {
            return call.await;
        }
        let started = Instant::now();
        let answer = call.instrument(span.clone()).await;
        span.record("outcome", answer.as_ref().map_or_else(CallError::cause, |_| "answered"));
        span.record("duration_ms", started.elapsed().as_secs_f64() * 1_000.0);
        answer
    }
}
