//! A trigger source: brings customers in when something is due.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use waystation_sdk::trigger_source::{Polled, Subscription, Traits, TriggerSource};
use waystation_sdk::{
    Manifest, Permission, Plugin, Problem, clock, export_trigger_source, manifest,
};

mod cursor;
mod poll;
mod rule;
mod zones;

#[cfg(test)]
mod tests;

/// Holidays of one name, and the hours that a late poll looks back, are bounded.
const HOLIDAY_DATES: usize = 100;
const LATE_HOURS: std::ops::RangeInclusive<u32> = 1..=168;

/// What the operator decided.
struct Calendar {
    /// Where no other zone is said.
    zone: TimeZone,
    holidays: BTreeMap<String, Vec<Date>>,
    /// Milliseconds after which what was due is not given any more.
    late: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_zone")]
    zone: String,
    #[serde(default)]
    holidays: BTreeMap<String, Vec<String>>,
    #[serde(default = "default_late_hours")]
    late_hours: u32,
}

fn default_zone() -> String {
    "UTC".to_owned()
}

fn default_late_hours() -> u32 {
    72
}

impl Plugin for Calendar {
    type Config = Config;

    fn manifest() -> Manifest {
        manifest!("Calendar")
            .config_schema(include_str!("../config.schema.json"))
            .needs(Permission::audience("Finds the customers for whom something is due."))
            .needs(Permission::customer_field(
                "zone",
                "Tells when it is nine in the morning there.",
            ))
    }

    fn new(config: Config) -> Result<Self, Problem> {
        let zone = zones::named(&config.zone)
            .ok_or_else(|| Problem::new("/zone", "use a zone's name, such as Asia/Shanghai"))?;
        if !LATE_HOURS.contains(&config.late_hours) {
            return Err(Problem::new("/late_hours", "use 1 to 168 hours"));
        }
        let mut holidays = BTreeMap::new();
        for (name, dates) in config.holidays {
            let read = dates.iter().enumerate().map(|(index, date)| {
                let place = format!("/holidays/{name}/{index}");
                date.parse().map_err(|_| Problem::new(place, "use a date such as 2027-02-06"))
            });
            let dates = read.collect::<Result<Vec<Date>, _>>()?;
            if dates.len() > HOLIDAY_DATES {
                let place = format!("/holidays/{name}");
                return Err(Problem::new(place, "a holiday has at most 100 dates"));
            }
            holidays.insert(name, dates);
        }
        let late = i64::from(config.late_hours) * 3_600_000;
        Ok(Calendar { zone, holidays, late })
    }
}

impl TriggerSource for Calendar {
    fn traits(&self) -> Traits {
        Traits::polls()
            .subscription_schema(include_str!("../subscription.schema.json"))
            .event_names(&[rule::DUE, rule::INACTIVE])
    }

    fn poll(
        &self,
        subscriptions: Vec<Subscription>,
        cursor: Option<String>,
    ) -> Result<Polled, String> {
        poll::Poll::new(self, &poll::Host, clock::now()).run(&subscriptions, cursor.as_deref())
    }
}

export_trigger_source!(Calendar);
