//! Two hosts that write to one database at the same time.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use sqlx::Row as _;
use waystation_store::records::{
    CustomerPatch, EffectKind, NewVersion, Next, Pass, Taken, Verdict,
};
use waystation_store::{Store, StoreError};

use super::Home;
use super::all::{ALL, NOW, customer, effect, enrollment, event, patch, settlement};

/// A database and two hosts on it.
struct Two {
    hosts: [Store; 2],
    home: Home,
}

impl Two {
    async fn new() -> Self {
        let home = Home::new();
        // Both bring the tables up to date at the same time.
        let database = home.database();
        let (one, other) = tokio::join!(Store::open(&database), Store::open(&database));
        Self { hosts: [one.unwrap(), other.unwrap()], home }
    }

    async fn tags(&self, id: &str) -> usize {
        self.hosts[0].customers(&[id.to_owned()]).await.unwrap()[id].tags.len()
    }

    async fn enrolled(&self, keys: &[&str]) {
        let effects = keys.iter().map(|key| effect(key, EffectKind::Send)).collect();
        let pass = Pass { now: NOW, enrolled: vec![enrollment("e-1")], effects, ..Pass::default() };
        self.hosts[0].commit(pass).await.unwrap();
    }
}

#[tokio::test]
async fn both_know_that_the_database_is_shared() {
    let two = Two::new().await;
    assert!(two.hosts.iter().all(Store::is_shared));
}

#[tokio::test]
async fn nobody_gets_the_code_of_another() {
    let two = Two::new().await;
    let codes = (0..300).map(|number| format!("code-{number:03}")).collect();
    two.hosts[0].import_codes("summer".to_owned(), codes).await.unwrap();
    let takes = (0..150).map(|number| {
        let keys = vec![format!("a-{number}"), format!("b-{number}")];
        two.hosts[number % 2].take_codes("summer".to_owned(), keys)
    });
    let taken = join_all(takes).await.into_iter().flat_map(|codes| codes.unwrap());
    // None was told that the pool is empty, as there is one for each.
    let mut taken: Vec<String> = taken.map(Option::unwrap).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 300);
    let none = two.hosts[1].take_codes("summer".to_owned(), vec!["late".to_owned()]).await.unwrap();
    assert_eq!(none, [None]);
}

#[tokio::test]
async fn a_code_that_is_given_up_is_waited_for() {
    let two = Two::new().await;
    two.hosts[0].import_codes("summer".to_owned(), vec!["only".to_owned()]).await.unwrap();
    let mut conn = two.home.connect().await;
    for statement in ["begin", "update pool_code set key = 'other'"] {
        sqlx::query(statement).execute(&mut conn).await.unwrap();
    }
    let take = two.hosts[0].take_codes("summer".to_owned(), vec!["k-1".to_owned()]);
    let give_up = async {
        wait_for_locks(&two.home, 1).await;
        sqlx::query("rollback").execute(&mut conn).await.unwrap();
    };
    let (taken, ()) = tokio::join!(take, give_up);
    assert_eq!(taken.unwrap(), [Some("only".to_owned())]);
}

