//! The journeys that customers are on while the server is killed, and what has to become of each customer.
//!
//! They pass every kind of step over channels of every class. Nothing in them depends on chance or on which of two things
//! comes first, but for the order that the state machine itself is given; so what has to come of a customer is known
//! beforehand.

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use waystation_journey::{Program, check};

/// Events of a customer that are only counted.
pub(crate) const TALLIES: usize = 3;

/// A journey with what the load sends for a customer on it.
pub(crate) struct Journey {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    /// Names of the events that a customer gets after the one that enrolls, each once the one before was acknowledged.
    pub(crate) events: &'static [&'static str],
    /// How every enrollment ends.
    pub(crate) outcome: &'static str,
    /// What the attribute `laps` is in the end.
    pub(crate) laps: i64,
}

/// Every journey that the load sends customers on, in turn.
pub(crate) const JOURNEYS: [Journey; 9] = [
    // Waits, messages by channels that dedupe and that find, an action that dedupes, and its result in a text.
    Journey {
        name: "ladder",
        file: "
journey: ladder
entry: { event: ladder.started }
templates:
  hello: { default: { text: 'Hello {{ entry.number }}' } }
  found: { default: { text: 'Found {{ steps.found.result }}' } }
steps:
  - send: { use: window, template: hello }
  - wait: 1s
  - run: found
    use: window
    with: { number: '{{ entry.number }}' }
    otherwise: []
  - send: { use: finding, template: found }
  - set: { add: { laps: 1 } }
  - wait: 1s
  - send: { use: window, template: hello }
  - set: { add: { laps: 1 } }
",
        events: &[],
        outcome: "finished",
        laps: 2,
    },
    // An event that is waited for, and a coupon of a provider that finds.
    Journey {
        name: "coupon",
        file: "
journey: coupon
entry: { event: coupon.started }
templates:
  gift: { default: { text: 'Yours: {{ coupon.code }}' } }
steps:
  - wait_for: { event: order.paid, up_to: 1d }
    then:
      - issue: { use: finding, campaign: gift, off: 5 CNY, valid: 24h }
        then_send: { use: finding, template: gift }
      - set: { add: { laps: 1 } }
",
        events: &["order.paid"],
        outcome: "finished",
        laps: 1,
    },
    // Nothing can be found out, and the journey would rather repeat.
    Journey {
        name: "resend",
        file: "
journey: resend
entry: { event: resend.started }
on_unknown: resend
templates:
  news: { default: { text: 'News {{ entry.number }}' } }
steps:
  - send: { use: plain, template: news }
  - set: { add: { laps: 1 } }
  - run: done
    use: plain
    with: { number: '{{ entry.number }}' }
    otherwise: []
  - wait: 1s
  - send: { use: plain, template: news }
  - set: { add: { laps: 1 } }
",
        events: &[],
        outcome: "finished",
        laps: 2,
    },
    // Nothing can be found out, and the journey would rather not repeat.
    Journey {
        name: "hold",
        file: "
journey: hold
entry: { event: hold.started }
on_unknown: hold
templates:
  news: { default: { text: 'News {{ entry.number }}' } }
steps:
  - send: { use: plain, template: news }
  - issue: { use: plain, campaign: hold, off: 5 CNY, valid: 24h }
    then_send: { use: plain, template: news }
  - set: { add: { laps: 1 } }
  - run: done
    use: plain
    with: { number: '{{ entry.number }}' }
    otherwise: []
  - set: { add: { laps: 1 } }
",
        events: &[],
        outcome: "finished",
        laps: 2,
    },
    // An exit, in the middle of whatever happens to be under way; a coupon that nobody was told of is taken back.
    Journey {
        name: "leave",
        file: "
journey: leave
entry: { event: leave.started }
exit:
  - { event: leave.now, as: left }
templates:
  gift: { default: { text: 'Yours: {{ coupon.code }}' } }
steps:
  - issue: { use: window, campaign: leave, off: 5 CNY, valid: 24h }
    then_send: { use: finding, template: gift }
  - wait: 1d
  - set: { add: { laps: 1 } }
",
        events: &["leave.now"],
        outcome: "left",
        laps: 0,
    },
    // A channel that refuses everybody, and another after it.
    Journey {
        name: "fallback",
        file: "
journey: fallback
entry: { event: fallback.started }
templates:
  news: { default: { text: 'News {{ entry.number }}' } }
steps:
  - send: { use: refusing, template: news, fallback: [window] }
  - set: { add: { laps: 1 } }
  - issue: { use: pool, campaign: back, off: 5 CNY, valid: 24h }
    then_send: { use: refusing, template: news }
  - set: { add: { laps: 1 } }
",
        events: &[],
        outcome: "finished",
        laps: 2,
    },
    // The same steps again, each turn at an event.
    Journey {
        name: "laps",
        file: "
journey: laps
entry: { event: laps.started }
steps:
  - repeat: { times: 3 }
    steps:
      - wait_for: { event: lap.run, up_to: 1d }
      - set: { add: { laps: 1 } }
",
        events: &["lap.run", "lap.run", "lap.run"],
        outcome: "finished",
        laps: 3,
    },
    // A code of a pool, which has each only once.
    Journey {
        name: "pool",
        file: "
journey: pool
entry: { event: pool.started }
templates:
  code: { default: { text: 'Code {{ coupon.code }}' } }
steps:
  - issue: { use: pool, campaign: pool, off: 5 CNY, valid: 24h }
    then_send: { use: window, template: code }
  - set: { add: { laps: 1 } }
",
        events: &[],
        outcome: "finished",
        laps: 1,
    },
    // An event that never comes.
    Journey {
        name: "late",
        file: "
journey: late
entry: { event: late.started }
templates:
  late: { default: { text: 'Too late {{ entry.number }}' } }
steps:
  - wait_for: { event: late.never, up_to: 1s }
    else:
      - send: { use: finding, template: late }
      - set: { add: { laps: 1 } }
",
        events: &[],
        outcome: "finished",
        laps: 1,
    },
];

