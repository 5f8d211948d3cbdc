//! What goes first.
//!
//! A million messages of a high rank may wait for their window while some of a low rank are due, and a million of one journey
//! may be due before one of another. So each rank, and each lane within it, is asked by itself: it is found by one look into
//! the index, and so is its earliest row. The look is an ordered one that ends at its first row: an aggregate would be
//! planned by guesses, and may read all there is.

use sqlx::Row as _;
use waystation_journey::Lane;

use super::super::Conn;
use super::gathered;
use crate::StoreError;
use crate::records::SettledEffect;

/// The lowest value of a column among these rows of this host, or null.
macro_rules! lowest {
    ($column:literal, $mine:literal, $($rows:expr),+) => {
        concat!("(select ", $column, " from ", $($rows,)+ " and ", within!($mine), " order by ", $column, " limit 1)")
    };
}

/// The highest value of a column among these rows of this host, or null.
macro_rules! highest {
    ($column:literal, $mine:literal, $($rows:expr),+) => {
        concat!("(select ", $column, " from ", $($rows,)+ " and ", within!($mine), " order by ", $column, " desc limit 1)")
    };
}

/// A rank and a lane within it, as one number: the higher goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(i64);

impl Turn {
    /// Which goes first: the higher.
    pub(super) fn rank(self) -> i64 {
        self.0.div_euclid(Lane::COUNT)
    }

    pub(super) fn lane(self) -> Lane {
        Lane::from_number(self.0.rem_euclid(Lane::COUNT))
    }
}

/// The effects of connection `$2` in phase `$1`.
macro_rules! open {
    () => {
        "effect where phase = $1 and phase <> 'done' and connection = $2"
    };
}

/// The settled effects.
macro_rules! settled {
    () => {
        "effect where phase = 'settled' and phase <> 'done'"
    };
}

/// The turns of a connection's open effects, the highest first, each with its earliest due time.
pub(super) async fn turns(
    conn: &mut Conn,
    mine: &str,
    connection: &str,
    phase: &str,
) -> Result<Vec<(Turn, i64)>, StoreError> {
    let found = sqlx::query(concat!(
        "with recursive turns (turn) as (select ",
        highest!("turn", "$3", open!()),
        " union all select ",
        highest!("turn", "$3", open!(), " and turn < turns.turn"),
        " from turns where turns.turn is not null) select turn, ",
        lowest!("due_at", "$3", open!(), " and effect.turn = turns.turn"),
        " as due_at from turns where turn is not null order by turn desc"
    ))
    .bind(phase)
    .bind(connection)
    .bind(mine)
    .fetch_all(conn)
    .await?;
    found.iter().map(|row| Ok((Turn(row.try_get("turn")?), row.try_get("due_at")?))).collect()
}

