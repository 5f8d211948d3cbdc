//! The plugin `calendar` on a clock that the test turns, and the customers that it reads.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use waystation_journey::Lane;
use waystation_sandbox::contract::action::Call;
use waystation_store::records::{CustomerPatch, Filter, NewEvent, Subject};

use crate::{HOUR, Host, MINUTE, NOW, SECOND, built, until};

/// 2025-06-16 00:00 UTC, a Monday; the clock starts on the day before.
const MONDAY: i64 = 1_750_032_000_000;
const DAY: i64 = 24 * HOUR;

async fn host() -> Host {
    let host = Host::new().await;
    host.connect_wasm("calendar", "calendar", built("plugins/calendar")).await;
    host
}

async fn customer(host: &Host, id: &str, attributes: Value) {
    let Value::Object(attributes) = attributes else { panic!("an object") };
    let patch = CustomerPatch { id: id.to_owned(), attributes, ..CustomerPatch::default() };
    host.engine.upsert_customers(vec![patch]).await.unwrap();
}

/// Turns the clock to a time and waits until everything that is due has come.
async fn turn_to(host: &Host, at: i64) {
    host.advance(at - host.engine.now());
    loop {
        let now = host.engine.now();
        let next_at = until(async || {
            let place = host.engine.store().poll_place("calendar").await.unwrap();
            place.map(|place| place.next_at).filter(|next_at| *next_at > now)
        })
        .await;
        // A search that goes on is polled for in a second; by then nothing else is due.
        if next_at > now + SECOND {
            break;
        }
        host.advance(SECOND);
    }
    until(async || {
        let open = host.engine.store().counts().await.unwrap().events_open;
        (open == 0).then_some(())
    })
    .await;
}

/// Who has entered the journey `due`, in the order of entering.
async fn entered(host: &Host) -> Vec<String> {
    let filter = Filter { journey: Some("due".to_owned()), limit: 1_000, ..Filter::default() };
    let found = host.engine.store().enrollments(&filter).await.unwrap();
    found.into_iter().map(|enrollment| enrollment.customer).collect()
}

