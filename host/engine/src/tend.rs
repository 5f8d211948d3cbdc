//! What is looked at once a minute: journeys that drain, and splits that can be decided.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{error, info};
use waystation_journey::{HOST_SOURCE, Winner};
use waystation_store::StoreError;
use waystation_store::records::{JourneyUpdate, SplitWinner};

use crate::engine::Core;
use crate::splits::{FIRST_LOOK, LOOKS, best};

/// Milliseconds from one look to the next.
const PAUSE: i64 = 60_000;

/// Looks after journeys until `stop`.
pub(crate) async fn work(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    let mut tender = Tender { core, first: HashMap::new(), looks: HashMap::new() };
    while !*stop.borrow() {
        match tender.tend().await {
            Ok(()) => {}
            Err(StoreError::Closed) => return,
            Err(error) => {
                error!(%error, "journeys cannot be looked after; trying again in a minute")
            }
        }
        let core = &tender.core;
        tokio::select! {
            () = core.clock.sleep_until(core.clock.now().saturating_add(PAUSE)) => {}
            () = core.tend.notified() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

struct Tender {
    core: Arc<Core>,
    /// The first that was found inside each journey that drains: whoever came before has left.
    first: HashMap<String, String>,
    /// Looks taken at each split, by journey and split. The same look gives the same answer, so a new host takes them again.
    looks: HashMap<(String, String), u32>,
}

impl Tender {
    async fn tend(&mut self) -> Result<(), StoreError> {
        if !self.core.territory.leads() {
            return Ok(());
        }
        self.retire().await?;
        self.decide().await
    }

    /// Retires the journeys that have drained.
    async fn retire(&mut self) -> Result<(), StoreError> {
        let core = Arc::clone(&self.core);
        let _turn = core.changing.lock().await;
        for row in core.store.journeys().await? {
            if row.state != "draining" {
                self.first.remove(&row.name);
                continue;
            }
            let from = self.first.get(&row.name).map_or("", String::as_str);
            if let Some(found) = core.store.first_inside(&row.name, from).await? {
                self.first.insert(row.name, found);
                continue;
            }
            info!(journey.name = row.name, "the last customer has left; the journey is retired");
            let update = JourneyUpdate {
                journey: row.name,
                from: row.state,
                to: "retired",
                live: None,
                kind: "retired",
                detail: "nobody is inside any more".to_owned(),
                actor: HOST_SOURCE.to_owned(),
                transfers: Vec::new(),
            };
            core.store.update_journey(update, core.clock.now()).await?;
        }
        Ok(())
    }

    /// Decides the splits for which there is enough to go by.
    async fn decide(&mut self) -> Result<(), StoreError> {
        let picture = self.core.programs.picture();
        for version in picture.live() {
            let program = &version.program;
            for split in program.splits().filter(|split| split.winner() == Winner::Automatic) {
                if picture.winners(program.name()).contains_key(split.name()) {
                    continue;
                }
                let arms: Vec<&str> = split.arms().collect();
                let within = program.goal_within().filter(|within| *within < i64::MAX);
                self.look(program.name(), split.name(), &arms, within).await?;
            }
        }
        Ok(())
    }

    async fn look(
        &mut self,
        journey: &str,
        split: &str,
        arms: &[&str],
        within: Option<i64>,
    ) -> Result<(), StoreError> {
        let core = &self.core;
        let look = self.looks.entry((journey.to_owned(), split.to_owned())).or_default();
        while *look < LOOKS {
            let most = FIRST_LOOK << *look;
            let now = core.clock.now();
            let mut reached = Vec::with_capacity(arms.len());
            for arm in arms {
                let first =
                    core.store.first_of_arm((journey, split, arm), most, within, now).await?;
                if first.known < most {
                    return Ok(());
                }
                reached.push(u64::try_from(first.reached).unwrap_or(0));
            }
            let arm = best(&reached, most.unsigned_abs(), *look).and_then(|best| arms.get(best));
            *look += 1;
            let Some(arm) = arm else { continue };
            let counted = arms.iter().zip(&reached);
            let counted: Vec<_> = counted
                .map(|(arm, reached)| {
                    serde_json::json!({ "arm": arm, "entered": most, "reached": reached })
                })
                .collect();
            let winner = SplitWinner {
                journey: journey.to_owned(),
                split: split.to_owned(),
                arm: (*arm).to_owned(),
                decided_at: now,
                decided_by: HOST_SOURCE.to_owned(),
                figures: serde_json::Value::from(counted).to_string(),
            };
            if core.store.decide_split(winner, false).await? {
                info!(journey.name = journey, split, arm, "a split is decided");
                core.programs.put_winner(journey, split, arm);
            }
            return Ok(());
        }
        Ok(())
    }
}
