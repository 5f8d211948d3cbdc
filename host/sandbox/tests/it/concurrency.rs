//! How many calls run at the same time, and how long they may take.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use waystation_sandbox::{Connection, contract::types::Failure};

use crate::{codes::Pool, guests::connect, messages::order};

async fn probe(
    pool: &Arc<Pool>,
    concurrency: u32,
    wait: Duration,
    wall_time: Duration,
) -> Arc<Connection> {
    let connection = connect("probe", |settings| {
        settings.codes = Some(pool.grant());
        settings.limits.concurrency = concurrency;
        settings.limits.wait = wait;
        settings.limits.wall_time = wall_time;
    });
    Arc::new(connection.await)
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn no_more_calls_run_than_the_connection_allows() {
    let pool = Pool::shut();
    let probe = probe(&pool, 2, LONG, LONG).await;
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let probe = Arc::clone(&probe);
            tokio::spawn(async move { probe.run(&[order("take cart5 k1")]).await })
        })
        .collect();
    pool.wait_for(2).await;
    pool.gate.add_permits(6);
    for call in calls {
        let answers = call.await.expect("the call ends");
        assert_eq!(answers, [Ok(r#""Ok([Some(\"A\")])""#.to_owned())]);
    }
    assert_eq!(pool.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_call_that_gets_no_turn_is_deferred() {
    let pool = Pool::shut();
    let probe = probe(&pool, 1, Duration::ZERO, LONG).await;
    let first = {
        let probe = Arc::clone(&probe);
        tokio::spawn(async move { probe.run(&[order("take cart5 k1")]).await })
    };
    pool.wait_for(1).await;
    match probe.run(&[order("now")]).await.as_slice() {
        [Err(Failure::Deferred(deferral))] => {
            assert!(deferral.detail.contains("no sandbox was free"), "{deferral:?}");
            assert!(deferral.after >= 1_000, "{deferral:?}");
        }
        other => panic!("not deferred: {other:?}"),
    }
    pool.gate.add_permits(1);
    first.await.expect("the first call ends");
    assert!(probe.run(&[order("now")]).await[0].is_ok());
}

#[tokio::test]
async fn a_plugin_that_waits_in_a_host_function_ends_with_its_time() {
    let pool = Pool::shut();
    let probe = probe(&pool, 1, LONG, Duration::from_secs(1)).await;
    match probe.run(&[order("take cart5 k1"), order("now")]).await.as_slice() {
        [Err(Failure::Unknown(first)), Err(Failure::Unknown(second))] => {
            assert!(first.contains("longer than the 1s"), "{first}");
            assert_eq!(first, second);
        }
        other => panic!("not unknown: {other:?}"),
    }
    assert!(probe.run(&[order("now")]).await[0].is_ok(), "the turn was given back");
}
