//! Events that come by streams of messages, and what of them was set aside.

use std::sync::Arc;

use waystation_journey::Lane;
use waystation_store::StoreError;
use waystation_store::records::{NewEvent, StreamBatch, StreamMessage, StreamTaken, Taken};

use crate::engine::Engine;
use crate::metrics::StreamMetrics;

impl Engine {
    /// Puts the events of messages into the lanes of the journeys that they concern.
    pub fn put_in_lanes(&self, messages: &mut [StreamMessage]) {
        let events = messages.iter_mut().flat_map(|message| &mut message.events);
        self.core.put_in_lanes(events.map(|one| &mut one.event));
    }

    /// Stores messages of a stream together with the position in it.
    ///
    /// # Errors
    /// If the database fails; then nothing is stored, and the same batch may be handed over again.
    pub async fn take_stream(&self, batch: Arc<StreamBatch>) -> Result<StreamTaken, StoreError> {
        let taken = self.core.store.take_stream(batch, self.now()).await?;
        self.core.metrics.stream_taken(&taken);
        if !taken.taken.is_empty() {
            self.core.wake.notify();
        }
        Ok(taken)
    }

    /// Takes in what was set aside and can be read as an event after all, by the numbers under which it is set aside.
    ///
    /// # Errors
    /// If the database fails; then nothing is taken.
    pub async fn retry_set_aside(
        &self,
        mut events: Vec<(i64, NewEvent)>,
    ) -> Result<Vec<(i64, Taken)>, StoreError> {
        self.core.put_in_lanes(events.iter_mut().map(|(_, event)| event));
        let answers = self.core.store.retry_set_aside(events, self.now()).await?;
        let taken: Vec<Taken> = answers.iter().map(|(_, taken)| *taken).collect();
        self.core.metrics.events_taken(&taken);
        if !taken.is_empty() {
            self.core.wake.notify();
        }
        Ok(answers)
    }

    /// Whether as many events wait for the engine as may wait before a source is to be read on.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn inbox_is_full(&self) -> Result<bool, StoreError> {
        let lanes: Vec<Lane> = (0..Lane::COUNT).map(Lane::from_number).collect();
        self.core.inbox_is_full(&lanes).await
    }

    /// Counters about streams.
    #[must_use]
    pub fn stream_metrics(&self) -> &StreamMetrics {
        self.core.metrics.streams()
    }
}
