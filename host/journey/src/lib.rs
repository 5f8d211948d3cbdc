//! Journeys: what they are made of, and how one customer moves through one.

mod advance;
mod check;
mod connection;
mod consent;
mod customer;
mod effect;
mod enrollment;
mod error;
mod expression;
mod history;
mod input;
mod nearest;
mod program;
mod state;
mod template;

pub use advance::{advance, entry};
pub use check::{Checked, MAX_FILE, Problem, Severity, check};
pub use connection::{ChannelFacts, ConnectionFacts, Connections, ContentKind};
pub use consent::{Purpose, Suppression, permit};
pub use customer::{Coupon, CouponState, Customer, Event};
pub use effect::{Benefit, Content, Effect, Money, Offer, Settled};
pub use enrollment::{Enrollment, Status};
pub use error::EvalError;
pub use history::{Entry, EntryKind};
pub use input::{Advance, Input, UnsubscribeUrl, World};
pub use program::{Again, OnUnknown, Program};
pub use state::State;

/// The outcome of an enrollment that came to the end of its steps.
pub const OUTCOME_FINISHED: &str = "finished";

/// The outcome of an enrollment that an expression's failure, or too many steps at once, put an end to.
pub const OUTCOME_ERROR: &str = "error";
