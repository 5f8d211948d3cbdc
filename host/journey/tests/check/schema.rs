//! The published JSON Schemas: they say what the check says, as far as the shape of a file goes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use jsonschema::{Draft, Validator};
use serde_json::Value;
use waystation_journey::{
    JOURNEY_SCHEMA, POLICY_SCHEMA, Policy, Problem, SEGMENT_SCHEMA, Segments, Severity, check,
    check_segment,
};

use Part::{Entry, Head, Policies, Segment, Step};

/// A word that is near no word of the language.
const ODD: &str = "qqqqqq";

/// What of a file a row gives. The rest of a journey is sound; of the others, the row is all.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// A line at the top of a journey.
    Head,
    /// A journey's entry.
    Entry,
    /// A journey's only step.
    Step,
    Segment,
    Policies,
}

impl Part {
    fn file(self, text: &str) -> String {
        let (head, entry, step) = match self {
            Head => (text, "{ event: go }", "{ wait: 1h }"),
            Entry => ("", text, "{ wait: 1h }"),
            Step => ("", "{ event: go }", text),
            Segment | Policies => return text.to_owned(),
        };
        format!("journey: a\nentry: {entry}\nsteps: [{step}]\n{head}\n")
    }

    fn problems(self, file: &str) -> Vec<Problem> {
        match self {
            Head | Entry | Step => check(file, None).problems,
            Segment => check_segment(file, &Segments::default()).problems,
            Policies => Policy::check(file).problems,
        }
    }

    fn schema(self) -> Value {
        let text = match self {
            Head | Entry | Step => JOURNEY_SCHEMA,
            Segment => SEGMENT_SCHEMA,
            Policies => POLICY_SCHEMA,
        };
        serde_json::from_str(text).unwrap()
    }

    fn validator(self) -> Validator {
        let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
        options.build(&self.schema()).unwrap()
    }

    /// The words that the check says are known where this row has an odd one.
    fn known(self, text: &str) -> BTreeSet<String> {
        let problems = self.problems(&self.file(text));
        let mut known = problems.iter().filter(|one| one.message.contains(ODD)).filter_map(|one| {
            let (_, words) = one.message.split_once("known here: ")?;
            Some(words.split(", ").map(str::to_owned).collect())
        });
        known.next().unwrap_or_else(|| panic!("{text} should be refused for {ODD}: {problems:?}"))
    }
}

