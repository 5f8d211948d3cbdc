//! Customers and their events, sent over HTTP until they are acknowledged, whatever becomes of the server meanwhile.
//!
//! What was not acknowledged is sent again, under the same identifier. Of one customer, nothing is sent before what comes
//! before it was acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::host::{Api, Body};
use super::journeys::{customer, events, noticed};
use super::provider::News;
use super::random::Random;

/// Most events in one request.
const BATCH: u64 = 24;
/// How long an answer is waited for, before the request goes to whichever host comes next.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after a request that failed.
const PAUSE: Duration = Duration::from_millis(5);

/// What is still to be sent.
pub(crate) struct Load {
    api: Api,
    news: News,
    random: Random,
    /// Customers that are not stored yet, and what is noticed of each.
    new: Vec<(Value, Value)>,
    /// What each stored customer still gets, oldest first.
    open: Vec<VecDeque<Value>>,
    next: usize,
    pub(crate) acknowledged: usize,
    pub(crate) failed_requests: usize,
}

impl Load {
    /// What is noticed of customers, once they are stored, is added to `news`.
    pub(crate) fn new(api: Api, news: News, random: Random) -> Self {
        let (new, open) = (Vec::new(), Vec::new());
        Self { api, news, random, new, open, next: 0, acknowledged: 0, failed_requests: 0 }
    }

    /// Adds so many customers, whose events happened at `at`.
    pub(crate) fn add(&mut self, customers: usize, at: i64) {
        for number in self.next..self.next + customers {
            self.new.push((customer(number), noticed(number, at)));
            self.open.push(events(number, at).into());
        }
        self.next += customers;
    }

    /// Customers so far.
    pub(crate) fn customers(&self) -> usize {
        self.next
    }

    /// Sends until all is acknowledged; does not give up. `urls` are the hosts' addresses, of which each request goes to one.
    pub(crate) async fn send(&mut self, urls: &[String]) {
        while !self.new.is_empty() || !self.open.is_empty() {
            let place = self.random.below(urls.len() as u64) as usize;
            let sent = if self.new.is_empty() {
                self.send_events(&urls[place]).await
            } else {
                self.send_customers(&urls[place]).await
            };
            if !sent {
                self.failed_requests += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// The status of the answer, if there is one.
    async fn post(&self, url: String, body: Body) -> Option<u16> {
        let answer = self.api.attempt(Method::POST, url, body);
        let answer = tokio::time::timeout(PATIENCE, answer).await.ok()?;
        answer.ok().map(|(status, _)| status.as_u16())
    }

    async fn send_customers(&mut self, url: &str) -> bool {
        let body = Body::Json(self.new.iter().take(1000).map(|(one, _)| one.clone()).collect());
        let url = format!("{url}/v1/customers");
        let answer = self.post(url, body).await;
        let stored = answer == Some(204);
        if stored {
            let stored = self.new.drain(..self.new.len().min(1000));
            self.news.add(stored.map(|(_, noticed)| noticed));
        }
        stored
    }

    /// One event of each of some customers.
    async fn send_events(&mut self, url: &str) -> bool {
        let count = (self.random.below(BATCH) as usize + 1).min(self.open.len());
        let first = self.random.below(self.open.len() as u64) as usize;
        let chosen: Vec<usize> =
            (first..first + count).map(|place| place % self.open.len()).collect();
        let events: Vec<Value> =
            chosen.iter().filter_map(|place| self.open[*place].front().cloned()).collect();
        let url = format!("{url}/v1/events");
        let body = if let [one] = &events[..] { one.clone() } else { events.into() };
        if self.post(url, Body::Json(body)).await != Some(202) {
            return false;
        }
        for place in &chosen {
            self.open[*place].pop_front();
        }
        self.acknowledged += count;
        self.open.retain(|events| !events.is_empty());
        true
    }
}
