//! One pass: what was read goes through the state machine, and what came of it is one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::Value;
use tracing::{error, warn};
use waystation_journey::{
    Advance, Background, Connections, Coupon, CouponState, Customer, Effect, Enrollment, Entry,
    Event, Former, HOST_SOURCE, Input, JOURNEY_FINISHED, Lane, Past, Policy, Program, Purpose,
    Settled, Status, Suppression, TAG_ADDED, UnsubscribeUrl, World, advance, entry,
};
use waystation_store::records::{
    CustomerPatch, EffectKind, GrantRow, NewArm, NewAssignment, NewEffect, NewEvent, Pass,
    SettledEffect, Subject, Work,
};

use crate::programs::{Picture, Version};
use crate::unsubscribe::UnsubscribeLinks;

/// The event by which the outside tells that a coupon was used: its property `code` names the coupon.
pub const COUPON_REDEEMED: &str = "coupon.redeemed";

/// Something that happened to an enrollment, for whoever watches.
#[derive(Debug, Clone)]
pub struct Happening {
    /// When, in Unix milliseconds.
    pub at: i64,
    /// The enrollment after it.
    pub enrollment: String,
    /// Its customer.
    pub customer: String,
    /// Its journey.
    pub journey: String,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// How it ended, if it did.
    pub ended: Option<String>,
}

/// What a pass may look at.
pub(crate) struct Surroundings<'a> {
    pub(crate) picture: &'a Picture,
    /// Pasts of the customers whose journeys read them.
    pub(crate) pasts: &'a BTreeMap<String, Past>,
    pub(crate) policy: &'a Policy,
    pub(crate) connections: &'a Connections,
    pub(crate) links: Option<&'a UnsubscribeLinks>,
    pub(crate) now: i64,
    /// Makes identifiers of enrollments.
    pub(crate) new_id: &'a dyn Fn() -> String,
}

impl<'a> Surroundings<'a> {
    fn background(&self, customer: &str) -> Background<'a> {
        Background { past: self.pasts.get(customer), segments: Some(&self.picture.segments) }
    }
}

/// What a pass came to.
pub(crate) struct Passed {
    pub(crate) pass: Pass,
    pub(crate) happenings: Vec<Happening>,
    /// Connections that have something to do.
    pub(crate) asked: BTreeSet<String>,
    pub(crate) failed_conditions: usize,
}

impl Passed {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.pass.events.is_empty()
            && self.pass.settled.is_empty()
            && self.pass.advanced.is_empty()
            && self.pass.parked.is_empty()
            && self.pass.transfer.is_none()
    }
}

/// Runs the events, then the settled effects, then the timers: an exit that has come is never overtaken by a message that
/// is due.
pub(crate) fn run(work: Work, around: &Surroundings<'_>) -> Passed {
    let mut machine = Machine::new(work, around);
    machine.events();
    machine.settled();
    machine.timers();
    machine.finish()
}

/// Hands everybody read the input that is chosen for them, if any.
pub(crate) fn transfer<'i>(
    work: Work,
    around: &Surroundings<'_>,
    chosen: impl Fn(&Enrollment) -> Option<Input<'i>>,
) -> Passed {
    let mut machine = Machine::new(work, around);
    let inputs: Vec<(String, Input<'i>)> = machine
        .running
        .iter()
        .filter_map(|(id, running)| Some((id.clone(), chosen(&running.enrollment)?)))
        .collect();
    for (id, input) in inputs {
        machine.step(&id, input);
    }
    machine.finish()
}

/// An enrollment while it is worked on.
struct Running {
    enrollment: Enrollment,
    /// Its `seq` as stored; none if it is new.
    stored: Option<i64>,
}

struct Machine<'a> {
    around: &'a Surroundings<'a>,
    events: Vec<waystation_store::records::OpenEvent>,
    settled: Vec<SettledEffect>,
    due: Vec<String>,
    running: BTreeMap<String, Running>,
    by_customer: HashMap<String, Vec<String>>,
    customers: BTreeMap<String, Customer>,
    changed_customers: BTreeMap<String, Customer>,
    coupons: HashMap<String, Vec<Coupon>>,
    former: BTreeMap<(String, String, String), Former>,
    passed: Passed,
}

