//! What one pass of the engine reads, and the one transaction that writes what it changed (T1).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fail::fail_point;
use serde::Serialize;
use waystation_journey::{Enrollment, Lane};

use super::super::{Conn, Store, configuration};
use super::{
    assignments, customers, effects, enrollments, events, grants, order, ready, restored, splits,
    text, told, transfers, waiting,
};
use crate::records::{Half, Pass, Work};
use crate::{StoreError, faults};

impl Store {
    pub(crate) async fn work_of(
        &self,
        half: Option<Half>,
        now: i64,
        limit: i64,
        goals_since: i64,
    ) -> Result<Work, StoreError> {
        let mut tx = self.snapshot().await?;
        let conn: &mut Conn = &mut tx;
        let mine = self.mine_of(half);
        let events = waiting::events(conn, &mine, limit).await?;
        // After the events: each finds at least the configuration that was there when it came.
        let configuration = configuration(conn).await?;
        let settled = effects::settled(conn, &mine, now, limit).await?;
        let mut found = enrollments::due(conn, &mine, now, limit).await?;
        let named: BTreeSet<&str> =
            settled.iter().map(|effect| effect.enrollment.as_str()).collect();
        if !named.is_empty() {
            found.extend(enrollments::by_id(conn, &named.into_iter().collect::<Vec<_>>()).await?);
        }
        let subjects: BTreeSet<&str> =
            events.iter().map(|open| open.event.customer.as_str()).collect();
        let subjects: Vec<&str> = subjects.into_iter().collect();
        let mut former = BTreeMap::new();
        if !subjects.is_empty() {
            found.extend(enrollments::listening(conn, &subjects, goals_since).await?);
            former = enrollments::former(conn, &subjects).await?;
        }
        let enrollments: BTreeMap<String, Enrollment> =
            found.into_iter().map(|enrollment| (enrollment.id.clone(), enrollment)).collect();
        let mut everyone: BTreeSet<String> =
            enrollments.values().map(|enrollment| enrollment.customer.clone()).collect();
        everyone.extend(subjects.iter().map(|id| (*id).to_owned()));
        let everyone: Vec<String> = everyone.into_iter().collect();
        let (customers, grants) = if everyone.is_empty() {
            (BTreeMap::new(), BTreeMap::new())
        } else {
            (customers::load(conn, &everyone).await?, grants::of(conn, &everyone).await?)
        };
        Ok(Work { events, settled, enrollments, customers, grants, former, configuration })
    }

    pub(crate) async fn next_due_of(&self, half: Option<Half>) -> Result<Option<i64>, StoreError> {
        let mut conn = self.readers().acquire().await?;
        let lanes = order::enrollment_lanes(&mut conn, &self.mine_of(half)).await?;
        Ok(lanes.into_iter().map(|(_, due_at)| due_at).min())
    }

    pub(crate) async fn commit(&self, pass: Pass) -> Result<(), StoreError> {
        let batches = Batches::of(&pass)?;
        self.write((pass, batches), |conn, (pass, batches)| {
            Box::pin(async move { commit(conn, pass, batches).await })
        })
        .await
    }
}

/// The larger parts of a pass as parameters.
struct Batches {
    events: Arc<str>,
    settled: Arc<str>,
    advanced: Arc<str>,
    enrolled: Arc<str>,
    history: Arc<str>,
    effects: Arc<str>,
    bodies: Arc<str>,
    ended: Arc<str>,
}

impl Batches {
    fn of(pass: &Pass) -> Result<Self, StoreError> {
        let advanced = pass.advanced.iter().map(|(seq, one)| EnrollmentBatchRow::new(one, *seq));
        let advanced = advanced.collect::<Result<Vec<_>, _>>()?;
        let enrolled = pass.enrolled.iter().map(|one| EnrollmentBatchRow::new(one, 0));
        let enrolled = enrolled.collect::<Result<Vec<_>, _>>()?;
        let bodies: Vec<(&str, &str)> =
            pass.effects.iter().map(|one| (one.key.as_str(), one.body.as_str())).collect();
        Ok(Self {
            events: ready(&pass.events),
            settled: ready(&pass.settled),
            advanced: ready(&advanced),
            enrolled: ready(&enrolled),
            history: ready(&pass.history),
            effects: ready(&pass.effects),
            bodies: ready(&bodies),
            ended: ready(&pass.ended),
        })
    }
}

