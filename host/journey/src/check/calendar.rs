//! Reading spans, times of day, weekdays, zones and windows.

#![allow(dead_code, reason = "steps that wait for a time of day use the rest")]

use super::node::{Kind, Node};
use super::reader::Reader;
use crate::calendar::{
    Calendar, ClockTime, Hours, OpenDays, Span, WEEKDAYS, Weekdays, Window, WindowZone, Zone,
    calendars,
};
use crate::nearest::{did_you_mean, one_of};

/// Most ranges of hours in a window.
const MAX_HOURS: usize = 16;

/// Zones that are suggested for a name that is nearly theirs.
const ZONES: [&str; 8] = [
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Singapore",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "UTC",
];

impl Reader<'_> {
    /// A span such as `3d`, `2w` or `1d12h`: days and weeks on the calendar, the rest exact.
    pub(super) fn span(&mut self, node: &Node, what: &str) -> Option<Span> {
        self.duration(node, what)?;
        super::scalars::parse_span(self.text(node, what)?)
    }

    /// A span that may be negative, such as `-7d`: before a day rather than after it.
    pub(super) fn offset(&mut self, node: &Node, what: &str) -> Option<Span> {
        let text = self.text(node, what)?;
        let (sign, length) = match text.strip_prefix('-') {
            Some(length) => (-1, length),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        match super::scalars::parse_span(length) {
            Some(span) if span.usual() <= super::scalars::MAX_DURATION => {
                Some(Span { days: sign * span.days, ms: sign * span.ms })
            }
            _ => {
                let message = format!("`{text}` is no offset; write such as -7d, 3d or -1d12h");
                self.error(node.mark, message);
                None
            }
        }
    }

    /// A time of day.
    pub(super) fn clock_time(&mut self, node: &Node, what: &str) -> Option<ClockTime> {
        let text = self.text(node, what)?;
        let time = ClockTime::parse(text);
        if time.is_none() {
            let message =
                format!("`{text}` is no time of day; write such as \"09:30\", from 00:00 to 23:59");
            self.error(node.mark, message);
        }
        time
    }

    /// A weekday or a list of weekdays.
    pub(super) fn weekdays(&mut self, node: &Node) -> Option<Weekdays> {
        let names = self.one_or_list(node, |reader, node| {
            let text = reader.text(node, "the weekday")?;
            if !WEEKDAYS.contains(&text) {
                let guess = did_you_mean(text, WEEKDAYS).unwrap_or_else(|| one_of(&WEEKDAYS));
                reader.error(node.mark, format!("`{text}` is no weekday; {guess}"));
                return None;
            }
            Some(text.to_owned())
        });
        let weekdays =
            names.iter().try_fold(Weekdays::NONE, |weekdays, name| weekdays.with(name))?;
        if weekdays.is_empty() {
            if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
                self.error(node.mark, "no weekday is given; name one at least".to_owned());
            }
            return None;
        }
        Some(weekdays)
    }

    /// The name of a time zone.
    pub(super) fn zone(&mut self, node: &Node) -> Option<Zone> {
        let text = self.text(node, "the zone")?;
        let zone = Zone::named(text);
        if zone.is_none() {
            let guess = did_you_mean(text, ZONES)
                .unwrap_or_else(|| "write such as Asia/Shanghai or Europe/Berlin".to_owned());
            self.error(node.mark, format!("`{text}` is no time zone; {guess}"));
        }
        zone
    }

    /// `customer` or the name of a time zone.
    pub(super) fn window_zone(&mut self, node: &Node) -> Option<WindowZone> {
        if self.text(node, "the zone")? == "customer" {
            return Some(WindowZone::Customer);
        }
        self.zone(node).map(WindowZone::Fixed)
    }

    /// The name of a holiday calendar that comes with the host.
    pub(super) fn holidays(&mut self, node: &Node) -> Option<std::sync::Arc<Calendar>> {
        let text = self.text(node, "the calendar")?;
        let calendar = Calendar::of(text);
        if calendar.is_none() {
            let known: Vec<&str> = calendars().collect();
            let guess = did_you_mean(text, known.iter().copied()).unwrap_or_else(|| one_of(&known));
            self.error(node.mark, format!("there is no holiday calendar `{text}`; {guess}"));
        }
        calendar
    }

    /// Ranges such as `10:00-12:00`.
    pub(super) fn hours(&mut self, node: &Node) -> Option<Vec<Hours>> {
        let hours = self.one_or_list(node, |reader, node| {
            let text = reader.text(node, "the hours")?;
            let hours = Hours::parse(text);
            if hours.is_none() {
                let message = format!(
                    "`{text}` are no hours; write such as \"10:00-12:00\", or \"21:00-08:00\" past midnight"
                );
                reader.error(node.mark, message);
            }
            hours
        });
        if let Kind::List(items) = &node.kind
            && (items.is_empty() || items.len() > MAX_HOURS)
        {
            let message = format!("give 1 to {MAX_HOURS} ranges of hours, or leave `hours` out");
            self.error(node.mark, message);
            return None;
        }
        (!hours.is_empty()).then_some(hours)
    }

    /// When messages may be sent.
    pub(super) fn window(&mut self, node: &Node) -> Option<Window> {
        let fields = self.fields(node, "the window", &["days", "hours", "zone", "calendar"])?;
        let days = self.optional(&fields, "days", Self::open_days);
        let hours = self.optional(&fields, "hours", Self::hours);
        let zone = self.optional(&fields, "zone", Self::window_zone);
        let calendar = self.optional(&fields, "calendar", Self::holidays);
        if fields.get("days").is_none() && fields.get("hours").is_none() {
            let message = "the window is always open; give `days`, `hours` or both";
            self.error(node.mark, message.to_owned());
        }
        if calendar.is_some() && matches!(days, Some(OpenDays::Weekdays(_)) | None) {
            let message = "the calendar means nothing here: only `days: workdays` asks it";
            self.warning(node.mark, message.to_owned());
        }
        Some(Window {
            days: days.unwrap_or(OpenDays::Weekdays(Weekdays::ALL)),
            hours: hours.unwrap_or_else(|| vec![Hours::ALL]),
            zone: zone.unwrap_or(WindowZone::Customer),
            calendar,
        })
    }

    fn open_days(&mut self, node: &Node) -> Option<OpenDays> {
        if let Kind::Scalar(scalar) = &node.kind {
            match scalar.text.as_str() {
                "all" => return Some(OpenDays::Weekdays(Weekdays::ALL)),
                "workdays" => return Some(OpenDays::Workdays),
                other if !WEEKDAYS.contains(&other) && !scalar.is_null() => {
                    let message = format!(
                        "`{other}` are no days; write all, workdays, or weekdays such as [monday, thursday]"
                    );
                    self.error(node.mark, message);
                    return None;
                }
                _ => {}
            }
        }
        self.weekdays(node).map(OpenDays::Weekdays)
    }
}
