//! A SQLite file has one host, which works for every customer.

use super::{Conn, Store};
use crate::StoreError;
use crate::records::{Half, HostRow, Joined, Renewal, Standing};

/// The configuration changes by this host alone, which knows.
pub(super) async fn configuration(_: &mut Conn) -> Result<i64, StoreError> {
    std::future::ready(Ok(0)).await
}

/// What is asked only where several hosts share a database.
async fn alone<T>() -> Result<T, StoreError> {
    std::future::ready(Err(StoreError::Database("a SQLite file has one host".to_owned()))).await
}

impl Store {
    /// The customers that this host works for: all.
    pub(super) fn mine(&self) -> String {
        String::new()
    }

    /// Those of them that are in a half.
    pub(super) fn mine_of(&self, half: Option<Half>) -> String {
        let half = match half {
            None => "",
            Some(Half::First) => "first half",
            Some(Half::Second) => "second half",
        };
        half.to_owned()
    }

    pub(crate) async fn configuration(&self) -> Result<i64, StoreError> {
        std::future::ready(Ok(0)).await
    }

    pub(crate) async fn join_hosts(
        &self,
        _: &str,
        _: i64,
        _: Option<Joined>,
    ) -> Result<Joined, StoreError> {
        alone().await
    }

    pub(crate) async fn renew_host(&self, _: Renewal) -> Result<Option<Standing>, StoreError> {
        alone().await
    }

    pub(crate) async fn leave_hosts(&self, _: i64) -> Result<(), StoreError> {
        alone().await
    }

    pub(crate) async fn hosts(&self) -> Result<Vec<HostRow>, StoreError> {
        std::future::ready(Ok(Vec::new())).await
    }

    pub(crate) async fn want_release(&self, _: String) -> Result<(), StoreError> {
        alone().await
    }

    pub(crate) async fn wanted_releases(&self) -> Result<Vec<String>, StoreError> {
        std::future::ready(Ok(Vec::new())).await
    }

    pub(crate) async fn report_ready(&self, _: String) -> Result<(), StoreError> {
        alone().await
    }

    pub(crate) async fn hosts_without(&self, _: &str) -> Result<Vec<String>, StoreError> {
        std::future::ready(Ok(Vec::new())).await
    }
}
