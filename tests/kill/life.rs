//! One life of a host: from the start of its process until it is dead.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::database::Outages;
use super::host::{Api, Host, Started};
use super::plan::Death;
use super::releases::{Releases, swap};

/// How it is to go.
pub(crate) struct Life {
    /// Before the process is started.
    pub(crate) pause: Duration,
    pub(crate) death: Death,
    /// What is set up in the process.
    pub(crate) faults: String,
    /// How long after it began to listen it is killed from outside, if it has not reached its place by then.
    pub(crate) time: Duration,
    /// How long a thread stays at its place before that.
    pub(crate) stay: Duration,
    /// Whether releases are swapped at this host.
    pub(crate) swap: Option<(Api, Releases)>,
    /// Kills it at once, when it is told or dropped.
    pub(crate) told: oneshot::Receiver<()>,
    pub(crate) outages: Outages,
}

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// Where the process died; none if it was killed wherever it was.
    pub(crate) place: Option<String>,
    /// How long it took to listen, if it did.
    pub(crate) start: Option<Duration>,
    pub(crate) swapped: bool,
    /// It was not killed: it gave up before it listened, for a reason that the test made.
    pub(crate) gave_up: bool,
}

impl Life {
    /// Lives it to the end; the host's process is dead then.
    ///
    /// # Errors
    /// If the process ends for no reason that was made.
    pub(crate) async fn live(mut self, host: &mut Host) -> anyhow::Result<End> {
        let mut end = End::default();
        let lived = self.until_death(host, &mut end).await;
        host.kill().await?;
        lived.map(|()| end)
    }

    async fn until_death(&mut self, host: &mut Host, end: &mut End) -> anyhow::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(self.pause) => {}
            _ = &mut self.told => return Ok(()),
        }
        self.outages.look();
        let started = Instant::now();
        let after = match self.death {
            Death::After(life) => life,
            Death::At { .. } => Duration::MAX,
        };
        let listens = tokio::select! {
            listens = host.start(&self.faults) => listens?,
            () = tokio::time::sleep(after) => return Ok(()),
            _ = &mut self.told => return Ok(()),
        };
        match listens {
            Started::Listens { .. } => end.start = Some(started.elapsed()),
            Started::Died { place: Some(place) } => end.place = Some(place),
            // Without a database there is no start.
            Started::Died { place: None } if self.outages.been_away() => end.gave_up = true,
            // A planted error may keep it from starting.
            Started::Died { place: None } if self.faults.contains('%') => {}
            Started::Died { place: None } => bail!("the server ended before it listened"),
        }
        if end.start.is_some() {
            let kill_at = match self.death {
                Death::After(life) => started + life,
                Death::At { .. } => Instant::now() + self.time,
            };
            end.place = self.work(host, kill_at, &mut end.swapped).await?;
        }
        if let Death::At { stays: true, .. } = self.death
            && end.place.is_some()
        {
            // The others go on meanwhile, while this thread does not.
            tokio::time::sleep(self.stay).await;
        }
        Ok(())
    }

    /// Until it reaches its place, which is given, or its time is up.
    async fn work(
        &mut self,
        host: &mut Host,
        kill_at: Instant,
        swapped: &mut bool,
    ) -> anyhow::Result<Option<String>> {
        let url = host.url("");
        let swapping = async {
            if let Some((api, releases)) = &self.swap {
                *swapped = swap(api, &url, releases).await;
            }
            std::future::pending::<()>().await;
        };
        let time = async {
            tokio::time::sleep_until(kill_at).await;
            self.outages.sit_out().await;
        };
        tokio::select! {
            reached = host.reached() => reached?.map(Some).context("the server ended by itself"),
            () = time => Ok(None),
            _ = &mut self.told => Ok(None),
            () = swapping => Ok(None),
        }
    }
}
