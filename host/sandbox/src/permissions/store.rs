//! The connection's own key-value store.

use crate::{
    bindings::waystation::plugin::store::{self, Error},
    guest::Guest,
};

impl store::Host for Guest {
    async fn get(
        &mut self,
        _keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<Vec<u8>>>, Error>> {
        Ok(Err(Error::NotGranted))
    }

    async fn set(
        &mut self,
        _entries: Vec<(String, Option<Vec<u8>>)>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(Err(Error::NotGranted))
    }

    async fn swap(
        &mut self,
        _key: String,
        _old: Option<Vec<u8>>,
        _new: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<bool, Error>> {
        Ok(Err(Error::NotGranted))
    }
}
