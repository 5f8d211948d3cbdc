//! Places where tests end the process, and errors that they plant.
//!
//! Each is a fail point: nothing happens there unless a test has set it up by name, which a server does only in a folder
//! made for it. T0 is the transaction that takes events in; for T1, T2 and T3 see the statements.

use fail::fail_point;

/// Where the process can be ended.
pub const POINTS: [&str; 18] = [
    "codes.taken",
    "commit.answered",
    "commit.begin",
    "commit.begun",
    "commit.durable",
    "commit.end",
    "commit.job",
    "poll.moved",
    "t0.customers",
    "t0.events",
    "t1.asked",
    "t1.closed",
    "t1.customers",
    "t1.moved",
    "t2.decided",
    "t2.marked",
    "t3.attempts",
    "t3.effects",
];

/// Errors that can be planted, to see that a test notices them.
pub const PLANTS: [&str; 4] = [
    // A commit succeeds, and whoever waits for it is told that the database cannot be reached. That is no error of the server,
    // which must get along with it.
    "fault.lost-answer",
    // Commits are not flushed.
    "plant.no-flush",
    // A pass leaves its events open, so that the next one takes them again.
    "plant.open-events",
    // Effects are attempted without a mark in the ledger.
    "plant.skip-mark",
];

/// Whether a test has planted this error.
#[must_use]
pub fn planted(name: &str) -> bool {
    fail_point!(name, |_| true);
    false
}
