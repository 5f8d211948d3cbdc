//! Reading the steps that send and publish: through which channels, and what.

use super::effects::{connection, step_name};
use super::expressions::Place;
use super::fields::Fields;
use super::node::{Kind, Node};
use super::reader::Reader;
use super::steps::Compiler;
use super::templates::names;
use crate::connection::ContentKind;
use crate::expression::{Expression, ResultKind};
use crate::nearest::{did_you_mean, one_of};
use crate::program::{Addressee, Delivery, Op};
use crate::template::Template;

/// What a content is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    Coupon,
    Nothing,
    /// It is no message to a customer.
    Post,
}

impl Compiler<'_> {
    pub(super) fn send(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        self.step_of(reader, fields, "send", Tells::Nothing);
    }

    pub(super) fn publish(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        self.step_of(reader, fields, "publish", Tells::Post);
    }

    fn step_of(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str, tells: Tells) {
        let path = reader.path().to_owned();
        let delivery =
            reader.required(fields, key, |reader, node| self.delivery(reader, node, path, tells));
        let name = step_name(reader, fields, "as", ResultKind::Send);
        if let Some(delivery) = delivery {
            self.push(reader, Op::Send { name, delivery });
        }
    }

    /// Reads where and what to send.
    pub(super) fn delivery(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        step: String,
        tells: Tells,
    ) -> Option<Delivery> {
        let keys: &[&str] = match tells {
            Tells::Post => &["use", "template", "backup"],
            Tells::Coupon | Tells::Nothing => &["use", "template", "backup", "fallback"],
        };
        let fields = reader.fields(node, "what to send", keys)?;
        let (first, prefer) = reader.required(&fields, "use", channels).unwrap_or_default();
        let fallback = reader.optional(&fields, "fallback", |reader, node| {
            let mut seen = first.clone();
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
        });
        let backup = reader.optional(&fields, "backup", |reader, node| {
            Some(reader.one_or_list(node, |reader, node| {
                let name = self.template(reader, node, &channels, tells)?;
                if template.as_ref() == Some(&name) {
                    let message = format!("`{name}` is what was refused; name another template");
                    reader.error(node.mark, message);
                }
                Some(name)
            }))
        });
        let templates = std::iter::once(template?).chain(backup.into_iter().flatten()).collect();
        if channels.is_empty() {
            return None;
        }
        let to = if tells == Tells::Post { Addressee::Account } else { Addressee::Customer };
        Some(Delivery { step, to, channels, prefer, templates })
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
        if reads_coupon && tells != Tells::Coupon {
            let message = format!(
                "template `{name}` reads `coupon`, which is at hand in `then_send` of an issue only"
            );
            reader.error(node.mark, message);
        }
        let sound = |template: &Template| template.locales.iter().all(|l| !l.contents.is_empty());
        let posts = |template: &Template| {
            let mut contents = template.locales.iter().flat_map(|locale| &locale.contents);
            contents.any(|body| body.source.kind() == ContentKind::Post)
        };
        if tells == Tells::Post && sound(template) && !posts(template) {
            let message =
                format!("template `{name}` has no `post`, which is what can be published");
            reader.error(node.mark, message);
            return None;
        }
        for channel in channels {
            check_content(reader, node, name, template, channel);
        }
        Some(name.to_owned())
    }
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

fn channel(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    connection(reader, node, "channel", |facts| facts.channel.is_some())
}

/// One channel, or several of which an expression chooses the first.
fn channels(reader: &mut Reader<'_>, node: &Node) -> Option<(Vec<String>, Option<Expression>)> {
    if !matches!(node.kind, Kind::Map(_)) {
        return channel(reader, node).map(|channel| (vec![channel], None));
    }
    let fields = reader.fields(node, "the choice of a channel", &["prefer", "among"])?;
    let prefer =
        reader.required(&fields, "prefer", |reader, node| reader.expression(node, Place::Step));
    let among = reader.required(&fields, "among", |reader, node| {
        let items = reader.items(node, "the channels", 10)?;
        let mut names: Vec<String> = Vec::new();
        for name in reader.each(items, channel) {
            let name = name?;
            if names.contains(&name) {
                reader.error(node.mark, format!("`{name}` is named twice; name each channel once"));
            }
            names.push(name);
        }
        Some(names)
    });
    Some((among?, Some(prefer?)))
}
