//! What makes an enrollment go on, and what comes of it.

use crate::connection::Connections;
use crate::customer::{Coupon, Customer, Event};
use crate::effect::{Effect, Settled};
use crate::history::Entry;

/// What makes an enrollment go on.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The enrollment is new.
    Start,
    /// The clock reached `due_at`.
    Timer,
    /// Something happened to the customer.
    Event(&'a Event),
    /// An effect was settled.
    Settled {
        /// The effect's key.
        key: &'a str,
        /// What became of it.
        outcome: &'a Settled,
    },
}

/// What an advance may look at, and the customer whom it may change.
#[derive(Debug)]
pub struct World<'a> {
    /// The enrolled customer. `set` steps change attributes and tags.
    pub customer: &'a mut Customer,
    /// The customer's coupons; may be empty if [`Program::reads_coupons`](crate::Program::reads_coupons) says no.
    pub coupons: &'a [Coupon],
    /// What the connections can do now.
    pub connections: &'a Connections,
    /// Present time in Unix milliseconds.
    pub now: i64,
    /// Makes the unsubscribe link for a kind of address; a template that asks for it fails without.
    pub unsubscribe_url: Option<UnsubscribeUrl<'a>>,
}

/// Makes the unsubscribe link of the customer for a kind of address.
#[derive(Clone, Copy)]
pub struct UnsubscribeUrl<'a>(pub &'a dyn Fn(&str) -> String);

impl std::fmt::Debug for UnsubscribeUrl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnsubscribeUrl")
    }
}

/// What came of an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Advance {
    /// To be recorded and then made, in this order.
    pub effects: Vec<Effect>,
    /// Whether the customer's attributes or tags changed.
    pub customer_changed: bool,
    /// What to tell afterwards, in the order it happened.
    pub history: Vec<Entry>,
    /// The input came late, twice, or concerns nothing that is awaited: neither the enrollment nor the customer was
    /// touched, and there is nothing to store.
    pub ignored: bool,
}
