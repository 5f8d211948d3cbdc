//! Customers, what names them outside, and what they agreed to.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;
use waystation_journey::Customer;

use super::super::{Conn, Row, Store};
use super::{read, rows, text};
use crate::StoreError;
use crate::records::CustomerPatch;

/// What [`decode`] reads.
macro_rules! select_customers {
    ($end:expr) => {
        concat!(
            "select id, attributes, tags, consents from customer where id in (select value from ",
            texts!("$1"),
            ")",
            $end
        )
    };
}

impl Store {
    pub(crate) async fn upsert_customers(
        &self,
        patches: Vec<CustomerPatch>,
        now: i64,
    ) -> Result<(), StoreError> {
        self.write((patches, now), |conn, &(ref patches, now)| {
            Box::pin(async move { patch(conn, patches, now).await.map(drop) })
        })
        .await
    }

    pub(crate) async fn customers(
        &self,
        ids: &[String],
    ) -> Result<BTreeMap<String, Customer>, StoreError> {
        let mut conn = self.readers().acquire().await?;
        let mut customers = load(&mut conn, ids).await?;
        load_identities(&mut conn, &mut customers).await?;
        Ok(customers)
    }
}

/// Customers without their identities.
pub(super) async fn load(
    conn: &mut Conn,
    ids: &[String],
) -> Result<BTreeMap<String, Customer>, StoreError> {
    let found = sqlx::query(select_customers!("")).bind(rows(ids)).fetch_all(conn).await?;
    decode(found)
}

/// Customers without their identities, whom nobody else can change before this transaction has ended.
async fn load_to_change(
    conn: &mut Conn,
    ids: &[&str],
) -> Result<BTreeMap<String, Customer>, StoreError> {
    let found = sqlx::query(select_customers!(concat!(" order by id", for_update!())))
        .bind(rows(ids))
        .fetch_all(conn)
        .await?;
    decode(found)
}

fn decode(found: Vec<Row>) -> Result<BTreeMap<String, Customer>, StoreError> {
    let mut customers = BTreeMap::new();
    for row in found {
        let id: String = row.try_get("id")?;
        let customer = Customer {
            attributes: read("customer", &id, row.try_get("attributes")?)?,
            tags: read("customer", &id, row.try_get("tags")?)?,
            consents: read("customer", &id, row.try_get("consents")?)?,
            identities: BTreeMap::new(),
            id: id.clone(),
        };
        customers.insert(id, customer);
    }
    Ok(customers)
}

pub(super) async fn load_identities(
    conn: &mut Conn,
    customers: &mut BTreeMap<String, Customer>,
) -> Result<(), StoreError> {
    let ids: Vec<&String> = customers.keys().collect();
    let found = sqlx::query(concat!(
        "select customer, kind, value from identity where customer in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&ids))
    .fetch_all(conn)
    .await?;
    for row in found {
        if let Some(customer) = customers.get_mut(row.try_get::<&str, _>("customer")?) {
            customer.identities.insert(row.try_get("kind")?, row.try_get("value")?);
        }
    }
    Ok(())
}

/// Creates the customers that do not exist, without anything known about them.
///
/// In the order of their identifiers: two hosts that create the same ones do not wait for each other in a circle.
pub(super) async fn ensure(conn: &mut Conn, ids: &[&str], now: i64) -> Result<(), StoreError> {
    let sorted: Vec<&str> = BTreeSet::from_iter(ids.iter().copied()).into_iter().collect();
    sqlx::query(concat!(
        "insert into customer (id, attributes, tags, consents, created_at, updated_at) ",
        "select value, '{}', '[]', '{}', $2, $2 from ",
        texts!("$1"),
        " where true on conflict (id) do nothing"
    ))
    .bind(rows(&sorted))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads the rows as they are now, changes them and writes them back. Answers with the tags that customers lacked, as
/// (customer, tag).
pub(super) async fn patch(
    conn: &mut Conn,
    patches: &[CustomerPatch],
    now: i64,
) -> Result<Vec<(String, String)>, StoreError> {
    let ids: Vec<&str> = patches.iter().map(|patch| patch.id.as_str()).collect();
    ensure(conn, &ids, now).await?;
    let mut customers = load_to_change(conn, &ids).await?;
    let mut added = Vec::new();
    for patch in patches {
        if let Some(customer) = customers.get_mut(&patch.id) {
            let new = patch.tags.iter().filter(|tag| !customer.tags.contains(*tag));
            let new: Vec<String> = new.cloned().collect();
            patch.apply(customer);
            // A tag that is taken away in the same breath was never there.
            let new = new.into_iter().filter(|tag| customer.tags.contains(tag));
            added.extend(new.map(|tag| (patch.id.clone(), tag)));
        }
    }
    let mut changed = Vec::with_capacity(customers.len());
    for customer in customers.values() {
        changed.push((
            &customer.id,
            text(&customer.attributes)?,
            text(&customer.tags)?,
            text(&customer.consents)?,
        ));
    }
    sqlx::query(concat!(
        "update customer set attributes = batch.value->>1, tags = batch.value->>2, consents = batch.value->>3, updated_at = $2 from ",
        each!("$1"),
        " where customer.id = batch.value->>0"
    ))
    .bind(rows(&changed))
    .bind(now)
    .execute(&mut *conn)
    .await?;
    set_identities(conn, patches).await?;
    Ok(added)
}

async fn set_identities(conn: &mut Conn, patches: &[CustomerPatch]) -> Result<(), StoreError> {
    let changes: Vec<(&str, &str, &str)> = patches
        .iter()
        .flat_map(|patch| {
            patch
                .identities
                .iter()
                .map(|(kind, value)| (kind.as_str(), value.as_str(), patch.id.as_str()))
        })
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!(
        "delete from identity where (customer, kind) in (select value->>2, value->>0 from ",
        each!("$1"),
        ")"
    ))
    .bind(rows(&changes))
    .execute(&mut *conn)
    .await?;
    let set: Vec<_> = changes.into_iter().filter(|(_, value, _)| !value.is_empty()).collect();
    let inserted = sqlx::query(concat!(
        "insert into identity (kind, value, customer) select value->>0, value->>1, value->>2 from ",
        each!("$1")
    ))
    .bind(rows(&set))
    .execute(conn)
    .await;
    match inserted.map_err(StoreError::from) {
        Err(StoreError::Conflict(_)) => Err(StoreError::IdentityTaken),
        other => other.map(|_| ()),
    }
}
