//! Messages of streams: stored together with the position in the stream, both or neither.
//!
//! A message comes again when its acknowledgement was lost, and several hosts take from one consumer, so messages come in any
//! order. Two things keep each from being taken twice. Events are known by source and identifier, for as long as they are
//! kept. And a message at or below the position's `floor` is dropped. The floor is how far the stream's server has every
//! message acknowledged, and nothing is acknowledged that is not stored; it is only believed while it is not above the
//! highest message that was taken here, for beyond that somebody else has acknowledged.

use std::sync::Arc;

use sqlx::Row as _;

use super::super::{Conn, Row, Store};
use super::{events, set_aside};
use crate::StoreError;
use crate::records::{
    AsideBody, AsideReason, BadPart, NewEvent, StreamBatch, StreamMessage, StreamPosition,
    StreamReset, StreamTaken, Taken,
};

impl Store {
    pub(crate) async fn stream_position(
        &self,
        stream: &str,
        consumer: &str,
    ) -> Result<Option<StreamPosition>, StoreError> {
        let found = sqlx::query(
            "select stream, consumer, created, filter, floor, highest, highest_at, updated_at from stream_position \
             where stream = $1 and consumer = $2",
        )
        .bind(stream)
        .bind(consumer)
        .fetch_optional(self.readers())
        .await?;
        found.as_ref().map(decode).transpose()
    }

    pub(crate) async fn take_stream(
        &self,
        batch: Arc<StreamBatch>,
        now: i64,
    ) -> Result<StreamTaken, StoreError> {
        self.write((batch, now), |conn, &(ref batch, now)| {
            Box::pin(async move { take(conn, batch, now).await })
        })
        .await
    }
}

async fn take(conn: &mut Conn, batch: &StreamBatch, now: i64) -> Result<StreamTaken, StoreError> {
    let (mut position, reset) = place(conn, batch, now).await?;
    let fresh: Vec<&StreamMessage> =
        batch.messages.iter().filter(|one| one.sequence > position.floor).collect();
    let events: Vec<NewEvent> =
        fresh.iter().flat_map(|one| &one.events).map(|one| one.event.clone()).collect();
    let taken = events::take(conn, &events, now).await?;
    let aside = unknown(&fresh, &taken);
    let aside = aside.iter().map(|(message, part)| (*message, part));
    let bad = fresh.iter().flat_map(|one| one.bad.iter().map(|part| (*one, part)));
    let mut all: Vec<(&StreamMessage, &BadPart)> = aside.chain(bad).collect();
    all.sort_by_key(|(message, part)| (message.sequence, part.part));
    let (set_aside, dropped) = set_aside::put(conn, &batch.stream, &all, now).await?;
    advance(&mut position, batch, &fresh, reset);
    sqlx::query(
        "update stream_position set created = $3, filter = $4, floor = $5, highest = $6, highest_at = $7, updated_at = $8 \
         where stream = $1 and consumer = $2",
    )
    .bind(&batch.stream)
    .bind(&batch.consumer)
    .bind(batch.created)
    .bind(&batch.filter)
    .bind(position.floor)
    .bind(position.highest)
    .bind(position.highest_at)
    .bind(now)
    .execute(conn)
    .await?;
    let repeated = (batch.messages.len() - fresh.len()) as u64;
    Ok(StreamTaken { taken, repeated, set_aside, dropped, reset })
}

/// The position that the batch is judged by, and why it was begun anew if it was.
async fn place(
    conn: &mut Conn,
    batch: &StreamBatch,
    now: i64,
) -> Result<(StreamPosition, Option<StreamReset>), StoreError> {
    sqlx::query(
        "insert into stream_position (stream, consumer, created, filter, floor, highest, highest_at, updated_at) \
         values ($1, $2, $3, $4, 0, 0, 0, $5) on conflict (stream, consumer) do nothing",
    )
    .bind(&batch.stream)
    .bind(&batch.consumer)
    .bind(batch.created)
    .bind(&batch.filter)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    let row = sqlx::query(concat!(
        "select stream, consumer, created, filter, floor, highest, highest_at, updated_at from stream_position \
         where stream = $1 and consumer = $2",
        for_update!()
    ))
    .bind(&batch.stream)
    .bind(&batch.consumer)
    .fetch_one(conn)
    .await?;
    let stored = decode(&row)?;
    let reset = reset(&stored, batch);
    let position = match reset {
        None => stored,
        Some(_) => StreamPosition { floor: 0, highest: 0, highest_at: 0, ..stored },
    };
    Ok((position, reset))
}

/// Whether what is stored says nothing about these messages.
fn reset(stored: &StreamPosition, batch: &StreamBatch) -> Option<StreamReset> {
    let highest = stored.highest;
    if highest == 0 {
        return None;
    }
    if stored.created != batch.created {
        return Some(StreamReset::Recreated { highest });
    }
    if stored.filter != batch.filter {
        return Some(StreamReset::OtherFilter { highest });
    }
    // All that was taken up to the floor is older than the youngest message taken. What is younger, yet has such a sequence,
    // has it for the second time.
    let again = batch
        .messages
        .iter()
        .find(|one| one.sequence <= stored.floor && one.published > stored.highest_at);
    again.map(|one| StreamReset::WentBack { highest, sequence: one.sequence })
}

/// Moves the position over the messages that were taken, and its floor as far as the server's acknowledgements reach.
fn advance(
    position: &mut StreamPosition,
    batch: &StreamBatch,
    fresh: &[&StreamMessage],
    reset: Option<StreamReset>,
) {
    for message in fresh {
        position.highest = position.highest.max(message.sequence);
        position.highest_at = position.highest_at.max(message.published);
    }
    // A stream that went back did so after its floor was asked for.
    let sound = !matches!(reset, Some(StreamReset::WentBack { .. }));
    if sound && batch.floor <= position.highest {
        position.floor = position.floor.max(batch.floor);
    }
}

/// What is kept of the events whose customer is not known.
fn unknown<'a>(fresh: &[&'a StreamMessage], taken: &[Taken]) -> Vec<(&'a StreamMessage, BadPart)> {
    let events = fresh.iter().flat_map(|one| one.events.iter().map(move |event| (*one, event)));
    events
        .zip(taken)
        .filter(|(_, taken)| **taken == Taken::UnknownCustomer)
        .map(|((message, event), _)| {
            let part = BadPart {
                part: event.part,
                reason: AsideReason::UnknownCustomer,
                detail: "no customer has this identity; import the customer, then retry".to_owned(),
                event_id: event.event.id.clone(),
                body: AsideBody::Text(event.body.clone()),
                size: i64::try_from(event.body.len()).unwrap_or(i64::MAX),
            };
            (message, part)
        })
        .collect()
}

fn decode(row: &Row) -> Result<StreamPosition, StoreError> {
    Ok(StreamPosition {
        stream: row.try_get("stream")?,
        consumer: row.try_get("consumer")?,
        created: row.try_get("created")?,
        filter: row.try_get("filter")?,
        floor: row.try_get("floor")?,
        highest: row.try_get("highest")?,
        highest_at: row.try_get("highest_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
