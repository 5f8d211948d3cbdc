//! Steps in plain words.

use jiff::Timestamp;

use super::{Node, NodeKind};
use crate::JOURNEY_ENROLL;
use crate::calendar::{DAY, Span, Weekdays, WindowZone};
use crate::effect::{Benefit, Money};
use crate::expression::Expression;
use crate::flow::Way;
use crate::program::{
    Addressee, Again, Awaited, Delivery, EntryRule, Every, Issue, Op, Program, Set, Trigger,
    WaitUntil, Winner,
};
use crate::template::{Parameter, Piece};

pub(super) fn entry(entry: &EntryRule) -> Vec<String> {
    let mut lines = vec![match &entry.trigger {
        Trigger::Event(event) if event == JOURNEY_ENROLL => "enrolled by hand".to_owned(),
        Trigger::Event(event) => format!("on {event}"),
        Trigger::Subscription { connection, parameters } if parameters.is_empty() => {
            format!("whom {connection} brings")
        }
        Trigger::Subscription { connection, parameters } => {
            let parameters = parameters.iter().map(|(name, value)| {
                format!(
                    "{name} {}",
                    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                )
            });
            format!("whom {connection} brings: {}", parameters.collect::<Vec<_>>().join(", "))
        }
    }];
    lines.extend(entry.when.as_ref().map(|when| format!("if {}", flat(when))));
    let each =
        entry.key.as_ref().map_or_else(String::new, |key| format!(" for each {}", flat(key)));
    lines.push(match entry.again {
        Again::Never => format!("once{each}"),
        Again::Always => format!("as often as it happens{each}"),
        Again::After(pause) => format!("again after {}{each}", time(pause)),
    });
    lines
}

/// What holds at every step.
pub(super) fn rules(program: &Program) -> Vec<Node> {
    let rule = |path: &str, label: String| Node {
        path: path.to_owned(),
        kind: NodeKind::Rule,
        label: vec![label],
    };
    let mut rules = Vec::new();
    for exit in &program.exits {
        let when = if_condition(exit.when.as_ref());
        rules.push(rule(&exit.path, format!("on {}{when}: leave as {}", exit.event, exit.outcome)));
    }
    if let Some(goal) = &program.goal {
        let when = if_condition(goal.when.as_ref());
        let within = if goal.within == i64::MAX {
            String::new()
        } else {
            format!(" within {}", time(goal.within))
        };
        rules.push(rule("goal", format!("goal: {}{when}{within}", goal.event)));
    }
    if let Some(window) = &program.window {
        rules.push(rule("window", format!("messages only {window}")));
    }
    for (index, limit) in program.limits.iter().enumerate() {
        let over = match limit.over {
            crate::Over::Skip => "others are not sent",
            crate::Over::Wait => "others wait",
        };
        rules.push(rule(&format!("limits[{index}]"), format!("at most {limit}; {over}")));
    }
    rules
}

