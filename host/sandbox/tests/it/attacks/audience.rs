//! Learning more of customers than the operator granted.

use super::{Attempt, check};
use crate::{audience::Crowd, web::connect};

const ATTEMPTS: &[Attempt] = &[
    ("a granted field is seen", "audience 1 -\nall", "1 members, c-00001 level=gold, next c-00001"),
    (
        "a field that was not granted is not",
        "audience 2 c-00001\nall",
        "c-00002 level=gold, c-00003 level=gold,",
    ),
    ("no member at once is one", "audience 0 -\nall", "1 members"),
    ("everybody at once is a page", "audience 4294967295 -\nall", "10000 members"),
    ("a condition without end", "audience-long 8193", "8193 bytes, more than the 8192 allowed"),
    ("a condition of the longest kind", "audience-long 8192", "10000 members"),
    ("a place that no page has", "audience-after 513", "`after` is no page's `next`"),
];

#[tokio::test]
async fn nothing_but_what_was_granted_is_read() {
    let attacker =
        connect(|settings| settings.audience = Some(Crowd(12_000).grant(&["level"]))).await;
    check(&attacker, 0, ATTEMPTS).await;
}

#[tokio::test]
async fn without_leave_nothing_is_read() {
    let attacker = connect(|_| {}).await;
    check(&attacker, 0, &[("without leave", "audience 1 -\nall", "Error::NotGranted")]).await;
}

/// Were the host itself to give a field away, the call would end before the plugin saw it.
#[tokio::test]
async fn what_the_host_should_not_give_is_not_passed_on() {
    let attacker = connect(|settings| settings.audience = Some(Crowd(1).grant(&["level"]))).await;
    let failure = crate::web::attempt(&attacker, "audience 1 -\nleak").await;
    let failure = format!("{:?}", failure.expect_err("the call has ended"));
    assert!(failure.contains("more of its customers than was granted"), "{failure}");
}