impl<'a> Machine<'a> {
    fn new(work: Work, around: &'a Surroundings<'a>) -> Self {
        let due = work
            .enrollments
            .values()
            .filter(|enrollment| enrollment.due_at.is_some_and(|due| due <= around.now))
            .map(|enrollment| enrollment.id.clone())
            .collect();
        let mut by_customer: HashMap<String, Vec<String>> = HashMap::new();
        for enrollment in work.enrollments.values() {
            by_customer.entry(enrollment.customer.clone()).or_default().push(enrollment.id.clone());
        }
        let running = work
            .enrollments
            .into_iter()
            .map(|(id, enrollment)| (id, Running { stored: Some(enrollment.seq), enrollment }))
            .collect();
        let coupons = work
            .grants
            .into_iter()
            .map(|(customer, grants)| (customer, grants.into_iter().map(coupon).collect()))
            .collect();
        let passed = Passed {
            pass: Pass {
                now: around.now,
                tell_tags: around.picture.tells(TAG_ADDED),
                ..Pass::default()
            },
            happenings: Vec::new(),
            asked: BTreeSet::new(),
            failed_conditions: 0,
        };
        Self {
            around,
            events: work.events,
            settled: work.settled,
            due,
            running,
            by_customer,
            customers: work.customers,
            changed_customers: BTreeMap::new(),
            coupons,
            former: work.former,
            passed,
        }
    }

    fn events(&mut self) {
        for open in std::mem::take(&mut self.events) {
            self.passed.pass.events.push(open.position);
            self.redeem(&open.event);
            for id in self.by_customer.get(&open.event.customer).cloned().unwrap_or_default() {
                let listens = self.running.get(&id).is_some_and(|running| {
                    open.event.concerns(&running.enrollment.journey)
                        && self
                            .program(&running.enrollment)
                            .is_some_and(|program| program.listens_to(&open.event.name))
                });
                if listens {
                    self.step(&id, Input::Event(&open.event));
                }
            }
            let entered: Vec<Version> =
                self.around.picture.entered_by(&open.event).cloned().collect();
            for version in entered {
                self.enroll(&version, &open.event);
            }
        }
    }

    fn settled(&mut self) {
        for effect in std::mem::take(&mut self.settled) {
            let outcome = outcome(&effect);
            self.step(&effect.enrollment, Input::Settled { key: &effect.key, outcome: &outcome });
            self.passed.pass.settled.push(effect.key);
        }
    }

    fn timers(&mut self) {
        for id in std::mem::take(&mut self.due) {
            // An event or an outcome may have moved it on meanwhile.
            let still = self.running.get(&id).map(|running| &running.enrollment);
            let still = still.filter(|one| one.due_at.is_some_and(|due| due <= self.around.now));
            let Some(enrollment) = still else { continue };
            if self.around.picture.is_paused(&enrollment.journey) {
                self.passed.pass.parked.push(id);
            } else {
                self.step(&id, Input::Timer);
            }
        }
    }

