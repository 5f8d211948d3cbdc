//! Fair sharing: nobody waits behind a blast, and nobody's events change their order.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use waystation_journey::{Enrollment, Lane};
use waystation_store::records::{EffectKind, NewEffect, NewEvent, Pass, Portion};

use super::{ALL, HOUR, NOW, Place, accepted, customer, effect, enrollment, event, portion};

fn ordinary(number: usize) -> Lane {
    Lane::ordinary(number)
}

fn urgent(number: usize) -> Lane {
    Lane::urgent(number)
}

fn in_lane(lane: Lane, id: &str, of: &str) -> NewEvent {
    NewEvent { lane, ..event("api", id, customer(of)) }
}

/// A blast of events of as many customers.
async fn blast(store: &Place, lane: Lane, count: usize) {
    let number = lane.number();
    let events =
        (0..count).map(|n| in_lane(lane, &format!("{number}/{n}"), &format!("c-{number}-{n}")));
    store.take_events(events.collect(), NOW).await.unwrap();
}

fn counted(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    names.fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(name).or_default() += 1;
        counts
    })
}

/// Events of a pass by the lane that their identifier begins with.
async fn events_by_lane(store: &Place, limit: i64) -> BTreeMap<String, usize> {
    let events = store.work(NOW, limit, NOW).await.unwrap().events;
    let lane = |id: &str| id.split('/').next().unwrap_or_default().to_owned();
    counted(events.iter().map(|open| lane(&open.event.id)))
}

