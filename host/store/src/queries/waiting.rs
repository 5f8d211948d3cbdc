//! Which open events a pass takes.

use std::collections::HashMap;

use serde::Deserialize;
use sqlx::Row as _;
use waystation_journey::Event;

use super::super::Conn;
use super::{gathered, order, read, rows};
use crate::StoreError;
use crate::records::OpenEvent;
use crate::shares::{Shares, interleave};

/// Most bytes of properties that are read together, unless one event has more.
const BYTES: i64 = 8 << 20;
/// Most events of one customer that are read together when some of them were called out of turn.
const OF_ONE: i64 = 16;

/// An event that may be taken.
#[derive(Deserialize)]
struct Candidate {
    position: i64,
    customer: String,
    bytes: i64,
}

/// Open events in equal shares of their lanes, transactional ones first, each with all that its customer did before.
pub(super) async fn events(
    conn: &mut Conn,
    mine: &str,
    limit: i64,
) -> Result<Vec<OpenEvent>, StoreError> {
    let lanes = order::event_lanes(conn, mine).await?;
    let mut shares = Shares::new(lanes.iter().map(|lane| lane.is_urgent()), limit);
    let mut found: Vec<Vec<Candidate>> = lanes.iter().map(|_| Vec::new()).collect();
    while let Some(turn) = shares.turn() {
        let rows: String = sqlx::query_scalar(concat!(
            "select ",
            gather!("id, customer, size"),
            " from (select id, customer, octet_length(properties) as size from event where done_at is null and lane = $1 and ",
            within!("$2"),
            " order by id limit $3 offset $4) as earliest"
        ))
        .bind(lanes[turn.place].number())
        .bind(mine)
        .bind(turn.limit)
        .bind(turn.offset)
        .fetch_one(&mut *conn)
        .await?;
        let mut rows: Vec<Candidate> = gathered(&rows)?;
        rows.sort_unstable_by_key(|one| one.position);
        shares.took(rows.len());
        found[turn.place].extend(rows);
    }
    let candidates = interleave(found);
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    // In one lane alone, the earliest are those of every customer too.
    let chosen = if lanes.len() > 1 {
        with_earlier(conn, &candidates, limit).await?
    } else {
        fitting(&candidates)
    };
    load(conn, &chosen).await
}

fn fitting(candidates: &[Candidate]) -> Vec<i64> {
    let mut left = BYTES;
    let fit = candidates.iter().take_while(|one| {
        let is_first = left == BYTES;
        left -= one.bytes;
        is_first || left >= 0
    });
    fit.map(|one| one.position).collect()
}

/// What is chosen of these: customer by customer, as each is named first, everything that is open from the customer's
/// earliest event up to the latest of these. Who has very many gets on by so many at a time.
async fn with_earlier(
    conn: &mut Conn,
    candidates: &[Candidate],
    limit: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut latest: HashMap<&str, i64> = HashMap::new();
    let mut customers = Vec::new();
    for one in candidates {
        let last = latest.entry(&one.customer).or_insert_with(|| {
            customers.push(one.customer.as_str());
            one.position
        });
        *last = one.position.max(*last);
    }
    let asked: Vec<(&str, i64)> =
        customers.iter().map(|customer| (*customer, latest[customer])).collect();
    let found = sqlx::query(concat!(
        "select e.id, e.customer, cast(octet_length(e.properties) as bigint) from ",
        each!("$1"),
        " cross join event as e where e.done_at is null and e.customer = batch.value->>0 ",
        "and e.id <= cast(batch.value->>1 as bigint) and e.id <= coalesce((select f.id from event as f ",
        "where f.done_at is null and f.customer = batch.value->>0 order by f.id limit 1 offset $2), e.id)"
    ))
    .bind(rows(&asked))
    .bind(OF_ONE - 1)
    .fetch_all(conn)
    .await?;
    let mut of: HashMap<String, Vec<(i64, i64)>> = HashMap::new();
    for row in &found {
        of.entry(row.try_get(1)?).or_default().push((row.try_get(0)?, row.try_get(2)?));
    }
    let (mut chosen, mut left) = (Vec::new(), BYTES);
    for theirs in customers.iter().filter_map(|customer| of.get(*customer)) {
        let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(chosen.len());
        left -= theirs.iter().map(|(_, bytes)| bytes).sum::<i64>();
        if !chosen.is_empty() && (theirs.len() > room || left < 0) {
            break;
        }
        chosen.extend(theirs.iter().map(|(position, _)| *position));
    }
    Ok(chosen)
}

/// These events, in the order they came.
async fn load(conn: &mut Conn, positions: &[i64]) -> Result<Vec<OpenEvent>, StoreError> {
    let found: String = sqlx::query_scalar(concat!(
        "select ",
        gather!("id, source, external_id, name, customer, at, properties, subscription"),
        " from event where id in (select cast(value as bigint) from ",
        texts!("$1"),
        ")"
    ))
    .bind(rows(positions))
    .fetch_one(conn)
    .await?;
    let found = gathered::<Stored>(&found)?.into_iter();
    let events =
        found.map(|(position, source, id, name, customer, at, properties, subscription)| {
            let properties = read("event", &id, &properties)?;
            let event = Event { id, source, name, customer, at, subscription, properties };
            Ok(OpenEvent { position, event })
        });
    let mut events = events.collect::<Result<Vec<OpenEvent>, StoreError>>()?;
    events.sort_unstable_by_key(|event| event.position);
    Ok(events)
}

/// An event as [`load`] reads it.
type Stored = (i64, String, String, String, String, i64, String, Option<String>);
