//! What makes an enrollment go on, and what comes of it.

use std::collections::BTreeMap;

use crate::connection::Connections;
use crate::customer::{Coupon, Customer, Event};
use crate::effect::{Effect, Settled};
use crate::history::Entry;
use crate::past::Background;
use crate::places::Places;
use crate::policy::Policy;
use crate::program::Program;

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
    /// Whoever runs the journey wants the customer out of it.
    Leave {
        /// How the enrollment ends, in one word.
        outcome: &'a str,
    },
    /// The enrollment is to go on in the version of the program that it is advanced with.
    Move(&'a Relocation<'a>),
}

/// From one version of a journey into another.
#[derive(Debug, Clone, Copy)]
pub struct Relocation<'a> {
    /// The version that the enrollment is in.
    pub from: &'a Program,
    /// Where its steps are in the other one.
    pub places: &'a Places,
    /// Number of the other version.
    pub version: i64,
}

/// What an advance may look at, and the customer whom it may change.
#[derive(Debug)]
pub struct World<'a> {
    /// The enrolled customer. `set` steps change attributes and tags.
    pub customer: &'a mut Customer,
    /// The customer's coupons; may be empty if [`Program::reads_coupons`](crate::Program::reads_coupons) says no.
    pub coupons: &'a [Coupon],
    /// The customer's past and the workspace's segments, where [`Program::needs`](crate::Program::needs) asks for them.
    pub background: Background<'a>,
    /// What the connections can do now.
    pub connections: &'a Connections,
    /// Splits of the journey that are decided, each with the arm that everybody gets.
    pub winners: &'a Winners,
    /// What holds for all journeys: zones and calendars among it.
    pub policy: &'a Policy,
    /// Present time in Unix milliseconds.
    pub now: i64,
    /// Makes the unsubscribe link for a kind of address; a template that asks for it fails without.
    pub unsubscribe_url: Option<UnsubscribeUrl<'a>>,
}

/// The arm that everybody gets, by the name of the split.
pub type Winners = BTreeMap<String, String>;

/// Makes the unsubscribe link of the customer for a kind of address.
#[derive(Clone, Copy)]
pub struct UnsubscribeUrl<'a>(pub &'a dyn Fn(&str) -> String);

impl std::fmt::Debug for UnsubscribeUrl<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnsubscribeUrl")
    }
}

/// Something for a person to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Names it, like the key of an effect.
    pub key: String,
    /// Path of the step.
    pub step: String,
    /// A person or a queue, as the deployment names them. 1 to 200 characters.
    pub to: String,
    /// What is to be done. At most 16 KiB.
    pub note: String,
    /// When it should be done, in Unix milliseconds.
    pub due_at: Option<i64>,
}

/// What came of an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Advance {
    /// To be recorded and then made, in this order.
    pub effects: Vec<Effect>,
    /// What people are given to do.
    pub assignments: Vec<Assignment>,
    /// Arms that the customer was given, by the name of the split. An arm that everybody gets is not among them.
    pub arms: Vec<(String, String)>,
    /// Whether the customer's attributes or tags changed.
    pub customer_changed: bool,
    /// What to tell afterwards, in the order it happened.
    pub history: Vec<Entry>,
    /// The input came late, twice, or concerns nothing that is awaited: neither the enrollment nor the customer was
    /// touched, and there is nothing to store.
    pub ignored: bool,
}
