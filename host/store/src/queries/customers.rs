//! Customers, what names them outside, and what they agreed to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use waystation_journey::Customer;

use super::super::{Conn, Store};
use super::{gathered, read, ready, rows, text};
use crate::StoreError;
use crate::records::CustomerPatch;

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
    let found: String = sqlx::query_scalar(concat!(
        "select ",
        gather!("id, attributes, tags, consents"),
        " from customer where id in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(ids))
    .fetch_one(conn)
    .await?;
    decode(gathered(&found)?)
}

/// Customers without their identities, whom nobody else can change before this transaction has ended.
async fn load_to_change(
    conn: &mut Conn,
    ids: &[&str],
) -> Result<BTreeMap<String, Customer>, StoreError> {
    let found = sqlx::query_as(concat!(
        "select id, attributes, tags, consents from customer where id in (select value from ",
        texts!("$1"),
        ") order by id",
        for_update!()
    ))
    .bind(rows(ids))
    .fetch_all(conn)
    .await?;
    decode(found)
}

/// Identifier, attributes, tags and consents.
type Stored = (String, String, String, String);

fn decode(found: Vec<Stored>) -> Result<BTreeMap<String, Customer>, StoreError> {
    let mut customers = BTreeMap::new();
    for (id, attributes, tags, consents) in found {
        let customer = Customer {
            attributes: read("customer", &id, &attributes)?,
            tags: read("customer", &id, &tags)?,
            consents: read("customer", &id, &consents)?,
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
    let found: String = sqlx::query_scalar(concat!(
        "select ",
        gather!("customer, kind, value"),
        " from identity where customer in (select value from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(&ids))
    .fetch_one(conn)
    .await?;
    for (customer, kind, value) in gathered::<(String, String, String)>(&found)? {
        if let Some(customer) = customers.get_mut(&customer) {
            customer.identities.insert(kind, value);
        }
    }
    Ok(())
}

/// Creates the customers that do not exist, without anything known about them.
pub(super) async fn ensure(conn: &mut Conn, ids: &[&str], now: i64) -> Result<(), StoreError> {
    let sorted: Vec<&str> = BTreeSet::from_iter(ids.iter().copied()).into_iter().collect();
    ensure_all(conn, &ready(&sorted), now).await
}

/// The same of a batch of identifiers. It must be in their order: two hosts that create the same ones do not wait for each
/// other in a circle.
pub(super) async fn ensure_all(
    conn: &mut Conn,
    sorted: &Arc<str>,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "insert into customer (id, attributes, tags, consents, created_at, updated_at) ",
        "select value, '{}', '[]', '{}', $2, $2 from ",
        texts!("$1"),
        " where true on conflict (id) do nothing"
    ))
    .bind(sorted)
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
