//! Lanes: how a host shares its time between journeys.
//!
//! Whatever is open (an event, a timer, a message that is due) stands in one of 64 lanes. A host takes some from each lane
//! that has any, so a million in one lane do not hold up the few in another. A lane says nothing about what is done: it is
//! noted when a row is written, and a row in the lane of another journey is only served with that one.

use serde::{Deserialize, Serialize};

/// Where something stands: 0 to 15 are of transactional journeys, 16 is of events that concern no journey in particular, 17
/// of the host's own events, 18 to 63 are of all other journeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(i64);

impl Lane {
    /// How many lanes there are.
    pub const COUNT: i64 = 64;
    /// Events that concern no journey in particular.
    pub const GENERAL: Self = Self(16);
    /// Events that the host gives of its own.
    pub const HOST: Self = Self(17);
    /// The first lane of journeys that are not transactional.
    const OTHERS: i64 = 18;

    /// The lane of the journey with this number, of those that are transactional. Sixteen have one each, more share them.
    #[must_use]
    pub fn urgent(number: usize) -> Self {
        Self(Self::within(number, Self::GENERAL.0))
    }

    /// The lane of the journey with this number, of those that are not transactional. 46 have one each, more share them.
    #[must_use]
    pub fn ordinary(number: usize) -> Self {
        Self(Self::OTHERS + Self::within(number, Self::COUNT - Self::OTHERS))
    }

    fn within(number: usize, lanes: i64) -> i64 {
        i64::try_from(number).unwrap_or(0) % lanes
    }

    /// The lane that the database names so; what is none counts as general.
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        if (0..Self::COUNT).contains(&number) { Self(number) } else { Self::GENERAL }
    }

    /// How the database names it.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }

    /// Whether it is of transactional journeys, which go first.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        self < Self::GENERAL
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self::GENERAL
    }
}
