//! Places where tests end the process, and errors that they plant. See [`waystation_store::faults`] for those of the store.

use std::sync::atomic::{AtomicU32, Ordering};

/// Where the process can be ended.
pub const POINTS: [&str; 25] = [
    "activate.flip",
    "activate.flipped",
    "ask.answered",
    "ask.before",
    "ask.due",
    "call.answered",
    "call.before",
    "call.settle",
    "call.settled",
    "codes.answer",
    "codes.take",
    "deliver.mark",
    "deliver.marked",
    "inbox.answered",
    "inbox.gathered",
    "inbox.taken",
    "pass.kept",
    "pass.ran",
    "pass.read",
    "poll.answered",
    "poll.before",
    "poll.taken",
    "recover.read",
    "start.loaded",
    "start.recovered",
];

/// Errors that can be planted, to see that a test notices them.
pub const PLANTS: [&str; 3] = [
    // After a start, what was under way is attempted again as if it had certainly not been done.
    "plant.blind-resend",
    // Events are acknowledged and forgotten.
    "plant.early-answer",
    // The cursor of a poll is stored without the events that came with it.
    "plant.forget-polled",
];

/// What to do when a place is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The process is to end at once.
    End,
    /// The thread is to stay there until somebody else ends the process.
    Stay,
}

/// Every place where the process can be ended.
pub fn points() -> impl Iterator<Item = &'static str> {
    waystation_store::faults::POINTS.into_iter().chain(POINTS)
}

/// Sets faults up for this process: `NAME=3` ends it the third time that the place is reached, `NAME=3:stay` has the thread
/// stay there, and `NAME=2%` plants an error with that chance each time. Several are separated by `;`. What ending and staying
/// mean is for `reached` to say; it is called on the thread that got there.
///
/// # Errors
/// If a name or a number is not known; the text says which.
pub fn set_up(text: &str, reached: fn(&str, Reached)) -> Result<(), String> {
    for one in text.split(';').map(str::trim).filter(|one| !one.is_empty()) {
        let (name, what) = one
            .split_once('=')
            .ok_or_else(|| format!("`{one}`: write NAME=3, NAME=3:stay or NAME=2%"))?;
        if let Some(percent) = what.strip_suffix('%') {
            plant(name, percent)?;
            continue;
        }
        let (time, how) = match what.strip_suffix(":stay") {
            Some(time) => (time, Reached::Stay),
            None => (what, Reached::End),
        };
        let Some(point) = points().find(|point| *point == name) else {
            return Err(format!("there is no place `{name}` where the process can be ended"));
        };
        let time: u32 = time.parse().ok().filter(|time| *time > 0).ok_or_else(|| {
            format!("`{one}`: say at which time it is reached, as a number from 1")
        })?;
        let count = AtomicU32::new(0);
        fail::cfg_callback(point, move || {
            if count.fetch_add(1, Ordering::Relaxed) + 1 == time {
                reached(point, how);
            }
        })?;
    }
    Ok(())
}

fn plant(name: &str, percent: &str) -> Result<(), String> {
    if !waystation_store::faults::PLANTS.iter().chain(&PLANTS).any(|plant| *plant == name) {
        return Err(format!("there is no error `{name}` that could be planted"));
    }
    let percent: f32 = percent
        .parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| format!("`{name}`: give a chance from 0% to 100%"))?;
    fail::cfg(name, &format!("{percent}%return"))
}
