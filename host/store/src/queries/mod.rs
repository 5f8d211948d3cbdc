//! The statements, compiled with the driver that the including module names.

/// A condition on the phase of effects that are found by their keys or enrollments. PostgreSQL would else go through everything
/// that is in the phase, once for each row of the batch, where its statistics are of a time when there was little of it.
macro_rules! in_phase {
    ($phase:literal) => {
        concat!("effect.phase || '' = '", $phase, "'")
    };
}

mod assignments;
mod audience;
mod by_hand;
mod connections;
mod customers;
mod decisions;
mod effects;
mod enrollments;
mod events;
mod grants;
mod journeys;
mod order;
mod past;
mod polls;
mod question;
mod recordings;
mod restored;
mod retention;
mod segments;
mod set_aside;
mod settings;
mod splits;
mod streams;
mod tick;
mod told;
mod transfers;
mod trust;
mod values;
mod waiting;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::storable::storable;

/// A batch as the one JSON parameter that `each!` and `texts!` unfold.
fn rows<T: Serialize>(batch: &[T]) -> String {
    // Rows are structs of strings and numbers: serialising them cannot fail.
    storable(serde_json::to_string(batch).unwrap_or_default())
}

/// The same, for a write that is handed over with it: what is written is put into words before, not while the writer waits,
/// and only once if the write is run again.
fn ready<T: Serialize>(batch: &[T]) -> Arc<str> {
    rows(batch).into()
}

/// Shards as the one parameter that `within!` reads.
pub(crate) fn listed<'a>(shards: impl IntoIterator<Item = &'a i64>) -> String {
    let numbers: Vec<String> = shards.into_iter().map(i64::to_string).collect();
    numbers.join(",")
}

fn text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map(storable).map_err(|error| StoreError::Corrupt {
        what: "a value to be stored".to_owned(),
        detail: error.to_string(),
    })
}

/// What a statement with `gather!` selected.
fn gathered<T: DeserializeOwned>(rows: &str) -> Result<Vec<T>, StoreError> {
    serde_json::from_str(rows).map_err(|error| StoreError::Corrupt {
        what: "a row".to_owned(),
        detail: error.to_string(),
    })
}

fn read<T: DeserializeOwned>(what: &str, key: &str, json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt {
        what: format!("{what} {key}"),
        detail: error.to_string(),
    })
}