/// Every mapping with keys of its own: its place below `$defs` (none: the file itself), and one with an odd key.
const PLACES: &[(Part, &str, &str)] = &[
    (Head, "", "qqqqqq: 1"),
    (Entry, "entry", "{ event: go, qqqqqq: 1 }"),
    (Entry, "again", "{ event: go, again: { qqqqqq: 1 } }"),
    (Head, "exit", "exit: { qqqqqq: 1 }"),
    (Head, "goal", "goal: { qqqqqq: 1 }"),
    (Head, "window", "window: { qqqqqq: 1 }"),
    (Head, "limit", "limits: { qqqqqq: 1 }"),
    (Head, "locale", "templates: { t: { en: { qqqqqq: 1 } } }"),
    (Head, "email", "templates: { t: { en: { email: { qqqqqq: 1 } } } }"),
    (Head, "card", "templates: { t: { en: { card: { qqqqqq: 1 } } } }"),
    (Head, "registered", "templates: { t: { en: { template: { qqqqqq: 1 } } } }"),
    (Head, "post", "templates: { t: { en: { post: { qqqqqq: 1 } } } }"),
    (Head, "test", "tests: [{ qqqqqq: 1 }]"),
    (Head, "test_customer", "tests: [{ customers: [{ qqqqqq: 1 }] }]"),
    (Head, "past", "tests: [{ customers: [{ id: a, past: { qqqqqq: 1 } }] }]"),
    (Head, "test_event", "tests: [{ events: { qqqqqq: 1 } }]"),
    (Head, "fault", "tests: [{ faults: { qqqqqq: 1 } }]"),
    (Head, "expect", "tests: [{ expect: { qqqqqq: 1 } }]"),
    (Head, "sent", "tests: [{ expect: { sent: { qqqqqq: 1 } } }]"),
    (Step, "step_wait", "{ wait: 1h, qqqqqq: 1 }"),
    (Step, "step_wait_until", "{ wait_until: window, qqqqqq: 1 }"),
    (Step, "step_wait_for", "{ wait_for: {}, qqqqqq: 1 }"),
    (Step, "step_if", "{ if: 'true', qqqqqq: 1 }"),
    (Step, "step_switch", "{ switch: [], qqqqqq: 1 }"),
    (Step, "step_split", "{ split: s, qqqqqq: 1 }"),
    (Step, "step_repeat", "{ repeat: {}, qqqqqq: 1 }"),
    (Step, "step_issue", "{ issue: {}, qqqqqq: 1 }"),
    (Step, "step_send", "{ send: {}, qqqqqq: 1 }"),
    (Step, "step_publish", "{ publish: {}, qqqqqq: 1 }"),
    (Step, "step_run", "{ run: r, qqqqqq: 1 }"),
    (Step, "step_set", "{ set: {}, qqqqqq: 1 }"),
    (Step, "step_assign", "{ assign: {}, qqqqqq: 1 }"),
    (Step, "step_exit", "{ exit: done, qqqqqq: 1 }"),
    (Step, "time", "{ wait_until: { qqqqqq: 1 } }"),
    (Step, "wait_for", "{ wait_for: { qqqqqq: 1 } }"),
    (Step, "awaited", "{ wait_for: { any: [{ qqqqqq: 1 }] } }"),
    (Step, "case", "{ switch: [{ qqqqqq: 1 }] }"),
    (Step, "arm", "{ split: s, arms: [{ qqqqqq: 1 }] }"),
    (Step, "turns", "{ repeat: { qqqqqq: 1 } }"),
    (Step, "coupon", "{ issue: { qqqqqq: 1 } }"),
    (Step, "gift", "{ issue: { off: { qqqqqq: 1 } } }"),
    (Step, "delivery", "{ send: { qqqqqq: 1 } }"),
    (Step, "publication", "{ publish: { qqqqqq: 1 } }"),
    (Step, "choice", "{ send: { use: { qqqqqq: 1 } } }"),
    (Step, "set", "{ set: { qqqqqq: 1 } }"),
    (Step, "assignment", "{ assign: { qqqqqq: 1 } }"),
    (Segment, "", "qqqqqq: 1"),
    (Policies, "", "qqqqqq: 1"),
    (Policies, "quiet", "quiet: { qqqqqq: 1 }"),
    (Policies, "window", "window: { qqqqqq: 1 }"),
    (Policies, "limit", "limits: { qqqqqq: 1 }"),
];

/// Every choice of words: the place of its schema, and a value that is none of them.
const CHOICES: &[(Part, &str, &str)] = &[
    (Head, "/properties/purpose", "purpose: qqqqqq"),
    (Head, "/properties/on_unknown", "on_unknown: qqqqqq"),
    (Head, "/$defs/limit/properties/over", "limits: { over: qqqqqq }"),
    (Head, "/$defs/calendar", "window: { days: workdays, calendar: qqqqqq }"),
    (Head, "/$defs/weekday", "window: { days: [qqqqqq] }"),
    (Step, "/$defs/time/properties/every", "{ wait_until: { date: '1', every: qqqqqq } }"),
    (Step, "/$defs/step_split/properties/winner", "{ split: s, winner: qqqqqq }"),
    (
        Head,
        "/$defs/test_event/properties/reported",
        "tests: [{ events: { at: 0h, emit: go, reported: qqqqqq }, expect: { sends: 0 } }]",
    ),
    (
        Head,
        "/$defs/fault/properties/answer",
        "tests: [{ faults: { use: sms, answer: qqqqqq }, expect: { sends: 0 } }]",
    ),
    (
        Head,
        "/$defs/fault/properties/refuses",
        "tests: [{ faults: { use: sms, refuses: qqqqqq }, expect: { sends: 0 } }]",
    ),
];

