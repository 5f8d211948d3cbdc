//! Journeys of the library, with its policy and segments, run through the reference plugins: from the shop's signed hook or the
//! calendar to a mail server and an HTTP server, over days that the test's clock turns.

use serde_json::json;
use waystation_store::records::{AssignmentFilter, CustomerPatch};

use crate::shop::{Shop, june};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_that_is_not_paid_gets_a_coupon_and_what_goes_with_it() {
    let shop = Shop::open(june(1, 9, 30), &["cart-unpaid"]).await;
    for (customer, sku) in [("lin", "s1"), ("bo", "s1"), ("cai", "s1"), ("dan", "s2")] {
        let absent = if customer == "bo" { "wechat" } else { "" };
        shop.customer(customer, json!({}), absent).await;
        let cart = json!({ "cart_id": customer, "sku": sku, "name": "口红" });
        shop.happen("cart.item_added", customer, cart).await;
    }
    shop.turn_to(june(2, 8, 30)).await;
    shop.happen("order.paid", "cai", json!({ "cart_id": "cai", "amount": 59 })).await;
    shop.turn_to(june(4, 9, 0)).await;
    assert_eq!(
        shop.arrived().await,
        [
            "02 09:30 service-notice dan: 立减 5 元 券码 <cart5>，24 小时内有效。",
            "02 09:30 service-notice lin: 立减 5 元 券码 <cart5>，24 小时内有效。",
            "02 09:30 sms bo: 立减 5 元：<cart5>，24 小时内有效。",
            "02 21:30 service-notice lin: 搭配着看看 唇釉 唇膏",
            "02 21:30 sms bo: 搭配：唇釉 唇膏",
        ]
    );
    let (held, left) = shop.ended().await;
    assert_eq!(
        held,
        [
            "bo service-notice suppressed no_address",
            "bo service-notice suppressed no_address",
            "dan recommender refused other",
        ]
    );
    assert_eq!(
        left,
        ["bo finished", "cai converted", "dan finished", "lin finished"]
            .map(|end| format!("cart-unpaid {end}"))
    );
    let asked = shop.asked("recommender");
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.body["parameters"]["count"] == 3));
    assert_eq!((shop.grants("lin").await.len(), shop.grants("cai").await.len()), (1, 0));
    shop.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_registers_gets_the_pack_the_week_and_the_webinar() {
    let journeys = ["welcome-pack", "new-customer-7-days", "webinar"];
    let shop = Shop::open(june(1, 9, 0), &journeys).await;
    for (customer, name) in [("lin", "林"), ("bo", "博")] {
        shop.customer(customer, json!({ "name": name, "industry": "education" }), "").await;
        shop.happen("customer.registered", customer, json!({})).await;
    }
    shop.turn_to(june(2, 12, 0)).await;
    let withdrawal = CustomerPatch {
        id: "bo".to_owned(),
        consents: [("marketing".to_owned(), [("email".to_owned(), false)].into())].into(),
        ..CustomerPatch::default()
    };
    shop.host.engine.upsert_customers(vec![withdrawal]).await.unwrap();
    shop.turn_to(june(5, 9, 0)).await;
    shop.happen("webinar.joined", "lin", json!({})).await;
    shop.turn_to(june(15, 9, 0)).await;
    let pack =
        "欢迎加入！新人礼包已到账：<welcome-10>（满 100 减 10）、<welcome-shipping>（包邮）。";
    assert_eq!(
        shop.arrived().await,
        [
            "01 09:00 email bo: 教育行业白皮书: 白皮书。 退订 (LINK)",
            "01 09:00 email lin: 教育行业白皮书: 白皮书。 退订 (LINK)",
            &format!("01 09:00 sms bo: {pack}"),
            &format!("01 09:00 sms lin: {pack}"),
            "02 10:00 email bo: 博，送您 50 元新人券: 券码 <new-50>。退订：LINK",
            "02 10:00 email lin: 林，送您 50 元新人券: 券码 <new-50>。退订：LINK",
            "04 09:00 email lin: 研讨会邀请: 诚邀参加。 退订 (LINK)",
            "04 10:00 sms bo: 新手选购指南：https://shop.example/guide 回T退订",
            "04 10:00 sms lin: 新手选购指南：https://shop.example/guide 回T退订",
            "05 09:00 community lin: 加入社群 与同行交流",
            "05 09:00 sms lin: 研讨会明天开始，期待您的到来。",
            "08 10:00 sms bo: 满 200 减 30：<new-200-30>，5 天内有效。回T退订",
            "08 10:00 sms lin: 满 200 减 30：<new-200-30>，5 天内有效。回T退订",
        ]
    );
    let (held, left) = shop.ended().await;
    assert_eq!(held, ["bo email suppressed no_consent", "bo email suppressed no_consent"]);
    assert!(left.len() == 6 && left.iter().all(|one| one.ends_with(" finished")), "{left:?}");
    let pack = ["new-200-30", "new-50", "welcome-10", "welcome-shipping"];
    assert_eq!(
        (shop.grants("lin").await, shop.grants("bo").await),
        (pack.map(str::to_owned).into(), pack.map(str::to_owned).into())
    );
    shop.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn birthdays_come_at_nine_wherever_the_customer_is() {
    let shop = Shop::open(june(2, 12, 0), &["birthday"]).await;
    for (customer, zone, level) in
        [("lin", "Asia/Shanghai", 2), ("ann", "America/New_York", 3), ("bo", "Asia/Shanghai", 1)]
    {
        let about =
            json!({ "name": customer, "zone": zone, "level": level, "birthday": "1990-06-10" });
        shop.customer(customer, about, "").await;
    }
    shop.turn_to(june(11, 12, 0)).await;
    assert_eq!(
        shop.arrived().await,
        [
            "03 09:00 sms lin: 生日月 85 折券 <birthday-month>，30 天内有效。",
            "03 21:00 sms ann: 生日月 85 折券 <birthday-month>，30 天内有效。",
            "10 09:00 official-account lin: 生日快乐 lin，小样兑换码 <birthday-sample>",
            "10 21:00 official-account ann: 生日快乐 ann，小样兑换码 <birthday-sample>",
        ]
    );
    let (held, left) = shop.ended().await;
    assert_eq!(
        (held.len(), left),
        (0, vec!["birthday ann finished".to_owned(), "birthday lin finished".to_owned()])
    );
    shop.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_monday_every_tier_gets_its_own_and_the_lost_are_called_back() {
    let shop = Shop::open(june(1, 9, 0), &["tiers", "win-back-30"]).await;
    for (customer, absent, past) in [
        ("high", "", &[(-3, "order.paid", 700), (-20, "order.paid", 300)][..]),
        ("risk", "phone", &[(-61, "order.paid", 500)]),
        ("fresh", "", &[(-6, "customer.registered", 0)]),
        ("lost", "", &[(-29, "customer.active", 0)]),
        ("back", "", &[(-29, "customer.active", 0)]),
    ] {
        shop.customer(customer, json!({}), absent).await;
        for (day, event, amount) in past {
            // Who was last active on 3 May is lost on 2 June, at the same time.
            shop.report(june(1 + day, 11, 0), event, customer, json!({ "amount": amount })).await;
        }
    }
    shop.turn_to(june(2, 12, 0)).await;
    shop.happen("customer.logged_in", "back", json!({})).await;
    shop.turn_to(june(4, 12, 0)).await;
    assert_eq!(
        shop.arrived().await,
        [
            "01 10:00 app-push fresh: 入门课程 三分钟学会",
            "01 10:00 app-push risk: 您常买的已补货，满 300 减 100：<tier-300-100>。回T退订",
            "01 10:00 email fresh: 新人券: 券码 <tier-new> 退订 (LINK)",
            "02 11:00 sms back: 老朋友专享 8 折券 <win-back-20>，14 天内有效。回T退订",
            "02 11:00 sms lost: 老朋友专享 8 折券 <win-back-20>，14 天内有效。回T退订",
            "03 11:00 official-account lost: 免邮券已到账 券码 <win-back-shipping>，与 8 折券可同用。",
        ]
    );
    let (held, left) = shop.ended().await;
    assert_eq!(held, ["risk sms suppressed no_address"]);
    assert_eq!(
        left,
        [
            "tiers back ordinary",
            "tiers fresh finished",
            "tiers high finished",
            "tiers lost ordinary",
            "tiers risk finished",
            "win-back-30 back back",
            "win-back-30 lost finished",
        ]
    );
    let filter = AssignmentFilter { limit: 10, ..AssignmentFilter::default() };
    let assigned = shop.host.engine.store().assignments(&filter).await.unwrap();
    let to: Vec<_> = assigned.iter().map(|one| (&*one.customer, &*one.assignee)).collect();
    assert_eq!(to, [("high", "vip-desk")]);
    shop.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_are_welcomed_and_reminded_of_the_coupon_unless_it_is_used() {
    let shop = Shop::open(june(1, 9, 0), &["new-follower", "follower-no-order"]).await;
    for customer in ["han", "li", "mei"] {
        shop.customer(customer, json!({}), "").await;
        shop.happen("account.followed", customer, json!({})).await;
    }
    shop.turn_to(june(2, 9, 0)).await;
    let code = shop.host.engine.store().grants_of("li").await.unwrap().remove(0).code;
    shop.happen("coupon.redeemed", "li", json!({ "code": code })).await;
    shop.happen("order.paid", "mei", json!({ "amount": 20 })).await;
    shop.turn_to(june(5, 9, 0)).await;
    let welcome = |customer| {
        [
            format!("01 09:00 official-account {customer}: 欢迎关注！送您 10 元券：<follow10>"),
            format!("01 09:00 official-account {customer}: 美妆手册 点开领取手册并加入社群"),
        ]
    };
    let mut expected = ["han", "li", "mei"].map(welcome).concat();
    expected.push("04 10:00 official-account han: 您的 10 元券还没用，快去看看。".to_owned());
    expected.push("04 10:00 official-account li: 送您 10 元券：<follow10>。".to_owned());
    assert_eq!(shop.arrived().await, expected);
    let (held, left) = shop.ended().await;
    assert_eq!(held, [""; 0]);
    let after =
        ["han finished", "li finished", "mei bought"].map(|end| format!("follower-no-order {end}"));
    assert_eq!(left[..3], after);
    assert_eq!((shop.grants("han").await.len(), shop.grants("li").await.len()), (1, 2));
    shop.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_touch_keeps_to_the_hours_of_working_days() {
    let shop = Shop::open(june(4, 17, 0), &["second-touch"]).await;
    for customer in ["early", "sent", "late"] {
        shop.customer(customer, json!({}), "").await;
    }
    shop.happen("form.abandoned", "early", json!({})).await;
    shop.happen("form.abandoned", "sent", json!({})).await;
    shop.turn_to(june(4, 18, 0)).await;
    shop.happen("form.sent", "sent", json!({})).await;
    shop.turn_to(june(5, 19, 0)).await;
    shop.happen("form.abandoned", "late", json!({})).await;
    shop.turn_to(june(9, 9, 0)).await;
    assert_eq!(
        shop.arrived().await,
        [
            "04 17:00 sms early: 您的申请只差一步。回T退订",
            "04 17:00 sms sent: 您的申请只差一步。回T退订",
            "05 09:00 sms early: 需要帮忙吗？顾问在线。回T退订",
            "08 09:00 sms late: 您的申请只差一步。回T退订",
            "08 11:00 sms late: 需要帮忙吗？顾问在线。回T退订",
        ]
    );
    let (held, left) = shop.ended().await;
    assert_eq!(held, [""; 0]);
    assert_eq!(
        left,
        ["early finished", "late finished", "sent sent"].map(|end| format!("second-touch {end}"))
    );
    shop.host.stop().await;
}
