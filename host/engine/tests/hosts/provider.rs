//! A provider that takes its time, and at times does not answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// Takes keys; keeps count of them.
pub(crate) async fn run(seed: u64, journal: Arc<Mutex<BTreeMap<u32, u32>>>) -> turmoil::Result {
    let rng = Mutex::new(SmallRng::seed_from_u64(!seed));
    crate::serve(|key: u32| {
        *journal.lock().unwrap().entry(key).or_default() += 1;
        let mut rng = rng.lock().unwrap();
        let pause = Duration::from_millis(rng.random_range(0..2_000));
        let answers = rng.random_bool(0.95);
        async move {
            tokio::time::sleep(pause).await;
            answers.then_some(true)
        }
    })
    .await
}
