//! The `store` permission over the store.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use waystation_sandbox::{KeyValueError, KeyValues};
use waystation_store::records::SpaceUsedUp;
use waystation_store::{Store, StoreError};

/// Plugins' values, as the store keeps them.
pub(crate) struct StoredValues(pub(crate) Arc<Store>);

impl KeyValues for StoredValues {
    fn get<'a>(
        &'a self,
        connection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, KeyValueError>> {
        Box::pin(async move { self.0.values(connection, keys).await.map_err(unavailable) })
    }

    fn set<'a>(
        &'a self,
        connection: &'a str,
        entries: &'a [(String, Option<Vec<u8>>)],
        bytes: u64,
    ) -> BoxFuture<'a, Result<(), KeyValueError>> {
        Box::pin(async move {
            let set = self.0.set_values(connection.to_owned(), entries.to_vec(), bytes).await;
            set.map_err(unavailable)?.map_err(|SpaceUsedUp| KeyValueError::Full)
        })
    }

    fn swap<'a>(
        &'a self,
        connection: &'a str,
        key: &'a str,
        old: Option<&'a [u8]>,
        new: Option<&'a [u8]>,
        bytes: u64,
    ) -> BoxFuture<'a, Result<bool, KeyValueError>> {
        Box::pin(async move {
            let entry = (key.to_owned(), new.map(<[u8]>::to_vec));
            let old = old.map(<[u8]>::to_vec);
            let swapped = self.0.swap_value(connection.to_owned(), old, entry, bytes).await;
            swapped.map_err(unavailable)?.map_err(|SpaceUsedUp| KeyValueError::Full)
        })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unavailable(error: StoreError) -> KeyValueError {
    KeyValueError::Unavailable(error.to_string())
}
