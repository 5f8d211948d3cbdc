//! Storing messages, however long the database takes. Nothing more is asked for meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};
use waystation_store::StoreError;
use waystation_store::records::{
    AsideBody, AsideReason, BadPart, StreamBatch, StreamEvent, StreamMessage, StreamReset,
    StreamTaken,
};

use super::message::{shown, written};
use super::pull::Session;

/// Failures after which the messages of a group are stored one by one, so that none keeps the others from being stored.
const TRIES: u32 = 3;
/// Pause after a failure; each further one doubles it, up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What came of trying to store a group.
enum Tried {
    Stored,
    /// The server stops.
    Stopped,
    /// The database failed again and again.
    Failed(String),
}

impl Session {
    /// Stores messages. Says whether to go on: not if the server stops, and then they may not be stored.
    pub(super) async fn keep(&mut self, messages: &[StreamMessage]) -> bool {
        match self.try_to_store(messages).await {
            Tried::Stored => return true,
            Tried::Stopped => return false,
            Tried::Failed(_) => {}
        }
        for message in messages {
            if !self.keep_one(message).await {
                return false;
            }
        }
        true
    }

    /// Stores one message, or sets it aside if the database takes other writes and not this one.
    async fn keep_one(&mut self, message: &StreamMessage) -> bool {
        let one = std::slice::from_ref(message);
        loop {
            // Two refusals with a write between them that succeeds: it is the message.
            match self.try_to_store(one).await {
                Tried::Stored => return true,
                Tried::Stopped => return false,
                Tried::Failed(_) => {}
            }
            match self.try_to_store(&[]).await {
                Tried::Stored => {}
                Tried::Stopped => return false,
                Tried::Failed(_) => continue,
            }
            let reason = match self.try_to_store(one).await {
                Tried::Stored => return true,
                Tried::Stopped => return false,
                Tried::Failed(reason) => reason,
            };
            error!(
                stream = self.source.stream,
                sequence = message.sequence,
                reason,
                "the database refuses a message; it is set aside"
            );
            match self.try_to_store(&[refused(message, &reason)]).await {
                Tried::Stored => return true,
                Tried::Stopped => return false,
                Tried::Failed(_) => {}
            }
        }
    }

    /// Stores messages, with some patience.
    async fn try_to_store(&mut self, messages: &[StreamMessage]) -> Tried {
        let mut messages = messages.to_vec();
        self.engine.put_in_lanes(&mut messages);
        let batch = Arc::new(StreamBatch {
            stream: self.source.stream.clone(),
            consumer: self.source.consumer.clone(),
            created: self.stream_born(),
            filter: self.filter.clone(),
            floor: self.floor,
            messages,
        });
        let mut failures = 0;
        loop {
            let error = match self.engine.take_stream(Arc::clone(&batch)).await {
                Ok(taken) => {
                    self.note(&taken);
                    return Tried::Stored;
                }
                Err(StoreError::Closed) => return Tried::Stopped,
                Err(error) => error,
            };
            failures += 1;
            self.engine.stream_metrics().failed();
            if failures >= TRIES {
                return Tried::Failed(error.to_string());
            }
            if failures == 1 {
                error!(
                    stream = self.source.stream,
                    messages = batch.messages.len(),
                    %error,
                    "messages cannot be stored; they are kept and tried again"
                );
            }
            let pause = PAUSE.0.saturating_mul(1 << failures.min(10)).min(PAUSE.1);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait_for(|stop| *stop) => return Tried::Stopped,
            }
        }
    }

    fn note(&mut self, taken: &StreamTaken) {
        self.aside += taken.set_aside.iter().map(|(_, count)| count).sum::<u64>();
        let stream = &self.source.stream;
        match taken.reset {
            None => {}
            Some(StreamReset::Recreated { highest }) => warn!(
                stream,
                highest,
                "the stream was made anew; its messages are taken from the beginning, and what came before is known by identifiers"
            ),
            Some(StreamReset::WentBack { highest, sequence }) => warn!(
                stream,
                highest,
                sequence,
                "the stream went back to an earlier state; its new messages are taken, and what came before is known by identifiers"
            ),
            Some(StreamReset::OtherFilter { highest }) => warn!(
                stream,
                highest,
                "the consumer takes something else of the stream than before; what was taken is known by identifiers only"
            ),
        }
        if taken.dropped > 0 {
            error!(
                stream,
                count = taken.dropped,
                "more is set aside than is kept; the oldest were deleted"
            );
        }
    }
}

/// The message with every event of it set aside.
fn refused(message: &StreamMessage, reason: &str) -> StreamMessage {
    let part = |one: &StreamEvent| {
        let body = written(&one.event);
        let size = i64::try_from(body.len()).unwrap_or(i64::MAX);
        BadPart {
            part: one.part,
            reason: AsideReason::Refused,
            detail: shown(&format!("the database refuses it: {reason}")),
            event_id: one.event.id.clone(),
            body: AsideBody::Text(body),
            size,
        }
    };
    let bad = message.bad.iter().cloned().chain(message.events.iter().map(part)).collect();
    StreamMessage { events: Vec::new(), bad, ..message.clone() }
}
