//! What is decided about a message when it is about to be sent.
//!
//! - `limit`: how many messages a customer may get.
//! - `workspace`: what holds for all journeys ([`Policy`]).

mod limit;
mod workspace;

pub use limit::{Limit, Over};
pub use workspace::{CheckedPolicy, Policy};

/// The priority of journeys that give none.
pub(crate) const MEDIUM: u8 = 50;
