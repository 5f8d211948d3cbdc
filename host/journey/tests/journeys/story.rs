//! Plays a customer's way through a journey, written line by line: what happens, and what comes of it.
//!
//! ```text
//! start              => at steps[0] for 12h
//! after 12h          => issue e-1 coupons cart5; at steps[1].else[0]
//! granted e-1 ABC    => send e-2 notice cart-offer card; at steps[1].else[0]
//! ```
//!
//! Every input is played twice from the same state, and the state goes through JSON in between, so that each story also
//! shows that advancing is deterministic and that the state survives storage.

use serde_json::{Map, Value};
use waystation_journey::{
    Advance, Background, Connections, Coupon, Customer, Effect, Enrollment, EntryKind, Event,
    Input, Places, Policy, Program, Relocation, Settled, Status, Suppression, UnsubscribeUrl,
    Winners, World, advance, check, entry,
};

use crate::shop::{connections, lines};

pub(crate) const HOUR: i64 = 60 * 60 * 1000;

/// 2026-06-01 00:00 UTC.
pub(crate) const DAWN: i64 = 1_780_272_000_000;

pub(crate) struct Story {
    pub(crate) program: Program,
    pub(crate) customer: Customer,
    pub(crate) coupons: Vec<Coupon>,
    pub(crate) connections: Connections,
    pub(crate) winners: Winners,
    pub(crate) policy: Policy,
    pub(crate) enrollment: Enrollment,
    pub(crate) now: i64,
    pub(crate) last: Advance,
}

impl Story {
    /// A customer who enters a journey by an event with these properties.
    pub(crate) fn of(source: &str, customer: Customer, properties: Value) -> Self {
        let connections = connections();
        let checked = check(source, Some(&connections));
        let program = checked.program.unwrap_or_else(|| panic!("{}", lines(&checked.problems)));
        let event = event(program.entry_event().expect("an event"), DAWN, properties);
        let key = entry(&program, &event, &customer, &[], Background::default(), DAWN)
            .expect("the entry can be evaluated")
            .expect("the customer enters");
        let enrollment = Enrollment::new("e".to_owned(), &program, 1, key, &event, DAWN);
        Self {
            program,
            customer,
            coupons: Vec::new(),
            connections,
            winners: Winners::new(),
            policy: Policy::default(),
            enrollment,
            now: DAWN,
            last: Advance::default(),
        }
    }

