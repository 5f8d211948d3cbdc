//! Reading priority, tags, limits, and the workspace's policy file.

use super::expressions::Place;
use super::node::{self, Kind, Node};
use super::reader::Reader;
use super::scalars::{CONNECTION, NameRule};
use super::{Problem, Severity};
use crate::calendar::{OpenDays, Weekdays, Window, WindowZone};
use crate::policy::{Limit, MEDIUM, Over, Policy};

/// Most tags of a journey, and most limits of a journey or a workspace.
const MOST: usize = 16;

/// Most messages that a limit may allow: more are no limit.
const MAX_MESSAGES: u32 = 1_000;

/// Longest stretch of time of a limit: a year and a day. What was sent before is not looked at.
pub(crate) const MAX_PER: i64 = 366 * crate::calendar::DAY;

const TAG: NameRule = NameRule {
    what: "the tag",
    noun: "tag of messages",
    hint: "lower case letters and digits in groups joined by `-`, such as `wake-up`",
    limit: 64,
    accept: super::scalars::is_kebab,
};

impl Reader<'_> {
    /// `low`, `medium`, `high` or a number.
    pub(super) fn priority(&mut self, node: &Node) -> Option<u8> {
        let text = self.text(node, "the priority")?;
        let priority = match text {
            "low" => Some(20),
            "medium" => Some(MEDIUM),
            "high" => Some(80),
            number => number.parse::<u8>().ok().filter(|number| *number <= 100),
        };
        if priority.is_none() {
            let message = format!(
                "`{text}` is no priority; write low, medium, high or a number from 0 to 100"
            );
            self.error(node.mark, message);
        }
        priority
    }

    /// Tags of a journey's messages.
    pub(super) fn message_tags(&mut self, node: &Node) -> Option<Vec<String>> {
        if let Kind::List(items) = &node.kind
            && items.len() > MOST
        {
            self.error(node.mark, format!("more than {MOST} tags"));
            return None;
        }
        let mut tags = self.one_or_list(node, |reader, node| reader.name(node, &TAG));
        tags.sort();
        tags.dedup();
        Some(tags)
    }

    /// Limits, of a journey with these tags or of the workspace.
    pub(super) fn limits(
        &mut self,
        node: &Node,
        journey_tags: Option<&[String]>,
    ) -> Option<Vec<Limit>> {
        if let Kind::List(items) = &node.kind
            && items.len() > MOST
        {
            self.error(node.mark, format!("more than {MOST} limits"));
            return None;
        }
        Some(self.one_or_list(node, |reader, node| reader.limit(node, journey_tags)))
    }

    fn limit(&mut self, node: &Node, journey_tags: Option<&[String]>) -> Option<Limit> {
        let fields =
            self.fields(node, "a limit", &["messages", "per", "tag", "channel", "over"])?;
        let messages = self.required(&fields, "messages", |reader, node| {
            let text = reader.text(node, "the number of messages")?;
            let number =
                text.parse::<u32>().ok().filter(|number| (1..=MAX_MESSAGES).contains(number));
            if number.is_none() {
                let message =
                    format!("`{text}` is no number of messages; write 1 to {MAX_MESSAGES}");
                reader.error(node.mark, message);
            }
            number
        });
        let per = self.required(&fields, "per", |reader, node| {
            let per = reader.duration(node, "the limit's time")?;
            if per > MAX_PER {
                reader.error(node.mark, "a limit counts over 366d at most".to_owned());
                return None;
            }
            Some(per)
        });
        let tag = self.optional(&fields, "tag", |reader, node| {
            let tag = reader.name(node, &TAG)?;
            if journey_tags.is_some_and(|tags| !tags.contains(&tag)) {
                let message = format!(
                    "the journey's own messages do not carry the tag and are not counted; add `tags: [{tag}]`"
                );
                reader.warning(node.mark, message);
            }
            Some(tag)
        });
        let channel =
            self.optional(&fields, "channel", |reader, node| reader.name(node, &CONNECTION));
        let ways = [Over::Skip, Over::Wait].map(|over| (over.as_str(), over));
        let over = self
            .optional(&fields, "over", |reader, node| reader.choice(node, "way to go on", &ways));
        Some(Limit { messages: messages?, per: per?, tag, channel, over: over.unwrap_or_default() })
    }

    /// Hours in which no marketing message is sent.
    fn quiet(&mut self, node: &Node) -> Option<Window> {
        let fields = self.fields(node, "`quiet`", &["hours", "zone"])?;
        let hours = self.required(&fields, "hours", Self::hours);
        let zone = self.optional(&fields, "zone", Self::window_zone);
        Some(Window {
            days: OpenDays::Weekdays(Weekdays::ALL),
            hours: hours?,
            zone: zone.unwrap_or(WindowZone::Customer),
            calendar: None,
        })
    }
}

/// Reads a workspace's policy file.
pub(crate) fn read_policy(source: &str) -> (Option<Policy>, Vec<Problem>) {
    let mut reader = Reader::new(source, None);
    let policy = node::parse(source, &mut reader).and_then(|root| policy(&mut reader, &root));
    let problems = reader.finish();
    let failed = problems.iter().any(|one| one.severity == Severity::Error);
    (policy.filter(|_| !failed), problems)
}

fn policy(reader: &mut Reader<'_>, root: &Node) -> Option<Policy> {
    let keys = ["zone", "calendar", "quiet", "window", "limits", "dedupe", "first"];
    let fields = reader.fields(root, "a policy", &keys)?;
    let zone = reader.optional(&fields, "zone", Reader::zone);
    let calendar = reader.optional(&fields, "calendar", Reader::holidays);
    let quiet = reader.optional(&fields, "quiet", Reader::quiet);
    let window = reader.optional(&fields, "window", Reader::window);
    let limits = reader.optional(&fields, "limits", |reader, node| reader.limits(node, None));
    let dedupe = reader.optional(&fields, "dedupe", |reader, node| {
        let time = reader.duration(node, "the time")?;
        if time > MAX_PER {
            reader.error(node.mark, "the time is longer than 366 days".to_owned());
        }
        Some(time)
    });
    let first = reader.optional(&fields, "first", |reader, node| {
        let first = reader.expression(node, Place::Policy)?;
        if reader.reads_coupons || reader.needs.reads_past() || !reader.needs.segments.is_empty() {
            let message = "only attributes and tags of the customer are at hand for every message; set a tag by a journey and \
                           ask for that";
            reader.error(node.mark, message.to_owned());
        }
        Some(first)
    });
    Some(Policy {
        zone: zone.unwrap_or_default(),
        calendar,
        quiet,
        window,
        limits: limits.unwrap_or_default(),
        dedupe,
        first,
    })
}
