//! The journeys in use, compiled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

use serde_json::Value;
use waystation_journey::{
    COUPON_EXPIRING, Event, HOST_SOURCE, JOURNEY_ENROLL, JOURNEY_FINISHED, Lane, Program, Purpose,
    SEGMENT_ENTERED, Segments, Subscription, TAG_ADDED, Winners, compile,
};
use waystation_store::records::{JourneyRow, JourneyVersion, NewEvent, SplitWinner};

use crate::error::EngineError;

/// What the host tells of itself, if somebody listens.
const HOST_EVENTS: [&str; 4] = [COUPON_EXPIRING, JOURNEY_FINISHED, SEGMENT_ENTERED, TAG_ADDED];

/// A compiled version.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) version: i64,
    pub(crate) program: Arc<Program>,
}

/// The journeys as of one moment; a pass works on one such picture.
#[derive(Default, Clone)]
pub(crate) struct Picture {
    versions: HashMap<String, BTreeMap<i64, Arc<Program>>>,
    live: BTreeMap<String, Version>,
    /// By journey.
    winners: HashMap<String, Winners>,
    /// Journeys that customers enter by an event of this name.
    entries: HashMap<String, BTreeSet<String>>,
    /// The host's own events that a journey is entered by or listens to.
    told: BTreeSet<&'static str>,
    /// Journeys whose timers and effects wait.
    paused: BTreeSet<String>,
    /// Every journey's lane while it is transactional, and while it is not, in the order they became known.
    urgent_lanes: HashMap<String, Lane>,
    ordinary_lanes: HashMap<String, Lane>,
    /// Live transactional journeys by the events that they are entered by or listen to.
    urgent: HashMap<String, BTreeSet<String>>,
    /// The workspace's segments.
    pub(crate) segments: Arc<Segments>,
    /// Longest time after enrollment that a goal may still be reached.
    pub(crate) goal_window: i64,
}

impl Picture {
    /// The splits of a journey that are decided.
    pub(crate) fn winners(&self, journey: &str) -> &Winners {
        static NONE: Winners = Winners::new();
        self.winners.get(journey).unwrap_or(&NONE)
    }

    /// Whether nothing of a journey's own is due for the present.
    pub(crate) fn is_paused(&self, journey: &str) -> bool {
        self.paused.contains(journey)
    }

    /// The versions that new customers enter, by journey.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Version> {
        self.live.values()
    }

    /// All versions of a journey.
    pub(crate) fn versions(&self, journey: &str) -> impl Iterator<Item = (i64, &Arc<Program>)> {
        self.versions.get(journey).into_iter().flatten().map(|(number, program)| (*number, program))
    }

    /// All versions of all journeys.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Arc<Program>> {
        self.versions.values().flat_map(BTreeMap::values)
    }

    pub(crate) fn program(&self, journey: &str, version: i64) -> Option<&Arc<Program>> {
        self.versions.get(journey)?.get(&version)
    }

    /// Live versions that customers may enter by this event.
    pub(crate) fn entered_by<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a Version> {
        let subscriber = event.subscriber();
        let by_name = subscriber.is_none().then(|| self.entries.get(&event.name)).flatten();
        let by_name = by_name.into_iter().flatten().map(String::as_str);
        // By hand too a customer enters a journey once, whatever its rule says.
        let named = subscriber.or_else(|| {
            event.enrolls_in().filter(|journey| !self.enters_by_name(journey, &event.name))
        });
        by_name.chain(named).filter_map(|name| self.live.get(name))
    }

    fn enters_by_name(&self, journey: &str, event: &str) -> bool {
        self.entries.get(event).is_some_and(|names| names.contains(journey))
    }

    /// With which others a journey shares the host's time.
    pub(crate) fn lane(&self, program: &Program) -> Lane {
        let lanes = match program.purpose() {
            Purpose::Transactional => &self.urgent_lanes,
            Purpose::Marketing => &self.ordinary_lanes,
        };
        lanes.get(program.name()).copied().unwrap_or_default()
    }

    /// Puts an event into the lane of its journey, if it concerns one alone, or of a live transactional journey that such
    /// events set going. All others stay in the lane that they have.
    pub(crate) fn put_in_lane(&self, event: &mut NewEvent) {
        let journey = match event.subscription.as_deref() {
            Some(subscription) => subscription.split('/').next(),
            None if event.source == HOST_SOURCE && event.name == JOURNEY_ENROLL => {
                event.properties.get("journey").and_then(Value::as_str)
            }
            None => self.urgent.get(&event.name).and_then(BTreeSet::first).map(String::as_str),
        };
        if let Some(version) = journey.and_then(|journey| self.live.get(journey)) {
            event.lane = self.lane(&version.program);
        }
    }

    /// The lanes in which the events wait that answer these subscriptions.
    pub(crate) fn lanes_of<'a>(
        &self,
        subscriptions: impl Iterator<Item = &'a str>,
    ) -> BTreeSet<Lane> {
        let journeys = subscriptions.filter_map(|subscription| subscription.split('/').next());
        let live = journeys.filter_map(|journey| self.live.get(journey));
        live.map(|version| self.lane(&version.program)).collect()
    }

    /// Whether anybody wants to be told of this event of the host's own. Others are not given.
    pub(crate) fn tells(&self, event: &str) -> bool {
        self.told.contains(event)
    }

    /// The segments whose newcomers live journeys want to be told of.
    pub(crate) fn watched_segments(&self) -> BTreeSet<String> {
        self.live.values().flat_map(|version| version.program.watched_segments()).collect()
    }

    /// Whether customers can enter a journey.
    pub(crate) fn is_live(&self, journey: &str) -> bool {
        self.live.contains_key(journey)
    }

    /// What live journeys ask of trigger sources.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = Subscription<'_>> {
        self.live.values().filter_map(|version| version.program.subscription())
    }

    /// The live versions whose conditions ask for a segment themselves.
    pub(crate) fn asking_for(&self, segment: &str) -> impl Iterator<Item = &Program> {
        let live = self.live.values().map(|version| &*version.program);
        live.filter(move |program| program.needs().segments.contains(segment))
    }

    pub(crate) fn add(&mut self, version: i64, program: Arc<Program>, live: bool) {
        let name = program.name().to_owned();
        self.told.extend(HOST_EVENTS.iter().filter(|name| {
            program.entry_event() == Some(**name)
                || program.listens_to(name)
                || program.needs().events.contains_key(**name)
        }));
        self.goal_window = self.goal_window.max(program.goal_within().unwrap_or(0));
        self.versions.entry(name.clone()).or_default().insert(version, Arc::clone(&program));
        match program.purpose() {
            Purpose::Transactional => {
                let next = Lane::urgent(self.urgent_lanes.len());
                self.urgent_lanes.entry(name.clone()).or_insert(next);
            }
            Purpose::Marketing => {
                let next = Lane::ordinary(self.ordinary_lanes.len());
                self.ordinary_lanes.entry(name.clone()).or_insert(next);
            }
        }
        if live {
            self.close(&name);
            if let Some(event) = program.entry_event() {
                self.entries.entry(event.to_owned()).or_default().insert(name.clone());
            }
            if program.purpose() == Purpose::Transactional {
                for event in program.events().into_iter().chain(program.entry_event()) {
                    self.urgent.entry(event.to_owned()).or_default().insert(name.clone());
                }
            }
            self.live.insert(name, Version { version, program });
        }
    }

    /// Nobody enters the journey any more.
    fn close(&mut self, journey: &str) {
        for names in self.entries.values_mut().chain(self.urgent.values_mut()) {
            names.remove(journey);
        }
        self.live.remove(journey);
    }
}

