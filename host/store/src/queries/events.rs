//! The inbox.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fail::fail_point;
use sqlx::Row as _;

use super::super::{Conn, Store};
use super::{customers, ready, rows, text};
use crate::StoreError;
use crate::records::{NewEvent, Subject, Taken};

impl Store {
    pub(crate) async fn take_events(
        &self,
        events: Vec<NewEvent>,
        now: i64,
    ) -> Result<Vec<Taken>, StoreError> {
        let inbox = all_named(&events).then(|| Inbox::of(&events, &HashMap::new())).transpose()?;
        self.write((events, inbox, now), |conn, &(ref events, ref inbox, now)| {
            Box::pin(async move {
                match inbox {
                    Some(inbox) => put(conn, events, inbox, now).await,
                    None => take(conn, events, now).await,
                }
            })
        })
        .await
    }
}

/// Whether every event names its customer, so that none need be looked up.
fn all_named(events: &[NewEvent]) -> bool {
    events.iter().all(|event| matches!(event.subject, Subject::Customer(_)))
}

/// Events as parameters.
struct Inbox {
    /// Customers that may be new, in the order of their identifiers.
    customers: Arc<str>,
    events: Arc<str>,
    /// Places of events whose customer nobody knows.
    unknown: HashSet<usize>,
}

type Known = HashMap<(String, String), String>;

impl Inbox {
    fn of(events: &[NewEvent], known: &Known) -> Result<Self, StoreError> {
        let mut named = BTreeSet::new();
        let mut batch = Vec::with_capacity(events.len());
        let mut unknown = HashSet::new();
        for (place, event) in events.iter().enumerate() {
            let customer = match &event.subject {
                Subject::Customer(id) => {
                    named.insert(id.as_str());
                    id
                }
                Subject::Identity { kind, value } => {
                    let Some(customer) = known.get(&(kind.clone(), value.clone())) else {
                        unknown.insert(place);
                        continue;
                    };
                    customer
                }
            };
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
        let customers = ready(&named.into_iter().collect::<Vec<_>>());
        Ok(Self { customers, events: ready(&batch), unknown })
    }
}

pub(super) async fn take(
    conn: &mut Conn,
    events: &[NewEvent],
    now: i64,
) -> Result<Vec<Taken>, StoreError> {
    let known = resolve(conn, events).await?;
    put(conn, events, &Inbox::of(events, &known)?, now).await
}

async fn put(
    conn: &mut Conn,
    events: &[NewEvent],
    inbox: &Inbox,
    now: i64,
) -> Result<Vec<Taken>, StoreError> {
    customers::ensure_all(conn, &inbox.customers, now).await?;
    fail_point!("t0.customers");
    let inserted = sqlx::query(concat!(
        "insert into event (source, external_id, name, customer, at, received_at, properties, subscription, lane) ",
        "select value->>0, value->>1, value->>2, value->>3, cast(value->>4 as bigint), $2, value->>5, value->>6, ",
        "cast(value->>7 as bigint) from ",
        each!("$1"),
        " where true on conflict (source, external_id) do nothing returning source, external_id"
    ))
    .bind(&inbox.events)
    .bind(now)
    .fetch_all(conn)
    .await?;
    fail_point!("t0.events");
    let mut new = HashSet::with_capacity(inserted.len());
    for row in &inserted {
        new.insert((row.try_get::<&str, _>(0)?, row.try_get::<&str, _>(1)?));
    }
    let taken = events.iter().enumerate().map(|(place, event)| {
        if inbox.unknown.contains(&place) {
            Taken::UnknownCustomer
        } else if new.remove(&(event.source.as_str(), event.id.as_str())) {
            Taken::Accepted
        } else {
            Taken::Duplicate
        }
    });
    Ok(taken.collect())
}

async fn resolve(conn: &mut Conn, events: &[NewEvent]) -> Result<Known, StoreError> {
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
