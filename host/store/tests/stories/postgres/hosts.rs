//! Hosts that share a database: sessions, shards, and what they refuse.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{Connection as _, Row as _};
use waystation_store::records::{EffectKind, Joined, NewVersion, Renewal, Standing, Subject};
use waystation_store::{Store, StoreError};

use super::Home;
use super::all::{ALL, NOW, Place, effect, event};

/// Long enough for a story.
const LEASE: i64 = 60_000;
/// Over as soon as it has begun.
const OVER: i64 = -1;

/// A host on a database.
struct Host {
    store: Store,
    epoch: i64,
    joined: Joined,
}

impl Host {
    async fn join(home: &Home, name: &str, lease_ms: i64) -> Self {
        Self::join_after(home, name, lease_ms, None).await
    }

    /// A host whose former process is gone.
    async fn join_after(home: &Home, name: &str, lease_ms: i64, former: Option<Joined>) -> Self {
        let store = Store::open(&home.database()).await.unwrap();
        let joined = store.join_hosts(name, lease_ms, former).await.unwrap();
        Self { store, epoch: joined.epoch, joined }
    }

    async fn renew(&self, leaving: &[i64]) -> Option<Standing> {
        self.renew_for(LEASE, leaving).await
    }

    async fn renew_for(&self, lease_ms: i64, leaving: &[i64]) -> Option<Standing> {
        let renewal =
            Renewal { epoch: self.epoch, lease_ms, leaving: leaving.to_vec(), configuration: 0 };
        let standing = self.store.renew_host(renewal).await.unwrap();
        let shards: BTreeSet<i64> =
            standing.iter().flat_map(|standing| standing.shards.clone()).collect();
        self.store.hold(standing.is_some().then_some(self.epoch), &shards);
        standing
    }

    /// Customers whose open events this host finds.
    async fn finds(&self) -> BTreeSet<String> {
        let work = self.store.work(NOW, ALL, NOW).await.unwrap();
        work.events.into_iter().map(|open| open.event.customer).collect()
    }

    /// Something that is written.
    async fn write(&self) -> Result<(), StoreError> {
        self.store.set_setting("greeting", "hello".to_owned()).await
    }
}

fn customers() -> BTreeSet<String> {
    (0..200).map(|number| format!("c-{number}")).collect()
}

async fn take_events(store: &Store) {
    let events = customers().into_iter();
    let events = events.map(|id| event("api", &id, Subject::Customer(id.clone()))).collect();
    store.take_events(events, NOW).await.unwrap();
}

#[tokio::test]
async fn shards_are_shared_fairly_and_customers_have_one_host() {
    let home = Home::new();
    let one = Host::join(&home, "one", LEASE).await;
    assert_eq!(one.renew(&[]).await.unwrap().shards.len(), 64);
    take_events(&one.store).await;
    assert_eq!(one.finds().await, customers());

    let two = Host::join(&home, "two", LEASE).await;
    let standing = two.renew(&[]).await.unwrap();
    assert_eq!((standing.hosts, standing.shards.len()), (2, 0), "nothing is free yet");
    assert!(two.finds().await.is_empty());
    let given: Vec<i64> = (32..64).collect();
    assert_eq!(one.renew(&given).await.unwrap().shards, (0..32).collect::<Vec<_>>());
    assert_eq!(two.renew(&[]).await.unwrap().shards, given);
    let (ones, twos) = (one.finds().await, two.finds().await);
    assert!(!ones.is_empty() && !twos.is_empty() && ones.is_disjoint(&twos));
    assert_eq!(&ones | &twos, customers());

    let names: Vec<(String, i64)> =
        one.store.hosts().await.unwrap().into_iter().map(|host| (host.name, host.shards)).collect();
    assert_eq!(names, [("one".to_owned(), 32), ("two".to_owned(), 32)]);
    two.store.leave_hosts(two.epoch).await.unwrap();
    assert_eq!(one.renew(&[]).await.unwrap().shards.len(), 64);
}

#[tokio::test]
async fn what_a_host_writes_after_its_session_was_ended_is_refused() {
    let home = Home::new();
    let gone = Host::join(&home, "gone", LEASE).await;
    assert_eq!(gone.renew_for(OVER, &[]).await.unwrap().shards.len(), 64);
    gone.write().await.unwrap();
    let other = Host::join(&home, "other", LEASE).await;
    assert_eq!(other.renew(&[]).await.unwrap().shards.len(), 64);
    assert!(matches!(gone.write().await, Err(StoreError::SessionOver)));
    assert!(matches!(gone.write().await, Err(StoreError::SessionOver)), "and so is what follows");
    assert_eq!(gone.renew(&[]).await, None);
    other.write().await.unwrap();
}