/// Each event is an enrollment of its own, which adds to two numbers of the customer.
pub(crate) const TALLY: Journey = Journey {
    name: "tally",
    file: "
journey: tally
entry: { event: tally.counted, key: event.key, again: always }
steps:
  - set: { attributes: { sum: customer.sum + entry.amount }, add: { count: 1 } }
",
    events: &[],
    outcome: "finished",
    laps: 0,
};

/// What the trigger source brings that is polled: one event for each customer. A second one would enroll again.
pub(crate) const NOTICED: Journey = Journey {
    name: "noticed",
    file: "
journey: noticed
entry: { use: source, with: {}, key: event.number, again: always }
templates:
  seen: { default: { text: 'Seen {{ entry.number }}' } }
steps:
  - send: { use: window, template: seen }
  - set: { add: { noticed: 1 } }
",
    events: &[],
    outcome: "finished",
    laps: 0,
};

/// Journeys that every customer is on, beside one of those above.
pub(crate) const BESIDE: [&Journey; 2] = [&TALLY, &NOTICED];

impl Journey {
    pub(crate) fn program(&self) -> anyhow::Result<Program> {
        let checked = check(self.file, None);
        checked
            .program
            .with_context(|| format!("journey {} has problems: {:?}", self.name, checked.problems))
    }

    /// The event that enrolls.
    pub(crate) fn started(&self) -> String {
        format!("{}.started", self.name)
    }
}

/// The journey of a customer.
pub(crate) fn journey_of(number: usize) -> &'static Journey {
    &JOURNEYS[number % JOURNEYS.len()]
}

/// A customer's identifier.
pub(crate) fn customer_id(number: usize) -> String {
    format!("c{number}")
}

/// The number in a customer's identifier.
pub(crate) fn customer_number(id: &str) -> anyhow::Result<usize> {
    id.strip_prefix('c')
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| anyhow!("{id} is no customer of this run"))
}

/// A customer as the load makes it.
pub(crate) fn customer(number: usize) -> Value {
    json!({
        "id": customer_id(number),
        "attributes": { "laps": 0, "count": 0, "sum": 0, "noticed": 0 },
        "identities": { "phone": format!("+86138{number:08}") },
        "consents": { "marketing": { "phone": true } },
    })
}

/// What the load sends for a customer, in order, each once what came before was acknowledged. All happened at `at`.
pub(crate) fn events(number: usize, at: i64) -> Vec<Value> {
    let journey = journey_of(number);
    let id = customer_id(number);
    let mut events = vec![json!({
        "id": format!("{id}-start"), "name": journey.started(), "customer": id, "at": at,
        "properties": { "number": number },
    })];
    for (turn, name) in journey.events.iter().enumerate() {
        events.push(json!({
            "id": format!("{id}-{turn}"), "name": name, "customer": id, "at": at,
            "properties": { "turn": turn },
        }));
    }
    for turn in 0..TALLIES {
        events.push(json!({
            "id": format!("{id}-tally-{turn}"), "name": "tally.counted", "customer": id, "at": at,
            "properties": { "key": format!("t{turn}"), "amount": amount(turn) },
        }));
    }
    events
}

/// What the provider tells of a customer when it is polled. It happened at `at`.
pub(crate) fn noticed(number: usize, at: i64) -> Value {
    let id = customer_id(number);
    json!({
        "id": format!("{id}-noticed"), "customer": id, "at": at, "properties": { "number": id },
    })
}

/// What a tally adds.
fn amount(turn: usize) -> usize {
    10_usize.pow(u32::try_from(turn).unwrap_or(0))
}

/// What the tallies of a customer add up to.
pub(crate) fn sum() -> usize {
    (0..TALLIES).map(amount).sum()
}
