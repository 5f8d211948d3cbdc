//! Polling trigger sources.

use fail::fail_point;
use sqlx::Row as _;
use waystation_journey::Lane;

use super::super::Store;
use super::{events, rows};
use crate::StoreError;
use crate::records::{NewEvent, PollPlace, Taken};

impl Store {
    pub(crate) async fn poll_place(
        &self,
        connection: &str,
    ) -> Result<Option<PollPlace>, StoreError> {
        let found = sqlx::query("select cursor, next_at from poll where connection = $1")
            .bind(connection)
            .fetch_optional(self.readers())
            .await?;
        found
            .map(|row| {
                Ok(PollPlace { cursor: row.try_get("cursor")?, next_at: row.try_get("next_at")? })
            })
            .transpose()
    }

    pub(crate) async fn take_polled(
        &self,
        connection: String,
        events: Vec<NewEvent>,
        place: PollPlace,
        now: i64,
    ) -> Result<Vec<Taken>, StoreError> {
        self.write((connection, events, place, now), |conn, &(ref connection, ref events, ref place, now)| {
            Box::pin(async move {
                let taken = events::take(conn, events, now).await?;
                sqlx::query(
                    "insert into poll (connection, cursor, next_at) values ($1, $2, $3) \
                     on conflict (connection) do update set cursor = excluded.cursor, next_at = excluded.next_at",
                )
                .bind(connection)
                .bind(&place.cursor)
                .bind(place.next_at)
                .execute(conn)
                .await?;
                fail_point!("poll.moved");
                Ok(taken)
            })
        })
        .await
    }

    pub(crate) async fn events_waiting(
        &self,
        lanes: &[Lane],
        limit: i64,
    ) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(concat!(
            "select count(*) from (select 1 from event where done_at is null ",
            "and lane in (select cast(value as bigint) from ",
            texts!("$1"),
            ") limit $2) as waiting"
        ))
        .bind(rows(lanes))
        .bind(limit)
        .fetch_one(self.readers())
        .await?)
    }

    pub(crate) async fn events_open(&self) -> Result<(i64, i64), StoreError> {
        let found =
            sqlx::query("select lane, count(*) from event where done_at is null group by lane")
                .fetch_all(self.readers())
                .await?;
        let mut open = (0, 0);
        for row in &found {
            let count: i64 = row.try_get(1)?;
            let urgent = Lane::from_number(row.try_get(0)?).is_urgent();
            *(if urgent { &mut open.0 } else { &mut open.1 }) += count;
        }
        Ok(open)
    }
}
