//! What a journey file says about its own tests: who takes part, what happens when, what fails, and what is to come of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// One test of a journey file. Times are milliseconds from its start.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// For people.
    pub name: String,
    /// Line of the file where it begins.
    pub line: usize,
    /// When it begins: an instant, or a time of day somewhere.
    pub start: Start,
    /// Zone of customers who have none; the policy's zone if absent.
    pub zone: Option<String>,
    /// At least one.
    pub customers: Vec<TestCustomer>,
    /// What happens, in the order of the file.
    pub events: Vec<TestEvent>,
    /// What goes wrong outside.
    pub faults: Vec<Fault>,
    /// What actions answer, by connection.
    pub answers: BTreeMap<String, Value>,
    /// Names of the other journeys that are live.
    pub journeys: Vec<String>,
    /// When it ends at the latest; if absent, when nothing more can happen.
    pub until: Option<i64>,
    /// What is to come of it.
    pub expect: Vec<Expect>,
}

/// When a test begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Unix milliseconds.
    At(i64),
    /// This time of day in the test's zone.
    Local(jiff::civil::DateTime),
}

/// Customers who take part, alike but for their identifiers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestCustomer {
    /// Identifiers.
    pub ids: Vec<String>,
    /// What is known of them.
    pub attributes: Map<String, Value>,
    /// Tags they carry at the start.
    pub tags: BTreeSet<String>,
    /// What happened to them before the start.
    pub past: Vec<PastEvent>,
    /// Connections that they have no address for.
    pub no_address: BTreeSet<String>,
    /// Connections that they did not agree to be reached by.
    pub no_consent: BTreeSet<String>,
}

/// Something that happened to a customer before the start of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEvent {
    /// Its name.
    pub name: String,
    /// How long before the start, in milliseconds.
    pub ago: i64,
    /// Whatever else is known about it.
    pub properties: Map<String, Value>,
}

/// Something that happens to customers.
#[derive(Debug, Clone, PartialEq)]
pub struct TestEvent {
    /// When.
    pub at: i64,
    /// Its name; none for whatever the journey is entered by.
    pub name: Option<String>,
    /// To whom; to everybody if absent.
    pub customer: Option<String>,
    /// Whatever else is known about it.
    pub properties: Map<String, Value>,
    /// Whether it is reported a second time, with the same identifier.
    pub reported: Reported,
}

/// How often an event is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// As it should be.
    Once,
    /// Twice with the same identifier, as webhooks are that got no answer.
    Twice,
}

/// Something that goes wrong outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The connection.
    pub connection: String,
    /// Only for messages of this template.
    pub template: Option<String>,
    /// From when on.
    pub from: i64,
    /// Until when; without end if absent.
    pub until: Option<i64>,
    /// How often at most; always if absent.
    pub times: Option<u32>,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// What goes wrong outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing gets through; messages wait, or take the channel that the step falls back to.
    Down,
    /// The provider takes it and its answer is lost.
    AnswerLost,
    /// The provider refuses it for this reason.
    Refused(String),
}

/// What is to come of a test. Absent fields expect nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// Line of the file.
    pub line: usize,
    /// Of one customer; of everybody together if absent.
    pub customer: Option<String>,
    /// Messages that providers took, lost answers among them.
    pub sends: Option<u64>,
    /// The messages taken, in order.
    pub sent: Option<Vec<ExpectedSend>>,
    /// Coupons granted and not taken back.
    pub grants: Option<u64>,
    /// Posts taken.
    pub posts: Option<u64>,
    /// Messages not sent, by reason.
    pub suppressed: Option<BTreeMap<String, u64>>,
    /// How the enrollments in this journey ended, in order of entry; `active` for one that did not.
    pub outcomes: Option<Vec<String>>,
    /// How many reached the goal.
    pub goals: Option<u64>,
    /// Who was given something to do, in order.
    pub assigned: Option<Vec<String>>,
    /// Tags that the customer has in the end, among others.
    pub tags: BTreeSet<String>,
    /// Attributes that the customer has in the end, among others.
    pub attributes: Map<String, Value>,
}

/// One message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedSend {
    /// Its template.
    pub template: String,
    /// Over which connection.
    pub channel: Option<String>,
    /// How long after the start.
    pub at: Option<i64>,
}
