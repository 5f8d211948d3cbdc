//! Time as people keep it: what happens at clock changes, on leap days and on holidays.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod holidays;
mod properties;
mod times;
mod windows;

use waystation_journey::Zone;

/// The instant of a time with its offset, such as `2026-03-29T01:30:00+01:00`.
#[track_caller]
fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .as_millisecond()
}

/// An instant as clocks of a zone show it, with the offset.
fn shown(at: i64, zone: &Zone) -> String {
    let zone = jiff::tz::TimeZone::get(zone.name()).unwrap();
    let local = jiff::Timestamp::from_millisecond(at).unwrap().to_zoned(zone);
    local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap_or_else(|| panic!("there is no zone {name}"))
}
