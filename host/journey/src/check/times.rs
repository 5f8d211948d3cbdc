//! Reading the times that steps wait for.

use jiff::Timestamp;

use super::expressions::Place;
use super::fields::Fields;
use super::node::{Kind, Node};
use super::reader::Reader;
use crate::calendar::{ClockTime, Span, Weekdays, WindowZone};
use crate::program::{Every, WaitUntil};

pub(super) fn wait_until(reader: &mut Reader<'_>, node: &Node) -> Option<WaitUntil> {
    if matches!(node.kind, Kind::Scalar(_)) {
        return reader.choice(node, "time", &[("window", ())]).map(|()| WaitUntil::Window);
    }
    let keys = ["time", "weekday", "zone", "date", "every", "offset", "at"];
    let fields = reader.fields(node, "what to wait until", &keys)?;
    let kinds: Vec<&str> =
        ["date", "at"].into_iter().filter(|key| fields.get(key).is_some()).collect();
    match kinds.as_slice() {
        ["at"] => instant(reader, &fields),
        ["date"] => date(reader, &fields),
        [] => clock(reader, &fields),
        _ => {
            let message = "a time is given by `date` or by `at`; keep one";
            reader.error(node.mark, message.to_owned());
            None
        }
    }
}

fn clock(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<WaitUntil> {
    misplaced(reader, fields, &["every", "offset"], "date");
    let time =
        reader.required(fields, "time", |reader, node| reader.clock_time(node, "the time of day"));
    let weekdays = reader.optional(fields, "weekday", Reader::weekdays);
    let weekdays = if fields.get("weekday").is_some() { weekdays } else { Some(Weekdays::ALL) };
    let zone = zone(reader, fields);
    Some(WaitUntil::Clock { time: time?, weekdays: weekdays?, zone: zone? })
}

fn date(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<WaitUntil> {
    misplaced(reader, fields, &["weekday"], "time");
    let date = reader.required(fields, "date", |reader, node| reader.expression(node, Place::Step));
    let every = reader
        .optional(fields, "every", |reader, node| {
            reader.choice(node, "interval", &[("year", Every::Year)])
        })
        .unwrap_or(Every::Once);
    let offset =
        reader.optional(fields, "offset", |reader, node| reader.offset(node, "the offset"));
    let offset = if fields.get("offset").is_some() { offset } else { Some(Span::default()) };
    let time =
        reader.optional(fields, "time", |reader, node| reader.clock_time(node, "the time of day"));
    let time = if fields.get("time").is_some() { time } else { Some(ClockTime::MIDNIGHT) };
    let zone = zone(reader, fields);
    Some(WaitUntil::Date { date: date?, every, offset: offset?, time: time?, zone: zone? })
}

fn instant(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<WaitUntil> {
    misplaced(reader, fields, &["time", "weekday", "zone", "every", "offset"], "date");
    reader.required(fields, "at", |reader, node| {
        let text = reader.text(node, "the instant")?;
        let at = text.parse::<Timestamp>();
        if at.is_err() {
            let message =
                format!("`{text}` is no instant; write such as 2027-06-18T00:00:00+08:00");
            reader.error(node.mark, message);
        }
        Some(WaitUntil::At(at.ok()?.as_millisecond()))
    })
}

/// Whose clocks count; the customer's if nothing is said.
fn zone(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<WindowZone> {
    match fields.get("zone") {
        None => Some(WindowZone::Customer),
        Some(_) => reader.optional(fields, "zone", Reader::window_zone),
    }
}

fn misplaced(reader: &mut Reader<'_>, fields: &Fields<'_>, keys: &[&str], home: &str) {
    for (key, node) in keys.iter().filter_map(|key| fields.get(key).map(|node| (key, node))) {
        reader.error(node.mark, format!("`{key}` goes with `{home}` only"));
    }
}
