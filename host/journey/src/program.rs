//! A journey, compiled: what `check` makes of a file without errors.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::calendar::{ClockTime, Span, Weekdays, Window, WindowZone};
use crate::connection::{ChannelFacts, ConnectionFacts, Connections, ContentKind};
use crate::consent::Purpose;
use crate::effect::{Benefit, Money};
use crate::enrollment::{Enrollment, Status};
use crate::expression::Expression;
use crate::host_event::subscription_id;
use crate::outline::Outline;
use crate::past::Needs;
use crate::policy::Limit;
use crate::rehearsal::Test;
use crate::template::{Parameters, Templates};

/// A journey version that can be run. It never changes; keep it in an `Arc` and share it between threads.
#[derive(Debug)]
pub struct Program {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) owner: Option<String>,
    pub(crate) purpose: Purpose,
    pub(crate) on_unknown: OnUnknown,
    /// 0 to 100.
    pub(crate) priority: u8,
    /// In alphabetical order, each once.
    pub(crate) tags: Vec<String>,
    pub(crate) window: Option<Window>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) entry: EntryRule,
    pub(crate) exits: Vec<ExitRule>,
    pub(crate) goal: Option<Goal>,
    pub(crate) templates: Templates,
    /// The steps, flattened: the nested lists follow each other and jumps lead around them.
    pub(crate) code: Vec<Instruction>,
    /// Every connection that the entry or a step names.
    pub(crate) connections: BTreeSet<String>,
    pub(crate) tests: Vec<Test>,
    pub(crate) reads_coupons: bool,
    pub(crate) needs: Needs,
    pub(crate) outline: Outline,
}

impl Program {
    /// Lower kebab case, at most 64 characters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name for people; the journey's name if the file gives none.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Who answers for the journey.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// What its messages are for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// What to do about messages that may have been sent.
    #[must_use]
    pub fn on_unknown(&self) -> OnUnknown {
        self.on_unknown
    }

    /// Which journey's messages go before others', from 0 to 100; the higher goes first.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Tags of its messages, by which limits count them across journeys.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// When its marketing messages may be sent; the workspace's window if absent.
    #[must_use]
    pub fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// Its own limits, besides the workspace's.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// Name of the event that customers enter by; absent where they enter by a subscription.
    #[must_use]
    pub fn entry_event(&self) -> Option<&str> {
        match &self.entry.trigger {
            Trigger::Event(name) => Some(name),
            Trigger::Subscription { .. } => None,
        }
    }

