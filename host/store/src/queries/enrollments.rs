//! Enrollments and their history.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Row as _;
use waystation_journey::{Enrollment, Former, Lane, Status};

use super::super::{Conn, Store};
use super::transfers::in_reach;
use super::{gathered, order, read, rows};
use crate::StoreError;
use crate::records::{Filter, HistoryRow};
use crate::shares::Shares;

macro_rules! columns {
    () => {
        "id, customer, journey, version, key, status, outcome, seq, due_at, goal_at, goal_value, enrolled_at, ended_at, \
         lane, state"
    };
}

macro_rules! select {
    ($rest:literal) => {
        concat!("select ", columns!(), " from enrollment ", $rest)
    };
}

/// The same as one text.
macro_rules! select_gathered {
    ($($rest:expr),+) => {
        concat!(
            "select ",
            gather!(columns!()),
            " from enrollment ",
            $($rest),+
        )
    };
}

/// A row in the order of `columns!`.
type Stored = (
    String,
    String,
    String,
    i64,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<f64>,
    i64,
    Option<i64>,
    i64,
    String,
);

impl Store {
    pub(crate) async fn enrollments(&self, filter: &Filter) -> Result<Vec<Enrollment>, StoreError> {
        let found = sqlx::query_as(select!(
            "where ($1 is null or journey = $1) and ($2 is null or customer = $2) and ($3 is null or status = $3) \
             and ($4 is null or id > $4) order by id limit $5"
        ))
        .bind(&filter.journey)
        .bind(&filter.customer)
        .bind(&filter.state)
        .bind(&filter.after)
        .bind(filter.limit)
        .fetch_all(self.readers())
        .await?;
        found.into_iter().map(decode).collect()
    }

    pub(crate) async fn enrollment(&self, id: &str) -> Result<Option<Enrollment>, StoreError> {
        let found = sqlx::query_as(select!("where id = $1"))
            .bind(id)
            .fetch_optional(self.readers())
            .await?;
        found.map(decode).transpose()
    }

