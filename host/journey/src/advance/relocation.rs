//! Moving an enrollment into another version of its journey.

use super::effects::Attempt;
use super::{Run, Taken};
use crate::calendar::Span;
use crate::enrollment::Status;
use crate::history::EntryKind;
use crate::input::Relocation;
use crate::program::{Delivery, Issue, Op};
use crate::state::Awaiting;

impl Run<'_, '_> {
    /// The enrollment goes on at the counterpart of its step, in the program of this run. What it waits for stays: the
    /// effect that is under way, the turns taken, the results. A time that the new version gives anew counts from when
    /// the wait began.
    pub(super) fn relocate(&mut self, relocation: &Relocation<'_>) -> Taken {
        let older = relocation.from;
        if self.enrollment.status != Status::Active || self.enrollment.version == relocation.version
        {
            return Taken::No;
        }
        let Some(position) = relocation.places.position(older, self.program, self.enrollment)
        else {
            return Taken::No;
        };
        let from = self.position();
        let turns = std::mem::take(&mut self.enrollment.state.turns);
        let kept = turns.into_iter().filter_map(|(index, turns)| {
            Some((relocation.places.repeat(older, self.program, index)?, turns))
        });
        self.enrollment.state.turns = kept.collect();
        let before = self.enrollment.version;
        self.enrollment.version = relocation.version;
        self.jump(position);
        let Some(instruction) = older.code.get(from) else { return Taken::Yes };
        let detail =
            format!("version {before} {} to version {}", instruction.step, relocation.version);
        self.note_here(EntryKind::Moved, detail);
        if relocation.places.changed.contains(&instruction.step) {
            self.wait_anew(&instruction.op);
            self.try_on(&instruction.op);
        }
        Taken::Yes
    }

    fn wait_anew(&mut self, before: &Op) {
        let (Some(due), Some(now)) = (self.enrollment.due_at, self.op(self.position())) else {
            return;
        };
        let back = |span: &Span| Span { days: -span.days, ms: -span.ms }.after(due, &self.zone());
        let due = match (before, now) {
            (Op::Wait { duration: old }, Op::Wait { duration: new }) if old != new => {
                new.after(back(old), &self.zone())
            }
            (Op::WaitFor(old), Op::WaitFor(new)) if old.up_to != new.up_to => {
                new.up_to.after(back(&old.up_to), &self.zone())
            }
            (Op::WaitUntil(_), Op::Wait { duration }) => {
                duration.after(self.world.now, &self.zone())
            }
            // A date that cannot be told any more leaves the one that was told.
            (_, Op::WaitUntil(until)) => self.due(until).unwrap_or(due),
            _ => due,
        };
        self.enrollment.due_at = Some(due);
    }

    /// A message under way is followed by the channels of the new version, from the one after it on; from the first one
    /// on if it is none of them.
    fn try_on(&mut self, before: &Op) {
        let (Some(old), Some(new)) =
            (delivery(before), self.op(self.position()).and_then(delivery))
        else {
            return;
        };
        let Awaiting::Message { channel, first, template, .. } =
            &mut self.enrollment.state.awaiting
        else {
            return;
        };
        let tried = Attempt { first: *first, channel: *channel, template: *template };
        let texts = old.templates.get(*template as usize);
        let text = texts.and_then(|text| new.templates.iter().position(|other| other == text));
        // A text that is no more has no backup.
        *template = text.map_or(u32::MAX - 1, |place| u32::try_from(place).unwrap_or(0));
        if old.channels == new.channels {
            return;
        }
        let place =
            tried.connection(old).and_then(|name| new.channels.iter().position(|c| c == name));
        (*first, *channel) = match place {
            Some(place) => (u32::try_from(place).unwrap_or(0), 0),
            None => (0, Attempt::NONE),
        };
    }
}

fn delivery(op: &Op) -> Option<&Delivery> {
    match op {
        Op::Send { delivery, .. } | Op::Issue(Issue { then_send: Some(delivery), .. }) => {
            Some(delivery)
        }
        _ => None,
    }
}
