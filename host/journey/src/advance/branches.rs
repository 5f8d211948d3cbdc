//! Steps that choose where to go on.

use sha2::{Digest as _, Sha256};

use super::{Flow, Run};
use crate::expression::Expression;
use crate::history::EntryKind;
use crate::program::{Arm, Case, Repeat, Split};

impl Run<'_, '_> {
    pub(super) fn decide(&mut self, condition: &Expression, otherwise: u32) -> Flow {
        match condition.holds(&self.scope()) {
            Ok(true) => {
                self.note_here(EntryKind::Branched, "then".to_owned());
                self.next()
            }
            Ok(false) => {
                self.note_here(EntryKind::Branched, "else".to_owned());
                self.jump(otherwise as usize);
                Flow::Continues
            }
            Err(error) => self.fail(condition.path(), error.to_string()),
        }
    }

    pub(super) fn switch(&mut self, cases: &[Case], otherwise: u32) -> Flow {
        for (index, case) in cases.iter().enumerate() {
            match case.condition.holds(&self.scope()) {
                Ok(true) => {
                    self.note_here(EntryKind::Branched, index.to_string());
                    self.jump(case.to as usize);
                    return Flow::Continues;
                }
                Ok(false) => {}
                Err(error) => return self.fail(case.condition.path(), error.to_string()),
            }
        }
        self.note_here(EntryKind::Branched, "else".to_owned());
        self.jump(otherwise as usize);
        Flow::Continues
    }

    pub(super) fn split(&mut self, split: &Split) {
        let decided = self.world.winners.get(&split.name);
        let decided = decided.and_then(|name| split.arms.iter().find(|arm| arm.name == *name));
        let arm = match decided {
            Some(arm) => arm,
            None => {
                let Some(arm) = self.arm(split) else { return };
                self.out.arms.push((split.name.clone(), arm.name.clone()));
                arm
            }
        };
        let result = [("arm".to_owned(), arm.name.as_str().into())];
        self.keep_result(Some(&split.name), result.into_iter().collect());
        self.note_here(EntryKind::Split, format!("{} {}", split.name, arm.name));
        self.jump(arm.to as usize);
    }

    /// The arm that a hash of journey, split and customer gives: the same at every time, and independent of what other
    /// splits give.
    fn arm<'s>(&self, split: &'s Split) -> Option<&'s Arm> {
        let hash = Sha256::new()
            .chain_update(self.program.name())
            .chain_update([0])
            .chain_update(&split.name)
            .chain_update([0])
            .chain_update(&self.enrollment.customer)
            .finalize();
        let number = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let total: u64 = split.arms.iter().map(|arm| u64::from(arm.weight)).sum();
        let mut left = number.checked_rem(total)?;
        split.arms.iter().find(|arm| {
            let weight = u64::from(arm.weight);
            let within = left < weight;
            left = left.saturating_sub(weight);
            within
        })
    }

    pub(super) fn repeat(&mut self, repeat: &Repeat, position: usize) -> Flow {
        // A file has far fewer than 2^32 steps.
        let place = u32::try_from(position).unwrap_or(u32::MAX);
        let turns = self.enrollment.state.turns.get(&place).copied().unwrap_or(0);
        let again = match &repeat.condition {
            _ if turns >= repeat.times => Ok(false),
            None => Ok(true),
            Some(condition) => condition.holds(&self.scope()),
        };
        match again {
            Ok(true) => {
                self.enrollment.state.turns.insert(place, turns + 1);
                self.note_here(EntryKind::Repeated, (turns + 1).to_string());
                self.next()
            }
            Ok(false) => {
                self.enrollment.state.turns.remove(&place);
                self.jump(repeat.otherwise as usize);
                Flow::Continues
            }
            Err(error) => {
                let step = repeat.condition.as_ref().map_or("", |condition| condition.path());
                self.fail(step, error.to_string())
            }
        }
    }
}
