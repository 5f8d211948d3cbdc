//! Random journeys, as trees of steps.

use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) const CHANNELS: [&str; 2] = ["c0", "c1"];
pub(crate) const TEMPLATES: [&str; 2] = ["t0", "t1"];

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Wait(u8),
    WaitFor {
        event: u8,
        hours: u8,
        then: Vec<Self>,
        otherwise: Vec<Self>,
    },
    /// Over so many channels, with so many templates.
    Send(usize, usize),
    /// Whether a message tells of the coupon, over how many channels.
    Issue(Option<usize>),
    Run,
    Repeat {
        times: u8,
        steps: Vec<Self>,
    },
    /// Adds one to a counter of the customer.
    Count(usize),
    /// Whether a counter has come so far.
    If {
        counter: usize,
        least: u8,
        then: Vec<Self>,
        otherwise: Vec<Self>,
    },
    Exit,
}

#[derive(Debug, Clone)]
pub(crate) struct Plan(pub(crate) Vec<Step>);

pub(crate) fn event(number: u8) -> String {
    format!("event.{number}")
}

pub(crate) fn counter(number: usize) -> String {
    format!("n{number}")
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    prop::collection::vec(step(), 1..6).prop_map(Plan)
}

fn step() -> impl Strategy<Value = Step> {
    let leaf = prop_oneof![
        4 => (1..5_u8).prop_map(Step::Wait),
        4 => (1..=2_usize, 1..=2_usize).prop_map(|(channels, templates)| Step::Send(channels, templates)),
        3 => prop::option::of(1..=2_usize).prop_map(Step::Issue),
        2 => Just(Step::Run),
        3 => (0..2_usize).prop_map(Step::Count),
        1 => Just(Step::Exit),
    ];
    leaf.prop_recursive(3, 20, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        let some = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            (0..3_u8, 1..5_u8, list(), list()).prop_map(|(event, hours, then, otherwise)| {
                Step::WaitFor { event, hours, then, otherwise }
            }),
            (1..4_u8, some.clone()).prop_map(|(times, steps)| Step::Repeat { times, steps }),
            (0..2_usize, 1..3_u8, some, list()).prop_map(|(counter, least, then, otherwise)| {
                Step::If { counter, least, then, otherwise }
            }),
        ]
    })
}

impl Plan {
    /// The journey file, in the JSON that YAML includes.
    pub(crate) fn source(&self) -> String {
        let text = |text: &str| json!({ "default": { "text": text } });
        json!({
            "journey": "random",
            "entry": { "event": "go" },
            "exit": { "event": "stop", "as": "stopped" },
            "templates": { TEMPLATES[0]: text("a"), TEMPLATES[1]: text("b") },
            "steps": steps(&self.0),
        })
        .to_string()
    }
}

fn steps(steps: &[Step]) -> Vec<Value> {
    steps.iter().map(written).collect()
}

fn written(step: &Step) -> Value {
    match step {
        Step::Wait(hours) => json!({ "wait": format!("{hours}h") }),
        Step::WaitFor { event: number, hours, then, otherwise } => {
            let wait = json!({ "event": event(*number), "up_to": format!("{hours}h") });
            branches(json!({ "wait_for": wait }), then, otherwise)
        }
        Step::Send(channels, templates) => json!({ "send": delivery(*channels, *templates) }),
        Step::Issue(notice) => {
            let coupon = json!({ "use": "coupons", "campaign": "c", "off": "20%", "valid": "1h" });
            match notice {
                None => json!({ "issue": coupon }),
                Some(channels) => json!({ "issue": coupon, "then_send": delivery(*channels, 1) }),
            }
        }
        // Results are named, and each name is given once: the place in memory tells steps apart.
        Step::Run => {
            json!({ "run": format!("r{:x}", std::ptr::from_ref(step).addr()), "use": "action" })
        }
        Step::Repeat { times, steps: inner } => {
            json!({ "repeat": { "times": times }, "steps": steps(inner) })
        }
        Step::Count(number) => json!({ "set": { "add": { counter(*number): 1 } } }),
        Step::If { counter: number, least, then, otherwise } => {
            let name = counter(*number);
            let condition = format!("has(customer.{name}) && customer.{name} >= {least}");
            branches(json!({ "if": condition }), then, otherwise)
        }
        Step::Exit => json!({ "exit": "gone" }),
    }
}

fn branches(mut step: Value, then: &[Step], otherwise: &[Step]) -> Value {
    for (key, list) in [("then", then), ("else", otherwise)] {
        if !list.is_empty() {
            step[key] = Value::Array(steps(list));
        }
    }
    step
}

fn delivery(channels: usize, templates: usize) -> Value {
    json!({
        "use": CHANNELS[0],
        "fallback": &CHANNELS[1..channels],
        "template": TEMPLATES[0],
        "backup": &TEMPLATES[1..templates],
    })
}
