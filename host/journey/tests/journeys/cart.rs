use serde_json::json;
use waystation_journey::{Coupon, CouponState, Status};

use crate::in_cart;
use crate::story::{DAWN, HOUR};

#[test]
fn the_cart_journey_from_end_to_end() {
    let mut story = in_cart();
    story.plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         accepted e-2       => at steps[2] for 12h
         after 12h          => send e-3 notice last-call card; at steps[3]
         accepted e-3       => customer changed; ended finished",
    );
    assert_eq!(story.enrollment.key, "k1");
    assert_eq!(story.enrollment.status, Status::Finished);
    assert_eq!(story.enrollment.ended_at, Some(DAWN + 24 * HOUR));
    assert_eq!(story.customer.attributes["score"], json!(4));
    assert_eq!(story.customer.attributes["stage"], json!("warm"));
    assert!(story.customer.tags.contains("reminded"));
}

#[test]
fn a_customer_with_a_coupon_is_reminded_of_it() {
    let mut story = in_cart();
    story.coupons = vec![coupon(DAWN + 100 * HOUR)];
    story.plays(
        "start     => at steps[0] for 12h
         after 12h => send e-1 notice use-your-coupon card; at steps[1].then[0]
         accepted e-1 => at steps[2] for 12h
         event order.paid {\"cart_id\":\"k2\",\"amount\":1} => ended converted",
    );
}

#[test]
fn a_coupon_that_is_over_does_not_count() {
    let mut story = in_cart();
    story.coupons = vec![coupon(DAWN + HOUR)];
    story.plays(
        "start     => at steps[0] for 12h
         after 12h => issue e-1 coupons cart5; at steps[1].else[0]",
    );
}

fn coupon(valid_until: i64) -> Coupon {
    let [key, code, campaign, connection] = ["old-1", "OLD", "cart5", "coupons"].map(str::to_owned);
    Coupon {
        key,
        code,
        campaign,
        connection,
        state: CouponState::Usable,
        valid_from: DAWN,
        valid_until,
    }
}

#[test]
fn paying_ends_the_journey_whatever_is_awaited() {
    let paid = "event order.paid {\"cart_id\":\"k1\",\"amount\":35}";
    let before = [
        "start => at steps[0] for 12h",
        "after 12h => issue e-1 coupons cart5; at steps[1].else[0]",
        "granted e-1 ABC => send e-2 notice cart-offer card; at steps[1].else[0]",
        "accepted e-2 => at steps[2] for 12h",
        "after 12h => send e-3 notice last-call card; at steps[3]",
    ];
    for length in 1..=before.len() {
        let mut story = in_cart();
        story.plays(&before[..length].join("\n"));
        story.plays(&format!(
            "{paid} => goal 35; ended converted\n{paid} => ignored\ntimer => ignored"
        ));
    }
}

#[test]
fn paying_another_cart_ends_nothing() {
    in_cart().plays(
        "start => at steps[0] for 12h
         event order.paid {\"cart_id\":\"k2\",\"amount\":1} => ignored
         event page.viewed => ignored",
    );
}

#[test]
fn a_refused_message_goes_to_the_next_channel() {
    in_cart().plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         refused e-2 address => send e-3 sms cart-offer text; at steps[1].else[0]
         accepted e-2       => ignored
         accepted e-3       => at steps[2] for 12h",
    );
}

#[test]
fn a_coupon_that_nothing_told_of_is_taken_back() {
    let mut story = in_cart();
    story.plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         suppressed e-2     => send e-3 sms cart-offer text; at steps[1].else[0]
         refused e-3 blocked => revoke e-4 coupons ABC of e-1; at steps[2] for 12h
         accepted e-4       => ignored",
    );
}

#[test]
fn a_message_that_may_have_been_sent_counts_as_sent() {
    in_cart().plays(
        "start              => at steps[0] for 12h
         after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
         unknown e-2        => at steps[2] for 12h",
    );
}

#[test]
fn without_a_coupon_nothing_is_told_of_it() {
    for settlement in ["refused e-1 exhausted", "unknown e-1", "suppressed e-1", "accepted e-1"] {
        in_cart().plays(&format!(
            "start     => at steps[0] for 12h
             after 12h => issue e-1 coupons cart5; at steps[1].else[0]
             {settlement} => at steps[2] for 12h"
        ));
    }
}

#[test]
fn a_coupon_that_comes_after_the_end_is_taken_back() {
    in_cart().plays(
        "start           => at steps[0] for 12h
         after 12h       => issue e-1 coupons cart5; at steps[1].else[0]
         event order.paid {\"cart_id\":\"k1\",\"amount\":35} => goal 35; ended converted
         granted e-1 ABC => revoke e-2 coupons ABC of e-1; ended converted
         granted e-1 ABC => ignored",
    );
    in_cart().plays(
        "start           => at steps[0] for 12h
         after 12h       => issue e-1 coupons cart5; at steps[1].else[0]
         granted e-1 ABC => send e-2 notice cart-offer card; at steps[1].else[0]
         event order.paid {\"cart_id\":\"k1\",\"amount\":35} => goal 35; ended converted
         refused e-2 address => revoke e-3 coupons ABC of e-1; ended converted",
    );
}

#[test]
fn late_and_doubled_inputs_change_nothing() {
    in_cart().plays(
        "timer              => ignored
         event order.paid {\"cart_id\":\"k1\"} => goal -; failed goal.value: there is no `amount`; ask `has(…)` before reading what may be absent; at steps[0]",
    );
    in_cart().plays(
        "start              => at steps[0] for 12h
         start              => ignored
         after 11h          => ignored
         accepted e-1       => ignored
         after 1h           => issue e-1 coupons cart5; at steps[1].else[0]
         timer              => ignored
         granted e-9 ABC    => ignored",
    );
}
