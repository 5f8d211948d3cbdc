//! Which arm of a split wins.
//!
//! A split is looked at when each arm has had its first 100, 200, 400, … enrollments of which it is known whether they reach
//! the goal: those that have reached it, and those whose time for it is over. (A goal without `within` counts as missed once
//! the enrollment has ended; what comes later is not counted.) Always the first ones are counted, so that an arm on which
//! goals are reached late is not taken for a worse one, and so that the same look gives the same answer on every host.
//!
//! At a look the best arm wins if it is better than every other by Fisher's exact test. The chance of a winner among arms that
//! are all the same is at most [`FALSE_WINNER`] over all looks and arms: look number k gets the part 1/((k+1)(k+2)) of it, which
//! sum up to 1, and each arm an equal part of that.

use serde::Serialize;
use waystation_journey::{Split, Winner};
use waystation_store::records::SplitWinner;

use crate::engine::Engine;
use crate::error::EngineError;

/// Enrollments of each arm at the first look; each further look has twice as many.
pub(crate) const FIRST_LOOK: i64 = 100;
/// Most looks; the last one is at 100 million enrollments of each arm.
pub(crate) const LOOKS: u32 = 20;
/// Chance that arms which are all the same have a winner.
const FALSE_WINNER: f64 = 0.05;

/// An arm, and what came of it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArmView {
    /// The arm's name.
    pub arm: String,
    /// Enrollments that were given it.
    pub entered: i64,
    /// Those of them that reached the goal so far.
    pub reached: i64,
}

/// A split, and what came of it so far.
#[derive(Debug, Clone)]
pub struct SplitView {
    /// The split's name.
    pub split: String,
    /// Who decides.
    pub winner: Winner,
    /// Its arms, in the order of the file.
    pub arms: Vec<ArmView>,
    /// The decision, if there is one.
    pub decided: Option<SplitWinner>,
}

impl Engine {
    /// The splits of a journey's newest version in use.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such journey.
    pub async fn splits(&self, journey: &str) -> Result<Vec<SplitView>, EngineError> {
        let program = self.program_in_use(journey).await?;
        let store = self.store();
        let decided = store.split_winners().await?;
        let mut splits = Vec::new();
        for split in program.splits() {
            let counts = store.split_counts(journey, split.name()).await?;
            let arms = split.arms().map(|arm| {
                let counted = counts.iter().find(|one| one.arm == arm);
                ArmView {
                    arm: arm.to_owned(),
                    entered: counted.map_or(0, |one| one.entered),
                    reached: counted.map_or(0, |one| one.reached),
                }
            });
            let of_split = |one: &&SplitWinner| one.journey == journey && one.split == split.name();
            splits.push(SplitView {
                split: split.name().to_owned(),
                winner: split.winner(),
                arms: arms.collect(),
                decided: decided.iter().find(of_split).cloned(),
            });
        }
        Ok(splits)
    }

    /// Decides a split by hand: everybody who reaches it from now on gets this arm. A former decision is replaced.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such journey, split or arm.
    pub async fn decide_split(
        &self,
        journey: &str,
        split: &str,
        arm: &str,
        actor: &str,
    ) -> Result<(), EngineError> {
        let program = self.program_in_use(journey).await?;
        let names = |names: Vec<&str>| names.join(", ");
        let found = program.splits().find(|one| one.name() == split).ok_or_else(|| {
            let splits = names(program.splits().map(Split::name).collect());
            EngineError::Missing(format!(
                "split `{split}` in journey `{journey}`; it has: {splits}"
            ))
        })?;
        if !found.arms().any(|one| one == arm) {
            let arms = names(found.arms().collect());
            return Err(EngineError::Missing(format!(
                "arm `{arm}` in split `{split}`; it has: {arms}"
            )));
        }
        let counts = self.store().split_counts(journey, split).await?;
        let winner = SplitWinner {
            journey: journey.to_owned(),
            split: split.to_owned(),
            arm: arm.to_owned(),
            decided_at: self.now(),
            decided_by: actor.to_owned(),
            // Names and numbers: it cannot fail.
            figures: serde_json::to_string(&counts).unwrap_or_default(),
        };
        self.store().decide_split(winner, true).await?;
        self.core.programs.put_winner(journey, split, arm);
        Ok(())
    }
}

/// The arm that wins at a look, counted from 0, if one does: of each arm `entered` enrollments are counted, and so many of
/// them reached the goal.
#[must_use]
pub fn best(reached: &[u64], entered: u64, look: u32) -> Option<usize> {
    let (best, most) = reached.iter().copied().enumerate().max_by_key(|(_, reached)| *reached)?;
    let look = f64::from(look);
    let doubt = FALSE_WINNER / ((look + 1.0) * (look + 2.0)) / reached.len() as f64;
    let others = reached.iter().enumerate().filter(|(arm, _)| *arm != best);
    let wins = others.map(|(_, other)| exceeds(most, *other, entered)).all(|p| p < doubt);
    (reached.len() > 1 && wins).then_some(best)
}

/// Probability that of two equal arms of this size one has so many successes or more, given how many both have together
/// (Fisher's exact test, one-sided).
fn exceeds(more: u64, less: u64, size: u64) -> f64 {
    let total = more + less;
    let all = ln_choose(2 * size, total);
    let mut sum = 0.0;
    for count in more..=total.min(size) {
        let term = (ln_choose(size, count) + ln_choose(size, total - count) - all).exp();
        sum += term;
        // The terms fall faster and faster; the rest adds nothing.
        if term < sum * 1e-12 {
            break;
        }
    }
    sum.min(1.0)
}

/// The logarithm of the number of ways to choose so many of a whole.
fn ln_choose(whole: u64, part: u64) -> f64 {
    ln_factorial(whole) - ln_factorial(part) - ln_factorial(whole - part)
}

/// By Stirling's series, which is exact to 1e-12 from 16 on; below, by multiplying.
fn ln_factorial(number: u64) -> f64 {
    if number < 16 {
        return (1..=number).map(|factor| factor as f64).product::<f64>().ln();
    }
    let n = number as f64;
    n * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI * n).ln() + 1.0 / (12.0 * n)
        - 1.0 / (360.0 * n.powi(3))
        + 1.0 / (1260.0 * n.powi(5))
        - 1.0 / (1680.0 * n.powi(7))
}

#[cfg(test)]
mod tests;
