//! Judges a run: what the server says of every customer, what the provider saw, and what the pure model makes of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use waystation_journey::{Connections, Content, Effect, Event, Program};

use super::host::Api;
use super::journeys::{
    BESIDE, JOURNEYS, Journey, NOTICED, TALLIES, TALLY, customer, customer_id, customer_number,
    events, journey_of, noticed, sum,
};
use super::model::{self, Modelled, Told};
use super::provider::{Kept, Key};

/// Requests at once while everything is read.
const READING: usize = 8;
/// Longest time after the first request in which `window` may see the same key again, in milliseconds.
const WINDOW: i64 = 86_400_000;

/// What was found, each with the place where it was.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Something acknowledged had no effect, or something asked for was never made.
    pub(crate) lost: Vec<String>,
    /// Something had its effect twice inside.
    pub(crate) advanced_twice: Vec<String>,
    /// The provider was asked more often than the class of its connection permits, or by an effect that the ledger does not own.
    pub(crate) repeated_outside_class: Vec<String>,
    /// What happened otherwise differs from the model.
    pub(crate) off_model: Vec<String>,
    pub(crate) counts: Counts,
}

/// What there was.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) customers: usize,
    pub(crate) enrollments: usize,
    pub(crate) advances: usize,
    pub(crate) effects: usize,
    pub(crate) attempts: u64,
    /// Attempts whose end nobody knew.
    pub(crate) unknown: usize,
    /// Effects that stayed unknown.
    pub(crate) held: usize,
    pub(crate) grants: usize,
    /// Polls that were answered, events that the provider told, and how many of them again since their cursor did not come back.
    pub(crate) polls: usize,
    pub(crate) told: usize,
    pub(crate) told_again: usize,
    /// By class: requests beyond an effect's first, and how many of them did something again.
    pub(crate) repeats: BTreeMap<&'static str, (usize, usize)>,
}

impl Verdict {
    /// Everything that was found; nothing if all is well.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let lost = self.lost.iter().map(|one| ("lost", one));
        let twice = self.advanced_twice.iter().map(|one| ("advanced twice", one));
        let repeated =
            self.repeated_outside_class.iter().map(|one| ("repeated outside its class", one));
        let off = self.off_model.iter().map(|one| ("not as the model", one));
        lost.chain(twice).chain(repeated).chain(off)
    }
}

/// Everything that the server tells, read through its API.
pub(crate) struct Workspace {
    /// By customer.
    enrollments: HashMap<String, Vec<Value>>,
    /// By enrollment.
    histories: HashMap<String, Vec<Value>>,
    /// By key.
    deliveries: HashMap<String, Value>,
    /// Attempts by key, of effects with another number of them than one.
    attempts: HashMap<String, Vec<Value>>,
    customers: HashMap<String, Value>,
}

impl Workspace {
    /// Reads it from a server that is up, whose address is `url`.
    pub(crate) async fn read(api: &Api, url: &str, customers: usize) -> anyhow::Result<Self> {
        let rows = api.list(&format!("{url}/v1/enrollments"), "id").await?;
        let ids: Vec<String> = rows.iter().map(|row| text(row, "id").to_owned()).collect();
        let mut enrollments: HashMap<String, Vec<Value>> = HashMap::new();
        for row in rows {
            enrollments.entry(text(&row, "customer").to_owned()).or_default().push(row);
        }
        let details = each(api, ids, |id| format!("{url}/v1/enrollments/{id}")).await?;
        let history = |value: Value| value["history"].as_array().cloned().unwrap_or_default();
        let histories = details.into_iter().map(|(id, one)| (id, history(one))).collect();
        let rows = api.list(&format!("{url}/v1/deliveries"), "key").await?;
        let several = rows.iter().filter(|row| row["attempts"] != 1 || row["outcome"] == "unknown");
        let several = several.map(|row| text(row, "key").to_owned()).collect();
        let details = each(api, several, |key| format!("{url}/v1/deliveries/{key}")).await?;
        let attempts = details.into_iter().map(|(key, one)| (key, history(one))).collect();
        let deliveries = rows.into_iter().map(|row| (text(&row, "key").to_owned(), row)).collect();
        let ids = (0..customers).map(customer_id).collect();
        let customers = each(api, ids, |id| format!("{url}/v1/customers/{id}")).await?;
        Ok(Self { enrollments, histories, deliveries, attempts, customers })
    }

