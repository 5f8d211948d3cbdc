//! Segments: what the database finds is what the very expression says of each customer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};
use waystation_journey::{
    Audience, Background, Coupon, CouponState, Lane, Segments, check_segment,
};
use waystation_store::records::{CustomerPatch, NewEvent, Subject};

use super::{ALL, HOUR, NOW, Place};

const DAY: i64 = 24 * HOUR;

/// Some customers, what happened to them, and conditions on them.
#[derive(Debug, Clone)]
struct World {
    customers: Vec<Person>,
    conditions: Vec<String>,
}

#[derive(Debug, Clone)]
struct Person {
    attributes: Map<String, Value>,
    tags: Vec<&'static str>,
    /// Name, hours before the present, property `v`.
    events: Vec<(&'static str, i64, Value)>,
    /// Campaign, state, hours from the present until it is over.
    coupons: Vec<(&'static str, &'static str, i64)>,
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-3_i64..4).prop_map(Value::from),
        2 => (-6_i64..7).prop_map(|half| Value::from(f64::from(i32::try_from(half).unwrap()) / 2.0)),
        4 => text().prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        1 => (0..90_i64).prop_map(|days| Value::from(NOW - days * DAY - HOUR)),
    ]
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "x", "xy", "yx", "中文", "2025-05-05", "2025-02-30", "2025-6-1"])
}

fn attribute() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => scalar(),
        1 => prop::collection::vec(prop_oneof![5 => scalar(), 1 => Just(Value::Null)], 0..4).prop_map(Value::from),
        1 => scalar().prop_map(|value| json!({ "b": value })),
        1 => Just(json!({ "b": null, "x": {} })),
    ]
}

fn person() -> impl Strategy<Value = Person> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let attributes = prop::collection::btree_map(name.prop_map(str::to_owned), attribute(), 0..4);
    let tags = prop::sample::subsequence(vec!["x", "vip", "中文"], 0..3);
    let amount = prop_oneof![
        5 => scalar(),
        1 => (0_i64..100_000).prop_map(|cents| Value::from(f64::from(i32::try_from(cents).unwrap()) / 100.0)),
        1 => Just(json!(1e15)),
    ];
    // Windows begin at some of these very moments.
    let hours = prop_oneof![-30_i64..24 * 40, prop::sample::select(vec![0, 24, 72, 240, 720])];
    let event = (prop::sample::select(vec!["paid", "login"]), hours, amount);
    let campaign = prop::sample::select(vec!["spring", "autumn"]);
    let state = prop::sample::select(vec!["usable", "used", "revoked"]);
    let coupons = prop::collection::vec((campaign, state, -50_i64..50), 0..3);
    (attributes, tags, prop::collection::vec(event, 0..8), coupons).prop_map(
        |(attributes, tags, events, coupons)| Person {
            attributes: attributes.into_iter().collect(),
            tags,
            events,
            coupons,
        },
    )
}

/// A value as CEL writes it.
fn written(value: &Value) -> String {
    value.to_string()
}

fn order() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="])
}

fn days() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![1_i64, 3, 10, 30, 3650])
}

fn field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "a.b", "b.x.b"])
}

/// A condition without parts.
fn leaf() -> BoxedStrategy<String> {
    let small = -2_i64..12;
    let event = prop::sample::select(vec!["paid", "login", "never"]);
    prop_oneof![
        5 => (field(), order(), scalar()).prop_map(|(f, o, v)| format!("customer.{f} {o} {}", written(&v))),
        1 => (scalar(), order(), field()).prop_map(|(v, o, f)| format!("{} {o} customer.{f}", written(&v))),
        1 => (field(), prop::sample::select(vec!["<", "<=", ">", ">="]), field())
            .prop_map(|(f, o, g)| format!("customer.{f} {o} customer.{g}")),
        1 => (field(), prop::sample::select(vec!["==", "!="])).prop_map(|(f, o)| format!("customer.{f} {o} null")),
        2 => (field(), prop::collection::vec(scalar(), 0..4)).prop_map(|(f, values)| {
            format!("customer.{f} in [{}]", values.iter().map(written).collect::<Vec<_>>().join(", "))
        }),
        2 => (prop_oneof![text().prop_map(Value::from), (-3_i64..4).prop_map(Value::from), any::<bool>().prop_map(Value::from)], field())
            .prop_map(|(v, f)| format!("{} in customer.{f}", written(&v))),
        2 => prop::sample::select(vec!["x", "vip", "no", "中文"]).prop_map(|tag| format!("\"{tag}\" in customer.tags")),
        2 => field().prop_map(|f| format!("has(customer.{f})")),
        1 => prop::sample::select(vec!["has(customer.tags)", "true", "false", "now > 1000 + 5"]).prop_map(str::to_owned),
        2 => field().prop_map(|f| format!("customer.{f}")),
        2 => (field(), prop::sample::select(vec!["startsWith", "endsWith", "contains"]), text())
            .prop_map(|(f, how, t)| format!("customer.{f}.{how}(\"{t}\")")),
        1 => (0..6_usize).prop_map(|n| format!("customer.id.endsWith(\"/{n}\")")),
        3 => (event.clone(), days(), order(), small.clone())
            .prop_map(|(e, d, o, n)| format!("count(\"{e}\", \"{d}d\") {o} {n}")),
        3 => (event.clone(), days(), order(), scalar().prop_filter("a number", Value::is_number))
            .prop_map(|(e, d, o, n)| format!("sum(\"{e}\", \"v\", \"{d}d\") {o} {}", written(&n))),
        1 => (event.clone(), days(), order()).prop_map(|(e, d, o)| format!("last(\"{e}\") {o} now - {d} * 86400000")),
        2 => (event, order(), small.clone()).prop_map(|(e, o, n)| format!("days_since(\"{e}\") {o} {n}")),
        2 => (field(), order(), small).prop_map(|(f, o, n)| format!("days_since(customer.{f}) {o} {n}")),
        1 => prop::sample::select(vec!["in_segment(\"odd\")", "in_segment(\"nested\")"]).prop_map(str::to_owned),
        2 => (prop::sample::select(vec!["spring", "autumn"]), any::<bool>()).prop_map(|(campaign, usable)| {
            let not = if usable { "" } else { "!" };
            format!("coupons.exists(c, c.campaign == \"{campaign}\" && {not}c.usable)")
        }),
        1 => (order(), days()).prop_map(|(o, d)| {
            format!("coupons.exists(k, k.valid_until {o} now + {d} * 3600000 || k.state in [\"used\"])")
        }),
    ]
    .boxed()
}

