//! Reading the tests of a journey.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::actions::fixed;
use super::fields::Fields;
use super::node::{Kind, Node};
use super::reader::Reader;
use super::scalars::{CONNECTION, EVENT, JOURNEY, parse_duration};
use crate::rehearsal::{
    Expect, ExpectedSend, Fault, FaultKind, PastEvent, Reported, Start, Test, TestCustomer,
    TestEvent,
};

/// Most tests of one journey.
const MAX_TESTS: usize = 200;

/// Most customers of one test.
const MAX_CUSTOMERS: u32 = 100_000;

/// Most events, faults and other lists of one test.
const MAX_LINES: usize = 1000;

/// Longest test: ten years.
const MAX_TIME: i64 = 3650 * 24 * 60 * 60 * 1000;

/// The name of the one customer of a test that names none.
const CUSTOMER: &str = "customer";

/// The word for the event that the journey is entered by, whichever it is.
const ENTRY: &str = "entry";

const KEYS: [&str; 10] = [
    "name",
    "start",
    "zone",
    "customers",
    "events",
    "faults",
    "answers",
    "journeys",
    "until",
    "expect",
];

/// What a provider may say is at fault.
const REFUSALS: [&str; 6] = ["address", "content", "blocked", "unsubscribed", "account", "other"];

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Test> {
    let Some(items) = reader.items(node, "the tests", MAX_TESTS) else { return Vec::new() };
    reader.each(items, test).into_iter().flatten().collect()
}

fn test(reader: &mut Reader<'_>, node: &Node) -> Option<Test> {
    let fields = reader.fields(node, "a test", &KEYS)?;
    let name = reader.optional(&fields, "name", |reader, node| reader.line(node, "the name", 200));
    let start = reader.optional(&fields, "start", start).unwrap_or(Start::Local(MONDAY));
    let zone = reader.optional(&fields, "zone", |reader, node| {
        let zone = reader.line(node, "the zone", 64)?;
        if jiff::tz::TimeZone::get(&zone).is_err() {
            reader
                .error(node.mark, format!("`{zone}` is no time zone; write such as Asia/Shanghai"));
        }
        Some(zone)
    });
    let customers = reader.optional(&fields, "customers", customers).unwrap_or_else(|| {
        vec![TestCustomer { ids: vec![CUSTOMER.to_owned()], ..TestCustomer::default() }]
    });
    let ids: BTreeSet<&str> =
        customers.iter().flat_map(|one| one.ids.iter().map(String::as_str)).collect();
    let events = list(reader, &fields, "events", |reader, node| event(reader, node, &ids));
    let faults = list(reader, &fields, "faults", fault);
    let answers = reader.optional(&fields, "answers", answers).unwrap_or_default();
    let journeys = list(reader, &fields, "journeys", |reader, node| reader.name(node, &JOURNEY));
    let until = reader.optional(&fields, "until", offset);
    let expect = reader.required(&fields, "expect", |reader, node| {
        Some(reader.one_or_list(node, |reader, node| expect(reader, node, &ids)))
    })?;
    let name = name.unwrap_or_else(|| format!("test on line {}", node.mark.line));
    let line = node.mark.line;
    Some(Test {
        name,
        line,
        start,
        zone,
        customers,
        events,
        faults,
        answers,
        journeys,
        until,
        expect,
    })
}

/// 2026-06-01, a Monday, at nine in the morning.
const MONDAY: DateTime = jiff::civil::date(2026, 6, 1).at(9, 0, 0, 0);

fn start(reader: &mut Reader<'_>, node: &Node) -> Option<Start> {
    let text = reader.text(node, "the start")?;
    let start = text
        .parse::<Timestamp>()
        .map(|at| Start::At(at.as_millisecond()))
        .or_else(|_| text.parse::<DateTime>().map(Start::Local));
    if start.is_err() {
        let message = format!(
            "`{text}` is no time; write such as 2026-06-01T09:00 or 2026-06-01T09:00:00+08:00"
        );
        reader.error(node.mark, message);
    }
    start.ok()
}