/// Whether customers enter a journey, and whether those inside go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Customers enter this version.
    Open(i64),
    /// Nobody enters, and those inside wait.
    Paused,
    /// Nobody enters; those inside go on.
    Closed,
}

/// The journeys in use, replaced as a whole when one changes.
#[derive(Default)]
pub(crate) struct Programs(RwLock<Arc<Picture>>);

impl Programs {
    pub(crate) fn picture(&self) -> Arc<Picture> {
        self.0.read().map(|picture| Arc::clone(&picture)).unwrap_or_default()
    }

    /// Changes a copy of the picture and puts it in place of the present one.
    fn change(&self, change: impl FnOnce(&mut Picture)) {
        if let Ok(mut picture) = self.0.write() {
            let mut next = Picture::clone(&picture);
            change(&mut next);
            *picture = Arc::new(next);
        }
    }

    /// Puts what the store holds in place of the present picture. Versions that are compiled are not compiled again.
    pub(crate) fn load(
        &self,
        segments: Segments,
        journeys: &[JourneyRow],
        versions: Vec<JourneyVersion>,
        winners: Vec<SplitWinner>,
    ) -> Result<(), EngineError> {
        let present = self.picture();
        let rows: HashMap<&str, &JourneyRow> =
            journeys.iter().map(|row| (row.name.as_str(), row)).collect();
        let compiled = |JourneyVersion { journey, version, source }| {
            let row = rows.get(journey.as_str());
            let live = row.is_some_and(|row| row.live_version == version && row.state == "live");
            if let Some(program) = present.program(&journey, version) {
                return Ok((version, Arc::clone(program), live));
            }
            let checked = compile(&source);
            let program = checked.program.ok_or_else(|| {
                let problems: Vec<String> =
                    checked.problems.iter().map(ToString::to_string).collect();
                EngineError::Invalid(format!(
                    "version {version} of journey {journey} in the database is not understood by this server; start the \
                     release that it was applied with, or a newer one ({})",
                    problems.join("; ")
                ))
            })?;
            Ok((version, Arc::new(program), live))
        };
        let programs =
            versions.into_iter().map(compiled).collect::<Result<Vec<_>, EngineError>>()?;
        let mut next = Picture { segments: Arc::new(segments), ..Picture::default() };
        for (version, program, live) in programs {
            next.add(version, program, live);
        }
        let paused = journeys.iter().filter(|row| row.state == "paused");
        next.paused.extend(paused.map(|row| row.name.clone()));
        for winner in winners {
            next.winners.entry(winner.journey).or_default().insert(winner.split, winner.arm);
        }
        self.change(|picture| *picture = next);
        Ok(())
    }

    /// Opens a journey, or closes it.
    pub(crate) fn stand(&self, journey: &str, standing: Standing) {
        self.change(|picture| {
            picture.close(journey);
            picture.paused.remove(journey);
            match standing {
                Standing::Closed => {}
                Standing::Paused => {
                    picture.paused.insert(journey.to_owned());
                }
                Standing::Open(version) => {
                    if let Some(program) = picture.program(journey, version).cloned() {
                        picture.add(version, program, true);
                    }
                }
            }
        });
    }

    /// Everybody who reaches the split from now on gets this arm.
    pub(crate) fn put_winner(&self, journey: &str, split: &str, arm: &str) {
        self.change(|picture| {
            let winners = picture.winners.entry(journey.to_owned()).or_default();
            winners.insert(split.to_owned(), arm.to_owned());
        });
    }

    /// Puts other segments in place of those known.
    pub(crate) fn put_segments(&self, segments: Segments) {
        self.change(|picture| picture.segments = Arc::new(segments));
    }

    pub(crate) fn put(&self, version: i64, program: Arc<Program>, live: bool) {
        self.change(|picture| picture.add(version, program, live));
    }
}
