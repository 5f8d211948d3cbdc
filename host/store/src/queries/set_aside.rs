//! Messages that could not be taken in, kept so that a person may look at them, mend what was wrong and retry.

use sqlx::Row as _;

use super::super::{Conn, Row, Store};
use super::{events, rows};
use crate::StoreError;
use crate::records::{
    AsideBody, AsideFilter, AsideReason, AsideRow, BadPart, NewEvent, StreamMessage, Taken,
};

/// Most that are kept; the oldest go first.
const KEPT: i64 = 20_000;
/// How long they are kept, in milliseconds: 30 days.
const AGE: i64 = 30 * 24 * 3_600_000;
/// Most that one statement deletes for their age or number.
const SWEEP: i64 = 10_000;

impl Store {
    pub(crate) async fn set_aside(
        &self,
        filter: &AsideFilter,
    ) -> Result<Vec<AsideRow>, StoreError> {
        let ids: Vec<(i64,)> = filter.ids.iter().map(|id| (*id,)).collect();
        let found = sqlx::query(concat!(
            "select id, stream, sequence, published, part, subject, reason, detail, event_id, body, encoding, size, at \
             from set_aside where id > $2 and ($3 is null or reason = $3) \
             and ($4 or id in (select cast(value->>0 as bigint) from ",
            each!("$1"),
            ")) order by id limit $5"
        ))
        .bind(rows(&ids))
        .bind(filter.after)
        .bind(&filter.reason)
        .bind(filter.ids.is_empty())
        .bind(filter.limit)
        .fetch_all(self.readers())
        .await?;
        found.iter().map(decode).collect()
    }

    pub(crate) async fn set_aside_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("select count(*) from set_aside").fetch_one(self.readers()).await?)
    }

    pub(crate) async fn retry_set_aside(
        &self,
        events: Vec<(i64, NewEvent)>,
        now: i64,
    ) -> Result<Vec<(i64, Taken)>, StoreError> {
        self.write((events, now), |conn, &(ref events, now)| {
            Box::pin(async move {
                let ids: Vec<i64> = events.iter().map(|(id, _)| *id).collect();
                let there = present(conn, &ids).await?;
                let (ids, events): (Vec<i64>, Vec<NewEvent>) =
                    events.iter().filter(|(id, _)| there.contains(id)).cloned().unzip();
                let taken = events::take(conn, &events, now).await?;
                let answers: Vec<(i64, Taken)> = ids.into_iter().zip(taken).collect();
                let done = answers.iter().filter(|(_, taken)| *taken != Taken::UnknownCustomer);
                let done: Vec<i64> = done.map(|(id, _)| *id).collect();
                delete(conn, &done).await?;
                Ok(answers)
            })
        })
        .await
    }

    pub(crate) async fn drop_set_aside(&self, ids: Vec<i64>) -> Result<u64, StoreError> {
        self.write(ids, |conn, ids| Box::pin(async move { delete(conn, ids).await })).await
    }

    pub(crate) async fn sweep_set_aside(&self, now: i64) -> Result<u64, StoreError> {
        self.write(now, |conn, &now| {
            Box::pin(async move {
                let swept = sqlx::query(
                    "delete from set_aside where id in (select id from set_aside where at < $1 order by at limit $2)",
                )
                .bind(now.saturating_sub(AGE))
                .bind(SWEEP)
                .execute(conn)
                .await?;
                Ok(swept.rows_affected())
            })
        })
        .await
    }
}

/// Sets parts aside, each once; says how many for each reason, and how many of the oldest had to go.
pub(super) async fn put(
    conn: &mut Conn,
    stream: &str,
    parts: &[(&StreamMessage, &BadPart)],
    now: i64,
) -> Result<(Vec<(AsideReason, u64)>, u64), StoreError> {
    if parts.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let batch: Vec<_> = parts
        .iter()
        .map(|(message, part)| {
            let (body, encoding) = part.body.stored();
            (
                message.sequence,
                message.published,
                part.part,
                &message.subject,
                part.reason.word(),
                &part.detail,
                &part.event_id,
                body,
                encoding,
                part.size,
            )
        })
        .collect();
    let put = sqlx::query(concat!(
        "insert into set_aside (stream, sequence, published, part, subject, reason, detail, event_id, body, encoding, size, at) \
         select $2, cast(value->>0 as bigint), cast(value->>1 as bigint), cast(value->>2 as bigint), value->>3, value->>4, \
         value->>5, value->>6, value->>7, value->>8, cast(value->>9 as bigint), $3 from ",
        each!("$1"),
        " where true on conflict (stream, sequence, published, part) do nothing returning reason"
    ))
    .bind(rows(&batch))
    .bind(stream)
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    let mut words = Vec::with_capacity(put.len());
    for row in &put {
        words.push(row.try_get::<String, _>(0)?);
    }
    let counts = AsideReason::ALL.into_iter().filter_map(|reason| {
        let count = words.iter().filter(|word| *word == reason.word()).count() as u64;
        (count > 0).then_some((reason, count))
    });
    let dropped = sqlx::query(
        "delete from set_aside where id in (select id from set_aside order by id desc limit $1 offset $2)",
    )
    .bind(SWEEP)
    .bind(KEPT)
    .execute(conn)
    .await?;
    Ok((counts.collect(), dropped.rows_affected()))
}

/// Which of these are set aside.
async fn present(conn: &mut Conn, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
    let ids: Vec<(i64,)> = ids.iter().map(|id| (*id,)).collect();
    Ok(sqlx::query_scalar(concat!(
        "select id from set_aside where id in (select cast(value->>0 as bigint) from ",
        each!("$1"),
        ") order by id",
        for_update!()
    ))
    .bind(rows(&ids))
    .fetch_all(conn)
    .await?)
}

async fn delete(conn: &mut Conn, ids: &[i64]) -> Result<u64, StoreError> {
    let ids: Vec<(i64,)> = ids.iter().map(|id| (*id,)).collect();
    let deleted = sqlx::query(concat!(
        "delete from set_aside where id in (select cast(value->>0 as bigint) from ",
        each!("$1"),
        ")"
    ))
    .bind(rows(&ids))
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected())
}

fn decode(row: &Row) -> Result<AsideRow, StoreError> {
    let (body, encoding): (String, &str) = (row.try_get("body")?, row.try_get("encoding")?);
    Ok(AsideRow {
        id: row.try_get("id")?,
        stream: row.try_get("stream")?,
        sequence: row.try_get("sequence")?,
        published: row.try_get("published")?,
        part: row.try_get("part")?,
        subject: row.try_get("subject")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        event_id: row.try_get("event_id")?,
        body: if encoding == "base64" { AsideBody::Base64(body) } else { AsideBody::Text(body) },
        size: row.try_get("size")?,
        at: row.try_get("at")?,
    })
}