fn customers(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<TestCustomer>> {
    if matches!(node.kind, Kind::Scalar(_)) {
        let ids =
            numbered(CUSTOMER, reader.number(node, "the number of customers", 1, MAX_CUSTOMERS)?);
        return Some(vec![TestCustomer { ids, ..TestCustomer::default() }]);
    }
    let items = reader.items(node, "the customers", MAX_LINES)?;
    let mut known = BTreeSet::new();
    let customers: Vec<TestCustomer> = reader
        .each(items, |reader, node| customer(reader, node, &mut known))
        .into_iter()
        .flatten()
        .collect();
    (!customers.is_empty()).then_some(customers)
}

fn customer(
    reader: &mut Reader<'_>,
    node: &Node,
    known: &mut BTreeSet<String>,
) -> Option<TestCustomer> {
    let keys = ["id", "count", "attributes", "tags", "past", "no_address", "no_consent"];
    let fields = reader.fields(node, "a customer", &keys)?;
    let id = reader.required(&fields, "id", |reader, node| {
        let id = reader.line(node, "the identifier", 64)?;
        if !known.insert(id.clone()) {
            reader.error(node.mark, format!("another customer is called `{id}`"));
        }
        Some(id)
    })?;
    let count = reader.optional(&fields, "count", |reader, node| {
        reader.number(node, "the number of customers", 1, MAX_CUSTOMERS)
    });
    let tags = list(reader, &fields, "tags", |reader, node| reader.line(node, "the tag", 64));
    let names = |reader: &mut Reader<'_>, key: &str| -> BTreeSet<String> {
        list(reader, &fields, key, |reader, node| reader.name(node, &CONNECTION))
            .into_iter()
            .collect()
    };
    Some(TestCustomer {
        ids: count.map_or_else(|| vec![id.clone()], |count| numbered(&id, count)),
        attributes: reader.optional(&fields, "attributes", object).unwrap_or_default(),
        tags: tags.into_iter().collect(),
        past: list(reader, &fields, "past", past),
        no_address: names(reader, "no_address"),
        no_consent: names(reader, "no_consent"),
    })
}

fn past(reader: &mut Reader<'_>, node: &Node) -> Option<PastEvent> {
    let fields = reader.fields(node, "what happened before", &["event", "ago", "with"])?;
    let name = reader.required(&fields, "event", |reader, node| reader.name(node, &EVENT));
    let ago = reader.required(&fields, "ago", offset);
    let properties = reader.optional(&fields, "with", object).unwrap_or_default();
    Some(PastEvent { name: name?, ago: ago?, properties })
}

fn numbered(name: &str, count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("{name}-{number}")).collect()
}

fn event(reader: &mut Reader<'_>, node: &Node, ids: &BTreeSet<&str>) -> Option<TestEvent> {
    let fields =
        reader.fields(node, "an event", &["at", "emit", "customer", "with", "reported"])?;
    let at = reader.required(&fields, "at", offset);
    let name = reader.required(&fields, "emit", |reader, node| reader.name(node, &EVENT))?;
    let customer = reader.optional(&fields, "customer", |reader, node| one_of(reader, node, ids));
    let properties = reader.optional(&fields, "with", object).unwrap_or_default();
    let ways = [("once", Reported::Once), ("twice", Reported::Twice)];
    let reported = reader
        .optional(&fields, "reported", |reader, node| reader.choice(node, "way", &ways))
        .unwrap_or(Reported::Once);
    let name = (name != ENTRY).then_some(name);
    Some(TestEvent { at: at?, name, customer, properties, reported })
}

fn one_of(reader: &mut Reader<'_>, node: &Node, ids: &BTreeSet<&str>) -> Option<String> {
    let id = reader.line(node, "the customer", 64)?;
    if !ids.contains(id.as_str()) {
        let known: Vec<&str> = ids.iter().copied().take(20).collect();
        let hint = crate::nearest::did_you_mean(&id, known.iter().copied())
            .unwrap_or_else(|| crate::nearest::one_of(&known));
        reader.error(node.mark, format!("no customer of the test is called `{id}`; {hint}"));
    }
    Some(id)
}

fn fault(reader: &mut Reader<'_>, node: &Node) -> Option<Fault> {
    let keys = ["use", "template", "from", "until", "times", "down", "answer", "refuses"];
    let fields = reader.fields(node, "a fault", &keys)?;
    let connection = reader.required(&fields, "use", |reader, node| reader.name(node, &CONNECTION));
    let template =
        reader.optional(&fields, "template", |reader, node| reader.line(node, "the template", 64));
    let from = reader.optional(&fields, "from", offset).unwrap_or(0);
    let mut until = reader.optional(&fields, "until", offset);
    let times = reader
        .optional(&fields, "times", |reader, node| reader.number(node, "how often", 1, 1_000_000));
    let down = reader.optional(&fields, "down", offset);
    let lost = reader
        .optional(&fields, "answer", |reader, node| reader.choice(node, "answer", &[("lost", ())]));
    let refused = reader.optional(&fields, "refuses", |reader, node| {
        reader.choice(node, "reason", &REFUSALS.map(|reason| (reason, reason)))
    });
    let given =
        ["down", "answer", "refuses"].iter().filter(|key| fields.get(key).is_some()).count();
    if given != 1 {
        let message = "a fault is one of `down: 2h`, `answer: lost` and `refuses: content`";
        reader.error(node.mark, message.to_owned());
        return None;
    }
    let kind = match (down, lost, refused) {
        (Some(time), _, _) => {
            until = Some(from.saturating_add(time));
            FaultKind::Down
        }
        (_, Some(()), _) => FaultKind::AnswerLost,
        (_, _, Some(reason)) => FaultKind::Refused(reason.to_owned()),
        _ => return None,
    };
    Some(Fault { connection: connection?, template, from, until, times, kind })
}

