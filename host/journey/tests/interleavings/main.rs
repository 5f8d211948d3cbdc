//! Random journeys under random interleavings of events, timers, outcomes and restarts, against a simple model.
//!
//! The journey under test is flattened into instructions with jumps, and its state goes through storage at every restart. The
//! model walks the nested steps with a stack. Both are given the same inputs, early, late and twice among them, and must ask
//! for the same effects in the same order, wait until the same time and end the same way: so no wake-up is lost, no step is
//! done twice, and an exit wins over whatever is awaited.

mod model;
mod plan;

use model::{Model, What};
use plan::{CHANNELS, plan};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use waystation_journey::{
    Advance, Background, Connections, Customer, Effect, Enrollment, Event, Input, Policy, Program,
    Settled, Status, Suppression, Winners, World, advance, check,
};

const HOUR: i64 = 60 * 60 * 1000;

/// What happens to the enrollment.
#[derive(Debug, Clone)]
pub(crate) enum Happens {
    Start,
    /// The clock goes on by so many hours, and rings, whether or not something is due.
    Clock(u8),
    /// One of the events that journeys wait for.
    Event(u8),
    Stop,
    Leave,
    /// An effect is settled: the so-manieth from the last, so that most are those awaited, but any may come again.
    Settle(u8, Outcome),
    /// The host ends, and the next one reads what was stored.
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    Content,
    Address,
    Suppressed,
    Unknown,
}

struct Interleavings;

impl ReferenceStateMachine for Interleavings {
    type State = Model;
    type Transition = Happens;

    fn init_state() -> BoxedStrategy<Model> {
        plan().prop_map(Model::new).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Happens> {
        let outcome = prop_oneof![
            6 => Just(Outcome::Good),
            2 => Just(Outcome::Content),
            2 => Just(Outcome::Address),
            1 => Just(Outcome::Suppressed),
            1 => Just(Outcome::Unknown),
        ];
        let settle = |back: BoxedStrategy<u8>| {
            (back, outcome.clone()).prop_map(|(back, outcome)| Happens::Settle(back, outcome))
        };
        prop_oneof![
            4 => Just(Happens::Start),
            8 => (0..6_u8).prop_map(Happens::Clock),
            6 => (0..3_u8).prop_map(Happens::Event),
            10 => settle(Just(0).boxed()),
            2 => settle((1..5_u8).boxed()),
            1 => Just(Happens::Stop),
            1 => Just(Happens::Leave),
            3 => Just(Happens::Restart),
        ]
        .boxed()
    }

    fn apply(mut state: Model, transition: &Happens) -> Model {
        state.happens(transition);
        state
    }
}

/// The journey under test.
struct Played {
    program: Program,
    connections: Connections,
    enrollment: Enrollment,
    customer: Customer,
    now: i64,
    asked: Vec<Effect>,
    last: Advance,
}

impl Played {
    fn input(&mut self, input: Input<'_>) {
        let before = self.enrollment.seq;
        let (winners, policy) = (Winners::new(), Policy::default());
        let mut world = World {
            customer: &mut self.customer,
            coupons: &[],
            background: Background::default(),
            connections: &self.connections,
            winners: &winners,
            policy: &policy,
            now: self.now,
            unsubscribe_url: None,
        };
        self.last = advance(&self.program, &mut self.enrollment, input, &mut world);
        assert_eq!(self.enrollment.seq - before, i64::from(!self.last.ignored));
        self.asked.extend(self.last.effects.iter().cloned());
    }

