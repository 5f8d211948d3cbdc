//! Reading the steps that do something: issue, set and assign.

use super::deliveries::Tells;
use super::expressions::Place;
use super::fields::Fields;
use super::node::Node;
use super::reader::Reader;
use super::scalars::{CAMPAIGN, CONNECTION, STEP, is_identifier};
use super::steps::Compiler;
use crate::connection::ConnectionFacts;
use crate::expression::{Expression, ResultKind};
use crate::nearest::{did_you_mean, one_of};
use crate::program::{Assign, Issue, Op, Set};

/// Longest tag and attribute name in characters.
const MAX_NAME: usize = 64;

impl Compiler<'_> {
    pub(super) fn issue(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        let issue = reader.required(fields, "issue", |reader, node| self.coupon(reader, node));
        let then_send = reader.optional(fields, "then_send", |reader, node| {
            let path = reader.path().to_owned();
            self.delivery(reader, node, path, Tells::Coupon)
        });
        let name = step_name(reader, fields, "as", ResultKind::Issue);
        if let Some(issue) = issue {
            self.push(reader, Op::Issue(Issue { name, then_send, ..issue }));
        }
    }

    fn coupon(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Issue> {
        let fields =
            reader.fields(node, "the coupon", &["use", "campaign", "off", "valid", "minimum"])?;
        let connection =
            reader.required(&fields, "use", |reader, node| coupon_issuer(reader, node));
        let campaign =
            reader.required(&fields, "campaign", |reader, node| reader.name(node, &CAMPAIGN));
        let benefit = reader.required(&fields, "off", |reader, node| reader.benefit(node));
        let valid = reader.required(&fields, "valid", |reader, node| {
            reader.duration(node, "how long it is valid")
        });
        let minimum = reader
            .optional(&fields, "minimum", |reader, node| reader.money(node, "the smallest order"));
        let connection = connection?;
        self.steps.connections.insert(connection.clone());
        Some(Issue {
            name: None,
            connection,
            campaign: campaign?,
            benefit: benefit?,
            minimum,
            valid: valid?,
            then_send: None,
        })
    }

    pub(super) fn set(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        if let Some(set) = reader.required(fields, "set", set) {
            self.push(reader, Op::Set(set));
        }
    }

    pub(super) fn assign(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        let assign = reader.required(fields, "assign", |reader, node| {
            let fields = reader.fields(node, "what to assign", &["to", "note", "due"])?;
            for key in ["to", "note"] {
                reader
                    .required(&fields, key, |reader, node| reader.text(node, "the text").map(drop));
            }
            let due = reader.optional(&fields, "due", |reader, node| {
                reader.duration(node, "the time until it should be done")
            });
            let texts = self.texts(reader, &fields, &["to", "note"])?;
            Some(Assign { name: None, texts, due })
        });
        let name = step_name(reader, fields, "as", ResultKind::Assign);
        if let Some(assign) = assign {
            self.push(reader, Op::Assign(Assign { name, ..assign }));
        }
    }
}

fn set(reader: &mut Reader<'_>, node: &Node) -> Option<Set> {
    let keys = ["attributes", "add", "tags", "untag"];
    let fields = reader.fields(node, "what to set", &keys)?;
    if keys.iter().all(|key| fields.get(key).is_none()) {
        let message = "there is nothing to set; give attributes, add, tags or untag";
        reader.error(node.mark, message.to_owned());
    }
    let tags = |reader: &mut Reader<'_>, node: &Node| {
        Some(reader.one_or_list(node, |reader, node| reader.line(node, "the tag", MAX_NAME)))
    };
    Some(Set {
        attributes: reader.optional(&fields, "attributes", attributes).unwrap_or_default(),
        add: reader.optional(&fields, "add", attributes).unwrap_or_default(),
        tags: reader.optional(&fields, "tags", tags).unwrap_or_default(),
        untag: reader.optional(&fields, "untag", tags).unwrap_or_default(),
    })
}

fn attributes(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(String, Expression)>> {
    let entries = reader.entries(node, "the attributes")?;
    let read = entries.iter().filter_map(|(key, node)| {
        let reserved = ["id", "tags"].contains(&key.name.as_str());
        if !is_identifier(&key.name) || reserved || key.name.len() > MAX_NAME {
            let name = &key.name;
            let message = format!(
                "`{name}` is no attribute: letters, digits and `_`, and neither `id` nor `tags`"
            );
            reader.error(key.mark, message);
        }
        let value = reader.within(&key.name, |reader| reader.expression(node, Place::Step))?;
        Some((key.name.clone(), value))
    });
    Some(read.collect())
}

/// The name of a step, under which its result is known from there on.
pub(super) fn step_name(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    kind: ResultKind,
) -> Option<String> {
    reader.optional(fields, key, |reader, node| {
        let name = reader.name(node, &STEP)?;
        if reader.results.iter().any(|(known, _)| *known == name) {
            reader.error(
                node.mark,
                format!("another step is named `{name}`; give each a name of its own"),
            );
            return None;
        }
        reader.results.push((name.clone(), kind));
        Some(name)
    })
}

fn coupon_issuer(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    connection(reader, node, "issuer of coupons", |facts| facts.coupon)
}

/// The name of a connection, which must be known and able if there is a list of them.
pub(super) fn connection(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &str,
    able: impl Fn(&ConnectionFacts) -> bool,
) -> Option<String> {
    let name = reader.name(node, &CONNECTION)?;
    let Some(connections) = reader.connections else { return Some(name) };
    let fitting =
        || connections.0.iter().filter(|(_, facts)| able(facts)).map(|(name, _)| name.as_str());
    let hint =
        || did_you_mean(&name, fitting()).unwrap_or_else(|| one_of(&fitting().collect::<Vec<_>>()));
    match connections.get(&name) {
        None => reader.error(node.mark, format!("there is no connection `{name}`; {}", hint())),
        Some(facts) if !able(facts) => {
            reader.error(node.mark, format!("connection `{name}` is no {what}; {}", hint()));
        }
        Some(_) => {}
    }
    Some(name)
}
