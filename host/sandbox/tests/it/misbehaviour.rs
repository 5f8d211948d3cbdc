//! What a bad plugin costs: its own batch, and nothing else.

use std::time::Duration;

use waystation_sandbox::contract::channel::Outcome;

use crate::{
    guests::connect,
    messages::{accepted, batch, deferred, unknown},
};

/// Sends through a bad plugin, checks that the outcomes say why, and that a good plugin serves the next batch.
async fn check(name: &str, says: &str) {
    let bad = connect(name, |settings| settings.limits.wall_time = Duration::from_secs(5)).await;
    for _ in 0..3 {
        let outcomes = bad.send(&batch(2)).await;
        let detail = unknown(&outcomes);
        assert!(detail.contains(says), "{name} says: {detail}");
    }
    good().await;
}

async fn good() {
    let echo = connect("echo", |_| {}).await;
    assert_eq!(accepted(&echo.send(&batch(3)).await), ["m0", "m1", "m2"]);
}

#[tokio::test]
async fn a_crash_leaves_its_messages_unknown() {
    check("crashes", "crashed: wasm trap: wasm `unreachable` instruction executed").await;
}

#[tokio::test]
async fn endless_recursion_leaves_its_messages_unknown() {
    check("recurses", "crashed: wasm trap:").await;
}

#[tokio::test]
async fn four_gigabytes_leave_their_messages_unknown() {
    check("grows", "more memory than the 67108864 bytes").await;
    bounded();
}

#[tokio::test]
async fn an_answer_of_a_hundred_megabytes_is_not_taken() {
    // Memory enough to make the answer, so that it is the answer that is stopped.
    let floods = connect("floods", |settings| settings.limits.memory = 512 << 20).await;
    let outcomes = floods.send(&batch(2)).await;
    assert!(unknown(&outcomes).contains("hands over more than the 33554432 bytes"), "{outcomes:?}");
    check("floods", "more memory than").await;
    bounded();
}

#[tokio::test]
async fn too_few_outcomes_leave_all_messages_unknown() {
    check("miscounts", "1 answers to 2 items").await;
}

#[tokio::test]
async fn an_endless_loop_ends_with_its_time_and_lets_others_run() {
    // One thread: if the loop held it, nobody else would come to run.
    let spins =
        connect("spins", |settings| settings.limits.wall_time = Duration::from_secs(1)).await;
    let messages = batch(2);
    let spinning = spins.send(&messages);
    tokio::pin!(spinning);
    tokio::select! {
        biased;
        _ = &mut spinning => panic!("the loop ended before the good plugin was served"),
        () = good() => {}
    }
    let outcomes = spinning.await;
    assert!(unknown(&outcomes).contains("longer than the 1s"), "{outcomes:?}");
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let spins = connect("spins", |settings| settings.limits.concurrency = 1).await;
    for _ in 0..3 {
        let messages = batch(1);
        let spinning = spins.send(&messages);
        tokio::select! {
            biased;
            _ = spinning => panic!("the loop ended"),
            () = good() => {}
        }
    }
}

#[tokio::test]
async fn a_batch_that_no_plugin_may_take_is_not_begun() {
    let echo = connect("echo", |_| {}).await;
    let outcomes = echo.send(&batch(1_001)).await;
    assert_eq!(outcomes.len(), 1_001);
    assert!(deferred(&outcomes).contains("1001"), "{}", deferred(&outcomes));
    assert_eq!(accepted(&echo.send(&batch(1_000)).await).len(), 1_000);
    assert_eq!(echo.send(&[]).await, Vec::<Outcome>::new());
}

#[tokio::test]
async fn a_sandbox_that_has_too_little_memory_to_start_begins_nothing() {
    let echo = connect("echo", |settings| settings.limits.memory = 1 << 20).await;
    // A Rust plugin's stack alone takes 1 MiB.
    let outcomes = echo.send(&batch(1)).await;
    assert!(
        deferred(&outcomes).contains("could not be started: the plugin needs more memory"),
        "{outcomes:?}"
    );
}

/// Checks that this process, with all its tests, never held what the bad plugins asked for.
fn bounded() {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes < 1_500_000, "the process held {kilobytes} kB");
}
