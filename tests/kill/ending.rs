//! The end of a run: everyone is brought to the end, and what came of it is judged.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::host::{Host, Started};
use super::journeys::{BESIDE, JOURNEYS, NOTICED};
use super::oracle::{self, Workspace};
use super::run::Run;
use super::{Outcome, polls, releases};

/// Pause between two looks whether everyone is there.
const LOOK: Duration = Duration::from_millis(250);
/// Time for which it is away the last time, and then all servers must come back to it by themselves.
const LAST_OUTAGE: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Brings everyone to the end and judges.
    pub(super) async fn finish(&mut self) -> anyhow::Result<Outcome> {
        self.provider.calm_down();
        let mut hosts = self.gather().await?;
        let started = Instant::now();
        for host in &mut hosts {
            let began = host.start("").await?;
            ensure!(matches!(began, Started::Listens { .. }), "a last server does not listen");
        }
        self.add_customers();
        if let Some(database) = &mut self.database
            && self.options.cluster.is_some_and(|cluster| cluster.database_kills > 0)
        {
            // Nobody starts these hosts again.
            database.strike(Duration::ZERO, LAST_OUTAGE);
            self.database_kills += 1;
            self.kills += 1;
        }
        let urls = self.urls();
        tokio::time::timeout(self.options.patience, self.load.send(&urls))
            .await
            .context("the last events were not acknowledged in time")?;
        if let Some(database) = &mut self.database {
            database.settled().await?;
        }
        let left = self.until_all_is_done(started).await;
        let finish = started.elapsed();
        (self.options.progress)(&format!(
            "{:.1} s after the last start, {}; judging",
            finish.as_secs_f64(),
            left.as_deref().unwrap_or("everyone is at the end"),
        ));
        for host in &mut hosts {
            ensure!(host.is_alive()?, "a server ended by itself");
        }
        let several = match self.seats.len() {
            1 => None,
            _ => polls::until_one_host_polls(self.provider.news()).await,
        };
        let workspace = Workspace::read(&self.api, &urls[0], self.load.customers()).await?;
        let mut verdict = oracle::judge(&workspace, &self.provider.journal(), &self.times)?;
        verdict.lost.extend(left.map(|left| format!("not at the end in time: {left}")));
        polls::judge(&self.provider.news().told(), self.seats.len(), &mut verdict);
        verdict.off_model.extend(several);
        releases::judge(&self.api, &urls[0], self.swaps, &mut verdict).await?;
        for host in &mut hosts {
            host.kill().await?;
        }
        self.starts.sort_unstable();
        ensure!(
            self.starts.len() * 3 >= self.kills as usize,
            "a server listened only {} times in {} kills",
            self.starts.len(),
            self.kills
        );
        Ok(Outcome {
            kills: self.kills,
            database_kills: self.database_kills,
            takeovers: self.takeovers,
            places: self.plan.kills.clone(),
            missing: self.plan.missing(),
            events: self.load.acknowledged,
            failed_requests: self.load.failed_requests,
            swaps: self.swaps,
            start: self.starts.get(self.starts.len() / 2).copied().unwrap_or_default(),
            finish,
            verdict,
        })
    }

    /// Ends every life, and gives the hosts.
    async fn gather(&mut self) -> anyhow::Result<Vec<Host>> {
        for seat in &mut self.seats {
            seat.tell = None;
        }
        while let Some(ended) = self.lives.join_next().await {
            let (number, host, end) = ended?;
            let end = end?;
            self.starts.extend(end.start);
            self.swaps += usize::from(end.swapped);
            self.seats[number].host = Some(host);
        }
        if let Some(database) = &mut self.database {
            database.settled().await?;
        }
        self.seats.iter_mut().map(|seat| seat.host.take().context("a host")).collect()
    }

    /// Waits until nobody is on the way and the ledger has nothing open; gives what is left when patience ends.
    async fn until_all_is_done(&self, started: Instant) -> Option<String> {
        loop {
            // Where the database was killed, a server may need a moment before it answers again.
            let left = self.left().await.unwrap_or_else(|error| Some(format!("{error:#}")));
            if left.is_none() || started.elapsed() > self.options.patience {
                return left;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is still under way, in words.
    async fn left(&self) -> anyhow::Result<Option<String>> {
        let url = |path: &str| format!("{}{path}", self.seats[0].url);
        for journey in JOURNEYS.iter().chain(BESIDE) {
            let detail = self.api.get(url(&format!("/v1/journeys/{}", journey.name))).await?;
            let active = detail["enrollments"]["active"].as_i64().unwrap_or(0);
            if active > 0 {
                return Ok(Some(format!("{active} are on the way in {}", journey.name)));
            }
            let ended = detail["enrollments"]["finished"].as_i64().unwrap_or(0);
            let all = self.load.customers();
            if journey.name == NOTICED.name && ended < i64::try_from(all)? {
                return Ok(Some(format!("of {all} polled events {ended} came to their end")));
            }
        }
        let deliveries = self.api.list(&url("/v1/deliveries"), "key").await?;
        let open: Vec<&Value> = deliveries.iter().filter(|one| one["phase"] != "done").collect();
        if let Some(one) = open.first() {
            return Ok(Some(format!("{} effects are open, such as {one}", open.len())));
        }
        if self.database.is_none() {
            return Ok(None);
        }
        for seat in &self.seats {
            let hosts = self.api.get(format!("{}/v1/hosts", seat.url)).await?;
            let hosts = hosts.as_array().context("a list of hosts")?;
            let shards: i64 = hosts.iter().filter_map(|host| host["shards"].as_i64()).sum();
            if hosts.len() != self.seats.len() || shards != 64 {
                let said = Value::from(hosts.clone());
                return Ok(Some(format!(
                    "not every host works, or not for every customer: {said}"
                )));
            }
        }
        Ok(None)
    }
}
