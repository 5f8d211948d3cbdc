//! Where the steps of one version of a journey are in another.

use std::collections::{BTreeMap, BTreeSet};

use crate::enrollment::{Enrollment, Status};
use crate::outline::{Outline, Step};
use crate::program::{Instruction, Issue, Op, Program};
use crate::state::Awaiting;

/// Which step of one version is which step of another.
///
/// A step with a name is the one of that name; any other is looked for among the steps around it: in lists of the same
/// kinds of steps it is the one in the same place, else what is unchanged is found first, and in between what is of the
/// same kind. What stands within a step goes along with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// By path in the older version.
    pub(crate) to: BTreeMap<String, String>,
    /// Paths in the older version of steps that say something else in the newer one.
    pub(crate) changed: BTreeSet<String>,
}

impl Places {
    /// Compares two versions. `by_hand` says of some steps which they are, by their paths in the older and the newer one.
    ///
    /// # Errors
    /// If one of those steps is not there, or the two are not of the same kind; the text says which.
    pub fn between(
        older: &Program,
        newer: &Program,
        by_hand: &[(String, String)],
    ) -> Result<Self, String> {
        let (old, new) = (older.outline.by_path(), newer.outline.by_path());
        let mut pairing = Pairing { new: &new, to: BTreeMap::new(), taken: BTreeSet::new() };
        for (from, to) in by_hand {
            let missing =
                |path: &str, of: &str| format!("there is no `{path}` in the {of} version");
            let from = old.get(from.as_str()).ok_or_else(|| missing(from, "older"))?;
            let to = new.get(to.as_str()).ok_or_else(|| missing(to, "newer"))?;
            if !same_kind(&from.kind, &to.kind) {
                return Err(format!(
                    "`{}` is a `{}` and `{}` is a `{}`; name two steps of the same kind",
                    from.path, from.kind, to.path, to.kind
                ));
            }
            if !pairing.pair(from, to) {
                return Err(format!("`{}` or `{}` is named twice", from.path, to.path));
            }
        }
        let named: BTreeMap<(&str, &str), &Step> = new
            .values()
            .filter_map(|step| Some(((step.kind.as_str(), step.name.as_deref()?), *step)))
            .collect();
        for step in old.values() {
            let Some(name) = &step.name else { continue };
            if let Some(to) = named.get(&(step.kind.as_str(), name.as_str())) {
                pairing.pair(step, to);
            }
        }
        pairing.list(&older.outline.steps, &newer.outline.steps);
        let changed = pairing.to.iter().filter(|(from, to)| {
            let step = |steps: &BTreeMap<&str, &Step>, path: &str| {
                steps.get(path).map(|step| step.fields.clone())
            };
            step(&old, from) != step(&new, to)
        });
        let changed = changed.map(|(from, _)| (*from).to_owned()).collect();
        let to = pairing.to.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
        Ok(Self { to: to.collect(), changed })
    }

    /// Path of the step in the newer version at which an enrollment of the older one goes on; none if it has no
    /// counterpart, so that the enrollment stays where it is.
    #[must_use]
    pub fn of<'n>(
        &self,
        older: &Program,
        newer: &'n Program,
        enrollment: &Enrollment,
    ) -> Option<&'n str> {
        let position = self.position(older, newer, enrollment)?;
        newer.code.get(position).map(|instruction| instruction.step.as_str())
    }

    /// As [`of`](Self::of), as an index of the newer program's code.
    pub(crate) fn position(
        &self,
        older: &Program,
        newer: &Program,
        enrollment: &Enrollment,
    ) -> Option<usize> {
        if enrollment.status != Status::Active {
            return None;
        }
        let state = &enrollment.state;
        let from = older.code.get(state.position as usize)?;
        let to = self.to.get(&from.step)?;
        let waits = |op: &Op| match (&state.awaiting, op) {
            (Awaiting::Timer, Op::Wait { .. } | Op::WaitUntil(_))
            | (Awaiting::Event, Op::WaitFor(_))
            | (Awaiting::Coupon { .. }, Op::Issue(_))
            | (Awaiting::Action { .. }, Op::Run(_)) => true,
            (Awaiting::Message { grant, .. }, Op::Send { .. }) => grant.is_none(),
            (Awaiting::Message { grant, .. }, Op::Issue(Issue { then_send, .. })) => {
                grant.is_some() && then_send.is_some()
            }
            _ => false,
        };
        let is = |one: &Instruction| one.step == *to && waits(&one.op);
        newer.code.iter().position(is)
    }

    /// Where a `repeat` at this index of the older program's code is in the newer one.
    pub(crate) fn repeat(&self, older: &Program, newer: &Program, index: u32) -> Option<u32> {
        let to = self.to.get(&older.code.get(index as usize)?.step)?;
        let is = |one: &Instruction| one.step == *to && matches!(one.op, Op::Repeat(_));
        newer.code.iter().position(is).and_then(|index| u32::try_from(index).ok())
    }
}