fn condition() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|part| format!("!({part})")),
            3 => (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one}) && ({other})")),
            3 => (inner.clone(), inner).prop_map(|(one, other)| format!("({one}) || ({other})")),
        ]
    })
}

fn world() -> impl Strategy<Value = World> {
    (prop::collection::vec(person(), 1..6), prop::collection::vec(condition(), 1..6))
        .prop_map(|(customers, conditions)| World { customers, conditions })
}

/// Segments that conditions ask for; the second cannot be evaluated for customers without `a`.
fn segments() -> Segments {
    let mut segments = Segments::default();
    for (name, when) in [
        ("odd", "customer.a in [1, 3] || count(\"login\", \"10d\") == 1"),
        ("nested", "!in_segment(\"odd\") && customer.a != 2"),
    ] {
        let file = format!("segment: {name}\nwhen: '{when}'\n");
        let checked = check_segment(&file, &segments);
        assert_eq!(checked.problems, []);
        segments = segments.with(checked.segment.unwrap()).unwrap();
    }
    segments
}

/// Stores a world under identifiers that come after all before.
async fn settle(place: &Place, prefix: &str, customers: &[Person]) -> Vec<String> {
    let ids: Vec<String> = (0..customers.len()).map(|index| format!("{prefix}/{index}")).collect();
    let patches = ids.iter().zip(customers).map(|(id, person)| CustomerPatch {
        id: id.clone(),
        attributes: person.attributes.clone(),
        tags: person.tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..CustomerPatch::default()
    });
    place.upsert_customers(patches.collect(), NOW).await.unwrap();
    let mut events = Vec::new();
    for (id, person) in ids.iter().zip(customers) {
        for (index, (name, hours, value)) in person.events.iter().enumerate() {
            events.push(NewEvent {
                source: "test".to_owned(),
                id: format!("{id}/{index}"),
                name: (*name).to_owned(),
                subject: Subject::Customer(id.clone()),
                at: NOW - hours * HOUR,
                properties: Map::from_iter([("v".to_owned(), value.clone())]),
                subscription: None,
                lane: Lane::GENERAL,
            });
        }
    }
    place.take_events(events, NOW).await.unwrap();
    let mut conn = place.home.connect().await;
    for (id, person) in ids.iter().zip(customers) {
        for (coupon, index) in coupons(id, person).into_iter().zip(0..) {
            sqlx::query(
                "insert into coupon_grant (key, customer, campaign, connection, code, state, valid_from, \
                 valid_until, granted_at, changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
            )
            .bind(coupon.key)
            .bind(id)
            .bind(coupon.campaign)
            .bind(coupon.connection)
            .bind(coupon.code)
            .bind(coupon.state.as_str())
            .bind(coupon.valid_from)
            .bind(coupon.valid_until)
            .bind(NOW + index)
            .execute(&mut conn)
            .await
            .unwrap();
        }
    }
    ids
}

