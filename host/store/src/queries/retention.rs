//! Deleting what is old: small batches through the writer, found beforehand by readers in the order of an index.
//!
//! What is deleted, and who reads it:
//!
//! | table | read by | goes |
//! |---|---|---|
//! | `enrollment` | passes (active; goals for as long as they can be reached), `again`, transfers and draining (active), split counts, lists | when it ended long enough ago, its goal can no longer be reached and `again: after` is over; the row stays where `again: never` or an undecided split needs it |
//! | `history` | who looks an enrollment up | with its enrollment |
//! | `effect` | workers and passes (open), limits and repeats (`counted_at`), unknowns, lists, `why` | with its enrollment, once all are done and no limit counts one |
//! | `effect_body`, `attempt`, `intervention`, `decision` | the same | with their effects |
//! | `split_arm` | split counts, winners | with the enrollment's row |
//! | `assignment` | people, until done | with its enrollment, which stays while one is open |
//! | `event` | passes (open), conditions (windows, the newest), taking in (source and identifier once) | when it came in and happened long enough ago, is dealt with, and is not a newest one that is asked for |
//! | `recording` | `plugin compare` | when it is old; their number is bounded as well |
//!
//! Coupons, pools, customers, journeys with their changes and transfers, activations, kept values and segments stay. A coupon's
//! row stands by itself: nothing looks for the effect that gave it.

use std::time::Instant;

use sqlx::Row as _;

use super::super::{Conn, Store};
use super::rows;
use crate::StoreError;
use crate::records::{Deleted, EndedRow, OldEvent, Trimming};

impl Store {
    pub(crate) async fn ended(
        &self,
        before: i64,
        after: (i64, &str),
        limit: i64,
    ) -> Result<Vec<EndedRow>, StoreError> {
        let found = sqlx::query(
            "select id, journey, enrolled_at, ended_at, case when goal_at is null then cast(0 as bigint) else 1 end as reached, \
             case when exists (select 1 from split_arm where split_arm.enrollment = id and not exists \
             (select 1 from split_winner where split_winner.journey = split_arm.journey \
             and split_winner.split = split_arm.split)) then cast(1 as bigint) else 0 end as undecided \
             from enrollment where ended_at is not null and trimmed = 0 and ended_at < $1 \
             and (ended_at, id) > ($2, $3) order by ended_at, id limit $4",
        )
        .bind(before)
        .bind(after.0)
        .bind(after.1)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(EndedRow {
                    id: row.try_get("id")?,
                    journey: row.try_get("journey")?,
                    enrolled_at: row.try_get("enrolled_at")?,
                    ended_at: row.try_get("ended_at")?,
                    goal_reached: row.try_get::<i64, _>("reached")? == 1,
                    undecided: row.try_get::<i64, _>("undecided")? == 1,
                })
            })
            .collect()
    }

    pub(crate) async fn trim(&self, trimming: Trimming) -> Result<Deleted, StoreError> {
        self.write(trimming, |conn, trimming| {
            Box::pin(async move {
                let started = Instant::now();
                let mut deleted = Deleted::default();
                let all: Vec<&String> = trimming.whole.iter().chain(&trimming.but_row).collect();
                // What an operator sends again meanwhile waits until they are gone, or they wait for it.
                sqlx::query(LOCK).bind(rows(&all)).fetch_all(&mut *conn).await?;
                let whole = free(conn, &trimming.whole, trimming.counted_since).await?;
                let but_row = free(conn, &trimming.but_row, trimming.counted_since).await?;
                let both: Vec<&String> = whole.iter().chain(&but_row).collect();
                if !both.is_empty() {
                    deleted.others += belongings(conn, &rows(&both)).await?;
                }
                if !whole.is_empty() {
                    let ids = rows(&whole);
                    deleted.others += delete(conn, ARMS, &ids).await?;
                    deleted.rows += delete(conn, ENROLLMENTS, &ids).await?;
                }
                if !but_row.is_empty() {
                    deleted.rows += delete(conn, MARK, &rows(&but_row)).await?;
                }
                deleted.took = started.elapsed();
                Ok(deleted)
            })
        })
        .await
    }

    pub(crate) async fn old_events(
        &self,
        after: i64,
        before: i64,
        newest_of: &[&str],
        limit: i64,
    ) -> Result<Vec<OldEvent>, StoreError> {
        let found = sqlx::query(concat!(
            "select e.id, e.received_at, case when e.done_at is null or e.at >= $2 or (e.name in (select value from ",
            texts!("$3"),
            ") and not exists (select 1 from event as f where f.customer = e.customer and f.name = e.name ",
            "and f.at > e.at)) then cast(1 as bigint) else 0 end as needed from event as e where e.id > $1 order by e.id limit $4"
        ))
        .bind(after)
        .bind(before)
        .bind(rows(newest_of))
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        found
            .iter()
            .map(|row| {
                Ok(OldEvent {
                    position: row.try_get("id")?,
                    received_at: row.try_get("received_at")?,
                    needed: row.try_get::<i64, _>("needed")? == 1,
                })
            })
            .collect()
    }

    pub(crate) async fn delete_events(&self, positions: Vec<i64>) -> Result<Deleted, StoreError> {
        self.write(positions, |conn, positions| {
            Box::pin(async move {
                let started = Instant::now();
                let rows = delete(conn, EVENTS, &rows(positions)).await?;
                Ok(Deleted { rows, others: 0, took: started.elapsed() })
            })
        })
        .await
    }

    pub(crate) async fn delete_recordings(
        &self,
        before: i64,
        limit: i64,
    ) -> Result<Deleted, StoreError> {
        self.write((before, limit), |conn, &(before, limit)| {
            Box::pin(async move {
                let started = Instant::now();
                let done = sqlx::query(
                    "delete from recording where id in (select id from \
                     (select id, at from recording order by id limit $2) as oldest where at < $1)",
                )
                .bind(before)
                .bind(limit)
                .execute(conn)
                .await?;
                Ok(Deleted { rows: done.rows_affected(), others: 0, took: started.elapsed() })
            })
        })
        .await
    }

    pub(crate) async fn oldest_kept(&self) -> Result<(Option<i64>, Option<i64>), StoreError> {
        let mut conn = self.readers().acquire().await?;
        let ended = sqlx::query_scalar(
            "select min(ended_at) from enrollment where ended_at is not null and trimmed = 0",
        )
        .fetch_one(&mut *conn)
        .await?;
        let event = sqlx::query_scalar("select received_at from event order by id limit 1")
            .fetch_optional(&mut *conn)
            .await?;
        Ok((ended, event))
    }
}

