//! Using the host up by many small calls of its functions, or by what a plugin can do alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use waystation_sandbox::contract::types::Failure;

use crate::{
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
    for (words, stopped_by) in LOOPS {
        let attacker = connect(|settings| {
            grant(settings, &["http://anywhere.test"]);
            secret(settings, "key", "s3cret", &[]);
            settings.limits.wall_time = Duration::from_secs(1);
        })
        .await;
        let begun = Instant::now();
        let others = Others::start().await;
        match attempt(&attacker, words).await {
            Err(Failure::Unknown(detail)) => {
                assert!(detail.contains(stopped_by), "{words}: {detail}");
            }
            other => panic!("{words}: {other:?}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{words} took {:?}", begun.elapsed());
        let (calls, longest) = others.stop().await;
        assert!(longest < Duration::from_secs(1), "{words}: {calls} calls, {longest:?}");
        assert_ne!(order(&attacker, "now").await, "", "{words}: the next call is served");
    }
}

/// Well-behaved calls, one after the other.
struct Others {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(u32, Duration)>,
}

impl Others {
    async fn start() -> Self {
        let probe = guests::connect("probe", |_| {}).await;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (mut calls, mut longest) = (0, Duration::ZERO);
            loop {
                let asked = Instant::now();
                assert!(probe.run(&[messages::order("now")]).await[0].is_ok());
                longest = longest.max(asked.elapsed());
                calls += 1;
                if stopped.load(Ordering::Relaxed) {
                    return (calls, longest);
                }
                tokio::task::yield_now().await;
            }
        });
        Self { stop, task }
    }

    /// How many there were, and how long the longest took.
    async fn stop(self) -> (u32, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("they end")
    }
}
