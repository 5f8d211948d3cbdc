//! The state machine: how an enrollment goes on.

use serde_json::{Map, Value};

use crate::customer::{Coupon, Customer, Event};
use crate::effect::Settled;
use crate::enrollment::{Enrollment, Status};
use crate::error::EvalError;
use crate::expression::{Expression, Scope};
use crate::history::{Entry, EntryKind};
use crate::host_event::{HOST_SOURCE, JOURNEY_ENROLL, JOURNEY_FINISHED, subscription_id};
use crate::input::{Advance, Input, World};
use crate::past::Background;
use crate::program::{Awaited, Op, Program, Trigger, WaitFor};
use crate::state::Awaiting;
use crate::{OUTCOME_ERROR, OUTCOME_FINISHED};
use actions::too_large;

mod actions;
mod branches;
mod effects;
mod relocation;
mod settings;
mod times;

/// Most steps that one advance runs through. More than any journey has, so only a fault here could reach it.
const MAX_STEPS: usize = 10_000;

/// Decides whether an event enrolls its customer, and under which key.
///
/// None if the event is another one or `when` does not hold; it is not asked about a customer who is enrolled by hand. Whether the customer may enter again is for
/// [`Again::allows`](crate::Again::allows) to say.
///
/// # Errors
///
/// If `when` or `key` cannot be evaluated; the customer does not enter then.
pub fn entry(
    program: &Program,
    event: &Event,
    customer: &Customer,
    coupons: &[Coupon],
    background: Background<'_>,
    now: i64,
) -> Result<Option<String>, EvalError> {
    let rule = &program.entry;
    let Some(admission) = admission(program, event) else { return Ok(None) };
    let scope = Scope::new(customer, coupons, now).background(background).event(event);
    if admission == Admission::ByRule
        && let Some(when) = &rule.when
        && !when.holds(&scope)?
    {
        return Ok(None);
    }
    let key = rule.key.as_ref().map(|key| key.key(&scope)).transpose()?;
    Ok(Some(key.unwrap_or_default()))
}

/// How an event lets a customer in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admission {
    /// As the entry rule says, if its condition holds.
    ByRule,
    /// Whatever the condition says.
    ByHand,
}

fn admission(program: &Program, event: &Event) -> Option<Admission> {
    let by_hand = event.enrolls_in() == Some(program.name());
    let by_rule = match &program.entry.trigger {
        // It names the journey that it is for.
        Trigger::Event(name) if name == JOURNEY_ENROLL => by_hand,
        Trigger::Event(name) => event.subscription.is_none() && event.name == *name,
        Trigger::Subscription { connection, .. } => event
            .subscription
            .as_ref()
            .is_some_and(|id| *id == subscription_id(&program.name, connection)),
    };
    if by_rule {
        // A journey that starts anew whenever it ends would never come to rest.
        let own = event.source == HOST_SOURCE
            && event.name == JOURNEY_FINISHED
            && event.properties.get("journey").is_some_and(|journey| *journey == program.name);
        return (!own).then_some(Admission::ByRule);
    }
    by_hand.then_some(Admission::ByHand)
}

/// Takes an enrollment on by one input, through all steps that need not wait.
///
/// An input that comes late, twice, or means nothing to this enrollment is [ignored](Advance::ignored). For any other,
/// `seq` goes up by one. The same enrollment, input and world always give the same result.
///
/// An exit rule wins over whatever is awaited. If a coupon was on its way to the customer then, and nothing told of it,
/// its settlement still has an effect on the ended enrollment: the coupon is taken back.
pub fn advance(
    program: &Program,
    enrollment: &mut Enrollment,
    input: Input<'_>,
    world: &mut World<'_>,
) -> Advance {
    let mut run = Run { program, enrollment, world, out: Advance::default() };
    let taken = match input {
        Input::Start => run.start(),
        Input::Timer => run.timer(),
        Input::Event(event) => run.event(event),
        Input::Settled { key, outcome } => run.settled(key, outcome),
        Input::Leave { outcome } => run.leave(outcome),
        Input::Move(relocation) => run.relocate(relocation),
    };
    let mut out = run.out;
    if taken == Taken::Yes {
        enrollment.seq += 1;
    } else {
        debug_assert!(
            out.effects.is_empty() && out.history.is_empty(),
            "an ignored input leaves nothing"
        );
        out.ignored = true;
    }
    out
}

