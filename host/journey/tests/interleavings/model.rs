//! What a journey is to do, told by walking its nested steps with a stack.

use crate::plan::{Plan, Step};
use crate::{HOUR, Happens, Outcome};

/// What an effect asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Over this channel, with this template.
    Send(usize, usize),
    Issue,
    Run,
    /// Of the coupon that the so-manieth effect had asked for.
    Revoke(usize),
}

#[derive(Debug, Clone)]
enum Awaiting {
    Start,
    Timer(i64),
    Event { event: u8, due: i64, then: Vec<Step>, otherwise: Vec<Step> },
    Message { number: usize, sending: Sending, at: (usize, usize), coupon: Option<usize> },
    Coupon { number: usize, notice: Option<usize> },
    Action { number: usize },
    Nothing,
}

/// Over how many channels, with how many templates.
#[derive(Debug, Clone, Copy)]
struct Sending {
    channels: usize,
    templates: usize,
}

/// Steps that are gone through, and how many turns are left after this one.
#[derive(Debug, Clone)]
struct Frame {
    steps: Vec<Step>,
    next: usize,
    turns: u8,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) plan: Plan,
    pub(crate) ended: Option<String>,
    pub(crate) counts: [u32; 2],
    /// What the last input made it ask for.
    pub(crate) last: Vec<What>,
    /// Whether the last input meant nothing.
    pub(crate) ignored: bool,
    frames: Vec<Frame>,
    awaiting: Awaiting,
    asked: usize,
    now: i64,
}

impl Model {
    pub(crate) fn new(plan: Plan) -> Self {
        let frames = vec![Frame { steps: plan.0.clone(), next: 0, turns: 0 }];
        Self {
            plan,
            ended: None,
            counts: [0; 2],
            last: Vec::new(),
            ignored: true,
            frames,
            awaiting: Awaiting::Start,
            asked: 0,
            now: 0,
        }
    }

    pub(crate) fn due(&self) -> Option<i64> {
        match self.awaiting {
            _ if self.ended.is_some() => None,
            Awaiting::Timer(due) | Awaiting::Event { due, .. } => Some(due),
            _ => None,
        }
    }

    pub(crate) fn happens(&mut self, happens: &Happens) {
        self.last.clear();
        self.ignored = false;
        match happens {
            Happens::Start if matches!(self.awaiting, Awaiting::Start) && self.ended.is_none() => {
                self.go();
            }
            Happens::Clock(hours) => {
                self.now += i64::from(*hours) * HOUR;
                self.ring();
            }
            Happens::Event(number) => self.event(*number),
            Happens::Stop if self.ended.is_none() && !matches!(self.awaiting, Awaiting::Start) => {
                self.end("stopped");
            }
            Happens::Leave if self.ended.is_none() => self.end("left"),
            Happens::Settle(back, outcome) => {
                match self.asked.checked_sub(usize::from(*back)).filter(|number| *number > 0) {
                    Some(number) => self.settle(number, *outcome),
                    None => self.ignored = true,
                }
            }
            _ => self.ignored = true,
        }
    }

    fn ring(&mut self) {
        match (self.due(), self.awaiting.clone()) {
            (Some(due), Awaiting::Timer(_)) if due <= self.now => self.go(),
            (Some(due), Awaiting::Event { otherwise, .. }) if due <= self.now => {
                self.enter(otherwise, 0);
                self.go();
            }
            _ => self.ignored = true,
        }
    }

    fn event(&mut self, number: u8) {
        match self.awaiting.clone() {
            Awaiting::Event { event, then, .. } if event == number && self.ended.is_none() => {
                self.enter(then, 0);
                self.go();
            }
            _ => self.ignored = true,
        }
    }

    fn settle(&mut self, number: usize, outcome: Outcome) {
        match self.awaiting.clone() {
            Awaiting::Message { number: awaited, sending, at, coupon } if awaited == number => {
                self.message_settled(sending, at, coupon, outcome);
            }
            Awaiting::Coupon { number: awaited, notice } if awaited == number => {
                self.coupon_settled(number, notice, outcome);
            }
            Awaiting::Action { number: awaited } if awaited == number => {
                self.awaiting = Awaiting::Nothing;
                self.go();
            }
            _ => self.ignored = true,
        }
    }