    fn program(&self, enrollment: &Enrollment) -> Option<&'a Program> {
        self.around
            .picture
            .program(&enrollment.journey, enrollment.version)
            .map(std::convert::AsRef::as_ref)
    }

    fn redeem(&mut self, event: &Event) {
        if event.name != COUPON_REDEEMED {
            return;
        }
        let Some(code) = event.properties.get("code").and_then(Value::as_str) else {
            warn!(
                event.id = event.id,
                event.source = event.source,
                "a coupon.redeemed event has no text property `code`"
            );
            return;
        };
        self.passed.pass.used_codes.push((event.customer.clone(), code.to_owned()));
        for coupon in self.coupons.get_mut(&event.customer).into_iter().flatten() {
            if coupon.code == code && coupon.state == CouponState::Usable {
                coupon.state = CouponState::Used;
            }
        }
    }

    fn enroll(&mut self, version: &Version, event: &Event) {
        let now = self.around.now;
        let customer = self
            .changed_customers
            .get(&event.customer)
            .or_else(|| self.customers.get(&event.customer));
        let Some(customer) = customer else { return };
        let coupons = self.coupons.get(&event.customer).map_or(&[][..], Vec::as_slice);
        let background = self.around.background(&event.customer);
        let key = match entry(&version.program, event, customer, coupons, background, now) {
            Ok(Some(key)) => key,
            Ok(None) => return,
            Err(error) => {
                self.passed.failed_conditions += 1;
                warn!(journey.name = version.program.name(), event.id = event.id, event.source = event.source, %error,
                    "an entry condition cannot be evaluated; the customer is not enrolled");
                return;
            }
        };
        let place = (event.customer.clone(), version.program.name().to_owned(), key.clone());
        let allowed = version.program.again().allows(self.former.get(&place).copied(), now);
        if !allowed {
            return;
        }
        let id = (self.around.new_id)();
        let mut enrollment =
            Enrollment::new(id.clone(), &version.program, version.version, key, event, now);
        enrollment.lane = self.around.picture.lane(&version.program);
        self.former.insert(place, Former { active: true, over_at: now });
        self.by_customer.entry(event.customer.clone()).or_default().push(id.clone());
        self.running.insert(id.clone(), Running { enrollment, stored: None });
        self.step(&id, Input::Start);
    }

    /// Hands one input to one enrollment and keeps what comes of it.
    fn step(&mut self, id: &str, input: Input<'_>) {
        let around = self.around;
        let Some(mut running) = self.running.remove(id) else { return };
        let program = match input {
            Input::Move(to) => {
                let picture = around.picture;
                picture.program(&running.enrollment.journey, to.version).map(AsRef::as_ref)
            }
            _ => self.program(&running.enrollment),
        };
        let Some(program) = program else {
            error!(
                journey.name = running.enrollment.journey,
                journey.version = running.enrollment.version,
                enrollment.id = id,
                "the enrollment's journey version is not loaded; it waits"
            );
            self.running.insert(id.to_owned(), running);
            return;
        };
        let customer_id = running.enrollment.customer.clone();
        let original = self
            .customers
            .entry(customer_id.clone())
            .or_insert_with(|| Customer { id: customer_id.clone(), ..Customer::default() });
        let mut customer = self
            .changed_customers
            .get(&customer_id)
            .cloned()
            .unwrap_or_else(|| Customer::clone(original));
        let unsubscribe = |address: &str| {
            around
                .links
                .map(|links| links.link(&customer_id, program.purpose(), address))
                .unwrap_or_default()
        };
        let mut world = World {
            customer: &mut customer,
            coupons: self.coupons.get(&customer_id).map_or(&[][..], Vec::as_slice),
            background: around.background(&customer_id),
            connections: around.connections,
            winners: around.picture.winners(program.name()),
            policy: around.policy,
            now: around.now,
            unsubscribe_url: around.links.is_some().then_some(UnsubscribeUrl(&unsubscribe)),
        };
        let was_active = running.enrollment.status == Status::Active;
        let came = advance(program, &mut running.enrollment, input, &mut world);
        if !came.ignored {
            running.enrollment.lane = around.picture.lane(program);
            if came.customer_changed {
                self.changed_customers.insert(customer_id, customer);
            }
            self.keep(&running.enrollment, was_active, came);
        }
        self.running.insert(id.to_owned(), running);
    }

    fn keep(&mut self, enrollment: &Enrollment, was_active: bool, came: Advance) {
        let now = self.around.now;
        for effect in &came.effects {
            self.passed.asked.insert(effect.connection().to_owned());
            let row = self.ledger_row(effect, enrollment);
            self.passed.pass.effects.push(row);
        }
        let pass = &mut self.passed.pass;
        pass.assignments.extend(came.assignments.into_iter().map(|one| NewAssignment {
            key: one.key,
            enrollment: enrollment.id.clone(),
            customer: enrollment.customer.clone(),
            journey: enrollment.journey.clone(),
            step: one.step,
            assignee: one.to,
            note: one.note,
            due_at: one.due_at,
        }));
        pass.arms.extend(came.arms.into_iter().map(|(split, arm)| NewArm {
            enrollment: enrollment.id.clone(),
            journey: enrollment.journey.clone(),
            split,
            arm,
        }));
        // An ended enrollment may still reach its goal or have a coupon taken back.
        let ended = was_active && enrollment.status != Status::Active;
        if ended {
            self.passed.pass.ended.push(enrollment.id.clone());
            if self.around.picture.tells(JOURNEY_FINISHED) {
                let mut told = finished(enrollment, now);
                self.around.picture.put_in_lane(&mut told);
                self.passed.pass.told.push(told);
            }
            let place =
                (enrollment.customer.clone(), enrollment.journey.clone(), enrollment.key.clone());
            self.former.insert(
                place,
                Former { active: false, over_at: enrollment.ended_at.unwrap_or(now) },
            );
        }
        let entries = serde_json::to_string(&came.history).unwrap_or_default();
        self.passed.pass.history.push((enrollment.id.clone(), enrollment.seq, entries));
        self.passed.happenings.push(Happening {
            at: now,
            enrollment: enrollment.id.clone(),
            customer: enrollment.customer.clone(),
            journey: enrollment.journey.clone(),
            entries: came.history,
            ended: ended.then(|| enrollment.outcome.clone().unwrap_or_default()),
        });
    }

    fn ledger_row(&self, effect: &Effect, enrollment: &Enrollment) -> NewEffect {
        let now = self.around.now;
        let kind = match effect {
            Effect::Send { .. } => EffectKind::Send,
            Effect::Publish { .. } => EffectKind::Publish,
            Effect::Issue { .. } => EffectKind::Issue,
            Effect::Revoke { .. } => EffectKind::Revoke,
            Effect::Run { .. } => EffectKind::Run,
        };
        let program = self.program(enrollment);
        let customer = &enrollment.customer;
        let customer =
            self.changed_customers.get(customer).or_else(|| self.customers.get(customer));
        let priority = program.map_or(0, Program::priority);
        let rank = customer.map(|customer| self.around.policy.rank(priority, customer, now));
        let rank = rank.unwrap_or_else(|| i64::from(priority));
        let lane = enrollment.lane;
        let rank = if lane.is_urgent() { rank + Policy::TRANSACTIONAL } else { rank };
        NewEffect {
            key: effect.key().to_owned(),
            enrollment: enrollment.id.clone(),
            customer: enrollment.customer.clone(),
            journey: enrollment.journey.clone(),
            version: enrollment.version,
            step: effect.step().to_owned(),
            kind,
            connection: effect.connection().to_owned(),
            // Strings, numbers and enums: it cannot fail.
            body: serde_json::to_string(effect).unwrap_or_default(),
            fallback: matches!(effect, Effect::Send { fallback: true, .. }),
            rank,
            lane,
            tags: program.map(|program| program.tags().to_vec()).unwrap_or_default(),
            marketing: matches!(effect, Effect::Send { purpose: Purpose::Marketing, .. }),
            due_at: now,
            created_at: now,
        }
    }

    fn finish(mut self) -> Passed {
        let pass = &mut self.passed.pass;
        for running in self.running.into_values() {
            match running.stored {
                None => pass.enrolled.push(running.enrollment),
                Some(seq) if seq != running.enrollment.seq => {
                    pass.advanced.push((seq, running.enrollment))
                }
                Some(_) => {}
            }
        }
        for (id, changed) in self.changed_customers {
            if let Some(original) = self.customers.get(&id) {
                pass.customers.push(difference(original, &changed));
            }
        }
        self.passed
    }
}

