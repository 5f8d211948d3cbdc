//! Windows that never open, messages that never fit them, and coupons that are over too early.

use super::Finding;
use super::elapsed::{at_least, followers, message};
use crate::calendar::{ClockTime, DAY, Place, Span, Weekdays, Window, WindowZone, Zone};
use crate::consent::Purpose;
use crate::flow::ways;
use crate::policy::Policy;
use crate::program::{Issue, Op, Program, WaitUntil};

/// 2026-06-01, a Monday, and two weeks from there, in steps of five minutes.
const MONDAY: i64 = 1_780_272_000_000;
const WEEKS: i64 = 14 * DAY;
const STEP: i64 = 5 * 60 * 1000;

pub(super) fn lint(program: &Program, policy: &Policy) -> Vec<Finding> {
    if program.purpose == Purpose::Transactional {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (window, whose) = match (&program.window, policy.window()) {
        (Some(window), _) => (Some(window), "the window"),
        (None, window) => (window, "the workspace's window"),
    };
    if let Some(window) = window {
        let hours = Opening { window, policy, whose };
        if let Some(never) = hours.never_opens(program.window.is_some()) {
            // Whatever else could be said follows from it.
            return vec![never];
        }
        hours.messages_apart(program, &mut found);
        hours.times_of_day(program, &mut found);
        hours.coupons(program, &mut found);
    }
    coupons_over(program, &mut found);
    found
}

struct Opening<'a> {
    window: &'a Window,
    policy: &'a Policy,
    whose: &'a str,
}

impl Opening<'_> {
    /// By clocks that never change.
    fn is_open(&self, at: i64) -> bool {
        let utc = Zone::default();
        let window = Window { zone: WindowZone::Customer, ..self.window.clone() };
        window.is_open(at, &Place { zone: &utc, calendar: None })
    }

    fn never_opens(&self, own: bool) -> Option<Finding> {
        let quiet = self.policy.quiet().filter(|quiet| quiet.zone == self.window.zone)?;
        let utc = Zone::default();
        let quiet = Window { zone: WindowZone::Customer, ..quiet.clone() };
        let place = Place { zone: &utc, calendar: None };
        let mut minutes = (MONDAY..MONDAY + WEEKS).step_by(60_000);
        if minutes.any(|at| self.is_open(at) && !quiet.is_open(at, &place)) {
            return None;
        }
        let message = format!(
            "no message is ever sent: {} {} is open in the workspace's quiet hours only; choose other hours",
            self.whose, self.window
        );
        Some(Finding::error(if own { "window" } else { "steps" }, message))
    }

    /// Two messages whose distance takes the second out of the window whenever the first is in it.
    fn messages_apart(&self, program: &Program, found: &mut Vec<Finding>) {
        for (first, instruction) in program.code.iter().enumerate() {
            if message(&instruction.op).is_none() {
                continue;
            }
            for (second, apart) in followers(&program.code, first) {
                let mut times = (MONDAY..MONDAY + WEEKS).step_by(300_000);
                let fits = |at: i64| self.is_open(at) && self.is_open(at + apart);
                if apart == 0 || apart > 30 * DAY || times.any(fits) {
                    continue;
                }
                let text = format!(
                    "the message never goes out at its own time: it comes {} after that of {}, and {} {} is never open at both; it waits for the next opening. Change the wait or the hours, or say `wait_until: window` before it",
                    shown(apart),
                    instruction.step,
                    self.whose,
                    self.window
                );
                let path = &program.code[second].step;
                if !found.iter().any(|one| one.path == *path) {
                    found.push(Finding::warning(path, text));
                }
            }
        }
    }

    /// Times of day at which messages are to go out and never may.
    fn times_of_day(&self, program: &Program, found: &mut Vec<Finding>) {
        for (at, instruction) in program.code.iter().enumerate() {
            let (time, weekdays, zone) = match &instruction.op {
                Op::WaitUntil(WaitUntil::Clock { time, weekdays, zone }) => (time, *weekdays, zone),
                Op::WaitUntil(WaitUntil::Date { time, zone, .. }) => (time, Weekdays::ALL, zone),
                _ => continue,
            };
            let sent = followers(&program.code, at).into_iter().find(|(_, apart)| *apart == 0);
            let Some((sent, _)) = sent.filter(|_| *zone == self.window.zone) else { continue };
            if self.open_at(*time, weekdays) {
                continue;
            }
            let mend = if program.window.is_some() {
                "change one of them"
            } else {
                "change the time, or give the journey a window of its own, which wins"
            };
            let text = format!(
                "{} {} is never open at {time}: the message of {} waits for the next opening; {mend}",
                self.whose, self.window, program.code[sent].step
            );
            found.push(Finding::warning(&instruction.step, text));
        }
    }

    fn open_at(&self, time: ClockTime, weekdays: Weekdays) -> bool {
        let time = time.civil();
        let ms = (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60_000;
        let days = (0..14).map(|day| MONDAY + day * DAY);
        let names = crate::calendar::WEEKDAYS;
        let mut days = days.enumerate().filter(|(day, _)| {
            weekdays == Weekdays::ALL
                || Weekdays::NONE.with(names[day % 7]).is_some_and(|one| weekdays.has_all(one))
        });
        days.any(|(_, midnight)| self.is_open(midnight + ms))
    }

    /// Coupons that can be over before their message may go out.
    fn coupons(&self, program: &Program, found: &mut Vec<Finding>) {
        let mut longest = 0;
        let mut closed = 0;
        for at in (MONDAY..MONDAY + WEEKS).step_by(300_000) {
            closed = if self.is_open(at) { 0 } else { closed + STEP };
            longest = longest.max(closed);
        }
        for instruction in &program.code {
            let Op::Issue(Issue { valid, then_send: Some(_), .. }) = &instruction.op else {
                continue;
            };
            if *valid <= longest {
                let text = format!(
                    "the coupon can be over before its message goes out: it is valid for {}, and {} {} can stay closed for {}; let it be valid for longer, or say `wait_until: window` before",
                    shown(*valid),
                    self.whose,
                    self.window,
                    shown(longest)
                );
                let opens = preceded_by_window(program, &instruction.step);
                if !opens {
                    found.push(Finding::warning(&instruction.step, text));
                }
            }
        }
    }
}

