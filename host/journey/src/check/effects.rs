//! Reading the steps that do something: issue, send and set.

use super::expressions::Place;
use super::fields::Fields;
use super::node::Node;
use super::reader::Reader;
use super::scalars::{CAMPAIGN, CONNECTION, STEP, is_identifier};
use super::steps::Compiler;
use super::templates::names;
use crate::connection::{ConnectionFacts, ContentKind};
use crate::expression::{Expression, ResultKind};
use crate::nearest::{did_you_mean, one_of};
use crate::program::{Delivery, Issue, Op, Set};
use crate::template::Template;

/// Longest tag and attribute name in characters.
const MAX_NAME: usize = 64;

/// What a message is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tells {
    OfCoupon,
    OfNothing,
}

impl Compiler<'_> {
    pub(super) fn issue(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        let issue = reader.required(fields, "issue", |reader, node| self.coupon(reader, node));
        let then_send = reader.optional(fields, "then_send", |reader, node| {
            let path = reader.path().to_owned();
            self.delivery(reader, node, path, Tells::OfCoupon)
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

    pub(super) fn send(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        let path = reader.path().to_owned();
        let delivery = reader.required(fields, "send", |reader, node| {
            self.delivery(reader, node, path, Tells::OfNothing)
        });
        let name = step_name(reader, fields, "as", ResultKind::Send);
        if let Some(delivery) = delivery {
            self.push(reader, Op::Send { name, delivery });
        }
    }

    pub(super) fn set(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        if let Some(set) = reader.required(fields, "set", set) {
            self.push(reader, Op::Set(set));
        }
    }

    /// Reads where and what to send.
    fn delivery(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        step: String,
        tells: Tells,
    ) -> Option<Delivery> {
        let fields = reader.fields(node, "what to send", &["use", "template", "fallback"])?;
        let first = reader.required(&fields, "use", channel);
        let fallback = reader.optional(&fields, "fallback", |reader, node| {
            let mut seen: Vec<String> = first.iter().cloned().collect();
            Some(reader.one_or_list(node, |reader, node| {
                let name = channel(reader, node)?;
                if seen.contains(&name) {
                    reader.error(
                        node.mark,
                        format!("`{name}` is tried already; name each channel once"),
                    );
                }
                seen.push(name.clone());
                Some(name)
            }))
        });
        let channels: Vec<String> =
            first.into_iter().chain(fallback.into_iter().flatten()).collect();
        self.steps.connections.extend(channels.iter().cloned());
        let template = reader.required(&fields, "template", |reader, node| {
            self.template(reader, node, &channels, tells)
        })?;
        if channels.is_empty() { None } else { Some(Delivery { step, channels, template }) }
    }

    fn template(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        channels: &[String],
        tells: Tells,
    ) -> Option<String> {
        let name = reader.text(node, "the template's name")?;
        let by_name = &self.templates.templates.by_name;
        let Some(template) = by_name.get(name) else {
            let known = names(by_name);
            let hint = did_you_mean(name, known.iter().copied()).unwrap_or_else(|| one_of(&known));
            reader.error(node.mark, format!("there is no template `{name}`; {hint}"));
            return None;
        };
        self.steps.templates.insert(name.to_owned());
        let reads_coupon = template
            .locales
            .iter()
            .flat_map(|locale| &locale.contents)
            .any(|body| body.needs.coupon);
        if reads_coupon && tells == Tells::OfNothing {
            let message = format!(
                "template `{name}` reads `coupon`, which is at hand in `then_send` of an issue only"
            );
            reader.error(node.mark, message);
        }
        for channel in channels {
            check_content(reader, node, name, template, channel);
        }
        Some(name.to_owned())
    }
}

fn set(reader: &mut Reader<'_>, node: &Node) -> Option<Set> {
    let fields = reader.fields(node, "what to set", &["attributes", "tags", "untag"])?;
    if ["attributes", "tags", "untag"].iter().all(|key| fields.get(key).is_none()) {
        reader
            .error(node.mark, "there is nothing to set; give attributes, tags or untag".to_owned());
    }
    let tags = |reader: &mut Reader<'_>, node: &Node| {
        Some(reader.one_or_list(node, |reader, node| reader.line(node, "the tag", MAX_NAME)))
    };
    Some(Set {
        attributes: reader.optional(&fields, "attributes", attributes).unwrap_or_default(),
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

/// Checks that a channel takes something that the template has.
fn check_content(
    reader: &mut Reader<'_>,
    node: &Node,
    name: &str,
    template: &Template,
    channel: &str,
) {
    let facts = reader.connections.and_then(|connections| connections.get(channel));
    let Some(facts) = facts.and_then(|facts| facts.channel.as_ref()) else { return };
    let fits = |locale: &crate::template::Localized| {
        // A template that could not be read has been reported already.
        locale.contents.is_empty()
            || locale.contents.iter().any(|body| facts.contents.contains(&body.source.kind()))
    };
    let takes: Vec<&str> = facts.contents.iter().copied().map(ContentKind::as_str).collect();
    if !template.locales.iter().any(fits) {
        let message = format!(
            "template `{name}` has nothing that `{channel}` takes; add {}",
            takes.join(" or ")
        );
        reader.error(node.mark, message);
        return;
    }
    for locale in template.locales.iter().filter(|locale| !fits(locale)) {
        let message = format!(
            "template `{name}` has nothing in `{}` that `{channel}` takes, so another language is sent; add {}",
            locale.tag,
            takes.join(" or ")
        );
        reader.warning(node.mark, message);
    }
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

fn channel(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    connection(reader, node, "channel", |facts| facts.channel.is_some())
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