    /// The subscription to a trigger source that customers enter by, which lasts as long as the journey is live.
    #[must_use]
    pub fn subscription(&self) -> Option<Subscription<'_>> {
        match &self.entry.trigger {
            Trigger::Event(_) => None,
            Trigger::Subscription { connection, parameters } => Some(Subscription {
                id: subscription_id(&self.name, connection),
                connection,
                parameters,
            }),
        }
    }

    /// Whether the same customer may enter again.
    #[must_use]
    pub fn again(&self) -> Again {
        self.entry.again
    }

    /// Names of the connections that the entry and the steps use, in alphabetical order.
    pub fn connections(&self) -> impl Iterator<Item = &str> {
        self.connections.iter().map(String::as_str)
    }

    /// The tests in the file, for a rehearsal.
    #[must_use]
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }

    /// Stand-ins for the connections that the journey names, each able to do whatever the journey asks of it. A channel
    /// sends to a kind of address of its own name.
    #[must_use]
    pub fn stand_ins(&self) -> Connections {
        let mut all: BTreeMap<String, ConnectionFacts> = BTreeMap::new();
        for instruction in &self.code {
            let (channels, other) = match &instruction.op {
                Op::Send { delivery, .. } => (Some(delivery), None),
                Op::Issue(issue) => (issue.then_send.as_ref(), Some((&issue.connection, true))),
                Op::Run(action) => (None, Some((&action.connection, false))),
                _ => continue,
            };
            for channel in channels.iter().flat_map(|delivery| &delivery.channels) {
                all.entry(channel.clone()).or_default().channel = Some(ChannelFacts {
                    address: channel.clone(),
                    contents: ContentKind::ALL.to_vec(),
                });
            }
            if let Some((connection, coupon)) = other {
                let facts = all.entry(connection.clone()).or_default();
                facts.coupon |= coupon;
                facts.action |= !coupon;
            }
        }
        Connections(all)
    }

    /// Whether any expression or template reads the customer's coupons; if not, [`World`](crate::World) may go
    /// without.
    #[must_use]
    pub fn reads_coupons(&self) -> bool {
        self.reads_coupons
    }

    /// What its expressions read of the customer's past, and which segments they ask for. Segments need more in turn:
    /// [`Segments::needs`](crate::Segments::needs) adds it.
    #[must_use]
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Whether an event of this name can matter to a customer who is enrolled: an exit, the goal or a `wait_for`
    /// names it.
    #[must_use]
    pub fn listens_to(&self, event: &str) -> bool {
        self.exits.iter().any(|exit| exit.event == event)
            || self.goal.as_ref().is_some_and(|goal| goal.event == event)
            || self.awaited().any(|awaited| awaited == event)
    }

    /// Names of the events that steps wait for.
    fn awaited(&self) -> impl Iterator<Item = &str> {
        let waits = self.code.iter().filter_map(|instruction| match &instruction.op {
            Op::WaitFor(wait) => Some(&wait.events),
            _ => None,
        });
        waits.flatten().map(|awaited| awaited.event.as_str())
    }

    /// The splits of the journey with their arms, in the order of the file.
    pub fn splits(&self) -> impl Iterator<Item = &Split> {
        self.code.iter().filter_map(|instruction| match &instruction.op {
            Op::Split(split) => Some(split),
            _ => None,
        })
    }

    /// Names of all events that [`listens_to`](Self::listens_to) answers yes for.
    #[must_use]
    pub fn events(&self) -> BTreeSet<&str> {
        let waits = self.awaited();
        let exits = self.exits.iter().map(|exit| exit.event.as_str());
        exits.chain(self.goal.iter().map(|goal| goal.event.as_str())).chain(waits).collect()
    }

    /// Until when, in Unix milliseconds, an enrollment that has ended may still reach its goal: hand it events of
    /// the goal's name until then. Absent if there is no goal, it is reached, or the enrollment ended by an error.
    #[must_use]
    pub fn goal_until(&self, enrollment: &Enrollment) -> Option<i64> {
        let goal = self.goal.as_ref()?;
        if enrollment.goal_reached_at.is_some()
            || enrollment.outcome.as_deref() == Some(crate::OUTCOME_ERROR)
        {
            return None;
        }
        Some(enrollment.enrolled_at.saturating_add(goal.within))
    }

    /// For how many milliseconds after enrollment the goal may be reached; absent if there is no goal.
    #[must_use]
    pub fn goal_within(&self) -> Option<i64> {
        self.goal.as_ref().map(|goal| goal.within)
    }

    /// Path of the step that an enrollment stands at, such as `steps[2].then[0]`; none once it has ended.
    #[must_use]
    pub fn step_path(&self, enrollment: &Enrollment) -> Option<&str> {
        if enrollment.status != Status::Active {
            return None;
        }
        self.code
            .get(enrollment.state.position as usize)
            .map(|instruction| instruction.step.as_str())
    }
}

/// What a journey asks of a trigger source.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription<'a> {
    /// Carried by the events that answer it; the same for all versions of the journey.
    pub id: String,
    /// The trigger source.
    pub connection: &'a str,
    /// What is asked for.
    pub parameters: &'a Map<String, Value>,
}

