//! Which effects of a connection go first.
//!
//! A million messages of a high rank may wait for their window while some of a low rank are due. So each rank is asked by
//! itself: it is found by one look into the index, and so is its earliest effect.

use sqlx::Row as _;

use super::super::{Conn, Row};
use crate::StoreError;

/// The ranks of a connection's open effects, the highest first, each with its earliest due time.
pub(super) async fn ranks(
    conn: &mut Conn,
    connection: &str,
    phase: &str,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let found = sqlx::query(
        "with recursive ranks (rank) as (\
         select max(rank) from effect where phase = $1 and phase <> 'done' and connection = $2 union all \
         select (select max(rank) from effect where phase = $1 and phase <> 'done' and connection = $2 and rank < ranks.rank) \
         from ranks where ranks.rank is not null) \
         select rank, (select min(due_at) from effect where phase = $1 and phase <> 'done' and connection = $2 \
         and effect.rank = ranks.rank) as due_at from ranks where rank is not null order by rank desc",
    )
    .bind(phase)
    .bind(connection)
    .fetch_all(conn)
    .await?;
    found.iter().map(|row| Ok((row.try_get("rank")?, row.try_get("due_at")?))).collect()
}

/// Due effects of one rank, oldest first.
pub(super) async fn due(
    conn: &mut Conn,
    connection: &str,
    phase: &str,
    rank: i64,
    now: i64,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    Ok(sqlx::query(
        "select key, enrollment, customer, journey, version, step, kind, body, attempts, first_attempt_at, rank, due_at \
         from effect join effect_body on effect = key where phase = $1 and phase <> 'done' and connection = $2 \
         and rank = $3 and due_at <= $4 order by due_at limit $5",
    )
    .bind(phase)
    .bind(connection)
    .bind(rank)
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
