//! Reading the journey as a whole.

use super::node::Node;
use super::reader::Reader;
use super::scalars::JOURNEY;
use super::{rules, steps, templates, tests};
use crate::consent::Purpose;
use crate::policy::MEDIUM;
use crate::program::{OnUnknown, Program, Trigger};

const KEYS: [&str; 15] = [
    "journey",
    "title",
    "owner",
    "purpose",
    "priority",
    "tags",
    "window",
    "limits",
    "entry",
    "exit",
    "goal",
    "on_unknown",
    "templates",
    "steps",
    "tests",
];

/// Longest title and owner in characters.
const MAX_LINE: usize = 200;

pub(super) fn read(reader: &mut Reader<'_>, root: &Node) -> Option<Program> {
    let fields = reader.fields(root, "a journey", &KEYS)?;
    let name = reader.required(&fields, "journey", |reader, node| reader.name(node, &JOURNEY));
    let title =
        reader.optional(&fields, "title", |reader, node| reader.line(node, "the title", MAX_LINE));
    let owner =
        reader.optional(&fields, "owner", |reader, node| reader.line(node, "the owner", MAX_LINE));
    let purposes =
        [Purpose::Marketing, Purpose::Transactional].map(|purpose| (purpose.as_str(), purpose));
    let purpose = reader
        .optional(&fields, "purpose", |reader, node| reader.choice(node, "purpose", &purposes));
    let priority = reader.optional(&fields, "priority", Reader::priority);
    let tags = reader.optional(&fields, "tags", Reader::message_tags).unwrap_or_default();
    let window = reader.optional(&fields, "window", Reader::window);
    let limits =
        reader.optional(&fields, "limits", |reader, node| reader.limits(node, Some(&tags)));
    let ways = [OnUnknown::Find, OnUnknown::Resend, OnUnknown::Hold].map(|way| (way.as_str(), way));
    let on_unknown = reader.optional(&fields, "on_unknown", |reader, node| {
        reader.choice(node, "way to settle", &ways)
    });
    let entry = reader.required(&fields, "entry", rules::entry);

    // Steps name templates, and rules and templates name steps: this order knows each before it is needed.
    reader.has_goal = fields.get("goal").is_some();
    let mut templates = templates::read(reader, fields.get("templates"));
    let steps =
        reader.required(&fields, "steps", |reader, node| steps::read(reader, &mut templates, node));
    templates.check_uses(reader);
    if let Some(steps) = &steps {
        templates.check_unused(reader, &steps.templates);
    }
    let exits = reader.optional(&fields, "exit", |reader, node| Some(rules::exits(reader, node)));
    let goal = reader.optional(&fields, "goal", rules::goal);
    let tests = reader.optional(&fields, "tests", |reader, node| Some(tests::read(reader, node)));
    let (name, mut steps, entry) = (name?, steps?, entry?);
    if let Trigger::Subscription { connection, .. } = &entry.trigger {
        steps.connections.insert(connection.clone());
    }
    Some(Program {
        title: title.unwrap_or_else(|| name.clone()),
        name,
        owner,
        purpose: purpose.unwrap_or_default(),
        on_unknown: on_unknown.unwrap_or_default(),
        priority: priority.unwrap_or(MEDIUM),
        tags,
        window,
        limits: limits.unwrap_or_default(),
        entry,
        exits: exits.unwrap_or_default(),
        goal,
        templates: templates.templates,
        code: steps.code,
        connections: steps.connections,
        tests: tests.unwrap_or_default(),
        reads_coupons: reader.reads_coupons,
        needs: std::mem::take(&mut reader.needs),
        outline: super::outline::outline(root),
    })
}