/// What to do when nobody can say whether a message was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUnknown {
    /// Ask the provider, where it can tell; else hold.
    Find,
    /// Send it again: the customer may get it twice.
    Resend,
    /// Leave it and show it to an operator.
    #[default]
    Hold,
}

impl OnUnknown {
    /// The journey file's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Resend => "resend",
            Self::Hold => "hold",
        }
    }
}

/// Whether the same customer may enter again with the same key. One enrollment at a time may be active, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// Once in a lifetime.
    #[default]
    Never,
    /// As soon as the former enrollment is over.
    Always,
    /// So many milliseconds after the former enrollment was over.
    After(i64),
}

impl Again {
    /// Decides whether a customer may enter. `former` tells of the customer's enrollments in this journey, any version, with
    /// the same key; `now` is in Unix milliseconds.
    #[must_use]
    pub fn allows(self, former: Option<Former>, now: i64) -> bool {
        match (self, former) {
            (_, None) => true,
            (_, Some(former)) if former.active => false,
            (Self::Never, _) => false,
            (Self::Always, _) => true,
            (Self::After(pause), Some(former)) => now >= former.over_at.saturating_add(pause),
        }
    }
}

/// A customer's earlier enrollments in one journey with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    /// Whether one of them is still under way.
    pub active: bool,
    /// When the latest one was over, in Unix milliseconds.
    pub over_at: i64,
}

impl From<&Enrollment> for Former {
    fn from(enrollment: &Enrollment) -> Self {
        Self {
            active: enrollment.status == Status::Active,
            over_at: enrollment.ended_at.unwrap_or(enrollment.enrolled_at),
        }
    }
}

#[derive(Debug)]
pub(crate) struct EntryRule {
    pub(crate) trigger: Trigger,
    pub(crate) when: Option<Expression>,
    pub(crate) key: Option<Expression>,
    pub(crate) again: Again,
}

/// What a customer enters by.
#[derive(Debug)]
pub(crate) enum Trigger {
    /// An event of this name.
    Event(String),
    /// Whatever answers the journey's subscription.
    Subscription { connection: String, parameters: Map<String, Value> },
}

#[derive(Debug)]
pub(crate) struct ExitRule {
    pub(crate) event: String,
    pub(crate) when: Option<Expression>,
    pub(crate) outcome: String,
    /// Such as `exit[0]`.
    pub(crate) path: String,
}

#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) event: String,
    pub(crate) when: Option<Expression>,
    /// Milliseconds from enrollment; `i64::MAX` if unlimited.
    pub(crate) within: i64,
    pub(crate) value: Option<Expression>,
}

#[derive(Debug)]
pub(crate) struct Instruction {
    /// Path of the step in the file.
    pub(crate) step: String,
    pub(crate) op: Op,
}

#[derive(Debug)]
pub(crate) enum Op {
    /// Goes on with the next instruction after so long.
    Wait {
        duration: Span,
    },
    /// Goes on with the next instruction at a time.
    WaitUntil(WaitUntil),
    /// Goes on where the event leads that comes first.
    WaitFor(WaitFor),
    /// Goes on with the next instruction if the condition holds.
    If {
        condition: Expression,
        otherwise: u32,
    },
    /// Goes on where the first condition leads that holds.
    Switch {
        cases: Vec<Case>,
        otherwise: u32,
    },
    Split(Split),
    /// Goes on with the next instruction for another turn.
    Repeat(Repeat),
    Jump {
        to: u32,
    },
    Issue(Issue),
    Send {
        name: Option<String>,
        delivery: Delivery,
    },
    Run(Action),
    Set(Set),
    Assign(Assign),
    Exit {
        outcome: String,
    },
}

#[derive(Debug)]
pub(crate) struct WaitFor {
    /// Under which the event that came is known from there on.
    pub(crate) name: Option<String>,
    /// At least one.
    pub(crate) events: Vec<Awaited>,
    pub(crate) up_to: Span,
    /// Where to go on when the time is up.
    pub(crate) otherwise: u32,
}

