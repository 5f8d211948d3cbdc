//! Steps that do something, and what happens when their effects are settled.

use serde_json::{Map, Value};

use super::{Flow, Run};
use crate::connection::ContentKind;
use crate::effect::{Content, Effect, Offer, Settled};
use crate::enrollment::Status;
use crate::history::EntryKind;
use crate::program::{Delivery, Issue, Op, Set};
use crate::state::{Awaiting, Grant};
use crate::template::Facts;

impl Run<'_, '_> {
    pub(super) fn issue(&mut self, issue: &Issue) -> Flow {
        let key = self.next_key();
        let step = self.step().to_owned();
        let now = self.world.now;
        let offer = Offer {
            benefit: issue.benefit.clone(),
            minimum: issue.minimum.clone(),
            valid_from: now,
            valid_until: now.saturating_add(issue.valid),
        };
        let detail = format!("{} {}", issue.connection, issue.campaign);
        self.note(EntryKind::Issuing, step.clone(), Some(key.clone()), detail);
        self.enrollment.state.awaiting = Awaiting::Coupon { key: key.clone() };
        self.out.effects.push(Effect::Issue {
            key,
            step,
            connection: issue.connection.clone(),
            campaign: issue.campaign.clone(),
            offer,
        });
        Flow::Rests
    }

    pub(super) fn send(&mut self, name: Option<&str>, delivery: &Delivery) -> Flow {
        self.try_channels(delivery, 0, None, name)
    }

    /// Sends through the first of the channels, from `first` on, that the message can be made for.
    fn try_channels(
        &mut self,
        delivery: &Delivery,
        first: usize,
        grant: Option<Grant>,
        name: Option<&str>,
    ) -> Flow {
        for (index, connection) in delivery.channels.iter().enumerate().skip(first) {
            match self.content(delivery, connection, grant.as_ref()) {
                Ok(content) => {
                    let channel = u32::try_from(index).unwrap_or(u32::MAX);
                    self.deliver(delivery, connection, content, channel, grant);
                    return Flow::Rests;
                }
                Err(detail) => {
                    self.note(
                        EntryKind::Failed,
                        delivery.step.clone(),
                        None,
                        format!("{connection}: {detail}"),
                    );
                }
            }
        }
        let last = delivery.channels.len().saturating_sub(1);
        self.message_done(delivery, last, grant, name, "refused");
        self.next()
    }

    /// Renders what a channel takes. An error says why it gets nothing.
    fn content(
        &self,
        delivery: &Delivery,
        connection: &str,
        grant: Option<&Grant>,
    ) -> Result<Content, String> {
        let facts = self.world.connections.get(connection).and_then(|facts| facts.channel.as_ref());
        let channel = facts
            .ok_or_else(|| "there is no such channel at present; connect it again".to_owned())?;
        let locale = self.world.customer.attributes.get("locale").and_then(Value::as_str);
        let templates = &self.program.templates;
        let body =
            templates.choose(&delivery.template, locale, &channel.contents).ok_or_else(|| {
                let takes: Vec<&str> =
                    channel.contents.iter().copied().map(ContentKind::as_str).collect();
                format!(
                    "template {} has nothing that the channel takes; add {}",
                    delivery.template,
                    takes.join(" or ")
                )
            })?;
        let facts = self.facts(grant);
        let link = self.world.unsubscribe_url;
        templates.render(body, facts, || link.map(|link| (link.0)(&channel.address)))
    }

    /// What templates may look at.
    pub(super) fn facts<'a>(&'a self, grant: Option<&'a Grant>) -> Facts<'a> {
        Facts {
            customer: self.world.customer,
            entry: &self.enrollment.state.entry,
            results: &self.enrollment.state.results,
            coupons: self.world.coupons,
            now: self.world.now,
            grant,
        }
    }

    fn deliver(
        &mut self,
        delivery: &Delivery,
        connection: &str,
        content: Content,
        channel: u32,
        grant: Option<Grant>,
    ) {
        let key = self.next_key();
        let detail = format!("{connection} {}", delivery.template);
        self.note(EntryKind::Sending, delivery.step.clone(), Some(key.clone()), detail);
        self.enrollment.state.awaiting = Awaiting::Message { key: key.clone(), channel, grant };
        self.out.effects.push(Effect::Send {
            key,
            step: delivery.step.clone(),
            connection: connection.to_owned(),
            template: delivery.template.clone(),
            content,
            purpose: self.program.purpose,
            fallback: (channel as usize) + 1 < delivery.channels.len(),
        });
    }

    pub(super) fn coupon_settled(&mut self, key: &str, outcome: &Settled) {
        let Some(Op::Issue(issue)) = self.op(self.position()) else { return };
        self.note_settled(self.step().to_owned(), key, outcome);
        self.enrollment.state.awaiting = Awaiting::Nothing;
        let Settled::Granted { code, valid_until } = outcome else {
            let result = [("outcome".to_owned(), Value::from(outcome.outcome()))];
            return self.coupon_done(issue, result.into_iter().collect());
        };
        let grant = Grant { key: key.to_owned(), code: code.clone(), valid_until: *valid_until };
        if self.enrollment.status != Status::Active {
            return self.revoke(issue, &grant);
        }
        let mut result = Map::new();
        result.insert("outcome".to_owned(), Value::from(outcome.outcome()));
        result.insert("code".to_owned(), Value::from(code.as_str()));
        result.insert("valid_until".to_owned(), Value::from(*valid_until));
        self.keep_result(issue.name.as_deref(), result);
        let flow = match &issue.then_send {
            Some(delivery) => self.try_channels(delivery, 0, Some(grant), issue.name.as_deref()),
            None => self.next(),
        };
        if flow == Flow::Continues {
            self.go();
        }
    }

