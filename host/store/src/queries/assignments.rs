//! What journeys give people to do.

use sqlx::Row as _;
use waystation_journey::{ASSIGNMENT_DONE, HOST_SOURCE, Lane};

use super::super::{Conn, Row, Store};
use super::{events, rows};
use crate::StoreError;
use crate::records::{AssignmentFilter, AssignmentRow, NewAssignment, NewEvent, Subject};

impl Store {
    pub(crate) async fn assignments(
        &self,
        filter: &AssignmentFilter,
    ) -> Result<Vec<AssignmentRow>, StoreError> {
        let found = sqlx::query(
            "select key, enrollment, customer, journey, step, assignee, note, due_at, created_at, done_at, outcome, done_by \
             from assignment where ($1 is null or assignee = $1) and ($2 is null or customer = $2) \
             and (not $3 or done_at is null) and key > $4 order by key limit $5",
        )
        .bind(&filter.assignee)
        .bind(&filter.customer)
        .bind(filter.open)
        .bind(filter.after.as_deref().unwrap_or_default())
        .bind(filter.limit)
        .fetch_all(self.readers())
        .await?;
        found.iter().map(decode).collect()
    }

    pub(crate) async fn complete_assignment(
        &self,
        key: String,
        outcome: String,
        done_by: String,
        now: i64,
    ) -> Result<Option<AssignmentRow>, StoreError> {
        self.write((key, outcome, done_by, now), |conn, &(ref key, ref outcome, ref done_by, now)| {
            Box::pin(async move {
                let done = sqlx::query(
                    "update assignment set done_at = $2, outcome = $3, done_by = $4 where key = $1 and done_at is null",
                )
                .bind(key)
                .bind(now)
                .bind(outcome)
                .bind(done_by)
                .execute(&mut *conn)
                .await?;
                let row = sqlx::query(
                    "select key, enrollment, customer, journey, step, assignee, note, due_at, created_at, done_at, outcome, \
                     done_by from assignment where key = $1",
                )
                .bind(key)
                .fetch_optional(&mut *conn)
                .await?;
                let Some(row) = row.as_ref().map(decode).transpose()? else { return Ok(None) };
                if done.rows_affected() == 0 {
                    return Err(StoreError::Conflict(format!("assignment {key} is done, and")));
                }
                events::take(conn, &[told(&row, now)], now).await?;
                Ok(Some(row))
            })
        })
        .await
    }
}

/// The event by which journeys learn of it.
fn told(row: &AssignmentRow, now: i64) -> NewEvent {
    let outcome = row.outcome.clone().unwrap_or_default();
    let properties = [("key", row.key.clone()), ("outcome", outcome), ("to", row.assignee.clone())];
    NewEvent {
        source: HOST_SOURCE.to_owned(),
        id: row.key.clone(),
        name: ASSIGNMENT_DONE.to_owned(),
        subject: Subject::Customer(row.customer.clone()),
        at: now,
        subscription: None,
        lane: Lane::HOST,
        properties: properties
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect(),
    }
}

pub(super) async fn insert(
    conn: &mut Conn,
    new: &[NewAssignment],
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "insert into assignment (key, enrollment, customer, journey, step, assignee, note, due_at, created_at) ",
        "select value->>'key', value->>'enrollment', value->>'customer', value->>'journey', value->>'step', ",
        "value->>'assignee', value->>'note', cast(value->>'due_at' as bigint), $2 from ",
        each!("$1")
    ))
    .bind(rows(new))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

fn decode(row: &Row) -> Result<AssignmentRow, StoreError> {
    Ok(AssignmentRow {
        key: row.try_get("key")?,
        enrollment: row.try_get("enrollment")?,
        customer: row.try_get("customer")?,
        journey: row.try_get("journey")?,
        step: row.try_get("step")?,
        assignee: row.try_get("assignee")?,
        note: row.try_get("note")?,
        due_at: row.try_get("due_at")?,
        created_at: row.try_get("created_at")?,
        done_at: row.try_get("done_at")?,
        outcome: row.try_get("outcome")?,
        done_by: row.try_get("done_by")?,
    })
}
