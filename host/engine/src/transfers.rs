//! What becomes of those inside a journey that was changed as a whole, batch by batch.
//!
//! A transfer is stored before its first batch, and each batch with how far it came: a host that stops goes on with it. Its
//! batches take turns with the passes, so nobody else changes the same enrollments meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tracing::{info, warn};
use waystation_journey::{Enrollment, Input, Places, Program, Relocation};
use waystation_store::StoreError;
use waystation_store::records::{Transfer, TransferKind, TransferStep};

use crate::engine::{Core, new_id};
use crate::pass::{self, Surroundings};
use crate::past;
use crate::programs::Picture;

/// Enrollments of a batch.
const BATCH: i64 = 500;

/// Whether there is anything to do.
pub(crate) struct Transfers {
    /// A transfer may be open.
    open: AtomicBool,
    /// Journeys take turns.
    turn: AtomicUsize,
}

impl Default for Transfers {
    /// The last host may have left some.
    fn default() -> Self {
        Self { open: AtomicBool::new(true), turn: AtomicUsize::new(0) }
    }
}

impl Transfers {
    /// Whether it is worth a look.
    pub(crate) fn may_be_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// A transfer was stored.
    pub(crate) fn opened(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

impl Core {
    /// One batch. Says whether there was anything to do.
    pub(crate) async fn transfer(&self) -> Result<bool, StoreError> {
        // Taken down before looking: what is stored after the look puts it up again.
        if !self.transfers.open.swap(false, Ordering::SeqCst) {
            return Ok(false);
        }
        let open = self.store.open_transfers().await;
        if open.as_ref().is_ok_and(Vec::is_empty) {
            return Ok(false);
        }
        self.transfers.opened();
        let mut seen = BTreeSet::new();
        // One journey's transfers follow each other.
        let first: Vec<Transfer> =
            open?.into_iter().filter(|one| seen.insert(one.journey.clone())).collect();
        let turn = self.transfers.turn.fetch_add(1, Ordering::Relaxed);
        let Some(transfer) = first.get(turn % first.len().max(1)) else { return Ok(false) };
        let finished = match transfer.kind {
            TransferKind::Wake => self.wake_parked(transfer).await?,
            _ => self.take_along(transfer).await?,
        };
        if finished {
            info!(
                journey.name = transfer.journey,
                transfer.kind = transfer.kind.word(),
                "those inside are dealt with"
            );
        }
        Ok(true)
    }

    async fn wake_parked(&self, transfer: &Transfer) -> Result<bool, StoreError> {
        let (id, journey) = (transfer.id, transfer.journey.clone());
        let woken = self.store.wake_parked(id, journey, BATCH, self.clock.now()).await?;
        let picture = self.programs.picture();
        let connections: BTreeSet<&str> =
            picture.versions(&transfer.journey).flat_map(|(_, one)| one.connections()).collect();
        for connection in connections {
            self.links.wake(connection);
        }
        Ok(woken == 0)
    }

    async fn take_along(&self, transfer: &Transfer) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let work = self.store.inside(&transfer.journey, &transfer.after, BATCH).await?;
        let picture = self.programs.picture();
        let finished = work.enrollments.len() < usize::try_from(BATCH).unwrap_or(usize::MAX);
        let last = work.enrollments.keys().next_back().cloned();
        let after = last.unwrap_or_else(|| transfer.after.clone());
        let concerned: BTreeSet<i64> = work
            .enrollments
            .values()
            .filter(|enrollment| transfer.concerns(enrollment))
            .map(|enrollment| enrollment.version)
            .collect();
        let ways = transfer.ways(&picture, concerned);
        let ways: BTreeMap<i64, Relocation<'_>> = ways
            .iter()
            .map(|(version, (from, places))| {
                (*version, Relocation { from, places, version: transfer.version })
            })
            .collect();
        let eligible = work.enrollments.values().filter(|one| transfer.concerns(one)).count();
        let pasts = past::load(&self.store, &picture, &work, now).await?;
        let facts = self.links.facts();
        let policy = self.policies.get();
        let mut passed = {
            let around = Surroundings {
                picture: &picture,
                pasts: &pasts,
                policy: &policy,
                connections: &facts,
                links: self.unsubscribe.as_ref(),
                now,
                new_id: &|| new_id(now),
            };
            pass::transfer(work, &around, |enrollment| {
                if !transfer.concerns(enrollment) {
                    return None;
                }
                if transfer.kind == TransferKind::Leave {
                    let outcome = transfer.outcome.as_deref().unwrap_or("left");
                    return Some(Input::Leave { outcome });
                }
                ways.get(&enrollment.version).map(Input::Move)
            })
        };
        let done = passed.pass.advanced.len();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        passed.pass.transfer = Some(TransferStep {
            id: transfer.id,
            after,
            done: count(done),
            stayed: count(eligible.saturating_sub(done)),
            finished,
        });
        self.keep(passed).await?;
        Ok(finished)
    }
}

/// What a move takes from one version to the transfer's.
type Way = (Arc<Program>, Places);

/// Whether somebody may be moved, for previews as for batches.
pub(crate) fn way(
    kind: TransferKind,
    from: &Program,
    to: &Program,
    map: &[(String, String)],
) -> Option<Places> {
    if kind == TransferKind::Copy {
        return from.same_but_copy(to).then(|| Places::between(from, to, &[]).ok()).flatten();
    }
    // What was said by hand of one version need not hold for the others.
    Places::between(from, to, map).or_else(|_| Places::between(from, to, &[])).ok()
}

trait Concerns {
    fn concerns(&self, enrollment: &Enrollment) -> bool;
    fn ways(&self, picture: &Picture, versions: BTreeSet<i64>) -> BTreeMap<i64, Way>;
}

impl Concerns for Transfer {
    /// Those who came before it; who entered a later version since is let be.
    fn concerns(&self, enrollment: &Enrollment) -> bool {
        enrollment.version != self.version
            && (enrollment.version < self.version || enrollment.enrolled_at <= self.created_at)
    }

    fn ways(&self, picture: &Picture, versions: BTreeSet<i64>) -> BTreeMap<i64, Way> {
        if self.kind == TransferKind::Leave {
            return BTreeMap::new();
        }
        let Some(to) = picture.program(&self.journey, self.version) else {
            warn!(
                journey.name = self.journey,
                journey.version = self.version,
                "the version to move into is not loaded; those inside stay"
            );
            return BTreeMap::new();
        };
        let way = |version: i64| {
            let from = picture.program(&self.journey, version)?;
            Some((version, (Arc::clone(from), way(self.kind, from, to, &self.map)?)))
        };
        versions.into_iter().filter_map(way).collect()
    }
}