fn counts(of: &[(Lane, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(lane, count)| (lane.number().to_string(), *count)).collect()
}

#[tokio::test]
async fn every_lane_of_events_gets_its_share_of_a_pass() {
    let store = Place::new().await;
    blast(&store, ordinary(0), 3_000).await;
    let alone = events_by_lane(&store, 100).await;
    assert_eq!(alone, counts(&[(ordinary(0), 100)]));
    blast(&store, ordinary(1), 10).await;
    blast(&store, Lane::GENERAL, 1_000).await;
    let shared = events_by_lane(&store, 100).await;
    assert_eq!(shared, counts(&[(ordinary(0), 45), (ordinary(1), 10), (Lane::GENERAL, 45)]));
    blast(&store, urgent(0), 3_000).await;
    let urgent_first = events_by_lane(&store, 120).await;
    let expected =
        counts(&[(urgent(0), 60), (ordinary(0), 20), (ordinary(1), 10), (Lane::GENERAL, 20)]);
    // What the smallest lane left goes to the others.
    let left: usize = expected.values().sum();
    assert_eq!(urgent_first.values().sum::<usize>(), 120);
    for (lane, least) in &expected {
        assert!(urgent_first[lane] >= *least, "{urgent_first:?}");
    }
    assert_eq!(left, 110);
}

#[tokio::test]
async fn nobody_starves_while_every_lane_is_full() {
    let store = Place::new().await;
    let lanes: Vec<Lane> = (0..Lane::COUNT).map(Lane::from_number).collect();
    for lane in &lanes {
        blast(&store, *lane, 40).await;
    }
    let mut passes = 0;
    loop {
        let work = store.work(NOW, 400, NOW).await.unwrap();
        if work.events.is_empty() {
            break;
        }
        let open = events_by_lane(&store, 400).await;
        if passes < 3 {
            for lane in &lanes {
                let got = open.get(&lane.number().to_string()).copied().unwrap_or_default();
                assert!(got >= 4, "lane {lane:?} got {got} in pass {passes}");
            }
        }
        let events = work.events.iter().map(|open| open.position).collect();
        store.commit(Pass { now: NOW, events, ..Pass::default() }).await.unwrap();
        passes += 1;
    }
    assert!(passes <= 8, "{passes} passes for 2,560 events with room for 400");
}

#[tokio::test]
async fn events_of_a_customer_stay_in_order_whatever_their_lanes() {
    let store = Place::new().await;
    blast(&store, ordinary(0), 500).await;
    let events = vec![
        in_lane(ordinary(0), "added", "shopper"),
        in_lane(Lane::GENERAL, "looked", "shopper"),
        in_lane(ordinary(0), "other", "somebody"),
        in_lane(urgent(0), "paid", "shopper"),
        in_lane(ordinary(0), "came back", "shopper"),
    ];
    store.take_events(events, NOW).await.unwrap();
    let work = store.work(NOW, 20, NOW).await.unwrap();
    let of_shopper = work.events.iter().filter(|open| open.event.customer == "shopper");
    let names: Vec<&str> = of_shopper.map(|open| open.event.id.as_str()).collect();
    assert_eq!(names, ["added", "looked", "paid"]);
    assert!(work.events.iter().all(|open| open.event.id != "other"));
    assert!(work.events.len() <= 20);
}

#[tokio::test]
async fn a_customer_with_very_many_events_gets_on_without_holding_up_others() {
    let store = Place::new().await;
    let many = (0..300).map(|n| in_lane(ordinary(0), &format!("{n}"), "noisy"));
    store.take_events(many.collect(), NOW).await.unwrap();
    let then = vec![in_lane(urgent(0), "noisy paid", "noisy"), in_lane(urgent(0), "p", "calm")];
    store.take_events(then, NOW).await.unwrap();
    let mut order = Vec::new();
    for pass in 0..100 {
        let work = store.work(NOW, 50, NOW).await.unwrap();
        if work.events.is_empty() {
            break;
        }
        if pass == 0 {
            assert!(work.events.iter().any(|open| open.event.customer == "calm"));
        }
        let noisy = work.events.iter().filter(|open| open.event.customer == "noisy");
        order.extend(noisy.map(|open| open.event.id.clone()));
        let events = work.events.iter().map(|open| open.position).collect();
        store.commit(Pass { now: NOW, events, ..Pass::default() }).await.unwrap();
    }
    let expected = (0..300).map(|n| n.to_string()).chain(["noisy paid".to_owned()]);
    assert_eq!(order, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_pass_reads_no_more_bytes_of_events_than_it_may() {
    let store = Place::new().await;
    let large = |id: &str, lane, mebibytes: usize| {
        let text = Value::from("x".repeat(mebibytes << 20));
        let properties = Map::from_iter([("text".to_owned(), text)]);
        NewEvent { properties, ..in_lane(lane, id, id) }
    };
    store
        .take_events((0..6).map(|n| large(&format!("{n}"), ordinary(0), 3)).collect(), NOW)
        .await
        .unwrap();
    let ids = async |store: &Place| -> Vec<String> {
        let events = store.work(NOW, ALL, NOW).await.unwrap().events;
        events.into_iter().map(|open| open.event.id).collect()
    };
    assert_eq!(ids(&store).await, ["0", "1"]);
    let others = vec![large("huge", urgent(0), 20), in_lane(ordinary(1), "small", "small")];
    store.take_events(others, NOW).await.unwrap();
    assert_eq!(ids(&store).await, ["huge"], "the first is read whatever its size");
}

/// An effect in a lane; its key names it.
fn lined_up(lane: Lane, number: usize, rank: i64) -> NewEffect {
    let key = format!("e-{}/{number}", lane.number());
    NewEffect { key, rank, lane, ..effect("e-1", EffectKind::Send) }
}

async fn line_up(store: &Place, effects: Vec<NewEffect>) {
    let pass = Pass { now: NOW, effects, ..Pass::default() };
    store.commit(pass).await.unwrap();
}

fn lane_of(key: &str) -> String {
    key.trim_start_matches("e-").split('/').next().unwrap_or_default().to_owned()
}

async fn effects_by_lane(store: &Place, portion: Portion) -> BTreeMap<String, usize> {
    let due = store.due_effects("notice", "pending", NOW, portion).await.unwrap().effects;
    counted(due.iter().map(|effect| lane_of(&effect.key)))
}

#[tokio::test]
async fn journeys_of_one_rank_share_the_calls_of_a_connection() {
    let store = Place::new().await;
    store.enroll("e-1", Vec::new()).await;
    line_up(&store, (0..3_000).map(|n| lined_up(ordinary(0), n, 50)).collect()).await;
    line_up(&store, (0..5).map(|n| lined_up(ordinary(1), n, 50)).collect()).await;
    line_up(&store, (0..90).map(|n| lined_up(ordinary(2), n, 50)).collect()).await;
    let shared = effects_by_lane(&store, portion(100)).await;
    assert_eq!(shared, counts(&[(ordinary(0), 47), (ordinary(1), 5), (ordinary(2), 48)]));
    line_up(&store, (0..30).map(|n| lined_up(urgent(0), n, 10_020)).collect()).await;
    let with_urgent = effects_by_lane(&store, portion(40)).await;
    assert_eq!(with_urgent[&urgent(0).number().to_string()], 30, "{with_urgent:?}");
    assert_eq!(with_urgent.len(), 4, "{with_urgent:?}");
}

#[tokio::test]
async fn journeys_take_turns_where_a_plugin_takes_one_message_at_a_time() {
    let store = Place::new().await;
    store.enroll("e-1", Vec::new()).await;
    for lane in 0..3 {
        line_up(&store, (0..50).map(|n| lined_up(ordinary(lane), n, 50)).collect()).await;
    }
    let mut taken = Vec::new();
    for round in 0..6 {
        let portion = Portion { effects: 1, bytes: i64::MAX, round };
        let due = store.due_effects("notice", "pending", NOW, portion).await.unwrap().effects;
        taken.extend(due.iter().map(|effect| lane_of(&effect.key)));
    }
    let each: BTreeMap<String, usize> = counted(taken.into_iter());
    assert_eq!(each, counts(&[(ordinary(0), 2), (ordinary(1), 2), (ordinary(2), 2)]));
}

#[tokio::test]
async fn effects_are_read_up_to_so_many_bytes_of_each_lane_alike() {
    let store = Place::new().await;
    store.enroll("e-1", Vec::new()).await;
    let large = |lane, number| NewEffect { body: "x".repeat(10_000), ..lined_up(lane, number, 50) };
    line_up(&store, (0..50).map(|n| large(ordinary(0), n)).collect()).await;
    line_up(&store, (0..50).map(|n| large(ordinary(1), n)).collect()).await;
    let within = |bytes| Portion { effects: ALL, bytes, round: 0 };
    let shared = effects_by_lane(&store, within(100_000)).await;
    assert_eq!(shared, counts(&[(ordinary(0), 5), (ordinary(1), 5)]));
    let one = effects_by_lane(&store, within(1)).await;
    assert_eq!(one.values().sum::<usize>(), 1, "the first is read whatever its size: {one:?}");
}

#[tokio::test]
async fn outcomes_are_told_in_fair_shares_of_connections_and_lanes() {
    let store = Place::new().await;
    store.enroll("e-1", Vec::new()).await;
    let mut effects: Vec<NewEffect> = (0..400).map(|n| lined_up(ordinary(0), n, 50)).collect();
    effects.extend((0..5).map(|n| lined_up(ordinary(1), n, 50)));
    effects.extend((0..8).map(|n| lined_up(urgent(0), n, 10_050)));
    let others = (0..200).map(|n| NewEffect {
        key: format!("e-other/{n}"),
        connection: "other".to_owned(),
        ..lined_up(ordinary(0), n, 50)
    });
    effects.extend(others);
    let keys: Vec<String> = effects.iter().map(|effect| effect.key.clone()).collect();
    line_up(&store, effects).await;
    let verdicts =
        keys.iter().map(|key| (key.clone(), waystation_store::records::Verdict::Attempt));
    store.attempt(verdicts.collect(), "digest".to_owned(), NOW).await.unwrap();
    store.settle(keys.iter().map(|key| accepted(key)).collect(), NOW).await.unwrap();
    let settled = store.work(NOW, 100, NOW).await.unwrap().settled;
    let told = counted(settled.iter().map(|effect| lane_of(&effect.key)));
    assert_eq!(told.values().sum::<usize>(), 100);
    assert_eq!(told[&urgent(0).number().to_string()], 8, "{told:?}");
    assert_eq!(told[&ordinary(1).number().to_string()], 5, "{told:?}");
    assert!(told["other"] >= 40, "{told:?}");
    assert!(told[&ordinary(0).number().to_string()] >= 40, "{told:?}");
}

#[tokio::test]
async fn timers_of_every_lane_get_their_share_of_a_pass() {
    let store = Place::new().await;
    let waiting = |lane: Lane, number: usize, due_at| Enrollment {
        due_at: Some(due_at),
        lane,
        ..enrollment(&format!("{}-{number}", lane.number()))
    };
    let mut enrolled: Vec<Enrollment> =
        (0..500).map(|n| waiting(ordinary(0), n, NOW - HOUR)).collect();
    enrolled.extend((0..5).map(|n| waiting(ordinary(1), n, NOW)));
    enrolled.extend((0..5).map(|n| waiting(urgent(3), n, NOW)));
    enrolled.push(waiting(urgent(0), 0, NOW + 1));
    store.commit(Pass { now: NOW, enrolled, ..Pass::default() }).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(NOW - HOUR));
    let work = store.work(NOW, 100, NOW).await.unwrap();
    let lanes = counted(work.enrollments.values().map(|one| one.lane.number().to_string()));
    assert_eq!(lanes, counts(&[(urgent(3), 5), (ordinary(0), 90), (ordinary(1), 5)]));
}