/// Tells of an enrollment's end. The next pass hears of it, so that journeys that set each other off take turns.
fn finished(enrollment: &Enrollment, now: i64) -> NewEvent {
    let properties = [
        ("journey".to_owned(), Value::from(enrollment.journey.as_str())),
        ("outcome".to_owned(), Value::from(enrollment.outcome.as_deref().unwrap_or_default())),
    ];
    NewEvent {
        source: HOST_SOURCE.to_owned(),
        id: format!("{JOURNEY_FINISHED}/{}", enrollment.id),
        name: JOURNEY_FINISHED.to_owned(),
        subject: Subject::Customer(enrollment.customer.clone()),
        at: now,
        subscription: None,
        lane: Lane::HOST,
        properties: properties.into_iter().collect(),
    }
}

fn coupon(grant: GrantRow) -> Coupon {
    let state = match grant.state.as_str() {
        "usable" => CouponState::Usable,
        "used" => CouponState::Used,
        _ => CouponState::Revoked,
    };
    Coupon {
        key: grant.key,
        code: grant.code,
        campaign: grant.campaign,
        connection: grant.connection,
        state,
        valid_from: grant.valid_from,
        valid_until: grant.valid_until,
    }
}

/// What a coupon's ledger row holds as its result.
#[derive(Debug, Deserialize, serde::Serialize)]
pub(crate) struct GrantResult {
    pub(crate) code: String,
    pub(crate) valid_until: i64,
}

