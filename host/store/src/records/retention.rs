//! What is old, and what became of it.

use std::time::Duration;

/// An enrollment that ended long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRow {
    /// Its identifier.
    pub id: String,
    /// Its journey.
    pub journey: String,
    /// When it began.
    pub enrolled_at: i64,
    /// When it ended.
    pub ended_at: i64,
    /// Whether it has reached the journey's goal.
    pub goal_reached: bool,
    /// Whether it counts for a split that is not decided.
    pub undecided: bool,
}

/// What to delete of ended enrollments.
#[derive(Debug, Clone, Default)]
pub struct Trimming {
    /// These whole.
    pub whole: Vec<String>,
    /// These but for their rows.
    pub but_row: Vec<String>,
    /// Messages that were handed over at this time or later stay, as limits count them, and with them their enrollments.
    pub counted_since: i64,
}

/// An event that came in long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldEvent {
    /// Position in the inbox.
    pub position: i64,
    /// When it came in.
    pub received_at: i64,
    /// Whether it is needed: it is not dealt with, or is not old by its own time, or is the newest of its name and customer and
    /// somebody asks for the newest.
    pub needed: bool,
}

/// What a batch of deletions came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Rows of the table that it was about.
    pub rows: u64,
    /// Rows of other tables that went with them.
    pub others: u64,
    /// For how long the writer had to do with it.
    pub took: Duration,
}