    fn settle(&mut self, back: u8, outcome: Outcome) {
        let Some(place) = self.asked.len().checked_sub(usize::from(back) + 1) else {
            self.last = Advance { ignored: true, ..Advance::default() };
            return;
        };
        let settled = match (outcome, &self.asked[place]) {
            (Outcome::Good, Effect::Issue { .. }) => {
                Settled::Granted { code: "CODE".to_owned(), valid_until: self.now + HOUR }
            }
            (Outcome::Good, Effect::Run { .. }) => Settled::Done { result: 1.into() },
            (Outcome::Good, _) => Settled::Accepted,
            (Outcome::Content, _) => refused("content"),
            (Outcome::Address, _) => refused("address"),
            (Outcome::Suppressed, _) => Settled::Suppressed { reason: Suppression::NoConsent },
            (Outcome::Unknown, _) => Settled::Unknown { detail: String::new() },
        };
        let key = self.asked[place].key().to_owned();
        self.input(Input::Settled { key: &key, outcome: &settled });
    }
}

fn refused(reason: &str) -> Settled {
    Settled::Refused { reason: reason.to_owned(), detail: String::new() }
}

/// What an effect asks for, in the model's words.
fn what(effect: &Effect) -> What {
    let place = |names: &[&str], name: &str| {
        names.iter().position(|known| *known == name).expect("a known name")
    };
    match effect {
        Effect::Send { connection, template, .. } => {
            What::Send(place(&CHANNELS, connection), place(&plan::TEMPLATES, template))
        }
        Effect::Issue { .. } => What::Issue,
        Effect::Run { .. } => What::Run,
        Effect::Revoke { grant_key, .. } => What::Revoke(
            grant_key.rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number"),
        ),
        other => panic!("no step asks for {other:?}"),
    }
}

impl StateMachineTest for Interleavings {
    type SystemUnderTest = Played;
    type Reference = Self;

    fn init_test(model: &Model) -> Played {
        let source = model.plan.source();
        let checked = check(&source, None);
        let program =
            checked.program.unwrap_or_else(|| panic!("{:?} in {source}", checked.problems));
        let customer = Customer { id: "c".to_owned(), ..Customer::default() };
        let event = Event { name: "go".to_owned(), customer: "c".to_owned(), ..Event::default() };
        let enrollment = Enrollment::new("e".to_owned(), &program, 1, String::new(), &event, 0);
        Played {
            connections: program.stand_ins(),
            program,
            enrollment,
            customer,
            now: 0,
            asked: Vec::new(),
            last: Advance { ignored: true, ..Advance::default() },
        }
    }

    fn apply(mut played: Played, model: &Model, transition: Happens) -> Played {
        match transition {
            Happens::Start => played.input(Input::Start),
            Happens::Clock(hours) => {
                played.now += i64::from(hours) * HOUR;
                played.input(Input::Timer);
            }
            Happens::Event(number) => played.input(Input::Event(&event(&plan::event(number)))),
            Happens::Stop => played.input(Input::Event(&event("stop"))),
            Happens::Leave => played.input(Input::Leave { outcome: "left" }),
            Happens::Settle(back, outcome) => played.settle(back, outcome),
            Happens::Restart => {
                let stored = serde_json::to_string(&played.enrollment).expect("it can be stored");
                played.enrollment = serde_json::from_str(&stored).expect("it can be read");
                played.last = Advance { ignored: true, ..Advance::default() };
            }
        }
        assert_eq!(played.last.ignored, model.ignored, "whether {transition:?} is ignored");
        let asked: Vec<What> = played.last.effects.iter().map(what).collect();
        assert_eq!(asked, model.last, "what is asked for after {transition:?}");
        played
    }

    fn check_invariants(played: &Played, model: &Model) {
        let enrollment = &played.enrollment;
        assert_eq!(enrollment.outcome.as_deref(), model.ended.as_deref());
        assert_eq!(enrollment.status == Status::Active, model.ended.is_none());
        assert_eq!(enrollment.due_at, model.due(), "when it is due");
        for (number, count) in model.counts.iter().enumerate() {
            let kept = played.customer.attributes.get(&plan::counter(number));
            assert_eq!(kept.and_then(serde_json::Value::as_u64).unwrap_or(0), u64::from(*count));
        }
        let mut keys: Vec<&str> = played.asked.iter().map(Effect::key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), played.asked.len(), "no key is used twice");
    }
}

fn event(name: &str) -> Event {
    Event { name: name.to_owned(), customer: "c".to_owned(), ..Event::default() }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_interleaving_a_journey_does_what_it_says(sequential 1..40 => Interleavings);
}
