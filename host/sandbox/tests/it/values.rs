//! Values in memory that plugins may keep, and what plugins can do with them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{FutureExt as _, future::BoxFuture, future::join_all};
use waystation_sandbox::{Connection, KeyValueError, KeyValues, SandboxError, StoreGrant};

use crate::{
    guests::{connect, release, settings, shared},
    messages::order,
};

/// Values by connection and key.
#[derive(Default)]
pub(crate) struct Values(Mutex<BTreeMap<(String, String), Vec<u8>>>);

impl Values {
    /// Leave to keep so many bytes of values here.
    pub(crate) fn grant(self: &Arc<Self>, bytes: u64) -> StoreGrant {
        StoreGrant { bytes, source: Arc::clone(self) as Arc<dyn KeyValues> }
    }

    fn put(
        values: &mut BTreeMap<(String, String), Vec<u8>>,
        connection: &str,
        entries: &[(String, Option<Vec<u8>>)],
        bytes: u64,
    ) -> Result<(), KeyValueError> {
        let mut next = values.clone();
        for (key, value) in entries {
            if key == "broken" {
                return Err(KeyValueError::Unavailable("the database is away".to_owned()));
            }
            let place = (connection.to_owned(), key.clone());
            match value {
                Some(value) => drop(next.insert(place, value.clone())),
                None => drop(next.remove(&place)),
            }
        }
        let used: usize = next.iter().map(|((_, key), value)| key.len() + value.len()).sum();
        if used as u64 > bytes {
            return Err(KeyValueError::Full);
        }
        *values = next;
        Ok(())
    }
}

impl KeyValues for Values {
    fn get<'a>(
        &'a self,
        connection: &'a str,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, KeyValueError>> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let get = |key: &String| values.get(&(connection.to_owned(), key.clone())).cloned();
        let found = keys.iter().map(get).collect();
        async { Ok(found) }.boxed()
    }

    fn set<'a>(
        &'a self,
        connection: &'a str,
        entries: &'a [(String, Option<Vec<u8>>)],
        bytes: u64,
    ) -> BoxFuture<'a, Result<(), KeyValueError>> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let set = Self::put(&mut values, connection, entries, bytes);
        async { set }.boxed()
    }

    fn swap<'a>(
        &'a self,
        connection: &'a str,
        key: &'a str,
        old: Option<&'a [u8]>,
        new: Option<&'a [u8]>,
        bytes: u64,
    ) -> BoxFuture<'a, Result<bool, KeyValueError>> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let present = values.get(&(connection.to_owned(), key.to_owned())).map(Vec::as_slice);
        let entry = (key.to_owned(), new.map(<[u8]>::to_vec));
        let swapped = if present == old {
            Self::put(&mut values, connection, &[entry], bytes).map(|()| true)
        } else {
            Ok(false)
        };
        async { swapped }.boxed()
    }
}

/// A connection of the plugin `probe` that may keep so many bytes.
async fn keeper(values: &Arc<Values>, bytes: u64) -> Connection {
    connect("probe", |settings| settings.store = Some(values.grant(bytes))).await
}

/// What the plugin got from the host function, as it prints it.
async fn ask(probe: &Connection, words: &str) -> String {
    match probe.run(&[order(words)]).await.remove(0) {
        Ok(json) => serde_json::from_str(&json).expect("the probe answers with a string"),
        Err(failure) => panic!("{words}: {failure:?}"),
    }
}

#[tokio::test]
async fn values_outlive_the_call_that_set_them() {
    let values = Arc::default();
    let probe = keeper(&values, 1 << 10).await;
    assert_eq!(ask(&probe, "set a=1 b=2 c=").await, "Ok(())");
    assert_eq!(ask(&probe, "set b c=3").await, "Ok(())");
    assert_eq!(ask(&probe, "get c b a c").await, r#"Ok(["3", "-", "1", "3"])"#);
    assert_eq!(ask(&probe, "get").await, "Ok([])");
    // They are the connection's, whichever of its releases comes next.
    let next = keeper(&values, 1 << 10).await;
    assert_eq!(ask(&next, "get a").await, r#"Ok(["1"])"#);
}

#[tokio::test]
async fn without_leave_nothing_is_kept() {
    let probe = connect("probe", |_| {}).await;
    for words in ["get a", "set a=1", "swap a - 1"] {
        assert_eq!(ask(&probe, words).await, "Err(Error::NotGranted)", "{words}");
    }
}

#[tokio::test]
async fn keys_values_and_calls_are_bounded() {
    let values = Arc::default();
    let probe = keeper(&values, 1 << 20).await;
    let cases = [
        ("set-long 256 65536", "Ok(())"),
        ("set-long 257 1", "Err(Error::TooLarge)"),
        ("set-long 1 65537", "Err(Error::TooLarge)"),
        ("get-long 256", "Ok(1)"),
        ("get-long 257", "Err(Error::TooLarge)"),
        ("get-many 1000", "Ok(1000)"),
        ("get-many 1001", "Err(Error::TooLarge)"),
        ("set-many 1000", "Ok(())"),
        ("set-many 1001", "Err(Error::TooLarge)"),
    ];
    for (words, answer) in cases {
        assert_eq!(ask(&probe, words).await, answer, "{words}");
    }
}

#[tokio::test]
async fn a_full_or_broken_store_is_told_apart() {
    let values = Arc::default();
    let probe = keeper(&values, 1 << 10).await;
    assert_eq!(ask(&probe, "set-long 1 1023").await, "Ok(())");
    assert_eq!(ask(&probe, "set a=1").await, "Err(Error::Full)");
    assert_eq!(ask(&probe, "swap a - 1").await, "Err(Error::Full)");
    assert_eq!(
        ask(&probe, "set broken=1").await,
        r#"Err(Error::Unavailable("the database is away"))"#
    );
}

#[tokio::test]
async fn of_swaps_at_the_same_time_one_succeeds() {
    let values = Arc::default();
    let probe = keeper(&values, 1 << 10).await;
    let mut present = "-".to_owned();
    for round in 0..5 {
        let words = format!("swap counter {present} {round}");
        let answers = join_all((0..8).map(|_| ask(&probe, &words))).await;
        let won = answers.iter().filter(|answer| *answer == "Ok(true)").count();
        assert_eq!((won, answers.len()), (1, 8), "{answers:?}");
        present = round.to_string();
    }
}

#[tokio::test]
async fn space_out_of_bounds_is_refused() {
    for bytes in [0, 1_023, (64 << 20) + 1] {
        let mut settings = settings("probe");
        settings.store = Some(Arc::<Values>::default().grant(bytes));
        let error =
            Connection::new(shared(), release("probe").await, settings).expect_err("out of bounds");
        assert!(matches!(error, SandboxError::Settings { .. }), "{error}");
        assert!(error.to_string().contains("from 1024 to 67108864"), "{error}");
    }
}