impl Program {
    /// Whether another version differs from this one in texts only: templates, title, owner and tests.
    #[must_use]
    pub fn same_but_copy(&self, other: &Self) -> bool {
        self.outline.same_but_copy(&other.outline)
    }

    pub(crate) fn outline(&self) -> &Outline {
        &self.outline
    }
}

/// Whoever waits for a time can wait for another one.
fn same_kind(one: &str, other: &str) -> bool {
    let time = |kind: &str| kind == "wait" || kind == "wait_until";
    one == other || (time(one) && time(other))
}

struct Pairing<'o, 'n> {
    new: &'n BTreeMap<&'n str, &'n Step>,
    to: BTreeMap<&'o str, &'n str>,
    taken: BTreeSet<&'n str>,
}

impl<'o, 'n> Pairing<'o, 'n> {
    /// Says whether both were free.
    fn pair(&mut self, old: &'o Step, new: &'n Step) -> bool {
        if self.to.contains_key(old.path.as_str()) || self.taken.contains(new.path.as_str()) {
            return false;
        }
        self.to.insert(&old.path, &new.path);
        self.taken.insert(&new.path);
        true
    }

    fn list(&mut self, old: &'o [Step], new: &'n [Step]) {
        let kinds_agree =
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.kind == new.kind);
        if kinds_agree {
            old.iter().zip(new).for_each(|(old, new)| {
                self.pair_unnamed(old, new);
            });
        } else {
            let (mut old_from, mut new_from) = (0, 0);
            for (old_at, new_at) in unchanged(old, new) {
                self.between_anchors(&old[old_from..old_at], &new[new_from..new_at]);
                self.pair_unnamed(&old[old_at], &new[new_at]);
                (old_from, new_from) = (old_at + 1, new_at + 1);
            }
            self.between_anchors(&old[old_from..], &new[new_from..]);
        }
        for step in old {
            let Some(to) = self.to.get(step.path.as_str()).and_then(|to| self.new.get(to)) else {
                // What stood in it may have been named, and was found then.
                continue;
            };
            for (key, list) in &step.lists {
                if let Some((_, others)) = to.lists.iter().find(|(other, _)| other == key) {
                    self.list(list, others);
                }
            }
        }
    }

    fn between_anchors(&mut self, old: &'o [Step], new: &'n [Step]) {
        let mut from = 0;
        for step in old {
            let next = new[from..].iter().position(|other| self.fits(step, other));
            if let Some(next) = next {
                self.pair(step, &new[from + next]);
                from += next + 1;
            }
        }
    }

    fn pair_unnamed(&mut self, old: &'o Step, new: &'n Step) {
        if self.fits(old, new) {
            self.pair(old, new);
        }
    }

    /// Whether two steps may be the same: of one kind, both free, and not known by two names.
    fn fits(&self, old: &Step, new: &Step) -> bool {
        let named = old.name.is_some() && new.name.is_some() && old.name != new.name;
        old.kind == new.kind
            && !named
            && !self.to.contains_key(old.path.as_str())
            && !self.taken.contains(new.path.as_str())
    }
}

/// The longest run of steps, in their order, that say the same in both lists: their indexes.
fn unchanged(old: &[Step], new: &[Step]) -> Vec<(usize, usize)> {
    let same = |i: usize, j: usize| {
        let (old, new) = (&old[i], &new[j]);
        old.kind == new.kind && old.fields == new.fields
    };
    // Lengths of the longest common run from (i, j) on.
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if same(i, j) {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut run) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if same(i, j) {
            run.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    run
}