/// Whether every way to a step comes from the opening of the window.
fn preceded_by_window(program: &Program, step: &str) -> bool {
    let code = &program.code;
    let Some(at) = code.iter().position(|one| one.step == step) else { return false };
    let mut before =
        (0..code.len()).filter(|one| ways(code, *one).iter().any(|(_, to)| *to == at)).peekable();
    at > 0
        && before.peek().is_some()
        && before.all(|one| matches!(code[one].op, Op::WaitUntil(WaitUntil::Window)))
}

/// Messages that tell of coupons that are over by then.
fn coupons_over(program: &Program, found: &mut Vec<Finding>) {
    for (at, instruction) in program.code.iter().enumerate() {
        let Op::Issue(Issue { valid, name: Some(name), .. }) = &instruction.op else { continue };
        for (later, time) in at_least(&program.code, Some(at)) {
            let Some(delivery) = program.code.get(later).and_then(|one| message(&one.op)) else {
                continue;
            };
            let reads =
                |template: &String| program.templates.reads(template, &format!("steps.{name}."));
            if later != at && time >= *valid && delivery.templates.iter().any(reads) {
                let text = format!(
                    "the coupon of {} is always over when this message tells of it: it is valid for {}, and at least {} pass until here; let it be valid for longer, or wait for less",
                    instruction.step,
                    shown(*valid),
                    shown(time)
                );
                found.push(Finding::warning(&program.code[later].step, text));
            }
        }
    }
    let Some(goal) = &program.goal else { return };
    let first = at_least(&program.code, None)
        .into_iter()
        .filter(|(at, _)| program.code.get(*at).is_some_and(|one| message(&one.op).is_some()))
        .map(|(_, time)| time)
        .min();
    if let Some(first) = first.filter(|first| *first >= goal.within) {
        let text = format!(
            "the goal counts for {} from enrollment, and no message goes out before {} have passed: none can ever lead to it; count for longer",
            shown(goal.within),
            shown(first)
        );
        found.push(Finding::warning("goal", text));
    }
}

pub(super) fn shown(ms: i64) -> String {
    let days = if ms < 2 * DAY { 0 } else { ms / DAY };
    Span { days, ms: ms - days * DAY }.to_string()
}
