//! The floor: what the pipeline asks of the database, asked by one loop with every value ready.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use waystation_journey::{
    Background, ChannelFacts, ConnectionFacts, Connections, ContentKind, Customer, Effect,
    Enrollment, Event, Input, Lane, Policy, Program, Purpose, Settled, Winners, World, advance,
    entry,
};
use waystation_store::records::{
    EffectKind, NewEffect, NewEvent, Next, Pass, Portion, Settlement, Subject, Verdict,
};
use waystation_store::{Database, Store};

use super::through::verify;
use super::workload::{ADDRESS, BATCH, CHANNEL, JOURNEY, Workload};

const LIMIT: i64 = BATCH as i64;
const PORTION: Portion = Portion { effects: LIMIT, bytes: i64::MAX, round: 0 };
/// Length of a release's digest in hexadecimal.
const DIGEST: usize = 64;

/// Runs the workload's statements on a database.
pub(crate) async fn time(workload: &Workload, database: &Database) -> anyhow::Result<Duration> {
    let store = Store::open(database).await?;
    workload.store_customers(&store).await?;
    let batches = prepare(&store, workload).await?;
    let release = "0".repeat(DIGEST);
    let started = Instant::now();
    for batch in batches {
        run(&store, batch, &release).await?;
    }
    let elapsed = started.elapsed();
    verify(&store, workload.customers).await?;
    store.close().await;
    Ok(elapsed)
}

/// The values of one batch, in the order in which they are used.
struct Batch {
    now: i64,
    events: Vec<NewEvent>,
    enrolling: Pass,
    verdicts: Vec<(String, Verdict)>,
    settlements: Vec<Settlement>,
    finishing: Pass,
}

async fn run(store: &Store, batch: Batch, release: &str) -> anyhow::Result<()> {
    let Batch { now, events, mut enrolling, verdicts, settlements, finishing } = batch;
    let count = events.len();
    store.take_events(events, now).await?;
    let work = store.work(now, LIMIT, now).await?;
    enrolling.events = work.events.iter().map(|open| open.position).collect();
    ensure!(enrolling.events.len() == count, "not all events are open");
    store.commit(enrolling).await?;
    ensure!(
        store.due_effects(CHANNEL, "unknown", now, PORTION).await?.effects.is_empty(),
        "an effect is unknown"
    );
    ensure!(
        store.due_effects(CHANNEL, "pending", now, PORTION).await?.effects.len() == count,
        "not all effects are due"
    );
    store.attempt(verdicts, release.to_owned(), now).await?;
    store.settle(settlements, now).await?;
    ensure!(
        store.work(now, LIMIT, now).await?.settled.len() == count,
        "not all effects are settled"
    );
    store.commit(finishing).await?;
    Ok(())
}

async fn prepare(store: &Store, workload: &Workload) -> anyhow::Result<Vec<Batch>> {
    let program = Workload::program()?;
    let channel = ChannelFacts { address: ADDRESS.to_owned(), contents: vec![ContentKind::Text] };
    let facts = ConnectionFacts { channel: Some(channel), ..ConnectionFacts::default() };
    let connections = Connections([(CHANNEL.to_owned(), facts)].into());
    let now = 1_750_000_000_000;
    let mut batches = Vec::new();
    for events in workload.events(now) {
        let ids: Vec<String> = events.iter().map(|event| named(event).to_owned()).collect();
        let customers = store.customers(&ids).await?;
        let mut batch = Batch {
            now,
            events: Vec::new(),
            enrolling: Pass { now, ..Pass::default() },
            verdicts: Vec::new(),
            settlements: Vec::new(),
            finishing: Pass { now, ..Pass::default() },
        };
        for event in events {
            let customer = customers.get(named(&event)).context("a customer is not stored")?;
            batch.add(&program, &connections, customer.clone(), &event)?;
            batch.events.push(event);
        }
        batches.push(batch);
    }
    Ok(batches)
}

fn named(event: &NewEvent) -> &str {
    match &event.subject {
        Subject::Customer(id) => id,
        Subject::Identity { value, .. } => value,
    }
}

impl Batch {
    /// Takes one customer through the journey and keeps what would be written on the way.
    fn add(
        &mut self,
        program: &Program,
        connections: &Connections,
        mut customer: Customer,
        event: &NewEvent,
    ) -> anyhow::Result<()> {
        let now = self.now;
        let event = Event {
            id: event.id.clone(),
            source: event.source.clone(),
            name: event.name.clone(),
            customer: customer.id.clone(),
            at: event.at,
            subscription: None,
            properties: event.properties.clone(),
        };
        let key = entry(program, &event, &customer, &[], Background::default(), now)?
            .context("the customer does not enter")?;
        // As long as the engine's, and sorted by time as they are.
        let id = format!("{:0>32}", customer.id.trim_start_matches("customer-"));
        let mut enrollment = Enrollment::new(id, program, 1, key, &event, now);
        let mut world = World {
            customer: &mut customer,
            coupons: &[],
            background: Background::default(),
            connections,
            winners: &Winners::new(),
            policy: &Policy::default(),
            now,
            unsubscribe_url: None,
        };
        let came = advance(program, &mut enrollment, Input::Start, &mut world);
        let effect = came.effects.first().context("the journey sends nothing")?;
        self.enrolling.history.push((
            enrollment.id.clone(),
            enrollment.seq,
            serde_json::to_string(&came.history)?,
        ));
        self.enrolling.effects.push(ledger_row(effect, &enrollment, now)?);
        self.enrolling.enrolled.push(enrollment.clone());
        self.verdicts.push((effect.key().to_owned(), Verdict::Attempt));
        self.settlements.push(accepted(effect.key()));
        let seq = enrollment.seq;
        let input = Input::Settled { key: effect.key(), outcome: &Settled::Accepted };
        let ended = advance(program, &mut enrollment, input, &mut world);
        self.finishing.settled.push(effect.key().to_owned());
        self.finishing.history.push((
            enrollment.id.clone(),
            enrollment.seq,
            serde_json::to_string(&ended.history)?,
        ));
        self.finishing.ended.push(enrollment.id.clone());
        self.finishing.advanced.push((seq, enrollment));
        Ok(())
    }
}

fn ledger_row(effect: &Effect, enrollment: &Enrollment, now: i64) -> anyhow::Result<NewEffect> {
    Ok(NewEffect {
        key: effect.key().to_owned(),
        enrollment: enrollment.id.clone(),
        customer: enrollment.customer.clone(),
        journey: JOURNEY.to_owned(),
        version: enrollment.version,
        step: effect.step().to_owned(),
        kind: EffectKind::Send,
        connection: effect.connection().to_owned(),
        body: serde_json::to_string(effect)?,
        fallback: false,
        rank: 50,
        lane: Lane::ordinary(0),
        tags: Vec::new(),
        marketing: matches!(effect, Effect::Send { purpose: Purpose::Marketing, .. }),
        due_at: now,
        created_at: now,
    })
}

fn accepted(key: &str) -> Settlement {
    Settlement {
        key: key.to_owned(),
        attempt: 1,
        ended: "accepted",
        detail: None,
        asked: false,
        earlier_uncertain: false,
        next: Next::Settled {
            outcome: "accepted",
            reason: None,
            result: None,
            // The plugin gives the key back.
            provider_id: Some(key.to_owned()),
        },
        grant: None,
        revoked: None,
    }
}
