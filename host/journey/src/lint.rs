//! What a journey says that it cannot do, or hardly means.
//!
//! A lint is sure of what it tells: it says `never` where no customer and no time makes a difference, and `can` where some
//! do. It stays silent where it depends on things that the file does not say.
//!
//! - `times`: windows that never open, messages that never fit them, coupons that are over too early.
//! - `ways`: steps that nobody gets to, waits for what never comes, results that may not be there.
//! - `messages`: limits that starve a journey, and what has no effect.
//! - `elapsed`: how much time passes at least between steps.
//! - `conflicts`: what several journeys do to each other.

use crate::Severity;
use crate::policy::Policy;
use crate::program::Program;

mod conflicts;
mod elapsed;
mod messages;
mod times;
mod ways;

pub use conflicts::{Conflict, conflicts};

/// Something found.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Path of what it is about.
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Finding {
    fn warning(path: impl Into<String>, message: String) -> Self {
        Self { severity: Severity::Warning, path: path.into(), message }
    }

    fn error(path: impl Into<String>, message: String) -> Self {
        Self { severity: Severity::Error, path: path.into(), message }
    }
}

/// Everything found in a journey, under the workspace's policy.
pub(crate) fn lint(program: &Program, policy: &Policy) -> Vec<Finding> {
    let mut found = times::lint(program, policy);
    found.extend(ways::lint(program));
    found.extend(messages::lint(program, policy));
    found
}
