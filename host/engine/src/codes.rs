//! The `codes` permission over the store.

use std::sync::Arc;

use fail::fail_point;
use futures_util::future::BoxFuture;
use waystation_sandbox::CodePools;
use waystation_store::Store;

/// Pools of imported codes, as the store keeps them.
pub(crate) struct StoredPools(pub(crate) Arc<Store>);

impl CodePools for StoredPools {
    fn take<'a>(
        &'a self,
        pool: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, String>> {
        Box::pin(async move {
            fail_point!("codes.take");
            let taken = self.0.take_codes(pool.to_owned(), keys.to_vec()).await;
            fail_point!("codes.answer");
            taken.map_err(|error| error.to_string())
        })
    }

    fn give_back<'a>(
        &'a self,
        pool: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.0
                .give_back_codes(pool.to_owned(), keys.to_vec())
                .await
                .map_err(|error| error.to_string())
        })
    }
}