#[derive(Debug)]
pub(crate) enum WaitUntil {
    /// The next time that the clocks of a zone show this on one of these days.
    Clock { time: ClockTime, weekdays: Weekdays, zone: WindowZone },
    /// A time on a day that an expression gives, or so long before or after.
    Date { date: Expression, every: Every, offset: Span, time: ClockTime, zone: WindowZone },
    /// An instant, in Unix milliseconds.
    At(i64),
    /// The next opening of the journey's window, or the workspace's.
    Window,
}

/// Whether a date returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Every {
    Once,
    Year,
}

#[derive(Debug)]
pub(crate) struct Awaited {
    pub(crate) event: String,
    pub(crate) when: Option<Expression>,
    /// Where it leads.
    pub(crate) to: u32,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) condition: Expression,
    /// Where it leads.
    pub(crate) to: u32,
}

/// A split of the customers into arms, the same ones for as long as its name and weights stay.
#[derive(Debug)]
pub struct Split {
    pub(crate) name: String,
    pub(crate) arms: Vec<Arm>,
    pub(crate) winner: Winner,
}

impl Split {
    /// Unique within the journey.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the arms, in the order of the file.
    pub fn arms(&self) -> impl Iterator<Item = &str> {
        self.arms.iter().map(|arm| arm.name.as_str())
    }

    /// Who decides which arm everybody gets in the end.
    #[must_use]
    pub fn winner(&self) -> Winner {
        self.winner
    }
}

#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) name: String,
    /// 1 to 1,000; a share of the sum over all arms.
    pub(crate) weight: u32,
    /// Where it leads.
    pub(crate) to: u32,
}

/// Who decides which arm of a split everybody gets in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Winner {
    /// The host, once an arm reaches the journey's goal significantly more often than every other.
    Automatic,
    /// An operator.
    #[default]
    Manual,
}

#[derive(Debug)]
pub(crate) struct Repeat {
    /// 1 to 100.
    pub(crate) times: u32,
    /// Asked before every turn.
    pub(crate) condition: Option<Expression>,
    /// Where to go on after the last turn.
    pub(crate) otherwise: u32,
}

#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) name: Option<String>,
    pub(crate) connection: String,
    pub(crate) campaign: String,
    pub(crate) benefit: Benefit,
    pub(crate) minimum: Option<Money>,
    /// Milliseconds from issuing.
    pub(crate) valid: i64,
    /// The message that tells of the coupon.
    pub(crate) then_send: Option<Delivery>,
}

#[derive(Debug)]
pub(crate) struct Delivery {
    /// Path of the step in the file.
    pub(crate) step: String,
    pub(crate) to: Addressee,
    /// Connections in the order they are tried; never empty.
    pub(crate) channels: Vec<String>,
    /// Says which channel is tried first; the others follow in their order.
    pub(crate) prefer: Option<Expression>,
    /// Templates in the order they are tried on a channel that refuses the content; never empty.
    pub(crate) templates: Vec<String>,
}

/// Whom a content is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addressee {
    Customer,
    /// The account that the connection posts with.
    Account,
}

#[derive(Debug)]
pub(crate) struct Action {
    /// Under which its result is known from there on.
    pub(crate) name: String,
    pub(crate) connection: String,
    pub(crate) parameters: Parameters,
    /// Stands in for the result where there is none.
    pub(crate) otherwise: Value,
}

#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) attributes: Vec<(String, Expression)>,
    /// Attributes that a number is added to.
    pub(crate) add: Vec<(String, Expression)>,
    pub(crate) tags: Vec<String>,
    pub(crate) untag: Vec<String>,
}

/// Something for a person to do.
#[derive(Debug)]
pub(crate) struct Assign {
    pub(crate) name: Option<String>,
    /// The fields `to` and `note`, as texts.
    pub(crate) texts: Parameters,
    /// Milliseconds until it should be done.
    pub(crate) due: Option<i64>,
}
