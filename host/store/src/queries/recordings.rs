//! Recorded calls to plugins.

use sqlx::Row as _;

use super::super::Store;
use super::rows;
use crate::StoreError;
use crate::records::{NewRecording, RecordingBounds, RecordingRow};

impl Store {
    pub(crate) async fn record(
        &self,
        recordings: Vec<NewRecording>,
        bounds: Vec<RecordingBounds>,
    ) -> Result<(), StoreError> {
        self.write((recordings, bounds), |conn, (recordings, bounds)| {
            Box::pin(async move {
                sqlx::query(concat!(
                    "insert into recording (connection, function, release, at, bytes, body) ",
                    "select value->>'connection', value->>'function', value->>'release', ",
                    "cast(value->>'at' as bigint), cast(length(value->>'body') as bigint), value->>'body' from ",
                    each!("$1")
                ))
                .bind(rows(recordings))
                .execute(&mut *conn)
                .await?;
                sqlx::query(concat!(
                    "delete from recording where id in (select id from (select recording.id as id, ",
                    "row_number() over newest as place, sum(recording.bytes) over newest as bytes, ",
                    "cast(batch.value->>'keep' as bigint) as keep, ",
                    "cast(batch.value->>'bytes' as bigint) as space ",
                    "from recording join ",
                    each!("$1"),
                    " on recording.connection = batch.value->>'connection' ",
                    "window newest as (partition by recording.connection order by recording.id desc ",
                    "rows between unbounded preceding and current row)) as ranked ",
                    "where place > keep or bytes > space)"
                ))
                .bind(rows(bounds))
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn recordings(
        &self,
        connection: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<RecordingRow>, StoreError> {
        let found = sqlx::query(
            "select id, body from recording where connection = $1 and id > $2 order by id limit $3",
        )
        .bind(connection)
        .bind(after)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| Ok(RecordingRow { id: row.try_get(0)?, body: row.try_get(1)? }))
            .collect()
    }
}