async fn commit(conn: &mut Conn, pass: &Pass, batches: &Batches) -> Result<(), StoreError> {
    close_events(conn, pass, &batches.events).await?;
    if !pass.settled.is_empty() {
        effects::told(conn, &batches.settled).await?;
    }
    fail_point!("t1.closed");
    if !pass.customers.is_empty() {
        let added = customers::patch(conn, &pass.customers, pass.now).await?;
        if pass.tell_tags {
            told::tell_tags(conn, added, pass.now).await?;
        }
    }
    if !pass.used_codes.is_empty() {
        grants::use_codes(conn, &pass.used_codes, pass.now).await?;
    }
    fail_point!("t1.customers");
    // Updated first: a customer may leave and enter again in one pass, and only one enrollment may be active.
    if !pass.advanced.is_empty() {
        enrollments::update(conn, &batches.advanced, pass.advanced.len()).await?;
    }
    if !pass.enrolled.is_empty() {
        enrollments::insert(conn, &batches.enrolled).await?;
    }
    if !pass.history.is_empty() {
        write_history(conn, &batches.history, pass.now).await?;
    }
    fail_point!("t1.moved");
    // Cancelled last: an enrollment may have asked for something and ended in one pass.
    if !pass.effects.is_empty() {
        effects::insert(conn, &batches.effects, &batches.bodies).await?;
        if let Some(doubt) = &pass.doubt {
            restored::doubt(conn, &pass.effects, doubt).await?;
        }
    }
    if !pass.assignments.is_empty() {
        assignments::insert(conn, &pass.assignments, pass.now).await?;
    }
    if !pass.arms.is_empty() {
        splits::insert(conn, &pass.arms).await?;
    }
    fail_point!("t1.asked");
    if !pass.ended.is_empty() {
        effects::cancel(conn, &batches.ended, pass.now).await?;
    }
    if !pass.told.is_empty() {
        events::take(conn, &pass.told, pass.now).await?;
    }
    if !pass.parked.is_empty() {
        transfers::park(conn, &pass.parked).await?;
    }
    if let Some(step) = &pass.transfer {
        transfers::advance(conn, step, pass.now).await?;
    }
    Ok(())
}

async fn close_events(conn: &mut Conn, pass: &Pass, events: &Arc<str>) -> Result<(), StoreError> {
    if pass.events.is_empty() || faults::planted("plant.open-events") {
        return Ok(());
    }
    let closed = sqlx::query(concat!(
        // Not `done_at is null`, for the reason of `in_phase!`.
        "update event set done_at = $2 where coalesce(done_at, -1) = -1 and id in (select cast(value as bigint) from ",
        texts!("$1"),
        ")"
    ))
    .bind(events)
    .bind(pass.now)
    .execute(conn)
    .await?;
    // Another host has dealt with one of them: what this pass made of it must not count as well.
    if closed.rows_affected() != pass.events.len() as u64 {
        return Err(StoreError::Conflict("an event".to_owned()));
    }
    Ok(())
}

async fn write_history(conn: &mut Conn, history: &Arc<str>, now: i64) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "insert into history (enrollment, seq, at, entries) ",
        "select value->>0, cast(value->>1 as bigint), $2, value->>2 from ",
        each!("$1")
    ))
    .bind(history)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// An enrollment as a row of a batch.
#[derive(Serialize)]
pub(super) struct EnrollmentBatchRow<'a>(
    &'a str,
    &'a str,
    &'a str,
    i64,
    &'a str,
    &'static str,
    Option<&'a str>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<f64>,
    i64,
    Option<i64>,
    String,
    i64,
    Lane,
);

impl<'a> EnrollmentBatchRow<'a> {
    pub(super) fn new(enrollment: &'a Enrollment, seq_read: i64) -> Result<Self, StoreError> {
        Ok(Self(
            &enrollment.id,
            &enrollment.customer,
            &enrollment.journey,
            enrollment.version,
            &enrollment.key,
            enrollment.status.as_str(),
            enrollment.outcome.as_deref(),
            enrollment.seq,
            enrollment.due_at,
            enrollment.goal_reached_at,
            enrollment.goal_value,
            enrollment.enrolled_at,
            enrollment.ended_at,
            text(&enrollment.state)?,
            seq_read,
            enrollment.lane,
        ))
    }
}