    /// Attempts at an effect whose end nobody knew, and those that were put off.
    fn unknown_and_deferred(&self, key: &str) -> (usize, usize) {
        let attempts = self.attempts.get(key).map_or(&[][..], Vec::as_slice);
        let count = |word: &str| attempts.iter().filter(|one| one["outcome"] == word).count();
        (count("unknown"), count("deferred"))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Reads one resource for each of these names, several at a time. What is not there is null.
async fn each(
    api: &Api,
    names: Vec<String>,
    url: impl Fn(&str) -> String,
) -> anyhow::Result<HashMap<String, Value>> {
    let slots = Arc::new(Semaphore::new(READING));
    let mut reading = JoinSet::new();
    for name in names {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let (api, url) = (api.clone(), url(&name));
        reading.spawn(async move {
            let (status, answer) =
                api.attempt(reqwest::Method::GET, url.clone(), super::host::Body::Nothing).await?;
            drop(slot);
            ensure!(status.is_success() || status == 404, "{url}: {status}: {answer}");
            Ok((name, if status == 404 { Value::Null } else { answer }))
        });
    }
    let mut all = HashMap::new();
    while let Some(read) = reading.join_next().await {
        let (name, value) = read??;
        all.insert(name, value);
    }
    Ok(all)
}

/// The programs that the model runs.
struct Programs {
    journeys: HashMap<&'static str, Program>,
    tally: Program,
    noticed: Program,
    connections: Connections,
}

impl Programs {
    fn new() -> anyhow::Result<Self> {
        let compiled = JOURNEYS.iter().map(|one| Ok((one.name, one.program()?)));
        Ok(Self {
            journeys: compiled.collect::<anyhow::Result<_>>()?,
            tally: TALLY.program()?,
            noticed: NOTICED.program()?,
            connections: model::connections(),
        })
    }
}

/// Judges what became of so many customers, whose events were all acknowledged and happened at the times given.
pub(crate) fn judge(
    workspace: &Workspace,
    journal: &HashMap<Key, Kept>,
    times: &[i64],
) -> anyhow::Result<Verdict> {
    let programs = Programs::new()?;
    let mut judge = Judge {
        workspace,
        journal,
        programs: &programs,
        verdict: Verdict::default(),
        owned: HashSet::new(),
        asked: HashSet::new(),
        codes: BTreeSet::new(),
    };
    judge.verdict.counts.customers = times.len();
    for (number, at) in times.iter().enumerate() {
        judge.customer(number, *at)?;
    }
    judge.strangers(times.len());
    Ok(judge.verdict)
}

struct Judge<'a> {
    workspace: &'a Workspace,
    journal: &'a HashMap<Key, Kept>,
    programs: &'a Programs,
    verdict: Verdict,
    /// What of the provider's journal belongs to an effect in the ledger.
    owned: HashSet<Key>,
    /// Keys of effects that a journey asked for.
    asked: HashSet<String>,
    /// Codes of the pool that somebody holds.
    codes: BTreeSet<String>,
}

impl Judge<'_> {
    fn customer(&mut self, number: usize, at: i64) -> anyhow::Result<()> {
        let id = customer_id(number);
        let journey = journey_of(number);
        let all = self.workspace.enrollments.get(&id).map_or(&[][..], Vec::as_slice);
        let (tallies, own): (Vec<&Value>, Vec<&Value>) =
            all.iter().partition(|one| one["journey"] == TALLY.name);
        let (polled, own): (Vec<&Value>, Vec<&Value>) =
            own.into_iter().partition(|one| one["journey"] == NOTICED.name);
        self.number_of(&id, journey.name, own.len(), 1);
        self.number_of(&id, TALLY.name, tallies.len(), TALLIES);
        self.number_of(&id, NOTICED.name, polled.len(), 1);
        let keys: BTreeSet<&str> = tallies.iter().map(|one| text(one, "key")).collect();
        if keys.len() < tallies.len() {
            self.verdict.advanced_twice.push(format!("{id}: an event enrolled twice"));
        }
        let sent: Vec<Event> =
            events(number, at).iter().map(model::event).collect::<anyhow::Result<_>>()?;
        let (counted, own_events): (Vec<Event>, Vec<Event>) =
            sent.into_iter().partition(|event| event.name == TALLY_EVENT);
        for enrollment in own {
            let program = self.programs.journeys.get(journey.name).context("a program")?;
            self.enrollment(number, journey, program, enrollment, &own_events)?;
        }
        for enrollment in tallies {
            let key = text(enrollment, "key");
            let event = counted.iter().find(|event| event.properties["key"] == key);
            let Some(event) = event else {
                self.verdict.off_model.push(format!("{id}: a tally `{key}` that nobody sent"));
                continue;
            };
            let program = &self.programs.tally;
            self.enrollment(number, &TALLY, program, enrollment, std::slice::from_ref(event))?;
        }
        let told = model::noticed(&noticed(number, at), NOTICED.name)?;
        for enrollment in polled {
            let program = &self.programs.noticed;
            self.enrollment(number, &NOTICED, program, enrollment, std::slice::from_ref(&told))?;
        }
        self.figures(&id, journey);
        Ok(())
    }

