//! The variables of one evaluation.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use cel::common::types::{CelBool, CelInt, CelList};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, Value};

use super::budget::TURN;
use super::readings::{self, Found, Reading};
use super::values::Record;
use crate::customer::{Coupon, Customer, Event};
use crate::past::Background;
use crate::segment::MAX_NESTING;

/// What an expression may look at. Nothing is copied until it is asked for.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    customer: &'a Customer,
    coupons: &'a [Coupon],
    now: i64,
    entry: Option<&'a Map<String, Value>>,
    results: Option<&'a Map<String, Value>>,
    event: Option<&'a Event>,
    background: Background<'a>,
    /// Turns left to the evaluation under way. Atomic only because the library asks for `Sync`.
    pub(super) turns: AtomicU32,
}

impl<'a> Scope<'a> {
    /// What is known of a customer who is in no journey yet.
    pub(crate) fn new(customer: &'a Customer, coupons: &'a [Coupon], now: i64) -> Self {
        Self {
            customer,
            coupons,
            now,
            entry: None,
            results: None,
            event: None,
            background: Background::default(),
            turns: super::turns(),
        }
    }

    /// Adds what the enrollment remembers.
    pub(crate) fn enrolled(
        mut self,
        entry: &'a Map<String, Value>,
        results: &'a Map<String, Value>,
    ) -> Self {
        self.entry = Some(entry);
        self.results = Some(results);
        self
    }

    /// Adds the customer's past and the workspace's segments.
    pub(crate) fn background(mut self, background: Background<'a>) -> Self {
        self.background = background;
        self
    }

    /// Adds the event at hand.
    pub(crate) fn event(mut self, event: &'a Event) -> Self {
        self.event = Some(event);
        self
    }

    fn take_turn(&self) -> Option<CowVal<'a, 'a>> {
        let left = self.turns.load(Ordering::Relaxed).checked_sub(1)?;
        self.turns.store(left, Ordering::Relaxed);
        Some(CowVal::Borrowed(&CelBool::TRUE))
    }
}

/// The variables of one expression's evaluation: those of the scope, and its readings, each looked up once.
pub(super) struct Variables<'a, 's> {
    scope: &'a Scope<'s>,
    readings: &'a [Reading],
    found: Box<[OnceLock<Option<Found>>]>,
    /// How many segments ask for this one.
    depth: usize,
}

impl<'a, 's> Variables<'a, 's> {
    pub(super) fn new(scope: &'a Scope<'s>, readings: &'a [Reading], depth: usize) -> Self {
        let found = readings.iter().map(|_| OnceLock::new()).collect();
        Self { scope, readings, found, depth }
    }

    fn look_up(&self, reading: &Reading) -> Option<Found> {
        let Reading::InSegment { segment } = reading else {
            return reading.look_up(self.scope.background, self.scope.now);
        };
        if self.depth == MAX_NESTING {
            return None;
        }
        let segment = self.scope.background.segments?.get(segment)?;
        // A customer for whom the segment's condition cannot be evaluated is not in it.
        let holds = segment.audience().expression().holds_below(self.scope, self.depth + 1);
        Some(Found::Truth(holds.unwrap_or(false)))
    }
}

impl VariableResolver for Variables<'_, '_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let Some(index) = readings::index(variable) else { return self.scope.resolve(variable) };
        let reading = self.readings.get(index)?;
        let found = *self.found.get(index)?.get_or_init(|| self.look_up(reading));
        found.map(Found::value)
    }
}

impl VariableResolver for Scope<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        Some(match variable {
            "customer" => CowVal::owned(Record::Customer(self.customer)),
            "entry" => CowVal::owned(Record::Object(self.entry?)),
            "event" => CowVal::owned(Record::Event(self.event?)),
            "steps" => CowVal::owned(Record::Object(self.results?)),
            "now" => CowVal::owned(CelInt::from(self.now)),
            "coupons" => {
                let coupons = self.coupons.iter().map(|coupon| {
                    let coupon: Box<dyn Val + 'b> = Box::new(Record::Coupon(coupon, self.now));
                    coupon
                });
                CowVal::owned(CelList::from(coupons.collect::<Vec<_>>()))
            }
            TURN => return self.take_turn(),
            _ => return None,
        })
    }
}
