//! What is decided about a message when it is about to be sent.
//!
//! Consent and address come first, then the hours: the journey's own window, or else the workspace's, and the workspace's
//! quiet hours. Whoever waits for an opening is decided upon anew when it comes. Limits come last, as only they depend on
//! what the customer got before: whoever calls must read that, decide, and mark the message as one undivided step.
//! Transactional messages need only an address, and no withdrawal from them.
//!
//! - `decide`: the decision ([`Message::decide`]), also in its two halves.
//! - `held`: why a message is held back ([`Held`]), typed and in words.
//! - `limit`: how many messages a customer may get.
//! - `workspace`: what holds for all journeys ([`Policy`]).

mod decide;
mod held;
mod limit;
mod workspace;

pub use decide::{Asking, Message, Ruling};
pub use held::{Counted, Held, LimitOf};
pub use limit::{Limit, Over};
pub use workspace::{CheckedPolicy, Policy};

/// The priority of journeys that give none.
pub(crate) const MEDIUM: u8 = 50;