pub(super) fn step(program: &Program, op: &Op) -> (NodeKind, Vec<String>) {
    let one = |kind, text: String| (kind, vec![text]);
    match op {
        Op::Wait { duration } => one(NodeKind::Wait, format!("wait {duration}")),
        Op::WaitUntil(until) => one(NodeKind::Wait, wait_until(until)),
        Op::WaitFor(wait) => {
            let events: Vec<String> = wait.events.iter().map(awaited).collect();
            one(NodeKind::Wait, format!("{} within {}?", events.join(", or "), wait.up_to))
        }
        Op::If { condition, .. } => one(NodeKind::Branch, format!("{}?", flat(condition))),
        Op::Switch { .. } => one(NodeKind::Branch, "which holds first?".to_owned()),
        Op::Split(split) => {
            let winner = match split.winner {
                Winner::Automatic => "the best arm for all in the end",
                Winner::Manual => "until an operator picks an arm",
            };
            (NodeKind::Branch, vec![format!("split {}", split.name), winner.to_owned()])
        }
        Op::Repeat(repeat) => {
            let times = if repeat.times == 1 { "time" } else { "times" };
            let mut lines = vec![format!("repeat up to {} {times}", repeat.times)];
            lines.extend(repeat.condition.as_ref().map(|one| format!("while {}", flat(one))));
            (NodeKind::Branch, lines)
        }
        Op::Issue(issue) => (NodeKind::Action, coupon(issue)),
        Op::Send { delivery, .. } => one(NodeKind::Action, message(delivery)),
        Op::Run(action) => {
            one(NodeKind::Action, format!("run {} by {}", action.name, action.connection))
        }
        Op::Set(set) => one(NodeKind::Action, changes(set)),
        Op::Assign(assign) => {
            let mut lines = vec!["assign to a person".to_owned()];
            let fields = assign.texts.fields.iter().filter_map(|(name, value)| match value {
                Parameter::Text(piece) => Some((name.as_str(), piece_text(program, piece))),
                _ => None,
            });
            for (name, text) in fields {
                match name {
                    "to" => lines[0] = format!("assign to {text}"),
                    _ => lines.push(text),
                }
            }
            if let Some(due) = assign.due {
                lines[0] += &format!(", due in {}", time(due));
            }
            (NodeKind::Action, lines)
        }
        Op::Exit { outcome } => one(NodeKind::End, format!("leave as {outcome}")),
        Op::Jump { .. } => one(NodeKind::Branch, String::new()),
    }
}

/// When one of these ways is taken.
pub(super) fn ways(op: &Op, ways: &[Way]) -> String {
    let all = match op {
        Op::WaitFor(wait) => wait.events.len() + 1,
        Op::If { .. } => 2,
        Op::Switch { cases, .. } => cases.len() + 1,
        Op::Split(split) => split.arms.len(),
        _ => usize::MAX,
    };
    if ways.len() == all {
        return "either way".to_owned();
    }
    let each: Vec<String> = ways.iter().map(|way| self::way(op, *way)).collect();
    each.join(", or ")
}

fn way(op: &Op, way: Way) -> String {
    match (op, way) {
        (Op::WaitFor(wait), Way::Event(index)) if wait.events.len() > 1 => {
            wait.events[index].event.clone()
        }
        (_, Way::Yes | Way::Event(_)) => "yes".to_owned(),
        (Op::WaitFor(wait), Way::TimeUp) if wait.events.len() > 1 => "none of them".to_owned(),
        (_, Way::No | Way::TimeUp) => "no".to_owned(),
        (Op::Switch { cases, .. }, Way::Case(index)) => flat(&cases[index].condition),
        (Op::Split(split), Way::Arm(index)) => {
            let arm = &split.arms[index];
            let sum: u64 = split.arms.iter().map(|arm| u64::from(arm.weight)).sum();
            let per_mille = (u64::from(arm.weight) * 1000 + sum / 2) / sum.max(1);
            let tenth = if per_mille.is_multiple_of(10) {
                String::new()
            } else {
                format!(".{}", per_mille % 10)
            };
            format!("{} {}{tenth}%", arm.name, per_mille / 10)
        }
        (_, Way::Otherwise) => "otherwise".to_owned(),
        (_, Way::Turn) => "again".to_owned(),
        (_, Way::Done) => "done".to_owned(),
        (_, Way::On | Way::Case(_) | Way::Arm(_)) => String::new(),
    }
}

fn wait_until(until: &WaitUntil) -> String {
    match until {
        WaitUntil::Clock { time, weekdays, zone } => {
            let days =
                if *weekdays == Weekdays::ALL { String::new() } else { format!(" on {weekdays}") };
            format!("wait until {time}{days}, {}", clocks(zone))
        }
        WaitUntil::Date { date, every, offset, time, zone } => {
            let offset = match *offset {
                Span { days: 0, ms: 0 } => String::new(),
                Span { days, ms } if days < 0 || ms < 0 => {
                    format!("{} before ", Span { days: -days, ms: -ms })
                }
                offset => format!("{offset} after "),
            };
            let every = if *every == Every::Year { ", every year" } else { "" };
            format!("wait until {offset}{}{every} at {time}, {}", flat(date), clocks(zone))
        }
        WaitUntil::At(at) => {
            let at = Timestamp::from_millisecond(*at)
                .map_or_else(|_| at.to_string(), |at| at.to_string());
            format!("wait until {at}")
        }
        WaitUntil::Window => "wait until the window opens".to_owned(),
    }
}