/// What the journey is told about a settled effect.
fn outcome(effect: &SettledEffect) -> Settled {
    let detail = effect.detail.clone().unwrap_or_default();
    match effect.outcome.as_str() {
        "accepted" => done(effect),
        "unknown" => Settled::Unknown { detail },
        "suppressed" => match effect.reason.as_deref() {
            Some("no_address") => Settled::Suppressed { reason: Suppression::NoAddress },
            Some("no_consent") => Settled::Suppressed { reason: Suppression::NoConsent },
            Some("never_open") => Settled::Suppressed { reason: Suppression::NeverOpen },
            Some("limit") => Settled::Suppressed { reason: Suppression::Limit },
            Some("repeated") => Settled::Suppressed { reason: Suppression::Repeated },
            Some("unavailable") => Settled::Suppressed { reason: Suppression::Unavailable },
            other => Settled::Refused { reason: other.unwrap_or("other").to_owned(), detail },
        },
        other => Settled::Refused {
            reason: effect.reason.clone().unwrap_or_else(|| other.to_owned()),
            detail,
        },
    }
}

fn done(effect: &SettledEffect) -> Settled {
    let result = effect.result.as_deref().unwrap_or_default();
    match effect.kind {
        EffectKind::Issue => match serde_json::from_str::<GrantResult>(result) {
            Ok(grant) => Settled::Granted { code: grant.code, valid_until: grant.valid_until },
            Err(_) => Settled::Accepted,
        },
        // The sandbox lets nothing through that is no JSON.
        EffectKind::Run => {
            Settled::Done { result: serde_json::from_str(result).unwrap_or_default() }
        }
        EffectKind::Send | EffectKind::Publish | EffectKind::Revoke => Settled::Accepted,
    }
}

/// What a journey changed of a customer, so that what others change meanwhile is kept.
fn difference(original: &Customer, changed: &Customer) -> CustomerPatch {
    let mut attributes: serde_json::Map<String, Value> = changed
        .attributes
        .iter()
        .filter(|(name, value)| original.attributes.get(*name) != Some(*value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for name in original.attributes.keys().filter(|name| !changed.attributes.contains_key(*name)) {
        attributes.insert(name.clone(), Value::Null);
    }
    CustomerPatch {
        id: original.id.clone(),
        attributes,
        tags: changed.tags.difference(&original.tags).cloned().collect(),
        untag: original.tags.difference(&changed.tags).cloned().collect(),
        ..CustomerPatch::default()
    }
}
