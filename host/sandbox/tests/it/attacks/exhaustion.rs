//! Using the host up by many small calls of its functions, or by what a plugin can do alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use waystation_sandbox::contract::types::Failure;

use crate::{
    codes::Pool,
    guests, messages,
    web::{attempt, connect, grant, order, secret},
};

/// What is called without end, and what stops it.
const LOOPS: &[(&str, &str)] = &[
    ("loop nothing", "took longer than the 1s"),
    ("loop clock", "took longer than the 1s"),
    ("loop config", "took longer than the 1s"),
    ("loop random", "took longer than the 1s"),
    ("loop placeholder", "took longer than the 1s"),
    ("loop hmac", "took longer than the 1s"),
    ("loop store", "took longer than the 1s"),
    ("loop denied", "took longer than the 1s"),
    ("loop log", "took longer than the 1s"),
    ("memory", "more memory than the 67108864 bytes"),
    ("stack", "crashed: wasm trap:"),
    ("random 65537", "random.bytes was asked for 65537 bytes"),
];

/// All on one thread: if an attempt held it, nobody else would come to run.
#[tokio::test]
async fn no_attempt_lasts_or_keeps_others_from_running() {
    let pool = Pool::open();
    let good = guests::connect("probe", |settings| settings.codes = Some(pool.grant())).await;
    for (words, stopped_by) in LOOPS {
        let attacker = connect(|settings| {
            grant(settings, &["http://anywhere.test"]);
            secret(settings, "key", "s3cret", &[]);
            settings.limits.wall_time = Duration::from_secs(1);
        })
        .await;
        let attacker = Arc::new(attacker);
        let begun = Instant::now();
        let running = {
            let attacker = Arc::clone(&attacker);
            tokio::spawn(async move { attempt(&attacker, words).await })
        };
        // The longest that others waited for their turn.
        let mut longest = Duration::ZERO;
        while !running.is_finished() {
            let asked = Instant::now();
            let answers = good.run(&[messages::order("take cart5 k1")]).await;
            assert!(answers[0].is_ok(), "{words}: {answers:?}");
            longest = longest.max(asked.elapsed());
        }
        match running.await.expect("the attempt ends") {
            Err(Failure::Unknown(detail)) => {
                assert!(detail.contains(stopped_by), "{words}: {detail}")
            }
            other => panic!("{words}: {other:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(4), "{words} took {:?}", begun.elapsed());
        assert!(longest < Duration::from_millis(800), "{words}: others waited {longest:?}");
        assert_ne!(order(&attacker, "now").await, "", "{words}: the next call is served");
    }
}