/// Files that the check refuses for their shape.
const REFUSED: &[(Part, &str)] = &[
    (Head, "title: []"),
    (Head, "title: \"two\\nlines\""),
    (Head, "titel: A title"),
    (Head, "priority: 101"),
    (Head, "priority: urgent"),
    (Head, "tags: [Wake Up]"),
    (Head, "window: { zone: customer }"),
    (Head, "window: { hours: '9-12' }"),
    (Head, "limits: { messages: 0, per: 1d }"),
    (Head, "limits: { per: 1d }"),
    (Head, "exit: { event: go, as: finished }"),
    (Head, "goal: { event: go, within: 3 days }"),
    (Head, "templates: { t: {} }"),
    (Head, "templates: { T: { en: { text: hi } } }"),
    (Head, "templates: { t: { english_: { text: hi } } }"),
    (Head, "templates: { t: { en: { email: { subject: hi } } } }"),
    (Head, "tests: []"),
    (Head, "tests: [{ name: nothing expected }]"),
    (Head, "tests: [{ expect: { customer: customer } }]"),
    (Head, "tests: [{ faults: { use: sms, down: 1h, answer: lost }, expect: { sends: 0 } }]"),
    (Entry, "{}"),
    (Entry, "{ event: order paid }"),
    (Entry, "{ event: go, use: calendar }"),
    (Entry, "{ event: go, with: {} }"),
    (Entry, "{ event: go, again: after }"),
    (Step, ""),
    (Step, "{}"),
    (Step, "wait"),
    (Step, "{ wait: 1h, exit: done }"),
    (Step, "{ wait: 3 }"),
    (Step, "{ wait: 1h1d }"),
    (Step, "{ wait: 0d }"),
    (Step, "{ wait_until: { time: '24:00' } }"),
    (Step, "{ wait_until: { date: '1', at: '2027-06-18T00:00:00Z' } }"),
    (Step, "{ wait_until: { at: 2027-06-18 } }"),
    (Step, "{ wait_for: { event: go } }"),
    (Step, "{ wait_for: { any: [{ event: go }], up_to: 1h }, then: [] }"),
    (Step, "{ if: 'true' }"),
    (Step, "{ split: s, arms: [{ arm: a }] }"),
    (Step, "{ repeat: { times: 101 }, steps: [{ wait: 1h }] }"),
    (Step, "{ issue: { use: coupons, campaign: c, off: 5, valid: 1h } }"),
    (Step, "{ issue: { use: coupons, campaign: c, off: 5 EURO, valid: 1h } }"),
    (Step, "{ issue: { use: coupons, campaign: c, off: 5.5 JPY, valid: 1h } }"),
    (Step, "{ issue: { use: coupons, campaign: c, off: 101%, valid: 1h } }"),
    (Step, "{ send: { use: sms } }"),
    (Step, "{ set: {} }"),
    (Step, "{ set: { attributes: { id: '1' } } }"),
    (Step, "{ run: my-step, use: recommender }"),
    (Step, "{ assign: { to: sales } }"),
    (Segment, "segment: s"),
    (Segment, "{ segment: Big, when: 'true' }"),
    (Policies, "zone: ''"),
    (Policies, "quiet: {}"),
    (Policies, "quiet: { hours: [] }"),
    (Policies, "calendar: XX"),
];

#[test]
fn they_are_schemas_that_describe_every_key() {
    for part in [Head, Segment, Policies] {
        let schema = part.schema();
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        for (place, definition) in definitions(&schema) {
            assert!(described(&definition), "{part:?}: {place} has no description");
            let Some(keys) = definition.get("properties").and_then(Value::as_object) else {
                continue;
            };
            assert_eq!(definition["additionalProperties"], false, "{part:?}: {place}");
            for (key, value) in keys {
                assert!(described(value), "{part:?}: {place}.{key} has no description");
            }
        }
    }
}