fn coupons(id: &str, person: &Person) -> Vec<Coupon> {
    let coupons =
        person.coupons.iter().enumerate().map(|(index, (campaign, state, hours))| Coupon {
            key: format!("{id}/{index}"),
            code: format!("CODE-{index}"),
            campaign: (*campaign).to_owned(),
            connection: "pool".to_owned(),
            state: match *state {
                "usable" => CouponState::Usable,
                "used" => CouponState::Used,
                _ => CouponState::Revoked,
            },
            valid_from: NOW + (hours - 30) * HOUR,
            valid_until: NOW + hours * HOUR,
        });
    coupons.collect()
}

/// Whom the expression holds for, one after the other.
async fn one_by_one(
    place: &Place,
    audience: &Audience,
    segments: &Segments,
    ids: &[String],
    people: &[Person],
) -> Vec<String> {
    let customers = place.customers(ids).await.unwrap();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let pasts = place.pasts(&names, &segments.needs(audience.needs()), NOW).await.unwrap();
    let people: BTreeMap<&String, &Person> = ids.iter().zip(people).collect();
    let found = customers.iter().filter(|(id, customer)| {
        let background = Background { past: pasts.get(*id), segments: Some(segments) };
        audience.holds(customer, &coupons(id, people[id]), background, NOW)
    });
    found.map(|(id, _)| id.clone()).collect()
}

#[test]
fn the_database_finds_those_for_whom_the_expression_holds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = runtime.block_on(Place::new());
    let segments = segments();
    let case = AtomicUsize::new(0);
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&world(), |world| {
        let prefix = format!("{:06}", case.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let ids = settle(&place, &prefix, &world.customers).await;
            for when in &world.conditions {
                let audience = Audience::parse(when, &segments)
                    .map_err(|problems| TestCaseError::fail(format!("{when}: {problems:?}")))?;
                let expected =
                    one_by_one(&place, &audience, &segments, &ids, &world.customers).await;
                let condition = audience.condition(&segments, NOW).unwrap();
                let found = place.audience(&condition, Some(&prefix), ALL).await.unwrap();
                prop_assert_eq!(&found, &expected, "{}", when);
                let first = place.audience(&condition, Some(&prefix), 1).await.unwrap();
                let rest = match first.last() {
                    Some(id) => place.audience(&condition, Some(id), ALL).await.unwrap(),
                    None => Vec::new(),
                };
                prop_assert_eq!([first, rest].concat(), found, "pages of {}", when);
            }
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[tokio::test]
async fn a_number_is_told_from_one_of_another_type_in_the_same_place() {
    let place = Place::new().await;
    let someone = CustomerPatch { id: "someone".to_owned(), ..CustomerPatch::default() };
    place.upsert_customers(vec![someone], NOW).await.unwrap();
    let segments = Segments::default();
    // More often than there are connections that may have kept the statement.
    for number in ["-1.5", "-1", "-2.5", "-2"].repeat(10) {
        for (when, expected) in [
            (format!("sum(\"paid\", \"v\", \"1d\") < {number}"), vec![]),
            (format!("sum(\"paid\", \"v\", \"1d\") > {number}"), vec!["someone"]),
        ] {
            let audience = Audience::parse(&when, &segments).unwrap();
            let condition = audience.condition(&segments, NOW).unwrap();
            assert_eq!(place.audience(&condition, None, ALL).await.unwrap(), expected, "{when}");
        }
    }
}

#[tokio::test]
async fn a_character_that_no_database_stores_harms_nobody() {
    let place = Place::new().await;
    let odd = CustomerPatch {
        id: "odd".to_owned(),
        attributes: Map::from_iter([("a".to_owned(), json!("x\0y\\u0000"))]),
        ..CustomerPatch::default()
    };
    let even = CustomerPatch {
        id: "even".to_owned(),
        attributes: Map::from_iter([("a".to_owned(), json!("plain"))]),
        ..CustomerPatch::default()
    };
    place.upsert_customers(vec![odd, even], NOW).await.unwrap();
    let event = |id: &str| NewEvent {
        source: "test".to_owned(),
        id: id.to_owned(),
        name: "paid".to_owned(),
        subject: Subject::Customer(id.to_owned()),
        at: NOW,
        properties: Map::from_iter([("v".to_owned(), json!("\0"))]),
        lane: Lane::GENERAL,
        subscription: None,
    };
    place.take_events(vec![event("odd"), event("even")], NOW).await.unwrap();
    let both = ["even".to_owned(), "odd".to_owned()];
    let customers = place.customers(&both).await.unwrap();
    assert_eq!(customers["odd"].attributes["a"], json!("x\u{fffd}y\\u0000"));
    let segments = Segments::default();
    for (when, expected) in [
        ("customer.a.startsWith(\"x\")", vec!["odd"]),
        ("sum(\"paid\", \"v\", \"1d\") == 0", vec!["even", "odd"]),
    ] {
        let audience = Audience::parse(when, &segments).unwrap();
        let condition = audience.condition(&segments, NOW).unwrap();
        assert_eq!(place.audience(&condition, None, ALL).await.unwrap(), expected, "{when}");
    }
}