impl WaitFor {
    fn names(&self) -> String {
        self.events.iter().map(|awaited| awaited.event.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// What is kept of an event that was waited for: its properties, its name as `event`, and its time as `at`.
fn awaited_properties(event: &Event) -> Value {
    let mut came = event.properties.clone();
    came.insert("event".to_owned(), Value::from(event.name.as_str()));
    came.insert("at".to_owned(), Value::from(event.at));
    Value::Object(came)
}

/// Whether an input meant anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// Whether the steps go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continues,
    Rests,
}

/// One advance under way.
struct Run<'r, 'w> {
    program: &'r Program,
    enrollment: &'r mut Enrollment,
    world: &'r mut World<'w>,
    out: Advance,
}

impl<'r> Run<'r, '_> {
    fn start(&mut self) -> Taken {
        if self.enrollment.status != Status::Active
            || self.enrollment.state.awaiting != Awaiting::Start
        {
            return Taken::No;
        }
        self.note(EntryKind::Enrolled, String::new(), None, self.enrollment.key.clone());
        self.go();
        Taken::Yes
    }

    fn timer(&mut self) -> Taken {
        let due = self.enrollment.due_at.is_some_and(|due| due <= self.world.now);
        if self.enrollment.status != Status::Active || !due {
            return Taken::No;
        }
        let position = self.position();
        let next = match (&self.enrollment.state.awaiting, self.op(position)) {
            (Awaiting::Timer, _) => {
                self.note_here(EntryKind::Woken, String::new());
                position + 1
            }
            (Awaiting::Event, Some(Op::WaitFor(wait))) => {
                self.note_here(EntryKind::TimedOut, wait.names());
                wait.otherwise as usize
            }
            _ => return Taken::No,
        };
        self.enrollment.due_at = None;
        self.jump(next);
        self.go();
        Taken::Yes
    }

    fn event(&mut self, event: &Event) -> Taken {
        let reached = self.reach_goal(event);
        if self.enrollment.status != Status::Active
            || self.enrollment.state.awaiting == Awaiting::Start
        {
            return reached;
        }
        let program = self.program;
        let mut taken = reached;
        for exit in program.exits.iter().filter(|exit| exit.event == event.name) {
            match self.matches(exit.when.as_ref(), event) {
                Ok(true) => {
                    self.finish(&exit.path, Status::Exited, &exit.outcome);
                    return Taken::Yes;
                }
                Ok(false) => {}
                Err(error) => taken = self.note_failure(&exit.path, &error),
            }
        }
        if self.enrollment.state.awaiting != Awaiting::Event {
            return taken;
        }
        let Some(Op::WaitFor(wait)) = self.op(self.position()) else { return taken };
        for awaited in wait.events.iter().filter(|awaited| awaited.event == event.name) {
            match self.matches(awaited.when.as_ref(), event) {
                Ok(true) => {
                    self.awaited_came(wait, awaited, event);
                    return Taken::Yes;
                }
                Ok(false) => {}
                Err(error) => {
                    let step = self.step().to_owned();
                    taken = self.note_failure(&step, &error);
                }
            }
        }
        taken
    }

    fn awaited_came(&mut self, wait: &WaitFor, awaited: &Awaited, event: &Event) {
        self.note_here(EntryKind::EventCame, event.name.clone());
        if let Some(name) = &wait.name {
            let came = awaited_properties(event);
            if self.has_room_for(&came) {
                self.keep_value(name, came);
            } else {
                self.note_here(EntryKind::Failed, too_large());
            }
        }
        self.enrollment.due_at = None;
        self.jump(awaited.to as usize);
        self.go();
    }

    fn leave(&mut self, outcome: &str) -> Taken {
        if self.enrollment.status != Status::Active {
            return Taken::No;
        }
        self.finish("", Status::Exited, outcome);
        Taken::Yes
    }

    /// Notes the goal, which an ended enrollment may reach too.
    fn reach_goal(&mut self, event: &Event) -> Taken {
        let Some(goal) = self.program.goal.as_ref().filter(|goal| goal.event == event.name) else {
            return Taken::No;
        };
        if self.program.goal_until(self.enrollment).is_none_or(|until| event.at > until) {
            return Taken::No;
        }
        let value = match self.matches(goal.when.as_ref(), event) {
            Ok(false) => return Taken::No,
            Ok(true) => goal
                .value
                .as_ref()
                .map(|value| value.number(&self.scope().event(event)))
                .transpose(),
            Err(error) => return self.note_failure("goal", &error),
        };
        let value = value.unwrap_or_else(|error| {
            // The goal is reached all the same; only what it was worth is unknown.
            self.note_failure("goal", &error);
            None
        });
        self.enrollment.goal_reached_at = Some(event.at);
        self.enrollment.goal_value = value;
        let detail = value.map_or_else(String::new, |value| value.to_string());
        self.note(EntryKind::GoalReached, "goal".to_owned(), None, detail);
        Taken::Yes
    }

    /// Runs steps until one waits or the journey ends.
    fn go(&mut self) {
        for _ in 0..MAX_STEPS {
            let position = self.position();
            let flow = match self.op(position) {
                None => {
                    self.finish("", Status::Finished, OUTCOME_FINISHED);
                    Flow::Rests
                }
                Some(op) => self.execute(op, position),
            };
            if flow == Flow::Rests {
                return;
            }
        }
        let step = self.step().to_owned();
        self.fail(&step, format!("more than {MAX_STEPS} steps without a wait"));
    }

    fn execute(&mut self, op: &'r Op, position: usize) -> Flow {
        match op {
            Op::Wait { duration } => {
                let due = duration.after(self.world.now, &self.zone());
                return self.wait_until(due);
            }
            Op::WaitUntil(until) => return self.time(until),
            Op::WaitFor(wait) => {
                let due = wait.up_to.after(self.world.now, &self.zone());
                self.rest(Awaiting::Event, due);
                self.note_here(EntryKind::AwaitingEvent, wait.names());
                return Flow::Rests;
            }
            Op::If { condition, otherwise } => return self.decide(condition, *otherwise),
            Op::Switch { cases, otherwise } => return self.switch(cases, *otherwise),
            Op::Split(split) => self.split(split),
            Op::Repeat(repeat) => return self.repeat(repeat, position),
            Op::Jump { to } => self.jump(*to as usize),
            Op::Issue(issue) => return self.issue(issue),
            Op::Send { name, delivery } => return self.send(name.as_deref(), delivery),
            Op::Run(action) => return self.run(action),
            Op::Set(set) => return self.set(set),
            Op::Assign(assign) => return self.assign(assign),
            Op::Exit { outcome } => {
                let step = self.step();
                self.finish(step, Status::Exited, outcome);
                return Flow::Rests;
            }
        }
        Flow::Continues
    }

    fn settled(&mut self, key: &str, outcome: &Settled) -> Taken {
        match &self.enrollment.state.awaiting {
            Awaiting::Coupon { key: awaited } if awaited == key => {
                self.coupon_settled(key, outcome)
            }
            Awaiting::Message { key: awaited, .. } if awaited == key => {
                self.message_settled(key, outcome)
            }
            Awaiting::Action { key: awaited } if awaited == key => {
                self.action_settled(key, outcome)
            }
            _ => return Taken::No,
        }
        Taken::Yes
    }

    fn matches(&self, when: Option<&Expression>, event: &Event) -> Result<bool, EvalError> {
        when.map_or(Ok(true), |when| when.holds(&self.scope().event(event)))
    }

    fn scope(&self) -> Scope<'_> {
        let state = &self.enrollment.state;
        Scope::new(self.world.customer, self.world.coupons, self.world.now)
            .background(self.world.background)
            .enrolled(&state.entry, &state.results)
    }