fn answers(reader: &mut Reader<'_>, node: &Node) -> Option<BTreeMap<String, Value>> {
    let entries = reader.entries(node, "the answers")?;
    let answers = entries.iter().map(|(key, node)| {
        (key.name.clone(), reader.within(&key.name, |reader| fixed(reader, node)))
    });
    Some(answers.collect())
}

fn expect(reader: &mut Reader<'_>, node: &Node, ids: &BTreeSet<&str>) -> Option<Expect> {
    let keys = [
        "customer",
        "sends",
        "sent",
        "grants",
        "posts",
        "suppressed",
        "outcome",
        "goals",
        "assigned",
        "tags",
        "attributes",
    ];
    let fields = reader.fields(node, "what to expect", &keys)?;
    if keys[1..].iter().all(|key| fields.get(key).is_none()) {
        reader.error(node.mark, "nothing is expected; say such as `sends: 1`".to_owned());
    }
    let count = |reader: &mut Reader<'_>, key: &str| {
        reader.optional(&fields, key, |reader, node| {
            reader.number(node, "the number", 0, u32::MAX).map(u64::from)
        })
    };
    let words = |reader: &mut Reader<'_>, key: &str| {
        fields
            .get(key)
            .map(|_| list(reader, &fields, key, |reader, node| reader.line(node, "the word", 200)))
    };
    Some(Expect {
        line: node.mark.line,
        customer: reader.optional(&fields, "customer", |reader, node| one_of(reader, node, ids)),
        sends: count(reader, "sends"),
        sent: fields.get("sent").map(|_| list(reader, &fields, "sent", expected_send)),
        grants: count(reader, "grants"),
        posts: count(reader, "posts"),
        suppressed: reader.optional(&fields, "suppressed", |reader, node| {
            let entries = reader.entries(node, "what is suppressed")?;
            let counts = entries.iter().filter_map(|(key, node)| {
                let count = reader
                    .within(&key.name, |reader| reader.number(node, "the number", 0, u32::MAX));
                Some((key.name.clone(), u64::from(count?)))
            });
            Some(counts.collect())
        }),
        outcomes: words(reader, "outcome"),
        goals: count(reader, "goals"),
        assigned: words(reader, "assigned"),
        tags: words(reader, "tags").unwrap_or_default().into_iter().collect(),
        attributes: reader.optional(&fields, "attributes", object).unwrap_or_default(),
    })
}

fn expected_send(reader: &mut Reader<'_>, node: &Node) -> Option<ExpectedSend> {
    if matches!(node.kind, Kind::Scalar(_)) {
        let template = reader.line(node, "the template", 64)?;
        return Some(ExpectedSend { template, channel: None, at: None });
    }
    let fields = reader.fields(node, "what is sent", &["template", "channel", "at"])?;
    let template =
        reader.required(&fields, "template", |reader, node| reader.line(node, "the template", 64));
    let channel =
        reader.optional(&fields, "channel", |reader, node| reader.name(node, &CONNECTION));
    let at = reader.optional(&fields, "at", offset);
    Some(ExpectedSend { template: template?, channel, at })
}

fn object(reader: &mut Reader<'_>, node: &Node) -> Option<Map<String, Value>> {
    let entries = reader.entries(node, "the values")?;
    let fields = entries.iter().map(|(key, node)| {
        (key.name.clone(), reader.within(&key.name, |reader| fixed(reader, node)))
    });
    Some(fields.collect())
}

fn list<R>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    read: impl FnMut(&mut Reader<'_>, &Node) -> Option<R>,
) -> Vec<R> {
    let mut read = read;
    let list = reader.optional(fields, key, |reader, node| {
        if matches!(&node.kind, Kind::List(items) if items.len() > MAX_LINES) {
            reader.error(node.mark, format!("there are more than {MAX_LINES} items"));
            return None;
        }
        Some(reader.one_or_list(node, |reader, node| read(reader, node)))
    });
    list.unwrap_or_default()
}

/// A time after the start, in milliseconds; 0 is a time too.
fn offset(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let text = reader.text(node, "the time")?;
    let offset = parse_duration(text).filter(|offset| (0..=MAX_TIME).contains(offset));
    if offset.is_none() {
        let message =
            format!("`{text}` is no time after the start; write such as 0h, 90s or 1d12h");
        reader.error(node.mark, message);
    }
    offset
}
