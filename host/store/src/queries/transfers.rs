//! What becomes of those inside a journey: asked for once, done in batches; and what is put out of reach during a pause.

use sqlx::Row as _;

use super::super::{Conn, Row, Store};
use super::{customers, enrollments, grants, read, rows, text};
use crate::StoreError;
use crate::records::{NewTransfer, Transfer, TransferKind, TransferStep, Work};

/// What is added to a time to put it out of reach: 2^50 milliseconds. The indexes of migration 13 name the same number.
pub(super) const OUT_OF_REACH: i64 = 1 << 50;

impl Store {
    pub(crate) async fn open_transfers(&self) -> Result<Vec<Transfer>, StoreError> {
        let found = sqlx::query(
            "select id, journey, kind, version, map, outcome, after, done, stayed, created_at, finished_at, actor \
             from transfer where finished_at is null order by id",
        )
        .fetch_all(self.readers())
        .await?;
        found.iter().map(decode).collect()
    }

    pub(crate) async fn transfers(
        &self,
        journey: &str,
        limit: i64,
    ) -> Result<Vec<Transfer>, StoreError> {
        let found = sqlx::query(
            "select id, journey, kind, version, map, outcome, after, done, stayed, created_at, finished_at, actor \
             from transfer where journey = $1 order by id desc limit $2",
        )
        .bind(journey)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found.iter().map(decode).collect()
    }

    pub(crate) async fn inside(
        &self,
        journey: &str,
        after: &str,
        limit: i64,
    ) -> Result<Work, StoreError> {
        let mut tx = self.snapshot().await?;
        let found = enrollments::inside(&mut tx, journey, after, limit).await?;
        let mut everyone: Vec<String> =
            found.iter().map(|enrollment| enrollment.customer.clone()).collect();
        everyone.sort_unstable();
        everyone.dedup();
        let mut work = Work::default();
        if !everyone.is_empty() {
            work.customers = customers::load(&mut tx, &everyone).await?;
            work.grants = grants::of(&mut tx, &everyone).await?;
        }
        let found = found.into_iter().map(|enrollment| (enrollment.id.clone(), enrollment));
        work.enrollments = found.collect();
        Ok(work)
    }

    pub(crate) async fn park_effects(&self, keys: Vec<String>) -> Result<(), StoreError> {
        self.write(keys, |conn, keys| {
            Box::pin(async move {
                sqlx::query(concat!(
                    "update effect set due_at = due_at + $2 where phase = 'pending' and due_at < $2 ",
                    "and exists (select 1 from journey where name = effect.journey and state = 'paused') ",
                    "and key in (select value from ",
                    texts!("$1"),
                    ")"
                ))
                .bind(rows(keys))
                .bind(OUT_OF_REACH)
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn first_inside(
        &self,
        journey: &str,
        from: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select id from enrollment where journey = $1 and id >= $2 and status = 'active' order by id limit 1",
        )
        .bind(journey)
        .bind(from)
        .fetch_optional(self.readers())
        .await?)
    }

    pub(crate) async fn wake_parked(
        &self,
        transfer: i64,
        journey: String,
        limit: i64,
        now: i64,
    ) -> Result<i64, StoreError> {
        self.write((transfer, journey, limit, now), |conn, &(transfer, ref journey, limit, now)| {
            Box::pin(async move {
                let mut woken = 0;
                // The indexes are used only where the statement repeats their condition.
                for statement in [
                    "update enrollment set due_at = due_at - $3 where id in (select id from enrollment \
                     where journey = $1 and due_at >= 1125899906842624 limit $2) and due_at >= $3",
                    "update effect set due_at = due_at - $3 where key in (select key from effect \
                     where journey = $1 and due_at >= 1125899906842624 limit $2) and due_at >= $3",
                ] {
                    let done = sqlx::query(statement)
                        .bind(journey)
                        .bind(limit)
                        .bind(OUT_OF_REACH)
                        .execute(&mut *conn)
                        .await?;
                    woken += i64::try_from(done.rows_affected()).unwrap_or(i64::MAX);
                }
                let step = TransferStep {
                    id: transfer,
                    after: String::new(),
                    done: woken,
                    stayed: 0,
                    finished: woken == 0,
                };
                advance(conn, &step, now).await?;
                Ok(woken)
            })
        })
        .await
    }
}

/// The time that a row came due, or comes due, in reach or out of it.
pub(super) fn in_reach(due_at: Option<i64>) -> Option<i64> {
    due_at.map(|due| if due >= OUT_OF_REACH { due - OUT_OF_REACH } else { due })
}

/// Puts enrollments of paused journeys out of reach.
pub(super) async fn park(conn: &mut Conn, ids: &[String]) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update enrollment set due_at = due_at + $2 where due_at < $2 and id in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(ids))
    .bind(OUT_OF_REACH)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn insert(
    conn: &mut Conn,
    journey: &str,
    version: i64,
    new: &NewTransfer,
    actor: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into transfer (journey, kind, version, map, outcome, after, done, stayed, created_at, actor) \
         values ($1, $2, $3, $4, $5, '', 0, 0, $6, $7)",
    )
    .bind(journey)
    .bind(new.kind.word())
    .bind(version)
    .bind(text(&new.map)?)
    .bind(&new.outcome)
    .bind(now)
    .bind(actor)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn advance(
    conn: &mut Conn,
    step: &TransferStep,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update transfer set after = $2, done = done + $3, stayed = stayed + $4, \
         finished_at = case when $5 then $6 else finished_at end where id = $1",
    )
    .bind(step.id)
    .bind(&step.after)
    .bind(step.done)
    .bind(step.stayed)
    .bind(step.finished)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

fn decode(row: &Row) -> Result<Transfer, StoreError> {
    let id: i64 = row.try_get("id")?;
    let kind: &str = row.try_get("kind")?;
    let kind = TransferKind::parse(kind).ok_or_else(|| StoreError::Corrupt {
        what: format!("transfer {id}"),
        detail: format!("`{kind}` is not a kind of transfer"),
    })?;
    Ok(Transfer {
        kind,
        journey: row.try_get("journey")?,
        version: row.try_get("version")?,
        map: read("map of transfer", &id.to_string(), row.try_get("map")?)?,
        outcome: row.try_get("outcome")?,
        after: row.try_get("after")?,
        done: row.try_get("done")?,
        stayed: row.try_get("stayed")?,
        created_at: row.try_get("created_at")?,
        finished_at: row.try_get("finished_at")?,
        actor: row.try_get("actor")?,
        id,
    })
}