    fn position(&self) -> usize {
        self.enrollment.state.position as usize
    }

    fn op(&self, position: usize) -> Option<&'r Op> {
        self.program.code.get(position).map(|instruction| &instruction.op)
    }

    /// Path of the present step.
    fn step(&self) -> &'r str {
        self.program.code.get(self.position()).map_or("", |instruction| instruction.step.as_str())
    }

    fn jump(&mut self, position: usize) {
        // A file has far fewer than 2^32 steps.
        self.enrollment.state.position = u32::try_from(position).unwrap_or(u32::MAX);
    }

    fn next(&mut self) -> Flow {
        self.enrollment.state.position += 1;
        Flow::Continues
    }

    /// Waits until a time at most.
    fn rest(&mut self, awaiting: Awaiting, due: i64) {
        self.enrollment.state.awaiting = awaiting;
        self.enrollment.due_at = Some(due);
    }

    fn keep_result(&mut self, name: Option<&str>, result: Map<String, Value>) {
        if let Some(name) = name {
            self.keep_value(name, Value::Object(result));
        }
    }

    fn keep_value(&mut self, name: &str, result: Value) {
        self.enrollment.state.results.insert(name.to_owned(), result);
    }

    fn finish(&mut self, step: &str, status: Status, outcome: &str) {
        self.enrollment.status = status;
        self.enrollment.outcome = Some(outcome.to_owned());
        self.enrollment.ended_at = Some(self.world.now);
        self.enrollment.due_at = None;
        if !self.coupon_under_way() {
            self.enrollment.state.awaiting = Awaiting::Nothing;
        }
        self.note(EntryKind::Ended, step.to_owned(), None, outcome.to_owned());
    }

    fn fail(&mut self, step: &str, detail: String) -> Flow {
        self.note(EntryKind::Failed, step.to_owned(), None, detail);
        self.finish(step, Status::Exited, OUTCOME_ERROR);
        Flow::Rests
    }

    /// A rule that cannot be evaluated does not match, which is worth telling: one odd event ends no journey.
    fn note_failure(&mut self, step: &str, error: &EvalError) -> Taken {
        self.note(EntryKind::Failed, step.to_owned(), None, error.to_string());
        Taken::Yes
    }

    fn note_here(&mut self, kind: EntryKind, detail: String) {
        let step = self.step().to_owned();
        self.note(kind, step, None, detail);
    }

    fn note(&mut self, kind: EntryKind, step: String, key: Option<String>, detail: String) {
        self.out.history.push(Entry { kind, step, key, detail });
    }
}