    fn coupon_done(&mut self, issue: &Issue, result: Map<String, Value>) {
        if self.enrollment.status != Status::Active {
            return;
        }
        self.keep_result(issue.name.as_deref(), result);
        self.next();
        self.go();
    }

    pub(super) fn message_settled(&mut self, key: &str, outcome: &Settled) {
        let (delivery, name) = match self.op(self.position()) {
            Some(Op::Send { name, delivery }) => (delivery, name.as_deref()),
            Some(Op::Issue(Issue { name, then_send: Some(delivery), .. })) => {
                (delivery, name.as_deref())
            }
            _ => return,
        };
        self.note_settled(delivery.step.clone(), key, outcome);
        let awaited = std::mem::replace(&mut self.enrollment.state.awaiting, Awaiting::Nothing);
        let Awaiting::Message { channel, grant, .. } = awaited else { return };
        let channel = channel as usize;
        let failed = matches!(outcome, Settled::Refused { .. } | Settled::Suppressed { .. });
        let active = self.enrollment.status == Status::Active;
        let flow = if failed && active && channel + 1 < delivery.channels.len() {
            self.try_channels(delivery, channel + 1, grant, name)
        } else {
            self.message_done(delivery, channel, grant, name, outcome.outcome());
            self.next()
        };
        if active && flow == Flow::Continues {
            self.go();
        }
    }

    /// Keeps a message's outcome, and takes the coupon back if nothing told of it.
    fn message_done(
        &mut self,
        delivery: &Delivery,
        channel: usize,
        grant: Option<Grant>,
        name: Option<&str>,
        outcome: &str,
    ) {
        let mut result = Map::new();
        result.insert("outcome".to_owned(), Value::from(outcome));
        if let Some(connection) = delivery.channels.get(channel) {
            result.insert("channel".to_owned(), Value::from(connection.as_str()));
        }
        let Some(grant) = grant else { return self.keep_result(name, result) };
        let told = !matches!(outcome, "refused" | "suppressed");
        let kept = name.and_then(|name| self.enrollment.state.results.get_mut(name));
        if let Some(Value::Object(of_coupon)) = kept {
            of_coupon.insert("notice".to_owned(), Value::Object(result));
            if !told {
                of_coupon.insert("outcome".to_owned(), Value::from("revoked"));
            }
        }
        if let Some(Op::Issue(issue)) = self.op(self.position()).filter(|_| !told) {
            self.revoke(issue, &grant);
        }
    }

    fn revoke(&mut self, issue: &Issue, grant: &Grant) {
        let key = self.next_key();
        let step = self.step().to_owned();
        let detail = format!("{} {}", issue.connection, issue.campaign);
        self.note(EntryKind::Revoking, step.clone(), Some(key.clone()), detail);
        self.out.effects.push(Effect::Revoke {
            key,
            step,
            connection: issue.connection.clone(),
            campaign: issue.campaign.clone(),
            code: grant.code.clone(),
            grant_key: grant.key.clone(),
        });
    }

    pub(super) fn set(&mut self, set: &Set) -> Flow {
        // All values are taken before any is set, so that their order means nothing.
        let mut values = Vec::with_capacity(set.attributes.len());
        for (name, expression) in &set.attributes {
            match expression.json(&self.scope()) {
                Ok(value) => values.push((name, value)),
                Err(error) => return self.fail(expression.path(), error.to_string()),
            }
        }
        let customer = &mut *self.world.customer;
        let mut changed: Vec<&str> = Vec::new();
        for (name, value) in values {
            let before = if value.is_null() {
                customer.attributes.remove(name)
            } else if customer.attributes.get(name) == Some(&value) {
                continue;
            } else {
                customer.attributes.insert(name.clone(), value);
                changed.push(name);
                continue;
            };
            changed.extend(before.is_some().then_some(name.as_str()));
        }
        changed.extend(
            set.tags.iter().filter(|tag| customer.tags.insert((*tag).clone())).map(String::as_str),
        );
        changed
            .extend(set.untag.iter().filter(|tag| customer.tags.remove(*tag)).map(String::as_str));
        if !changed.is_empty() {
            let detail = changed.join(" ");
            self.out.customer_changed = true;
            self.note_here(EntryKind::Changed, detail);
        }
        self.next()
    }

    /// Whether a coupon was asked for, or is granted and being told of.
    pub(super) fn coupon_under_way(&self) -> bool {
        match &self.enrollment.state.awaiting {
            Awaiting::Message { grant, .. } => grant.is_some(),
            Awaiting::Coupon { .. } => {
                matches!(
                    self.op(self.position()),
                    Some(Op::Issue(Issue { then_send: Some(_), .. }))
                )
            }
            Awaiting::Start
            | Awaiting::Timer
            | Awaiting::Event
            | Awaiting::Action { .. }
            | Awaiting::Nothing => false,
        }
    }

    pub(super) fn next_key(&mut self) -> String {
        self.enrollment.state.effects += 1;
        format!("{}-{}", self.enrollment.id, self.enrollment.state.effects)
    }

    pub(super) fn note_settled(&mut self, step: String, key: &str, outcome: &Settled) {
        let detail = match outcome {
            Settled::Refused { reason, detail } => {
                format!("refused {reason}: {}", crate::expression::shorten(detail))
            }
            Settled::Suppressed { reason } => format!("suppressed {reason}"),
            Settled::Unknown { detail } => {
                format!("unknown: {}", crate::expression::shorten(detail))
            }
            Settled::Accepted | Settled::Granted { .. } | Settled::Done { .. } => {
                outcome.outcome().to_owned()
            }
        };
        self.note(EntryKind::Settled, step, Some(key.to_owned()), detail);
    }
}
