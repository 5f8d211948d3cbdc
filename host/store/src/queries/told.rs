//! The host's own events: written together with what they tell of.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Row as _};
use waystation_journey::{COUPON_EXPIRING, HOST_SOURCE, Lane, SEGMENT_ENTERED, TAG_ADDED};

use super::super::{Conn, Store};
use super::{customers, events, rows};
use crate::StoreError;
use crate::records::{CustomerPatch, NewEvent, Subject};

impl Store {
    pub(crate) async fn upsert_customers_telling(
        &self,
        patches: Vec<CustomerPatch>,
        now: i64,
    ) -> Result<(), StoreError> {
        self.write((patches, now), |conn, &(ref patches, now)| {
            Box::pin(async move {
                let added = customers::patch(conn, patches, now).await?;
                tell_tags(conn, added, now).await
            })
        })
        .await
    }

    pub(crate) async fn tell_expiring(
        &self,
        now: i64,
        until: i64,
        limit: i64,
    ) -> Result<usize, StoreError> {
        self.write((now, until, limit), |conn, &(now, until, limit)| {
            Box::pin(async move {
                let found = sqlx::query(
                    "update coupon_grant set expiring_at = $1 where key in (\
                     select key from coupon_grant where state = 'usable' and expiring_at is null \
                     and valid_until > $1 and valid_until <= $2 order by valid_until limit $3) and expiring_at is null \
                     returning key, customer, code, campaign, valid_until",
                )
                .bind(now)
                .bind(until)
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?;
                let mut told = Vec::with_capacity(found.len());
                for row in &found {
                    let properties = [
                        ("code", Value::from(row.try_get::<&str, _>("code")?)),
                        ("campaign", Value::from(row.try_get::<&str, _>("campaign")?)),
                        ("valid_until", Value::from(row.try_get::<i64, _>("valid_until")?)),
                    ];
                    let key: &str = row.try_get("key")?;
                    told.push(event(
                        COUPON_EXPIRING,
                        key,
                        row.try_get("customer")?,
                        now,
                        properties,
                    ));
                }
                events::take(conn, &told, now).await?;
                Ok(told.len())
            })
        })
        .await
    }
}

impl Store {
    pub(crate) async fn watch_segments(&self, segments: Vec<String>) -> Result<(), StoreError> {
        self.write(segments, |conn, segments| {
            Box::pin(async move {
                for table in ["watched_segment", "segment_member"] {
                    let sql =
                        concat!(" where segment not in (select value from ", texts!("$1"), ")");
                    sqlx::query(AssertSqlSafe(format!("delete from {table}{sql}")))
                        .bind(rows(segments))
                        .execute(&mut *conn)
                        .await?;
                }
                sqlx::query(concat!(
                    "insert into watched_segment (segment) select value from ",
                    texts!("$1"),
                    " where true on conflict (segment) do nothing"
                ))
                .bind(rows(segments))
                .execute(conn)
                .await?;
                Ok(())
            })
        })
        .await
    }

    pub(crate) async fn watched_segments(&self) -> Result<Vec<(String, Option<i64>)>, StoreError> {
        let found = sqlx::query("select segment, counted_at from watched_segment order by segment")
            .fetch_all(self.readers())
            .await?;
        found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    pub(crate) async fn note_members(
        &self,
        segment: String,
        range: (Option<String>, Option<String>),
        members: Vec<String>,
        now: i64,
    ) -> Result<usize, StoreError> {
        self.write((segment, range, members, now), |conn, &(ref segment, ref range, ref members, now)| {
            Box::pin(async move {
                let (after, until) = range;
                let counted: Option<Option<i64>> =
                    sqlx::query_scalar(concat!(
                        "select counted_at from watched_segment where segment = $1",
                        for_update!()
                    ))
                    .bind(segment)
                    .fetch_optional(&mut *conn)
                    .await?;
                // Nobody watches it any more.
                let Some(counted) = counted else { return Ok(0) };
                sqlx::query(concat!(
                    "delete from segment_member where segment = $2 and customer > $3 and ($4 is null or customer <= $4) ",
                    "and customer not in (select value from ",
                    texts!("$1"),
                    ")"
                ))
                .bind(rows(members))
                .bind(segment)
                .bind(after.as_deref().unwrap_or_default())
                .bind(until)
                .execute(&mut *conn)
                .await?;
                let new: Vec<String> = sqlx::query_scalar(concat!(
                    "insert into segment_member (segment, customer) select $2, value from ",
                    texts!("$1"),
                    " where true on conflict (segment, customer) do nothing returning customer"
                ))
                .bind(rows(members))
                .bind(segment)
                .fetch_all(&mut *conn)
                .await?;
                let told = if counted.is_some() { new } else { Vec::new() };
                let told = told.into_iter().map(|customer| {
                    let of = format!("{segment}/{customer}/{now}");
                    event(SEGMENT_ENTERED, &of, customer, now, [("segment", Value::from(segment.as_str()))])
                });
                let told: Vec<NewEvent> = told.collect();
                if !told.is_empty() {
                    events::take(conn, &told, now).await?;
                }
                if until.is_none() {
                    sqlx::query("update watched_segment set counted_at = $2 where segment = $1")
                        .bind(segment)
                        .bind(now)
                        .execute(conn)
                        .await?;
                }
                Ok(told.len())
            })
        })
        .await
    }
}

/// Tells of tags that customers got, as (customer, tag).
pub(super) async fn tell_tags(
    conn: &mut Conn,
    added: Vec<(String, String)>,
    now: i64,
) -> Result<(), StoreError> {
    let told = added.into_iter().map(|(customer, tag)| {
        let of = format!("{now}/{customer}/{tag}");
        event(TAG_ADDED, &of, customer, now, [("tag", Value::from(tag))])
    });
    let told: Vec<NewEvent> = told.collect();
    if !told.is_empty() {
        events::take(conn, &told, now).await?;
    }
    Ok(())
}

/// An event of the host's. `of` tells it from others of its name, so that it is taken once.
pub(super) fn event<const N: usize>(
    name: &str,
    of: &str,
    customer: String,
    now: i64,
    properties: [(&str, Value); N],
) -> NewEvent {
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    NewEvent {
        source: HOST_SOURCE.to_owned(),
        id: format!("{name}/{of}"),
        name: name.to_owned(),
        subject: Subject::Customer(customer),
        at: now,
        subscription: None,
        lane: Lane::HOST,
        properties,
    }
}
