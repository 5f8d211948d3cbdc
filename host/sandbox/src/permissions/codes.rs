//! Pools of coupon codes, granted by name.

use std::sync::Arc;

use super::bounded;
use crate::{
    bindings::waystation::plugin::codes::{self, Error},
    connection::CodePools,
    guest::Guest,
};

impl Guest {
    fn pool(&self, pool: &str) -> Result<Arc<dyn CodePools>, Error> {
        if !self.began {
            return Err(Error::Unavailable(
                "codes cannot be used before the call has begun".to_owned(),
            ));
        }
        match &self.context.codes {
            Some(grant) if grant.pools.contains(pool) => Ok(Arc::clone(&grant.source)),
            _ => Err(Error::NotGranted),
        }
    }
}

impl codes::Host for Guest {
    async fn take(
        &mut self,
        pool: String,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<String>>, Error>> {
        bounded("codes.take", keys.len())?;
        let source = match self.pool(&pool) {
            Ok(source) => source,
            Err(error) => return Ok(Err(error)),
        };
        match source.take(&pool, &keys).await {
            Ok(taken) if taken.len() == keys.len() => Ok(Ok(taken)),
            Ok(taken) => Err(wasmtime::Error::msg(format!(
                "the host's pool gave {} answers to {} keys",
                taken.len(),
                keys.len()
            ))),
            Err(detail) => Ok(Err(Error::Unavailable(detail))),
        }
    }

    async fn give_back(
        &mut self,
        pool: String,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        bounded("codes.give-back", keys.len())?;
        match self.pool(&pool) {
            Ok(source) => Ok(source.give_back(&pool, &keys).await.map_err(Error::Unavailable)),
            Err(error) => Ok(Err(error)),
        }
    }
}