    /// Plays lines of `what happens => what comes of it`.
    pub(crate) fn plays(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (input, expected) = line.split_once("=>").expect("a line reads `input => outcome`");
            let outcome = self.happens(input.trim());
            assert_eq!(outcome, expected.trim(), "after `{}`", input.trim());
        }
    }

    /// Plays one input and tells what comes of it.
    pub(crate) fn happens(&mut self, input: &str) -> String {
        let words: Vec<&str> = input.splitn(3, ' ').collect();
        let unknown = Settled::Unknown { detail: "no answer".to_owned() };
        let refused = |reason: &str| Settled::Refused {
            reason: reason.to_owned(),
            detail: "told so".to_owned(),
        };
        match words.as_slice() {
            ["start"] => self.advance(Input::Start),
            ["timer"] => self.advance(Input::Timer),
            ["after", duration] => {
                self.now += hours(duration);
                self.advance(Input::Timer)
            }
            ["event", name] => self.advance(Input::Event(&event(name, self.now, Value::Null))),
            ["event", name, properties] => {
                let properties = serde_json::from_str(properties).expect("properties are JSON");
                self.advance(Input::Event(&event(name, self.now, properties)))
            }
            ["accepted", key] => self.settle(key, &Settled::Accepted),
            ["unknown", key] => self.settle(key, &unknown),
            ["refused", key, reason] => self.settle(key, &refused(reason)),
            ["suppressed", key] => {
                self.settle(key, &Settled::Suppressed { reason: Suppression::NoConsent })
            }
            ["done", key, result] => {
                let result = serde_json::from_str(result).expect("a result is JSON");
                self.settle(key, &Settled::Done { result })
            }
            ["granted", key, code] => {
                let valid_until = self.now + 24 * HOUR;
                self.settle(key, &Settled::Granted { code: (*code).to_owned(), valid_until })
            }
            ["leave", outcome] => self.advance(Input::Leave { outcome }),
            _ => panic!("`{input}` is nothing that can happen"),
        }
    }

    /// Moves the customer into version 2, the journey with these steps, and tells what comes of it. The story goes on there
    /// if the move is possible.
    pub(crate) fn moves_into(&mut self, newer: Program, map: &[(&str, &str)]) -> String {
        let map: Vec<(String, String)> =
            map.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        let older = std::mem::replace(&mut self.program, newer);
        let places = Places::between(&older, &self.program, &map).expect("the steps are there");
        let foreseen = places.of(&older, &self.program, &self.enrollment).map(str::to_owned);
        let relocation = Relocation { from: &older, places: &places, version: 2 };
        let outcome = self.advance(Input::Move(&relocation));
        assert_eq!(foreseen.is_some(), outcome != "ignored", "a preview foresees the move");
        if outcome == "ignored" {
            self.program = older;
        }
        outcome
    }

    fn settle(&mut self, key: &str, outcome: &Settled) -> String {
        self.advance(Input::Settled { key, outcome })
    }

    fn advance(&mut self, input: Input<'_>) -> String {
        let stored = serde_json::to_string(&self.enrollment).expect("it can be stored");
        let before: Enrollment = serde_json::from_str(&stored).expect("it can be read again");
        assert_eq!(before, self.enrollment, "the enrollment survives storage");
        let (enrollment, customer, again) = self.advanced(before.clone(), input);
        let (other, _, repeated) = self.advanced(before.clone(), input);
        assert_eq!(
            (&enrollment, &again),
            (&other, &repeated),
            "the same input gives the same result"
        );
        if again.ignored {
            assert_eq!(enrollment, before, "an ignored input changes nothing");
            assert_eq!(customer, self.customer);
        } else {
            assert_eq!(enrollment.seq, before.seq + 1, "an input that means something counts");
        }
        let goal = enrollment.goal_reached_at.is_some() && before.goal_reached_at.is_none();
        (self.enrollment, self.customer, self.last) = (enrollment, customer, again);
        self.outcome(goal)
    }

    fn advanced(
        &self,
        mut enrollment: Enrollment,
        input: Input<'_>,
    ) -> (Enrollment, Customer, Advance) {
        let mut customer = self.customer.clone();
        let link = |kind: &str| format!("https://example.com/u/{kind}");
        let mut world = World {
            customer: &mut customer,
            coupons: &self.coupons,
            background: Background::default(),
            connections: &self.connections,
            winners: &self.winners,
            policy: &self.policy,
            now: self.now,
            unsubscribe_url: Some(UnsubscribeUrl(&link)),
        };
        let advance = advance(&self.program, &mut enrollment, input, &mut world);
        (enrollment, customer, advance)
    }

    fn outcome(&self, goal: bool) -> String {
        if self.last.ignored {
            return "ignored".to_owned();
        }
        let mut parts: Vec<String> = self.last.effects.iter().map(effect).collect();
        if goal {
            parts.push(format!(
                "goal {}",
                self.enrollment.goal_value.map_or("-".to_owned(), |v| v.to_string())
            ));
        }
        if self.last.customer_changed {
            parts.push("customer changed".to_owned());
        }
        for one in &self.last.assignments {
            parts.push(format!("assign {} {}: {}", one.key, one.to, one.note));
        }
        parts.extend(self.last.arms.iter().map(|(split, arm)| format!("arm {split} {arm}")));
        let failures = self.last.history.iter().filter(|entry| entry.kind == EntryKind::Failed);
        parts.extend(failures.map(|entry| format!("failed {}", entry.detail)));
        parts.push(match self.enrollment.status {
            Status::Active => {
                let step = self.program.step_path(&self.enrollment).expect("it stands somewhere");
                let due =
                    self.enrollment.due_at.map(|due| format!(" for {}h", (due - self.now) / HOUR));
                format!("at {step}{}", due.unwrap_or_default())
            }
            Status::Finished | Status::Exited => {
                format!("ended {}", self.enrollment.outcome.as_deref().expect("it ended somehow"))
            }
        });
        parts.join("; ")
    }
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Send { key, connection, template, content, .. } => {
            format!("send {key} {connection} {template} {}", content.kind().as_str())
        }
        Effect::Publish { key, connection, template, content, .. } => {
            format!("publish {key} {connection} {template} {}", content.kind().as_str())
        }
        Effect::Issue { key, connection, campaign, .. } => {
            format!("issue {key} {connection} {campaign}")
        }
        Effect::Revoke { key, connection, code, grant_key, .. } => {
            format!("revoke {key} {connection} {code} of {grant_key}")
        }
        Effect::Run { key, connection, parameters, .. } => {
            format!("run {key} {connection} {parameters}")
        }
    }
}

fn hours(duration: &str) -> i64 {
    duration.strip_suffix('h').and_then(|hours| hours.parse::<i64>().ok()).expect("hours") * HOUR
}

pub(crate) fn event(name: &str, at: i64, properties: Value) -> Event {
    let properties = match properties {
        Value::Object(properties) => properties,
        Value::Null => Map::new(),
        other => panic!("{other} is no object"),
    };
    let customer = "c-1".to_owned();
    Event {
        id: format!("{name}@{at}"),
        source: "shop".to_owned(),
        name: name.to_owned(),
        customer,
        at,
        properties,
        ..Event::default()
    }
}

/// A customer with these attributes and the tag `vip`.
pub(crate) fn customer(attributes: Value) -> Customer {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    Customer {
        id: "c-1".to_owned(),
        attributes,
        tags: ["vip".to_owned()].into(),
        ..Customer::default()
    }
}