    pub(crate) async fn history(
        &self,
        enrollment: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        let found = sqlx::query(
            "select seq, at, entries from history where enrollment = $1 and seq > $2 order by seq limit $3",
        )
        .bind(enrollment)
        .bind(after)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                let entries = read("history of", enrollment, row.try_get("entries")?)?;
                Ok(HistoryRow { seq: row.try_get("seq")?, at: row.try_get("at")?, entries })
            })
            .collect()
    }

    pub(crate) async fn enrollment_counts(
        &self,
        journey: &str,
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let found = sqlx::query(
            "select case when status = 'active' then status else coalesce(outcome, status) end, count(*) \
             from enrollment where journey = $1 group by 1",
        )
        .bind(journey)
        .fetch_all(self.readers())
        .await?;
        found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

/// Due enrollments in equal shares of their lanes, of each the earliest first; transactional ones go before.
pub(super) async fn due(
    conn: &mut Conn,
    mine: &str,
    now: i64,
    limit: i64,
) -> Result<Vec<Enrollment>, StoreError> {
    let mut lanes = order::enrollment_lanes(conn, mine).await?;
    lanes.retain(|(_, due_at)| *due_at <= now);
    let mut shares = Shares::new(lanes.iter().map(|(lane, _)| lane.is_urgent()), limit);
    let mut enrollments = Vec::new();
    while let Some(turn) = shares.turn() {
        let found: String = sqlx::query_scalar(concat!(
            "select ",
            gather!(columns!()),
            " from (select ",
            columns!(),
            " from enrollment where lane = $1 and due_at <= $2 and ",
            within!("$3"),
            " order by due_at limit $4 offset $5) as earliest"
        ))
        .bind(lanes[turn.place].0.number())
        .bind(now)
        .bind(mine)
        .bind(turn.limit)
        .bind(turn.offset)
        .fetch_one(&mut *conn)
        .await?;
        let found: Vec<Stored> = gathered(&found)?;
        shares.took(found.len());
        for row in found {
            enrollments.push(decode(row)?);
        }
    }
    Ok(enrollments)
}

pub(super) async fn by_id(conn: &mut Conn, ids: &[&str]) -> Result<Vec<Enrollment>, StoreError> {
    let found: String =
        sqlx::query_scalar(select_gathered!("where id in (select value from ", texts!("$1"), ")"))
            .bind(rows(ids))
            .fetch_one(conn)
            .await?;
    gathered(&found)?.into_iter().map(decode).collect()
}

/// The next active enrollments of a journey after this one, by identifier.
pub(super) async fn inside(
    conn: &mut Conn,
    journey: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Enrollment>, StoreError> {
    let found = sqlx::query_as(select!(
        "where journey = $1 and id > $2 and status = 'active' order by id limit $3"
    ))
    .bind(journey)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    found.into_iter().map(decode).collect()
}

/// Enrollments of these customers that an event may concern: active ones, and ended ones that may still reach their goal.
pub(super) async fn listening(
    conn: &mut Conn,
    customers: &[&str],
    goals_since: i64,
) -> Result<Vec<Enrollment>, StoreError> {
    let found: String = sqlx::query_scalar(select_gathered!(
        "where (status = 'active' or (goal_at is null and enrolled_at >= $2)) and customer in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(customers))
    .bind(goals_since)
    .fetch_one(conn)
    .await?;
    gathered(&found)?.into_iter().map(decode).collect()
}

/// Which journeys these customers have entered, with which key.
pub(super) async fn former(
    conn: &mut Conn,
    customers: &[&str],
) -> Result<BTreeMap<(String, String, String), Former>, StoreError> {
    let found = sqlx::query(concat!(
        "select customer, journey, key, cast(max(case when status = 'active' then 1 else 0 end) as bigint), ",
        "max(coalesce(ended_at, enrolled_at)) from enrollment where customer in (select value from ",
        texts!("$1"),
        ") group by customer, journey, key"
    ))
    .bind(rows(customers))
    .fetch_all(conn)
    .await?;
    found
        .iter()
        .map(|row| {
            let former =
                Former { active: row.try_get::<i64, _>(3)? == 1, over_at: row.try_get(4)? };
            Ok(((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), former))
        })
        .collect()
}

/// Writes a batch of [`EnrollmentBatchRow`](super::tick::EnrollmentBatchRow).
pub(super) async fn insert(conn: &mut Conn, enrolled: &Arc<str>) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "insert into enrollment (id, customer, journey, version, key, status, outcome, seq, due_at, goal_at, ",
        "goal_value, enrolled_at, ended_at, state, lane) ",
        "select value->>0, value->>1, value->>2, cast(value->>3 as bigint), value->>4, value->>5, value->>6, ",
        "cast(value->>7 as bigint), cast(value->>8 as bigint), cast(value->>9 as bigint), ",
        "cast(value->>10 as double precision), cast(value->>11 as bigint), cast(value->>12 as bigint), value->>13, ",
        "cast(value->>15 as bigint) from ",
        each!("$1")
    ))
    .bind(enrolled)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a batch of so many enrollments that are still at the `seq` they were read with; all of them, or it is a conflict.
pub(super) async fn update(
    conn: &mut Conn,
    advanced: &Arc<str>,
    count: usize,
) -> Result<(), StoreError> {
    let done = sqlx::query(concat!(
        "update enrollment set version = cast(batch.value->>3 as bigint), status = batch.value->>5, outcome = batch.value->>6, ",
        "seq = cast(batch.value->>7 as bigint), due_at = cast(batch.value->>8 as bigint), ",
        "goal_at = cast(batch.value->>9 as bigint), goal_value = cast(batch.value->>10 as double precision), ",
        "ended_at = cast(batch.value->>12 as bigint), state = batch.value->>13, lane = cast(batch.value->>15 as bigint) from ",
        each!("$1"),
        " where enrollment.id = batch.value->>0 and enrollment.seq = cast(batch.value->>14 as bigint)"
    ))
    .bind(advanced)
    .execute(conn)
    .await?;
    if done.rows_affected() != count as u64 {
        return Err(StoreError::Conflict("an enrollment".to_owned()));
    }
    Ok(())
}

fn decode(stored: Stored) -> Result<Enrollment, StoreError> {
    let (id, customer, journey, version, key, status, outcome, seq, due_at, ..) = stored;
    let (.., goal_reached_at, goal_value, enrolled_at, ended_at, lane, state) = stored;
    let status = Status::parse(&status).ok_or_else(|| StoreError::Corrupt {
        what: format!("enrollment {id}"),
        detail: format!("`{status}` is not a status"),
    })?;
    Ok(Enrollment {
        customer,
        journey,
        version,
        key,
        status,
        outcome,
        goal_reached_at,
        goal_value,
        seq,
        enrolled_at,
        ended_at,
        due_at: in_reach(due_at),
        lane: Lane::from_number(lane),
        state: read("state of enrollment", &id, &state)?,
        id,
    })
}
