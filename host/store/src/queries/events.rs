//! The inbox.

use std::collections::{BTreeSet, HashMap, HashSet};

use fail::fail_point;
use sqlx::Row as _;

use super::super::{Conn, Store};
use super::{customers, rows, text};
use crate::StoreError;
use crate::records::{NewEvent, Subject, Taken};

impl Store {
    pub(crate) async fn take_events(
        &self,
        events: Vec<NewEvent>,
        now: i64,
    ) -> Result<Vec<Taken>, StoreError> {
        self.write((events, now), |conn, &(ref events, now)| {
            Box::pin(async move { take(conn, events, now).await })
        })
        .await
    }
}

pub(super) async fn take(
    conn: &mut Conn,
    events: &[NewEvent],
    now: i64,
) -> Result<Vec<Taken>, StoreError> {
    let known = resolve(conn, events).await?;
    let customer_of = |event: &NewEvent| match &event.subject {
        Subject::Customer(id) => Some(id.clone()),
        Subject::Identity { kind, value } => known.get(&(kind.clone(), value.clone())).cloned(),
    };
    let mut named = BTreeSet::new();
    let mut batch = Vec::with_capacity(events.len());
    for event in events {
        if let Some(customer) = customer_of(event) {
            if let Subject::Customer(id) = &event.subject {
                named.insert(id.as_str());
            }
            batch.push((
                &event.source,
                &event.id,
                &event.name,
                customer,
                event.at,
                text(&event.properties)?,
                &event.subscription,
                event.lane,
            ));
        }
    }
    customers::ensure(conn, &named.into_iter().collect::<Vec<_>>(), now).await?;
    fail_point!("t0.customers");
    let inserted = sqlx::query(concat!(
        "insert into event (source, external_id, name, customer, at, received_at, properties, subscription, lane) ",
        "select value->>0, value->>1, value->>2, value->>3, cast(value->>4 as bigint), $2, value->>5, value->>6, ",
        "cast(value->>7 as bigint) from ",
        each!("$1"),
        " where true on conflict (source, external_id) do nothing returning source, external_id"
    ))
    .bind(rows(&batch))
    .bind(now)
    .fetch_all(conn)
    .await?;
    fail_point!("t0.events");
    let mut new = HashSet::with_capacity(inserted.len());
    for row in &inserted {
        new.insert((row.try_get::<&str, _>(0)?, row.try_get::<&str, _>(1)?));
    }
    Ok(events
        .iter()
        .map(|event| {
            if customer_of(event).is_none() {
                Taken::UnknownCustomer
            } else if new.remove(&(event.source.as_str(), event.id.as_str())) {
                Taken::Accepted
            } else {
                Taken::Duplicate
            }
        })
        .collect())
}

async fn resolve(
    conn: &mut Conn,
    events: &[NewEvent],
) -> Result<HashMap<(String, String), String>, StoreError> {
    let wanted: Vec<(&str, &str)> = events
        .iter()
        .filter_map(|event| match &event.subject {
            Subject::Identity { kind, value } => Some((kind.as_str(), value.as_str())),
            Subject::Customer(_) => None,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let found = sqlx::query(concat!(
        "select kind, value, customer from identity where (kind, value) in (select value->>0, value->>1 from ",
        each!("$1"),
        ")"
    ))
    .bind(rows(&wanted))
    .fetch_all(conn)
    .await?;
    let mut known = HashMap::with_capacity(found.len());
    for row in found {
        known.insert((row.try_get("kind")?, row.try_get("value")?), row.try_get("customer")?);
    }
    Ok(known)
}