#[tokio::test]
async fn a_host_that_comes_back_ends_its_former_session_and_no_other() {
    let home = Home::new();
    let gone = Host::join(&home, "gone", LEASE).await;
    assert_eq!(gone.renew(&[]).await.unwrap().shards.len(), 64);
    gone.write().await.unwrap();

    // Of another database: the same number, begun at another time.
    let strange = Joined { started_at: gone.joined.started_at - 1, ..gone.joined };
    let other = Host::join_after(&home, "other", LEASE, Some(strange)).await;
    assert_eq!(other.renew(&[]).await.unwrap().shards.len(), 0, "nothing is free");
    gone.write().await.unwrap();

    let back = Host::join_after(&home, "gone", LEASE, Some(gone.joined)).await;
    assert!(matches!(gone.write().await, Err(StoreError::SessionOver)));
    assert_eq!(gone.renew(&[]).await, None);
    let standing = back.renew(&[]).await.unwrap();
    assert_eq!((standing.hosts, standing.shards.len()), (2, 32), "its share at once");
    other.write().await.unwrap();

    // It may be told again, when the session of this process has been ended.
    let again = Host::join_after(&home, "gone", LEASE, Some(gone.joined)).await;
    back.write().await.unwrap();
    again.write().await.unwrap();
}

#[tokio::test]
async fn a_session_is_not_ended_in_the_middle_of_a_commit() {
    let home = Home::new();
    let slow = Host::join(&home, "slow", LEASE).await;
    assert_eq!(slow.renew_for(OVER, &[]).await.unwrap().shards.len(), 64);
    let mut conn = home.connect().await;
    let mut commit = conn.begin().await.unwrap();
    sqlx::query("select 1 from host where epoch = $1 and ended_at is null for key share")
        .bind(slow.epoch)
        .fetch_one(&mut *commit)
        .await
        .unwrap();
    // Nor by the host's next process, which does not wait for it either.
    let other = Host::join_after(&home, "slow", LEASE, Some(slow.joined)).await;
    let standing = other.renew(&[]).await.unwrap();
    assert_eq!((standing.hosts, standing.shards.len()), (2, 0), "it waits for the commit");
    commit.commit().await.unwrap();
    let standing = other.renew(&[]).await.unwrap();
    assert_eq!((standing.hosts, standing.shards.len()), (1, 64));
}

#[tokio::test]
async fn a_shard_is_given_up_once_no_call_is_under_way_for_it() {
    let place = Place::new().await;
    place.enroll("e-1", vec![effect("e-1-1", EffectKind::Send)]).await;
    place.mark(&["e-1-1"]).await;
    let host = Host::join(&place.home, "host", LEASE).await;
    let all: Vec<i64> = (0..64).collect();
    assert_eq!(host.renew(&[]).await.unwrap().shards, all);
    let _other = Host::join(&place.home, "other", LEASE).await;
    let left = host.renew(&all).await.unwrap().shards;
    let mut conn = place.home.connect().await;
    let shard: i64 = sqlx::query("select shard from effect where key = 'e-1-1'")
        .fetch_one(&mut conn)
        .await
        .unwrap()
        .get(0);
    // Half of what it gave up it takes again, as nobody else has.
    assert!(left.contains(&shard), "{shard} of {left:?}");
    let kept = host.renew(&all).await.unwrap().shards;
    assert!(kept.contains(&shard), "{shard} of {kept:?}");
    let interrupted = |shards: Vec<i64>| {
        let store = &host.store;
        async move {
            let found = store.interrupted(&shards.into_iter().collect()).await.unwrap();
            found.len()
        }
    };
    assert_eq!(interrupted(vec![shard]).await, 1);
    assert_eq!(interrupted(all.into_iter().filter(|other| *other != shard).collect()).await, 0);
}

#[tokio::test]
async fn a_change_of_what_hosts_keep_in_memory_has_a_higher_number() {
    let home = Home::new();
    let host = Host::join(&home, "host", LEASE).await;
    let before = host.renew(&[]).await.unwrap().configuration;
    take_events(&host.store).await;
    assert_eq!(host.renew(&[]).await.unwrap().configuration, before, "events are no part of it");
    let version = NewVersion {
        journey: "hello".to_owned(),
        title: "Hello".to_owned(),
        owner: String::new(),
        source: "one".to_owned(),
    };
    host.store.apply_version(version, None, "token t".to_owned(), NOW).await.unwrap();
    let after = host.renew(&[]).await.unwrap().configuration;
    assert!(after > before, "{after} is not above {before}");
    assert_eq!(host.store.work(NOW, ALL, NOW).await.unwrap().configuration, after);
}

#[tokio::test]
async fn a_release_is_wanted_until_every_host_has_loaded_it() {
    let home = Home::new();
    let one = Host::join(&home, "one", LEASE).await;
    let two = Host::join(&home, "two", LEASE).await;
    one.renew(&[]).await.unwrap();
    assert_eq!(two.renew(&[]).await.unwrap().wanted, 0);
    one.store.want_release("digest".to_owned()).await.unwrap();
    assert_eq!(one.store.hosts_without("digest").await.unwrap(), ["two"]);
    assert_eq!(one.renew(&[]).await.unwrap().wanted, 0);
    assert_eq!(two.renew(&[]).await.unwrap().wanted, 1);
    assert_eq!(two.store.wanted_releases().await.unwrap(), ["digest"]);
    two.store.report_ready("digest".to_owned()).await.unwrap();
    assert!(one.store.hosts_without("digest").await.unwrap().is_empty());
    assert!(two.store.wanted_releases().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_clock_is_the_databases() {
    let home = Home::new();
    let host = Host::join(&home, "host", LEASE).await;
    let first = host.renew(&[]).await.unwrap().now;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = host.renew(&[]).await.unwrap().now;
    assert!(second >= first + 20, "{first}, {second}");
}
