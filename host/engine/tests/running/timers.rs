//! Waiting.

use waystation_journey::Status;

use crate::{HOUR, Host, NOW};

const HOURLY: &str =
    "{ journey: hourly, entry: { event: begin }, exit: [{ event: leave }], steps: [{ wait: 1h }] }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_fires_at_its_time_and_not_a_millisecond_before() {
    let host = Host::new().await;
    host.apply(HOURLY).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", |enrollment| enrollment.due_at == Some(NOW + HOUR)).await;
    host.advance(HOUR - 1);
    // When the second customer has entered, a pass has been made at this time.
    host.happen("begin", "c-2").await;
    host.enrollment("c-2", |enrollment| enrollment.due_at.is_some()).await;
    host.enrollment("c-1", |enrollment| enrollment.status == Status::Active).await;
    host.advance(1);
    let ended = host.enrollment("c-1", |enrollment| enrollment.status == Status::Finished).await;
    assert_eq!(ended.ended_at, Some(NOW + HOUR));
    host.enrollment("c-2", |enrollment| enrollment.status == Status::Active).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_ends_the_wait() {
    let host = Host::new().await;
    host.apply(HOURLY).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", |enrollment| enrollment.due_at.is_some()).await;
    host.happen("leave", "c-1").await;
    let ended = host.enrollment("c-1", |enrollment| enrollment.status == Status::Exited).await;
    assert_eq!((ended.ended_at, ended.due_at), (Some(NOW), None));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_that_came_due_while_no_host_ran_fires_at_the_start() {
    let host = Host::new().await;
    host.apply(HOURLY).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", |enrollment| enrollment.due_at.is_some()).await;
    let (folder, store) = host.stop().await;
    store.close().await;
    let host = Host::start(folder, NOW + 5 * HOUR).await;
    let ended = host.enrollment("c-1", |enrollment| enrollment.status == Status::Finished).await;
    assert_eq!(ended.ended_at, Some(NOW + 5 * HOUR));
    host.stop().await;
}
