//! A pool of codes in memory that tests can hold up.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::{Semaphore, watch};
use waystation_sandbox::{CodePools, CodesGrant};

/// Codes `A`, `B` and `C`.
pub(crate) struct Pool {
    taken: Mutex<BTreeMap<String, usize>>,
    /// One permit lets one call of `take` pass.
    pub(crate) gate: Semaphore,
    /// Calls that are in `take`.
    pub(crate) inside: watch::Sender<usize>,
    /// Most calls that were in `take` at the same time.
    pub(crate) most: AtomicUsize,
}

const CODES: &[&str] = &["A", "B", "C"];

impl Pool {
    /// A pool that lets everybody pass.
    pub(crate) fn open() -> Arc<Self> {
        let pool = Self::shut();
        pool.gate.add_permits(1_000);
        pool
    }

    /// A pool that lets nobody pass until its gate gets permits.
    pub(crate) fn shut() -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::new(BTreeMap::new()),
            gate: Semaphore::new(0),
            inside: watch::channel(0).0,
            most: AtomicUsize::new(0),
        })
    }

    /// Leave to use this pool under the name `cart5`.
    pub(crate) fn grant(self: &Arc<Self>) -> CodesGrant {
        CodesGrant {
            pools: ["cart5".to_owned()].into(),
            source: Arc::clone(self) as Arc<dyn CodePools>,
        }
    }

    /// Waits until so many calls are in `take`.
    pub(crate) async fn wait_for(&self, count: usize) {
        self.inside
            .subscribe()
            .wait_for(|inside| *inside == count)
            .await
            .expect("the pool is alive");
    }

    fn give(&self, key: &String) -> Option<String> {
        let mut taken = self.taken.lock().expect("no test panics with it");
        let next = (0..CODES.len()).find(|code| !taken.values().any(|taken| taken == code));
        let code = taken.get(key).copied().or(next)?;
        taken.insert(key.clone(), code);
        Some(CODES[code].to_owned())
    }
}

impl CodePools for Pool {
    fn take<'a>(
        &'a self,
        _pool: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<String>>, String>> {
        async move {
            self.inside.send_modify(|inside| *inside += 1);
            self.most.fetch_max(*self.inside.borrow(), Ordering::SeqCst);
            self.gate.acquire().await.expect("the gate is never closed").forget();
            self.inside.send_modify(|inside| *inside -= 1);
            if keys.iter().any(|key| key == "broken") {
                return Err("the database is away".to_owned());
            }
            Ok(keys.iter().map(|key| self.give(key)).collect())
        }
        .boxed()
    }

    fn give_back<'a>(
        &'a self,
        _pool: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<(), String>> {
        let mut taken = self.taken.lock().expect("no test panics with it");
        taken.retain(|key, _| !keys.contains(key));
        async { Ok(()) }.boxed()
    }
}