    fn message_settled(
        &mut self,
        sending: Sending,
        (channel, template): (usize, usize),
        coupon: Option<usize>,
        outcome: Outcome,
    ) {
        self.awaiting = Awaiting::Nothing;
        let failed = !matches!(outcome, Outcome::Good | Outcome::Unknown);
        let next = if outcome == Outcome::Content && template + 1 < sending.templates {
            Some((channel, template + 1))
        } else if failed && channel + 1 < sending.channels {
            Some((channel + 1, 0))
        } else {
            None
        };
        match next.filter(|_| self.ended.is_none()) {
            Some(at) => self.send(sending, at, coupon),
            None => {
                if let Some(coupon) = coupon.filter(|_| failed) {
                    self.ask(What::Revoke(coupon));
                }
                self.go();
            }
        }
    }

    fn coupon_settled(&mut self, number: usize, notice: Option<usize>, outcome: Outcome) {
        self.awaiting = Awaiting::Nothing;
        match (outcome, self.ended.is_some(), notice) {
            (Outcome::Good, true, _) => {
                self.ask(What::Revoke(number));
            }
            (Outcome::Good, false, Some(channels)) => {
                self.send(Sending { channels, templates: 1 }, (0, 0), Some(number));
            }
            _ => self.go(),
        }
    }

    fn send(&mut self, sending: Sending, at: (usize, usize), coupon: Option<usize>) {
        let number = self.ask(What::Send(at.0, at.1));
        self.awaiting = Awaiting::Message { number, sending, at, coupon };
    }

    fn ask(&mut self, what: What) -> usize {
        self.asked += 1;
        self.last.push(what);
        self.asked
    }

    fn end(&mut self, outcome: &str) {
        self.ended = Some(outcome.to_owned());
        // Of a coupon that the customer was to be told of, the end is still awaited.
        let under_way = matches!(
            self.awaiting,
            Awaiting::Message { coupon: Some(_), .. } | Awaiting::Coupon { notice: Some(_), .. }
        );
        if !under_way {
            self.awaiting = Awaiting::Nothing;
        }
    }

    fn enter(&mut self, steps: Vec<Step>, turns: u8) {
        self.frames.push(Frame { steps, next: 0, turns });
    }

    /// Takes step after step until one waits.
    fn go(&mut self) {
        self.awaiting = Awaiting::Nothing;
        while self.ended.is_none() && matches!(self.awaiting, Awaiting::Nothing) {
            let Some(frame) = self.frames.last_mut() else { return self.end("finished") };
            let Some(step) = frame.steps.get(frame.next).cloned() else {
                if frame.turns > 0 {
                    frame.turns -= 1;
                    frame.next = 0;
                } else {
                    self.frames.pop();
                }
                continue;
            };
            frame.next += 1;
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Wait(hours) => {
                self.awaiting = Awaiting::Timer(self.now + i64::from(hours) * HOUR)
            }
            Step::WaitFor { event, hours, then, otherwise } => {
                let due = self.now + i64::from(hours) * HOUR;
                self.awaiting = Awaiting::Event { event, due, then, otherwise };
            }
            Step::Send(channels, templates) => {
                self.send(Sending { channels, templates }, (0, 0), None);
            }
            Step::Issue(notice) => {
                let number = self.ask(What::Issue);
                self.awaiting = Awaiting::Coupon { number, notice };
            }
            Step::Run => {
                let number = self.ask(What::Run);
                self.awaiting = Awaiting::Action { number };
            }
            Step::Repeat { times, steps } => self.enter(steps, times - 1),
            Step::Count(counter) => self.counts[counter] += 1,
            Step::If { counter, least, then, otherwise } => {
                let holds = self.counts[counter] >= u32::from(least);
                self.enter(if holds { then } else { otherwise }, 0);
            }
            Step::Exit => self.end("gone"),
        }
    }
}
