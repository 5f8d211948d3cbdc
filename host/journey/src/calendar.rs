//! Time as people keep it: zones, calendar days, times of day, weekdays, opening hours and public holidays. Pure.
//!
//! # When clocks change
//!
//! - A time of day that a change skips is made good by as much as was skipped: 02:30 becomes 03:30.
//! - A time of day that comes twice means the first time.
//! - Where a change skips a whole day, what falls on that day is at the same time of the next day ([`Span`]), or does not
//!   take place ([`next_time`]).
//! - Opening hours are what the clock on the wall says: while a change repeats an hour that is open, it is open twice.

mod clock_time;
mod day;
mod holidays;
mod span;
mod weekdays;
mod window;
mod zone;

pub use clock_time::{ClockTime, next_time};
pub use day::Day;
pub use holidays::{Calendar, calendars};
pub use span::Span;
pub use weekdays::Weekdays;
pub use window::{Hours, OpenDays, Place, Window, WindowZone};
pub use zone::Zone;

pub(crate) use span::DAY;
pub(crate) use weekdays::NAMES as WEEKDAYS;
