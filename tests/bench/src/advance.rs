//! How many transitions the pure state machine makes in a second, on one thread.
//!
//! A transition is one input that an enrollment takes: the start, a timer, an event, the outcome of an effect. The journey is
//! the cart reminder of the library with its conditions, its coupon and its messages, whose texts are rendered. Nothing is
//! stored and nothing is sent.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};
use waystation_journey::{
    Advance, Background, Connections, Coupon, Customer, Effect, Enrollment, Event, Input, Policy,
    Program, Settled, Status, UnsubscribeUrl, Winners, World, advance, check,
};

const HOUR: i64 = 60 * 60 * 1000;
const START: i64 = 1_780_272_000_000;

/// Without the entry's segment, which is no part of a transition.
const JOURNEY: &str = "
journey: cart-reminder
entry: { event: cart.item_added, key: event.cart_id }
exit: { event: order.paid, when: event.cart_id == entry.cart_id, as: converted }
goal: { event: order.paid, when: event.cart_id == entry.cart_id, within: 7d, value: event.amount }
templates:
  use-it: { default: { text: '{{ customer.name }}, {{ entry.name }} is still in your cart.' } }
  offer: { default: { text: '{{ customer.name }}: 5 off with {{ coupon.code }}.' } }
  last: { default: { text: '{{ entry.name }} is about to go.' } }
steps:
  - wait: 12h
  - if: coupons.exists(c, c.campaign == 'cart5' && c.usable)
    then: [{ send: { use: notice, template: use-it, fallback: sms } }]
    else:
      - issue: { use: coupons, campaign: cart5, off: 5 CNY, valid: 24h }
        then_send: { use: notice, template: offer, fallback: sms }
  - wait_for: { event: order.paid, when: event.cart_id == entry.cart_id, up_to: 12h }
    then: [{ exit: paid }]
  - set: { add: { reminders: 1 }, tags: [reminded] }
  - send: { use: sms, template: last }
";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Enrollments taken from start to end
    #[arg(long, default_value_t = 200_000)]
    enrollments: u32,
}

#[allow(clippy::print_stdout, reason = "the figures are the command's output")]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(arguments.enrollments > 0, "there must be at least one enrollment");
    let checked = check(JOURNEY, None);
    let program = checked.program.with_context(|| format!("{:?}", checked.problems))?;
    let connections = program.stand_ins();
    let mut bench = Bench::new(&program, &connections);
    let begun = Instant::now();
    for number in 0..arguments.enrollments {
        bench.enrollment(number)?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let per_s = f64::from(bench.transitions) / seconds;
    let per_us = seconds * 1e6 / f64::from(bench.transitions);
    if arguments.json {
        let figures = json!({
            "transitions": bench.transitions,
            "transitions_per_s": per_s.round(),
            "us_per_transition": (per_us * 100.0).round() / 100.0,
        });
        println!("{figures}");
    } else {
        println!("transitions            {:>12}", bench.transitions);
        println!("transitions per second {per_s:>12.0}");
        println!("each                   {per_us:>9.2} us");
    }
    Ok(())
}

struct Bench<'a> {
    program: &'a Program,
    connections: &'a Connections,
    winners: Winners,
    policy: Policy,
    customer: Customer,
    entered: Event,
    paid: Event,
    other: Event,
    transitions: u32,
}

impl<'a> Bench<'a> {
    fn new(program: &'a Program, connections: &'a Connections) -> Self {
        let mut customer = Customer { id: "c-1".to_owned(), ..Customer::default() };
        customer.attributes.insert("name".to_owned(), "Lin".into());
        let event = |name: &str, properties: Value| Event {
            id: name.to_owned(),
            source: "shop".to_owned(),
            name: name.to_owned(),
            customer: "c-1".to_owned(),
            at: START,
            properties: properties.as_object().cloned().unwrap_or_else(Map::new),
            subscription: None,
        };
        Self {
            program,
            connections,
            winners: Winners::new(),
            policy: Policy::default(),
            customer,
            entered: event("cart.item_added", json!({ "cart_id": "k1", "name": "lipstick" })),
            paid: event("order.paid", json!({ "cart_id": "k1", "amount": 59 })),
            other: event("order.paid", json!({ "cart_id": "k2", "amount": 12 })),
            transitions: 0,
        }
    }

    /// One way through the journey. Half of the customers pay at the end, after another cart.
    fn enrollment(&mut self, number: u32) -> anyhow::Result<()> {
        let mut enrollment = Enrollment::new(
            number.to_string(),
            self.program,
            1,
            "k1".to_owned(),
            &self.entered,
            START,
        );
        let granted =
            Settled::Granted { code: "CART5-1".to_owned(), valid_until: START + 36 * HOUR };
        let (paid, other) = (self.paid.clone(), self.other.clone());
        self.input(&mut enrollment, Input::Start, START);
        let issued = self.input(&mut enrollment, Input::Timer, START + 12 * HOUR);
        let key = key(&issued)?;
        let sent = self.input(&mut enrollment, settled(key, &granted), START + 12 * HOUR);
        self.input(
            &mut enrollment,
            settled(self::key(&sent)?, &Settled::Accepted),
            START + 12 * HOUR,
        );
        if number.is_multiple_of(2) {
            // Somebody else's cart: looked at, and nothing comes of it.
            self.input(&mut enrollment, Input::Event(&other), START + 13 * HOUR);
            self.input(&mut enrollment, Input::Event(&paid), START + 14 * HOUR);
        } else {
            let sent = self.input(&mut enrollment, Input::Timer, START + 24 * HOUR);
            self.input(
                &mut enrollment,
                settled(self::key(&sent)?, &Settled::Accepted),
                START + 24 * HOUR,
            );
        }
        ensure!(enrollment.status != Status::Active, "the journey did not come to its end");
        Ok(())
    }

    fn input(&mut self, enrollment: &mut Enrollment, input: Input<'_>, now: i64) -> Advance {
        let link = |_: &str| String::new();
        let coupons: &[Coupon] = &[];
        let mut world = World {
            customer: &mut self.customer,
            coupons,
            background: Background::default(),
            connections: self.connections,
            winners: &self.winners,
            policy: &self.policy,
            now,
            unsubscribe_url: Some(UnsubscribeUrl(&link)),
        };
        let came = advance(self.program, enrollment, input, &mut world);
        self.transitions += u32::from(!came.ignored);
        came
    }
}

fn settled<'a>(key: &'a str, outcome: &'a Settled) -> Input<'a> {
    Input::Settled { key, outcome }
}

fn key(came: &Advance) -> anyhow::Result<&str> {
    came.effects.first().map(Effect::key).context("nothing was asked for")
}