    fn number_of(&mut self, id: &str, journey: &str, found: usize, expected: usize) {
        let said = format!("{id}: {found} enrollments in {journey} instead of {expected}");
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => self.verdict.lost.push(said),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => self.verdict.advanced_twice.push(said),
        }
    }

    /// Numbers that show whether a step ran twice, or not at all.
    fn figures(&mut self, id: &str, journey: &Journey) {
        let customer = self.workspace.customers.get(id).unwrap_or(&Value::Null);
        let expected = [
            ("laps", journey.laps),
            ("count", TALLIES as i64),
            ("sum", sum() as i64),
            ("noticed", 1),
        ];
        for (name, expected) in expected {
            let found = customer["attributes"][name].as_f64();
            let said = format!("{id}: `{name}` is {found:?} instead of {expected}");
            match found.map(|found| found.total_cmp(&(expected as f64))) {
                Some(std::cmp::Ordering::Equal) => {}
                Some(std::cmp::Ordering::Greater) => self.verdict.advanced_twice.push(said),
                Some(std::cmp::Ordering::Less) | None => self.verdict.lost.push(said),
            }
        }
    }

    fn enrollment(
        &mut self,
        number: usize,
        journey: &Journey,
        program: &Program,
        enrollment: &Value,
        events: &[Event],
    ) -> anyhow::Result<()> {
        let id = text(enrollment, "id");
        let of = format!("{}/{}/{id}", text(enrollment, "customer"), journey.name);
        let history = self.workspace.histories.get(id).map_or(&[][..], Vec::as_slice);
        let person = self.workspace.customers.get(&customer_id(number)).unwrap_or(&Value::Null);
        let coupons = person["coupons"].as_array().map_or(&[][..], Vec::as_slice);
        self.verdict.counts.enrollments += 1;
        self.verdict.counts.advances += history.len();
        if enrollment["outcome"] != journey.outcome {
            let said =
                format!("{of}: ended as {} instead of {}", enrollment["outcome"], journey.outcome);
            self.verdict.lost.push(said);
        }
        let told = Told { enrollment, history, deliveries: &self.workspace.deliveries, coupons };
        let beginning = model::customer(&customer(number))?;
        let replayed = model::replay(program, &told, beginning, events, &self.programs.connections);
        match replayed {
            Ok(modelled) => self.compare(&of, coupons, &modelled, enrollment),
            Err(difference) => self.verdict.off_model.push(format!("{of}: {difference:#}")),
        }
        Ok(())
    }

    /// What the model came to beside what is stored.
    fn compare(&mut self, of: &str, coupons: &[Value], modelled: &Modelled, enrollment: &Value) {
        if model::ended(&modelled.enrollment) != (enrollment["status"] != "active") {
            self.verdict.off_model.push(format!("{of}: status {}", enrollment["status"]));
        }
        for effect in &modelled.effects {
            self.effect(of, effect);
        }
        self.grants(of, coupons, modelled);
    }

    fn grants(&mut self, of: &str, coupons: &[Value], modelled: &Modelled) {
        if BESIDE.iter().any(|journey| journey.name == modelled.enrollment.journey) {
            return;
        }
        self.verdict.counts.grants += coupons.len();
        for granted in modelled.grants.values() {
            let state = if granted.revoked { "revoked" } else { "usable" };
            let found = coupons
                .iter()
                .filter(|one| one["campaign"] == *granted.campaign && one["code"] == *granted.code);
            match found.collect::<Vec<_>>()[..] {
                [one] if one["state"] == state => {}
                [one] => self.verdict.off_model.push(format!("{of}: {one} is not {state}")),
                [] => self.verdict.lost.push(format!("{of}: no coupon {}", granted.code)),
                _ => self.verdict.advanced_twice.push(format!("{of}: twice {}", granted.code)),
            }
            // A code of the pool that is nobody's any more may be another's.
            if granted.code.starts_with("P-")
                && !granted.revoked
                && !self.codes.insert(granted.code.clone())
            {
                let said = format!("{of}: somebody else holds {}", granted.code);
                self.verdict.advanced_twice.push(said);
            }
        }
        if coupons.len() > modelled.grants.len() {
            let held = coupons.len() - modelled.grants.len();
            // Given after the end of an enrollment that waits for nothing any more: the ledger has it.
            self.verdict.off_model.push(format!("{of}: {held} coupons more than were granted"));
        }
    }

    /// An effect that the model asks for: it must be in the ledger, and at the provider as its class permits.
    fn effect(&mut self, of: &str, effect: &Effect) {
        let key = effect.key();
        self.asked.insert(key.to_owned());
        self.verdict.counts.effects += 1;
        let Some(row) = self.workspace.deliveries.get(key) else {
            self.verdict.lost.push(format!("{of}: {key} is not in the ledger"));
            return;
        };
        let kind = kind(effect);
        if (text(row, "kind"), text(row, "connection"), text(row, "step"))
            != (kind, effect.connection(), effect.step())
        {
            self.verdict.off_model.push(format!("{of}: the ledger has {row} for {effect:?}"));
        }
        if effect.connection() == "pool" {
            return;
        }
        let at_provider = match effect {
            Effect::Revoke { grant_key, .. } => grant_key,
            _ => key,
        };
        let place = (effect.connection().to_owned(), kind.to_owned(), at_provider.to_owned());
        let nothing = Kept::default();
        let kept = self.journal.get(&place).unwrap_or(&nothing);
        self.owned.insert(place);
        self.delivery(&format!("{of}: {key}"), effect, row, kept);
    }

    fn delivery(&mut self, of: &str, effect: &Effect, row: &Value, kept: &Kept) {
        let (unknown, deferred) = self.workspace.unknown_and_deferred(effect.key());
        let attempts = row["attempts"].as_u64().unwrap_or(0);
        let (requests, done) = (kept.requests.len(), kept.done());
        let class = class(effect, text(row, "journey"));
        self.verdict.counts.attempts += attempts;
        self.verdict.counts.unknown += unknown;
        let repeats = self.verdict.counts.repeats.entry(class).or_default();
        repeats.0 += requests.saturating_sub(1);
        repeats.1 += done.saturating_sub(1);

        match text(row, "outcome") {
            "accepted" if done == 0 => {
                self.verdict.lost.push(format!("{of} is accepted, and the provider never did it"));
            }
            "unknown" => self.verdict.counts.held += 1,
            "accepted" => {}
            // Put off or refused, or never attempted: certainly not done.
            "refused" | "cancelled" | "suppressed" => {
                if done > 0 {
                    let said = format!("{of} is {}, and was done {done} times", row["outcome"]);
                    self.verdict.off_model.push(said);
                }
            }
            _ => self.verdict.lost.push(format!("{of} did not end: {row}")),
        }
        if requests as u64 > attempts {
            let said = format!("{of}: {requests} requests of {attempts} attempts in the ledger");
            self.verdict.repeated_outside_class.push(said);
        }
        if requests > 1 + unknown + deferred {
            let said = format!(
                "{of}: {requests} requests, but only {unknown} attempts unknown and {deferred} put off"
            );
            self.verdict.repeated_outside_class.push(said);
        }
        let most = match class {
            "resend" => 1 + unknown,
            _ => 1,
        };
        if done > most {
            let said = format!("{of}: done {done} times, which `{class}` permits {most} times");
            self.verdict.repeated_outside_class.push(said);
        }
        self.requests(of, effect, class, kept);
    }

    /// Every request for one key must say the same, and what the model says.
    fn requests(&mut self, of: &str, effect: &Effect, class: &str, kept: &Kept) {
        let Some(first) = kept.requests.first() else { return };
        if kept.requests.iter().any(|request| request.body != first.body) {
            let said = format!("{of}: other bytes under the same key: {:?}", kept.requests);
            self.verdict.repeated_outside_class.push(said);
        }
        let late = kept.requests.iter().any(|request| request.at - first.at > WINDOW);
        if class == "window" && late {
            self.verdict.repeated_outside_class.push(format!("{of}: repeated after the window"));
        }
        let said = match effect {
            Effect::Send { content: Content::Text { text }, .. } => first.body["text"] == **text,
            Effect::Issue { campaign, offer, .. } => {
                first.body["campaign"] == **campaign
                    && first.body["valid_until"] == offer.valid_until
            }
            Effect::Revoke { code, .. } => first.body["code"] == **code,
            Effect::Run { parameters, .. } => first.body["parameters"] == **parameters,
            _ => false,
        };
        if !said {
            let body = &first.body;
            self.verdict.off_model.push(format!("{of}: the provider got {body} for {effect:?}"));
        }
    }

    /// Nothing may be left over: in the ledger, at the provider, among the customers.
    fn strangers(&mut self, customers: usize) {
        for (key, row) in &self.workspace.deliveries {
            if !self.asked.contains(key) {
                self.verdict
                    .off_model
                    .push(format!("{key} is in the ledger, and nobody asked: {row}"));
            }
        }
        for place in self.journal.keys() {
            if !self.owned.contains(place) {
                let said =
                    format!("{place:?} came to the provider, and the ledger does not own it");
                self.verdict.repeated_outside_class.push(said);
            }
        }
        for id in self.workspace.enrollments.keys() {
            if !customer_number(id).is_ok_and(|number| number < customers) {
                self.verdict.off_model.push(format!("{id} is enrolled and was never sent"));
            }
        }
    }
}

const TALLY_EVENT: &str = "tally.counted";

/// How the ledger calls it.
fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::Send { .. } => "send",
        Effect::Publish { .. } => "publish",
        Effect::Issue { .. } => "issue",
        Effect::Revoke { .. } => "revoke",
        Effect::Run { .. } => "run",
    }
}

/// By which means an unknown end of this effect can be settled.
fn class(effect: &Effect, journey: &str) -> &'static str {
    match (effect.connection(), effect) {
        // Revoking what is revoked does nothing: the contract says so of every provider.
        (_, Effect::Revoke { .. }) => "revoke",
        ("window", _) => "window",
        ("finding", _) => "find",
        ("refusing", _) => "refusing",
        // Nothing can be found out: the journey says what then.
        _ if journey == "resend" => "resend",
        _ => "hold",
    }
}
