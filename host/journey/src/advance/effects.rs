//! Steps that do something, and what happens when their effects are settled.

use serde_json::{Map, Value};

use super::{Flow, Run};
use crate::connection::ContentKind;
use crate::effect::{Content, Effect, Offer, Settled};
use crate::enrollment::Status;
use crate::history::EntryKind;
use crate::program::{Addressee, Delivery, Issue, Op};
use crate::state::{Awaiting, Grant};
use crate::template::Facts;

/// One attempt of several to deliver a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Place of the channel that is tried before the others.
    pub(super) first: u32,
    /// Which channel it is: 0 is the first that is tried.
    pub(super) channel: u32,
    /// Which template it is.
    pub(super) template: u32,
}

impl Attempt {
    /// In place of a channel: one that the version has no more. The first one is next.
    pub(super) const NONE: u32 = u32::MAX;

    /// None once all channels have been tried.
    pub(super) fn connection(self, delivery: &Delivery) -> Option<&str> {
        let (first, channel) = (self.first as usize, self.channel as usize);
        let place = match channel {
            0 => first,
            later if later <= first => later - 1,
            later => later,
        };
        delivery.channels.get(place).map(String::as_str)
    }

    fn next_channel(self) -> Self {
        Self { channel: self.channel.wrapping_add(1), template: 0, ..self }
    }

    /// What to try after this outcome, if anything: another content where the content is at fault, then another channel.
    fn after(self, delivery: &Delivery, outcome: &Settled) -> Option<Self> {
        let backup = Self { template: self.template + 1, ..self };
        let next = match outcome {
            Settled::Refused { reason, .. }
                if reason == CONTENT && (backup.template as usize) < delivery.templates.len() =>
            {
                backup
            }
            Settled::Refused { .. } | Settled::Suppressed { .. } => self.next_channel(),
            _ => return None,
        };
        next.connection(delivery).is_some().then_some(next)
    }
}

/// The contract's word for a refusal for which the content is at fault.
const CONTENT: &str = "content";

impl Addressee {
    fn asking(self) -> EntryKind {
        match self {
            Self::Customer => EntryKind::Sending,
            Self::Account => EntryKind::Publishing,
        }
    }
}

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
        let first = self.preferred(delivery);
        self.try_channels(delivery, Attempt { first, channel: 0, template: 0 }, None, name)
    }

    /// The place of the channel that the customer prefers; the first one if nothing says otherwise.
    fn preferred(&mut self, delivery: &Delivery) -> u32 {
        let Some(prefer) = &delivery.prefer else { return 0 };
        let name = match prefer.json(&self.scope()) {
            Ok(value) => value.as_str().map(str::to_owned),
            Err(error) => {
                self.note(EntryKind::Failed, delivery.step.clone(), None, error.to_string());
                None
            }
        };
        let place = name.and_then(|name| delivery.channels.iter().position(|c| *c == name));
        place.and_then(|place| u32::try_from(place).ok()).unwrap_or(0)
    }

    /// Sends through the first of the channels, from this attempt on, that the message can be made for.
    fn try_channels(
        &mut self,
        delivery: &Delivery,
        from: Attempt,
        grant: Option<Grant>,
        name: Option<&str>,
    ) -> Flow {
        let mut attempt = from;
        while let (Some(connection), Some(template)) =
            (attempt.connection(delivery), delivery.templates.get(attempt.template as usize))
        {
            match self.content(delivery.to, template, connection, grant.as_ref()) {
                Ok(content) => {
                    self.deliver(delivery, connection, template, content, attempt, grant);
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
            attempt = attempt.next_channel();
        }
        let last = u32::try_from(delivery.channels.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let last = Attempt { channel: last, ..from };
        self.message_done(delivery, last, grant, name, "refused");
        self.next()
    }

    /// Renders what a channel takes. An error says why it gets nothing.
    fn content(
        &self,
        to: Addressee,
        template: &str,
        connection: &str,
        grant: Option<&Grant>,
    ) -> Result<Content, String> {
        let facts = self.world.connections.get(connection).and_then(|facts| facts.channel.as_ref());
        let channel = facts
            .ok_or_else(|| "there is no such channel at present; connect it again".to_owned())?;
        let locale = self.world.customer.attributes.get("locale").and_then(Value::as_str);
        let templates = &self.program.templates;
        let of_post =
            |kind: &ContentKind| (*kind == ContentKind::Post) == (to == Addressee::Account);
        let takes: Vec<ContentKind> = channel.contents.iter().copied().filter(of_post).collect();
        let body = templates.choose(template, locale, &takes).ok_or_else(|| {
            let takes: Vec<&str> = takes.iter().copied().map(ContentKind::as_str).collect();
            format!(
                "template {template} has nothing that the channel takes; add {}",
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
        template: &str,
        content: Content,
        attempt: Attempt,
        grant: Option<Grant>,
    ) {
        let key = self.next_key();
        let (kind, step) = (delivery.to.asking(), delivery.step.clone());
        self.note(kind, step.clone(), Some(key.clone()), format!("{connection} {template}"));
        let Attempt { first, channel, template: tried } = attempt;
        self.enrollment.state.awaiting =
            Awaiting::Message { key: key.clone(), channel, first, template: tried, grant };
        let (connection, template) = (connection.to_owned(), template.to_owned());
        self.out.effects.push(match delivery.to {
            Addressee::Customer => Effect::Send {
                key,
                step,
                connection,
                template,
                content,
                purpose: self.program.purpose,
                fallback: attempt.next_channel().connection(delivery).is_some(),
            },
            Addressee::Account => Effect::Publish { key, step, connection, template, content },
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
            Some(delivery) => {
                let first = self.preferred(delivery);
                let from = Attempt { first, channel: 0, template: 0 };
                self.try_channels(delivery, from, Some(grant), issue.name.as_deref())
            }
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
        let Awaiting::Message { channel, first, template, grant, .. } = awaited else { return };
        let attempt = Attempt { first, channel, template };
        let active = self.enrollment.status == Status::Active;
        let flow = match attempt.after(delivery, outcome).filter(|_| active) {
            Some(next) => self.try_channels(delivery, next, grant, name),
            None => {
                self.message_done(delivery, attempt, grant, name, outcome.outcome());
                self.next()
            }
        };
        if active && flow == Flow::Continues {
            self.go();
        }
    }

    /// Keeps a message's outcome, and takes the coupon back if nothing told of it.
    fn message_done(
        &mut self,
        delivery: &Delivery,
        attempt: Attempt,
        grant: Option<Grant>,
        name: Option<&str>,
        outcome: &str,
    ) {
        let mut result = Map::new();
        result.insert("outcome".to_owned(), Value::from(outcome));
        if let Some(connection) = attempt.connection(delivery) {
            result.insert("channel".to_owned(), Value::from(connection));
        }
        if let Some(template) = delivery.templates.get(attempt.template as usize) {
            result.insert("template".to_owned(), Value::from(template.as_str()));
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
