//! A host: the engine's session, and work for the shards that it grants.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::RwLock;
use waystation_engine::hosts::session::{Registry, Session, Work};
use waystation_store::StoreError;
use waystation_store::records::{Renewal, Standing};

use crate::database::{Answer, Question};
use crate::{DATABASE, PROVIDER, ask};

/// How long an answer of the database is waited for.
const DATABASE_PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer of the provider is waited for.
const CALL: Duration = Duration::from_secs(5);

async fn database(question: Question) -> Result<Answer, StoreError> {
    let answer = ask(DATABASE, &question, DATABASE_PATIENCE).await;
    answer.ok_or_else(|| StoreError::Database("no answer".to_owned()))
}

/// The session that a host's folder remembers. It outlives the process.
pub(crate) type Memory = Arc<Mutex<Option<i64>>>;

struct Shared {
    former: Option<i64>,
    memory: Memory,
}

impl Registry for Shared {
    async fn join(&self, lease: i64) -> Result<i64, StoreError> {
        match database(Question::Join { lease, former: self.former }).await? {
            Answer::Joined(epoch) => {
                *self.memory.lock().unwrap() = Some(epoch);
                Ok(epoch)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn renew(&self, renewal: Renewal) -> Result<Option<Standing>, StoreError> {
        let Renewal { epoch, lease_ms: lease, leaving, .. } = renewal;
        match database(Question::Renew { epoch, lease, leaving }).await? {
            Answer::Renewed { now, hosts, shards } => {
                Ok(Some(Standing { now, hosts, shards, ..Standing::default() }))
            }
            Answer::Ended => Ok(None),
            other => panic!("{other:?}"),
        }
    }
}

/// What the host works for.
#[derive(Default)]
struct Hands {
    held: RwLock<(Option<i64>, Vec<i64>)>,
}

impl Work for Hands {
    async fn hold(&self, epoch: Option<i64>, shards: &BTreeSet<i64>) {
        *self.held.write().await = (epoch, shards.iter().copied().collect());
    }

    async fn recover(&self, shards: &BTreeSet<i64>) -> Result<(), StoreError> {
        let epoch = self.held.read().await.0.unwrap_or_default();
        let shards = shards.iter().copied().collect();
        match database(Question::Recover { epoch, shards }).await? {
            Answer::Done => Ok(()),
            other => Err(StoreError::Database(format!("{other:?}"))),
        }
    }

    async fn learn(&self, _: &Standing) {}

    fn configuration(&self) -> i64 {
        0
    }
}

/// Works until it is stopped from outside.
pub(crate) async fn run(memory: Memory) -> turmoil::Result {
    let hands = Rc::new(Hands::default());
    let local = tokio::task::LocalSet::new();
    let working = Rc::clone(&hands);
    local.spawn_local(async move {
        loop {
            let marked = mark(&*working.held.read().await).await;
            for key in marked.1 {
                tokio::task::spawn_local(attempt(marked.0, key));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    local
        .run_until(async {
            let former = *memory.lock().unwrap();
            let shared = Shared { former, memory };
            let mut session = Session::default();
            loop {
                // What failed is tried again; nobody reads of it here.
                let (pause, _) = session.turn(&shared, &*hands).await;
                tokio::time::sleep(pause).await;
            }
        })
        .await
}

/// Marks what is due, as the engine's workers do: where it is not known whether the marks were made, they are taken back
/// before anything else is.
async fn mark(held: &(Option<i64>, Vec<i64>)) -> (i64, Vec<u32>) {
    let (Some(epoch), shards) = held else { return (0, Vec::new()) };
    let Ok(Answer::Keys(keys)) = database(Question::Due { shards: shards.clone() }).await else {
        return (0, Vec::new());
    };
    match database(Question::Mark { epoch: *epoch, keys: keys.clone() }).await {
        Ok(Answer::Keys(marked)) => return (*epoch, marked),
        Ok(_) => return (0, Vec::new()),
        Err(_) => {}
    }
    let unmark = || database(Question::Unmark { epoch: *epoch, keys: keys.clone() });
    while !matches!(unmark().await, Ok(Answer::Done | Answer::Ended)) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    (0, Vec::new())
}

/// One call, and the recording of its end.
async fn attempt(epoch: i64, key: u32) {
    let accepted = ask::<_, bool>(PROVIDER, &key, CALL).await.is_some();
    let settle = || database(Question::Settle { epoch, key, accepted });
    while !matches!(settle().await, Ok(Answer::Done | Answer::Ended)) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
