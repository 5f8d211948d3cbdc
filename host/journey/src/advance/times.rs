//! Steps that wait until a time.

use super::{Flow, Run};
use crate::calendar::{Day, WindowZone, Zone, next_time};
use crate::history::EntryKind;
use crate::program::{Every, WaitUntil};
use crate::state::Awaiting;

impl Run<'_, '_> {
    /// The customer's zone.
    pub(super) fn zone(&self) -> Zone {
        Zone::of(self.world.customer, self.world.policy.zone())
    }

    fn zone_of(&self, zone: &WindowZone) -> Zone {
        match zone {
            WindowZone::Customer => self.zone(),
            WindowZone::Fixed(zone) => zone.clone(),
        }
    }

    pub(super) fn wait_until(&mut self, due: i64) -> Flow {
        self.rest(Awaiting::Timer, due);
        self.note_here(EntryKind::Waiting, String::new());
        Flow::Rests
    }

    /// Waits until a time; if it is over, the next step follows at once.
    pub(super) fn time(&mut self, until: &WaitUntil) -> Flow {
        match self.due(until) {
            Ok(due) if due <= self.world.now => self.next(),
            Ok(due) => self.wait_until(due),
            Err(detail) => {
                let step = self.step().to_owned();
                self.fail(&step, detail)
            }
        }
    }

    /// When the time is.
    pub(super) fn due(&self, until: &WaitUntil) -> Result<i64, String> {
        let now = self.world.now;
        match until {
            WaitUntil::At(at) => Ok(*at),
            WaitUntil::Clock { time, weekdays, zone } => {
                let next = next_time(now, &self.zone_of(zone), *time, *weekdays);
                next.ok_or_else(|| "there is no such time within reach".to_owned())
            }
            WaitUntil::Date { date, every, offset, time, zone } => {
                let zone = self.zone_of(zone);
                date.json(&self.scope()).map_err(|error| error.to_string()).and_then(|value| {
                    let day = Day::of(&value, &zone).ok_or_else(|| {
                        format!(
                            "{}: the value is no date; give YYYY-MM-DD, MM-DD or Unix milliseconds",
                            date.path()
                        )
                    })?;
                    let due = match every {
                        Every::Once => day.once(*offset, *time, &zone),
                        Every::Year => day.next(now, *offset, *time, &zone),
                    };
                    due.ok_or_else(|| {
                        format!("{}: the date has no year, so it needs `every: year`", date.path())
                    })
                })
            }
            WaitUntil::Window => Ok(self.opening()),
        }
    }

    /// The next opening of the journey's window, or else the workspace's. One that never opens does not hold anybody up:
    /// whether a message may go out is decided when it is sent.
    fn opening(&self) -> i64 {
        let now = self.world.now;
        let policy = self.world.policy;
        let zone = self.zone();
        let window = self.program.window.as_ref().or(policy.window());
        window.and_then(|window| window.next_open(now, &policy.place(&zone))).unwrap_or(now)
    }
}