/// The earliest due time of this host's pending effects: a few looks into the index for each connection and turn.
pub(super) async fn oldest_pending(conn: &mut Conn, mine: &str) -> Result<Option<i64>, StoreError> {
    let connections: Vec<String> = sqlx::query_scalar(
        "with recursive names (name) as (select (\
         select connection from effect where phase = 'pending' and phase <> 'done' order by connection limit 1) union all \
         select (select connection from effect where phase = 'pending' and phase <> 'done' and connection > names.name \
         order by connection limit 1) from names where names.name is not null) select name from names where name is not null",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut oldest = None;
    for connection in connections {
        let turns = turns(conn, mine, &connection, "pending").await?;
        oldest = oldest.into_iter().chain(turns.into_iter().map(|(_, due_at)| due_at)).min();
    }
    Ok(oldest)
}

/// Due effects of one turn, oldest first: the key and the bytes of what is asked.
pub(super) async fn due(
    conn: &mut Conn,
    mine: &str,
    (connection, phase): (&str, &str),
    turn: Turn,
    now: i64,
    (limit, offset): (i64, i64),
) -> Result<Vec<(String, i64)>, StoreError> {
    let found: String = sqlx::query_scalar(concat!(
        "select ",
        gather!("key, size"),
        " from (select key, octet_length(body) as size from effect join effect_body on effect = key ",
        "where phase = $1 and phase <> 'done' and connection = $2 and turn = $3 and due_at <= $4 and ",
        within!("$7"),
        " order by due_at limit $5 offset $6) as earliest"
    ))
    .bind(phase)
    .bind(connection)
    .bind(turn.0)
    .bind(now)
    .bind(limit)
    .bind(offset)
    .bind(mine)
    .fetch_one(conn)
    .await?;
    gathered(&found)
}

/// The connections and turns of settled effects, transactional ones first.
pub(super) async fn settled_turns(
    conn: &mut Conn,
    mine: &str,
) -> Result<Vec<(String, Turn)>, StoreError> {
    let found = sqlx::query(concat!(
        "with recursive connections (connection) as (select ",
        highest!("connection", "$1", settled!()),
        " union all select ",
        highest!("connection", "$1", settled!(), " and connection < connections.connection"),
        " from connections where connections.connection is not null), ",
        "turns (connection, turn) as (select connection, ",
        highest!("turn", "$1", settled!(), " and effect.connection = connections.connection"),
        " from connections where connection is not null union all select turns.connection, ",
        highest!(
            "turn",
            "$1",
            settled!(),
            " and effect.connection = turns.connection and effect.turn < turns.turn"
        ),
        " from turns where turns.turn is not null) ",
        "select connection, turn from turns where turn is not null"
    ))
    .bind(mine)
    .fetch_all(conn)
    .await?;
    let turns = found.iter().map(|row| Ok((row.try_get(0)?, Turn(row.try_get(1)?))));
    let mut turns = turns.collect::<Result<Vec<(String, Turn)>, StoreError>>()?;
    turns.sort_by_key(|(_, turn)| !turn.lane().is_urgent());
    Ok(turns)
}

/// Settled effects of a connection and turn, those that came due first before others.
pub(super) async fn settled(
    conn: &mut Conn,
    mine: &str,
    (connection, turn): &(String, Turn),
    (limit, offset): (i64, i64),
) -> Result<Vec<SettledEffect>, StoreError> {
    let found: String = sqlx::query_scalar(concat!(
        "select ",
        gather!("key, enrollment, kind, outcome, reason, detail, result"),
        " from (select key, enrollment, kind, outcome, reason, detail, result from effect where phase = 'settled' ",
        "and phase <> 'done' and connection = $1 and turn = $2 and ",
        within!("$3"),
        " order by due_at limit $4 offset $5) as earliest"
    ))
    .bind(connection)
    .bind(turn.0)
    .bind(mine)
    .bind(limit)
    .bind(offset)
    .fetch_one(conn)
    .await?;
    gathered(&found)
}

/// The lanes of open events, transactional ones first.
pub(super) async fn event_lanes(conn: &mut Conn, mine: &str) -> Result<Vec<Lane>, StoreError> {
    let found: Vec<i64> = sqlx::query_scalar(concat!(
        "with recursive lanes (lane) as (select ",
        lowest!("lane", "$1", "event where done_at is null"),
        " union all select ",
        lowest!("lane", "$1", "event where done_at is null and lane > lanes.lane"),
        " from lanes where lanes.lane is not null) select lane from lanes where lane is not null order by lane"
    ))
    .bind(mine)
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(Lane::from_number).collect())
}

/// The lanes of enrollments with a timer, transactional ones first, each with the earliest due time.
pub(super) async fn enrollment_lanes(
    conn: &mut Conn,
    mine: &str,
) -> Result<Vec<(Lane, i64)>, StoreError> {
    let found = sqlx::query(concat!(
        "with recursive lanes (lane) as (select ",
        lowest!("lane", "$1", "enrollment where due_at is not null"),
        " union all select ",
        lowest!("lane", "$1", "enrollment where due_at is not null and lane > lanes.lane"),
        " from lanes where lanes.lane is not null) select lane, ",
        lowest!(
            "due_at",
            "$1",
            "enrollment where due_at is not null and enrollment.lane = lanes.lane"
        ),
        " as due_at from lanes where lane is not null order by lane"
    ))
    .bind(mine)
    .fetch_all(conn)
    .await?;
    found
        .iter()
        .map(|row| Ok((Lane::from_number(row.try_get("lane")?), row.try_get("due_at")?)))
        .collect()
}