/// Puts the journey `due` into use and waits until the calendar knows of it.
async fn apply(host: &Host, parameters: &str) {
    host.apply(&format!(
        "{{ journey: due, entry: {{ use: calendar, with: {parameters}, again: always }}, steps: [{{ exit: done }}] }}"
    ))
    .await;
    until(async || {
        let place = host.engine.store().poll_place("calendar").await.unwrap();
        place?.cursor.filter(|cursor| cursor.contains("due/calendar")).map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_birthday_is_told_of_a_week_ahead_at_nine_in_each_customers_zone() {
    let host = host().await;
    for (id, birthday, zone) in [
        ("ann", "1988-06-24", "America/New_York"),
        ("lin", "06-24", "Asia/Shanghai"),
        ("may", "1990-06-25", "Asia/Shanghai"),
    ] {
        customer(&host, id, json!({ "birthday": birthday, "zone": zone })).await;
    }
    customer(&host, "nobody", json!({})).await;
    apply(&host, "{ date: birthday, offset: -7d, at: '09:00' }").await;
    let seventeenth = MONDAY + DAY;
    turn_to(&host, seventeenth + HOUR - MINUTE).await;
    assert_eq!(entered(&host).await, [""; 0]);
    turn_to(&host, seventeenth + HOUR).await;
    assert_eq!(entered(&host).await, ["lin"]);
    turn_to(&host, seventeenth + 13 * HOUR).await;
    assert_eq!(entered(&host).await, ["lin", "ann"]);
    turn_to(&host, seventeenth + DAY + HOUR).await;
    assert_eq!(entered(&host).await, ["lin", "ann", "may"]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mondays_at_ten_a_segment_comes_in() {
    let host = host().await;
    host.segment("big-spenders", "customer.level >= 3");
    for level in 1..=4 {
        customer(&host, &format!("c-{level}"), json!({ "level": level })).await;
    }
    apply(
        &host,
        "{ every: monday, at: '10:00', segment: big-spenders, when: customer.level != 4 }",
    )
    .await;
    turn_to(&host, MONDAY + 10 * HOUR - MINUTE).await;
    assert_eq!(entered(&host).await, [""; 0]);
    turn_to(&host, MONDAY + 10 * HOUR).await;
    assert_eq!(entered(&host).await, ["c-3"]);
    // Once more a week later, though nobody looked for a day.
    turn_to(&host, MONDAY + 8 * DAY).await;
    assert_eq!(entered(&host).await, ["c-3", "c-3"]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_birthday_on_a_leap_day_comes_in_a_common_year() {
    let host = host().await;
    customer(&host, "leo", json!({ "birthday": "2000-02-29" })).await;
    apply(&host, "{ date: birthday }").await;
    // 2026-02-28 09:00 UTC.
    let nine = 1_772_269_200_000;
    turn_to(&host, nine - MINUTE).await;
    assert_eq!(entered(&host).await, [""; 0]);
    turn_to(&host, nine).await;
    assert_eq!(entered(&host).await, ["leo"]);
    turn_to(&host, nine + 2 * DAY).await;
    assert_eq!(entered(&host).await, ["leo"]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_not_logged_in_for_a_month_comes_in_once() {
    let host = host().await;
    let login = |customer: &str, at: i64| NewEvent {
        source: "test".to_owned(),
        id: format!("{customer} {at}"),
        name: "login".to_owned(),
        subject: Subject::Customer(customer.to_owned()),
        at,
        subscription: None,
        lane: Lane::GENERAL,
        properties: serde_json::Map::new(),
    };
    let events = vec![
        login("gone", NOW - 31 * DAY),
        login("going", NOW - 29 * DAY),
        login("back", NOW - 29 * DAY),
        login("back", NOW - DAY),
    ];
    host.engine.take(events).await.unwrap();
    apply(&host, "{ inactive: 30d, event: login }").await;
    turn_to(&host, NOW + HOUR).await;
    assert_eq!(entered(&host).await, [""; 0], "who is long gone did not cross the line now");
    turn_to(&host, NOW + DAY + HOUR).await;
    assert_eq!(entered(&host).await, ["going"]);
    turn_to(&host, NOW + 3 * DAY).await;
    assert_eq!(entered(&host).await, ["going"]);
    host.stop().await;
}

/// `AUDIENCE=1000000 cargo test --test running large_audience -- --nocapture` measures with as many customers.
#[allow(clippy::print_stdout, reason = "the figures are what it is run by hand for")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_audience_is_searched_in_many_short_polls() {
    const DUE: usize = 1_000;
    let customers = std::env::var("AUDIENCE").map_or(100_000, |count| count.parse().unwrap());
    let host = host().await;
    for first in (0..customers).step_by(10_000) {
        let patches = (first..first + 10_000).map(|number| {
            // A day is a thousandth of them.
            let due = number % (customers / DUE) == 0;
            let birthday = if due { "1990-06-23" } else { "1990-01-31" };
            let fields = json!({ "birthday": birthday, "zone": "Asia/Shanghai", "name": "Lin", "level": number % 5 });
            let Value::Object(attributes) = fields else { unreachable!() };
            CustomerPatch { id: format!("c-{number:07}"), attributes, ..CustomerPatch::default() }
        });
        host.engine.upsert_customers(patches.collect()).await.unwrap();
    }
    apply(&host, "{ date: birthday, offset: -7d, at: '09:00' }").await;
    turn_to(&host, MONDAY + 30 * MINUTE).await;
    let began = Instant::now();
    turn_to(&host, MONDAY + HOUR).await;
    let (took, polls) = (began.elapsed(), (host.engine.now() - MONDAY - HOUR) / SECOND + 1);
    println!("{customers} customers, {DUE} due: {polls} polls in {took:?}");
    let filter = Filter { journey: Some("due".to_owned()), limit: 2_000, ..Filter::default() };
    let found = host.engine.store().enrollments(&filter).await.unwrap();
    let unique: BTreeSet<&str> = found.iter().map(|one| one.customer.as_str()).collect();
    assert_eq!((found.len(), unique.len()), (DUE, DUE));
    host.stop().await;
}

/// What the guest `probe` was answered.
async fn ask(host: &Host, words: &str) -> String {
    let link = host.engine.link("reader").unwrap();
    let call = Call {
        key: "k1".to_owned(),
        customer: "c-1".to_owned(),
        fields: Vec::new(),
        parameters: words.to_owned(),
    };
    let answer = link.connection.run(&[call]).await.remove(0).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_ask_for_what_was_granted_and_for_segments() {
    let host = Host::new().await;
    host.connect("reader", "probe").await;
    host.segment("rich", "customer.salary > 1000");
    for (id, zone, salary) in
        [("a", "Asia/Shanghai", 5_000), ("b", "UTC", 5_000), ("c", "UTC", 500)]
    {
        customer(&host, id, json!({ "zone": zone, "salary": salary })).await;
    }
    for (condition, answer) in [
        ("true", "a zone=Asia/Shanghai, b zone=UTC, next b"),
        ("customer.zone == \"UTC\"", "b zone=UTC, c zone=UTC, next c"),
        ("in_segment(\"rich\")", "a zone=Asia/Shanghai, b zone=UTC, next b"),
        ("customer.id == \"c\"", "c zone=UTC"),
    ] {
        assert_eq!(ask(&host, &format!("audience 2 - {condition}")).await, answer, "{condition}");
    }
    for (condition, part) in [
        ("customer.salary > 1000", "may not ask for the customers' field `salary`: grant it"),
        ("has(customer.birthday) && !(customer.salary in [1, 2])", "`salary`"),
        ("\"vip\" in customer.tags", "`tags`"),
        ("coupons.exists(c, c.usable)", "`coupons`"),
        ("customer.zone ==", "Error::Invalid(\"1:"),
    ] {
        let answer = ask(&host, &format!("audience 2 - {condition}")).await;
        assert!(answer.contains(part), "{condition}: {answer}");
    }
    host.stop().await;
}