/// Those of the enrollments that nothing holds.
async fn free(
    conn: &mut Conn,
    ids: &[String],
    counted_since: i64,
) -> Result<Vec<String>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_scalar(concat!(
        "select id from enrollment where status <> 'active' and ended_at is not null and not exists ",
        "(select 1 from effect where effect.enrollment = enrollment.id ",
        "and (phase <> 'done' or (counted_at is not null and counted_at >= $2))) and not exists ",
        "(select 1 from assignment where assignment.customer = enrollment.customer ",
        "and assignment.enrollment = enrollment.id and done_at is null) and id in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(ids))
    .bind(counted_since)
    .fetch_all(conn)
    .await?)
}

/// What hangs on enrollments, in an order in which each finds what it hangs on.
async fn belongings(conn: &mut Conn, ids: &str) -> Result<u64, StoreError> {
    let mut gone = 0;
    for statement in [BODIES, ATTEMPTS, INTERVENTIONS, DECISIONS, EFFECTS, HISTORY, ASSIGNMENTS] {
        gone += delete(conn, statement, ids).await?;
    }
    Ok(gone)
}

async fn delete(conn: &mut Conn, statement: &'static str, ids: &str) -> Result<u64, StoreError> {
    Ok(sqlx::query(statement).bind(ids).execute(conn).await?.rows_affected())
}

/// A statement about what has effects of the enrollments in `$1`.
macro_rules! of_effects {
    ($delete:literal) => {
        concat!(
            $delete,
            " in (select key from effect where enrollment in (select value from ",
            texts!("$1"),
            "))"
        )
    };
}

/// A statement about the rows in `$1`.
macro_rules! of {
    ($statement:literal) => {
        concat!($statement, " in (select value from ", texts!("$1"), ")")
    };
}

/// A statement that begins with what its table is indexed by: the customers of the enrollments in `$1`.
macro_rules! of_customers {
    ($table:literal) => {
        concat!(
            "delete from ",
            $table,
            " where customer in (select customer from enrollment where id in (select value from ",
            texts!("$1"),
            "))"
        )
    };
}

const BODIES: &str = of_effects!("delete from effect_body where effect");
const ATTEMPTS: &str = of_effects!("delete from attempt where effect");
const INTERVENTIONS: &str = of_effects!("delete from intervention where effect");
const DECISIONS: &str = concat!(of_customers!("decision"), of_effects!(" and effect"));
const EFFECTS: &str = of!("delete from effect where enrollment");
const HISTORY: &str = of!("delete from history where enrollment");
const ASSIGNMENTS: &str = concat!(of_customers!("assignment"), of!(" and enrollment"));
const ARMS: &str = of!("delete from split_arm where enrollment");
const ENROLLMENTS: &str = of!("delete from enrollment where id");
const MARK: &str = of!("update enrollment set trimmed = 1 where id");
const EVENTS: &str = concat!(
    "delete from event where done_at is not null and id in (select cast(value as bigint) from ",
    texts!("$1"),
    ")"
);
const LOCK: &str = concat!(
    "select key from effect where enrollment in (select value from ",
    texts!("$1"),
    ") order by key",
    for_update!()
);