fn clocks(zone: &WindowZone) -> String {
    match zone {
        WindowZone::Customer => "customer's time".to_owned(),
        WindowZone::Fixed(zone) => format!("{zone} time"),
    }
}

fn awaited(awaited: &Awaited) -> String {
    format!("{}{}", awaited.event, if_condition(awaited.when.as_ref()))
}

fn if_condition(when: Option<&Expression>) -> String {
    when.map_or_else(String::new, |when| format!(" if {}", flat(when)))
}

fn coupon(issue: &Issue) -> Vec<String> {
    let benefit = match &issue.benefit {
        Benefit::AmountOff(money) => format!("{} off", amount(money)),
        Benefit::PerMilleOff(share) if share.is_multiple_of(10) => format!("{}% off", share / 10),
        Benefit::PerMilleOff(share) => format!("{}.{}% off", share / 10, share % 10),
        Benefit::FreeShipping => "free shipping".to_owned(),
        Benefit::Gift(gift) => format!("gift {gift}"),
    };
    let minimum = issue
        .minimum
        .as_ref()
        .map_or_else(String::new, |minimum| format!(" from {}", amount(minimum)));
    let valid = time(issue.valid);
    let mut lines =
        vec![format!("issue coupon {}: {benefit}{minimum}, valid {valid}", issue.campaign)];
    lines.extend(issue.then_send.as_ref().map(message));
    lines
}

/// Minor units as the currency writes them.
fn amount(money: &Money) -> String {
    let digits = crate::check::minor_digits(&money.currency);
    let scale = 10_i64.pow(digits);
    let Money { amount, currency } = money;
    if amount % scale == 0 {
        return format!("{} {currency}", amount / scale);
    }
    format!("{}.{:0width$} {currency}", amount / scale, amount % scale, width = digits as usize)
}

fn message(delivery: &Delivery) -> String {
    let (verb, by) = match delivery.to {
        Addressee::Customer => ("send", "by"),
        Addressee::Account => ("post", "on"),
    };
    let templates = delivery.templates.join(", if refused ");
    let channels = match &delivery.prefer {
        Some(prefer) => {
            format!("what {} prefers of {}", flat(prefer), delivery.channels.join(", "))
        }
        None => delivery.channels.join(", else "),
    };
    format!("{verb} {templates} {by} {channels}")
}

fn changes(set: &Set) -> String {
    let attributes = set.attributes.iter().map(|(name, value)| format!("{name} = {}", flat(value)));
    let add = set.add.iter().map(|(name, value)| format!("{name} + {}", flat(value)));
    let tags = set.tags.iter().map(|tag| format!("tag {tag}"));
    let untag = set.untag.iter().map(|tag| format!("untag {tag}"));
    let all: Vec<String> = attributes.chain(add).chain(tags).chain(untag).collect();
    format!("set {}", all.join(", "))
}

fn piece_text(program: &Program, piece: &Piece) -> String {
    match piece {
        Piece::Fixed(text) => text.clone(),
        Piece::Rendered(name) => program.templates.source(name).unwrap_or_default(),
    }
}

/// An expression on one line.
fn flat(expression: &Expression) -> String {
    expression.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Exact milliseconds in the largest units that fit; a single day is better understood as hours.
fn time(ms: i64) -> String {
    let days = if ms < 2 * DAY { 0 } else { ms / DAY };
    Span { days, ms: ms - days * DAY }.to_string()
}