#[test]
fn they_know_the_keys_that_the_check_knows() {
    for (part, place, text) in PLACES {
        let definition = definition(&part.schema(), place);
        let keys = definition["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(part.known(text), keys, "{part:?}: {place}");
    }
    for part in [Head, Segment, Policies] {
        let schema = part.schema();
        let keyed =
            definitions(&schema).into_iter().filter(|(_, one)| one.get("properties").is_some());
        let keyed: BTreeSet<String> = keyed.map(|(place, _)| place).collect();
        let probed = PLACES.iter().filter(|(of, ..)| of.schema() == schema);
        assert_eq!(keyed, probed.map(|(_, place, _)| (*place).to_owned()).collect());
    }
}

#[test]
fn they_know_the_words_that_the_check_knows() {
    for (part, place, text) in CHOICES {
        let choice = part.schema().pointer(place).unwrap().clone();
        let words =
            choice["enum"].as_array().cloned().unwrap_or_else(|| vec![choice["const"].clone()]);
        let words = words.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        assert_eq!(part.known(text), words, "{place}");
    }
    let journey = Head.schema();
    let steps = journey["$defs"]["step"]["anyOf"].as_array().unwrap().iter();
    let steps = steps.map(|step| step["$ref"].as_str().unwrap().replace("#/$defs/step_", ""));
    assert_eq!(Step.known("{ qqqqqq: 1 }"), steps.collect());
    let money = journey["$defs"]["money"]["pattern"].as_str().unwrap();
    let codes = money.split(|c: char| !c.is_ascii_uppercase()).filter(|code| !code.is_empty());
    let known = Step.known("{ issue: { off: 5 qqqqqq } }");
    assert_eq!(known, codes.map(str::to_owned).collect());
}

#[test]
fn what_they_share_is_the_same() {
    let journey = Head.schema();
    for part in [Segment, Policies] {
        for (name, definition) in part.schema()["$defs"].as_object().unwrap() {
            if name != "quiet" {
                assert_eq!(definition, &journey["$defs"][name], "{part:?}: {name}");
            }
        }
    }
}

#[test]
fn they_take_every_file_of_the_project() {
    let mut taken = 0;
    for folder in ["../journeys", "../journeys/segments", "../server/demo", "tests/shop"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let file = read(&std::fs::read_to_string(&path).unwrap());
            let part = match &file {
                file if file.get("connection").is_some() => continue,
                file if file.get("journey").is_some() => Head,
                file if file.get("segment").is_some() => Segment,
                _ => Policies,
            };
            let validator = part.validator();
            let faults: Vec<String> = validator
                .iter_errors(&file)
                .map(|fault| format!("{}: {fault}", fault.instance_path()))
                .collect();
            assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
            taken += 1;
        }
    }
    assert!(taken > 30, "only {taken} files");
}

#[test]
fn they_refuse_malformed_files_as_the_check_does() {
    for (part, text) in REFUSED {
        let file = part.file(text);
        let refused = part.problems(&file).iter().any(|one| one.severity == Severity::Error);
        assert!(refused, "the check takes {text}");
        assert!(!part.validator().is_valid(&read(&file)), "the schema takes {text}");
    }
    // What the rows are put into is no reason to refuse them.
    assert!(Head.validator().is_valid(&read(&Head.file(""))));
}

fn read(file: &str) -> Value {
    serde_saphyr::from_str(file).unwrap()
}

fn described(schema: &Value) -> bool {
    schema["description"].as_str().is_some_and(|text| text.ends_with('.'))
}

/// The schema of the file, whose place is empty, and what it defines.
fn definitions(schema: &Value) -> Vec<(String, Value)> {
    let defined = schema["$defs"].as_object().unwrap().iter();
    let defined = defined.map(|(place, definition)| (place.clone(), definition.clone()));
    std::iter::once((String::new(), schema.clone())).chain(defined).collect()
}

fn definition(schema: &Value, place: &str) -> Value {
    if place.is_empty() { schema.clone() } else { schema["$defs"][place].clone() }
}