/// Waits until so many of the database's sessions wait for another.
async fn wait_for_locks(home: &Home, sessions: i64) {
    let mut conn = home.connect().await;
    let asked = std::time::Instant::now();
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap();
        if waiting >= sessions {
            return;
        }
        assert!(asked.elapsed().as_secs() < 10, "nobody waits");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn patches_of_one_customer_all_last() {
    let two = Two::new().await;
    let patches = (0..200).map(|number| {
        let tagged = CustomerPatch { tags: [format!("tag-{number}")].into(), ..patch("c-1") };
        two.hosts[number % 2].upsert_customers(vec![tagged], NOW)
    });
    for done in join_all(patches).await {
        done.unwrap();
    }
    assert_eq!(two.tags("c-1").await, 200);
}

#[tokio::test]
async fn writes_that_stand_in_each_others_way_are_run_again() {
    let two = Two::new().await;
    let tagged = |id: &str, number: usize| CustomerPatch {
        tags: [format!("tag-{number}")].into(),
        ..patch(id)
    };
    // Each commit holds the first customers while it asks for the next ones, the one host upwards and the other downwards.
    let patches = (0..40).map(|number| {
        let place = if number % 2 == 0 { number } else { 40 - number };
        let id = format!("c-{}", place % 8);
        two.hosts[number % 2].upsert_customers(vec![tagged(&id, number)], NOW)
    });
    for done in join_all(patches).await {
        done.unwrap();
    }
    let mut tags = 0;
    for number in 0..8 {
        tags += two.tags(&format!("c-{number}")).await;
    }
    assert_eq!(tags, 40);
}

#[tokio::test]
async fn an_event_is_taken_once() {
    let two = Two::new().await;
    let takes = (0..60).map(|number| {
        let batch = vec![event("api", &format!("{}", number / 2), customer("c-1"))];
        two.hosts[number % 2].take_events(batch, NOW)
    });
    let taken: Vec<Taken> =
        join_all(takes).await.into_iter().flat_map(|taken| taken.unwrap()).collect();
    assert_eq!(taken.iter().filter(|one| **one == Taken::Accepted).count(), 30);
    assert_eq!(two.hosts[0].work(NOW, ALL, NOW).await.unwrap().events.len(), 30);
}

#[tokio::test]
async fn an_event_counts_in_one_pass() {
    let two = Two::new().await;
    two.hosts[0].take_events(vec![event("api", "1", customer("c-1"))], NOW).await.unwrap();
    let position = two.hosts[0].work(NOW, ALL, NOW).await.unwrap().events[0].position;
    let passes = two.hosts.iter().zip(["e-1", "e-2"]).map(|(host, id)| {
        let enrolled = vec![enrollment(id)];
        host.commit(Pass { now: NOW, events: vec![position], enrolled, ..Pass::default() })
    });
    let done = join_all(passes).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
    assert!(done.iter().any(|done| matches!(done, Err(StoreError::Conflict(_)))), "{done:?}");
}

#[tokio::test]
async fn an_effect_is_marked_by_one() {
    let two = Two::new().await;
    let keys: Vec<String> = (0..40).map(|number| format!("e-1-{number:02}")).collect();
    two.enrolled(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let marks = (0..80).map(|number| {
        let verdicts = vec![(keys[number / 2].clone(), Verdict::Attempt)];
        two.hosts[number % 2].attempt(verdicts, "digest".to_owned(), NOW)
    });
    let marked: Vec<String> =
        join_all(marks).await.into_iter().flat_map(|marked| marked.unwrap()).collect();
    assert_eq!(marked.len(), 40);
    let (_, attempts) = two.hosts[0].effect(&keys[7]).await.unwrap().unwrap();
    assert_eq!(attempts.len(), 1);
}

#[tokio::test]
async fn a_mark_that_is_still_under_way_is_taken_back() {
    let two = Two::new().await;
    two.enrolled(&["e-1-1", "e-1-2"]).await;
    let mut conn = two.home.connect().await;
    for statement in [
        "begin",
        "update effect set phase = 'attempting', attempts = 1 where key = 'e-1-1'",
        "insert into attempt (effect, number, release, started_at) values ('e-1-1', 1, 'digest', 0)",
    ] {
        sqlx::query(statement).execute(&mut conn).await.unwrap();
    }
    let unmade = ["e-1-1", "e-1-2"].map(|key| {
        let next = Next::Again { at: NOW, certainly_not_done: true };
        settlement(key, "deferred", next)
    });
    let unmark = two.hosts[0].unmark(unmade.to_vec(), NOW);
    let commit = async {
        wait_for_locks(&two.home, 1).await;
        sqlx::query("commit").execute(&mut conn).await.unwrap();
    };
    let (unmarked, ()) = tokio::join!(unmark, commit);
    unmarked.unwrap();
    let (marked, attempts) = two.hosts[0].effect("e-1-1").await.unwrap().unwrap();
    assert_eq!((marked.phase.as_str(), marked.attempts), ("pending", 1));
    assert_eq!(attempts[0].outcome.as_deref(), Some("deferred"));
    let (never, attempts) = two.hosts[0].effect("e-1-2").await.unwrap().unwrap();
    assert_eq!((never.phase.as_str(), never.attempts, attempts.len()), ("pending", 0, 0));
}

#[tokio::test]
async fn versions_are_counted_without_a_gap() {
    let two = Two::new().await;
    let version = |number: usize| NewVersion {
        journey: "hello".to_owned(),
        title: "Hello".to_owned(),
        owner: "crm".to_owned(),
        source: format!("source {number}"),
    };
    two.hosts[0].apply_version(version(0), None, "mei".to_owned(), NOW).await.unwrap();
    let applied = (1..21).map(|number| {
        two.hosts[number % 2].apply_version(version(number), None, "mei".to_owned(), NOW)
    });
    let mut numbers: Vec<i64> =
        join_all(applied).await.into_iter().map(|added| added.unwrap().version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (2..22).collect::<Vec<_>>());
    assert_eq!(two.hosts[0].journey_changes("hello", ALL).await.unwrap().len(), 21);
}

#[tokio::test]
async fn a_counter_that_plugins_keep_loses_no_step() {
    let two = Two::new().await;
    let name = "shop".to_owned();
    let count = |host: usize| {
        let (two, name) = (&two, &name);
        async move {
            for _ in 0..20 {
                loop {
                    let host = &two.hosts[host];
                    let old = host.values(name, &["n".to_owned()]).await.unwrap().remove(0);
                    let next: u32 = old
                        .as_deref()
                        .map_or(0, |old| std::str::from_utf8(old).unwrap().parse().unwrap());
                    let entry = ("n".to_owned(), Some((next + 1).to_string().into_bytes()));
                    if host.swap_value(name.clone(), old, entry, 1_000).await.unwrap().unwrap() {
                        break;
                    }
                }
            }
        }
    };
    tokio::join!(count(0), count(1));
    let value = two.hosts[0].values(&name, &["n".to_owned()]).await.unwrap().remove(0);
    assert_eq!(value.unwrap(), b"40");
}

#[tokio::test]
async fn the_space_of_values_is_counted_right() {
    let two = Two::new().await;
    let sets = (0..60).map(|number| {
        let content = (number % 5 > 0).then(|| vec![b'x'; number]);
        let entries = vec![(format!("k-{}", number % 7), content)];
        two.hosts[number % 2].set_values("shop".to_owned(), entries, 100_000)
    });
    for done in join_all(sets).await {
        assert!(done.unwrap().is_ok());
    }
    let row = sqlx::query(
        "select cast(sum(bytes) as bigint), (select bytes from kept_space where connection = 'shop') from kept_value",
    )
    .fetch_one(&mut two.home.connect().await)
    .await
    .unwrap();
    assert_eq!(row.get::<i64, _>(0), row.get::<i64, _>(1));
}

#[tokio::test]
async fn a_newcomer_is_told_of_once() {
    let two = Two::new().await;
    let look = async |host: usize, members: &[&str]| {
        let members = members.iter().map(|id| (*id).to_owned()).collect();
        two.hosts[host].note_members("gold".to_owned(), (None, None), members, NOW).await.unwrap()
    };
    two.hosts[0].watch_segments(vec!["gold".to_owned()]).await.unwrap();
    assert_eq!(look(0, &["c-1"]).await, 0);
    let both = ["c-1", "c-2", "c-3"];
    let (one, other) = tokio::join!(look(0, &both), look(1, &both));
    assert_eq!(one + other, 2);
    let mut told = BTreeMap::new();
    for open in two.hosts[0].work(NOW, ALL, NOW).await.unwrap().events {
        *told.entry(open.event.customer).or_insert(0) += 1;
    }
    assert_eq!(told, [("c-2".to_owned(), 1), ("c-3".to_owned(), 1)].into());
}
