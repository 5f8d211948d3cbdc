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
    mine: &str,
    connection: &str,
    phase: &str,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let found = sqlx::query(concat!(
        "with recursive ranks (rank) as (",
        "select max(rank) from effect where phase = $1 and phase <> 'done' and connection = $2 and ",
        within!("$3"),
        " union all select (select max(rank) from effect where phase = $1 and phase <> 'done' and connection = $2 ",
        "and rank < ranks.rank and ",
        within!("$3"),
        ") from ranks where ranks.rank is not null) ",
        "select rank, (select min(due_at) from effect where phase = $1 and phase <> 'done' and connection = $2 ",
        "and effect.rank = ranks.rank and ",
        within!("$3"),
        ") as due_at from ranks where rank is not null order by rank desc"
    ))
    .bind(phase)
    .bind(connection)
    .bind(mine)
    .fetch_all(conn)
    .await?;
    found.iter().map(|row| Ok((row.try_get("rank")?, row.try_get("due_at")?))).collect()
}

/// Due effects of one rank, oldest first.
pub(super) async fn due(
    conn: &mut Conn,
    mine: &str,
    (connection, phase): (&str, &str),
    rank: i64,
    now: i64,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    Ok(sqlx::query(concat!(
        "select key, enrollment, customer, journey, version, step, kind, body, attempts, first_attempt_at, rank, due_at ",
        "from effect join effect_body on effect = key where phase = $1 and phase <> 'done' and connection = $2 ",
        "and rank = $3 and due_at <= $4 and ",
        within!("$5"),
        " order by due_at limit $6"
    ))
    .bind(phase)
    .bind(connection)
    .bind(rank)
    .bind(now)
    .bind(mine)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
