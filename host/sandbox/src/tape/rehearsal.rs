//! Calling a release with the outside stubbed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Exchange, Player, Recording, Tape, json,
    player::{Granted, secret},
};
use crate::{
    Connection, Kind, Release, Sandbox, SandboxError, SecretValue, Settings,
    contract::{plugin::Problem, types::HttpRequest},
    error::CallError,
};

/// Longest time of a call: what took longer when it was recorded waited for the outside, which answers at once here.
const WALL_TIME: Duration = Duration::from_secs(5);

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// As the recording has it for the same request.
    Exact,
    /// As the recording has it for another request to the same place.
    Loose,
    /// It is not in the recording.
    None,
}

/// What a rehearsed call asked of the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What was asked and answered, with markers in the place of secrets.
    pub exchange: Exchange,
    /// How it was answered.
    pub matched: Match,
}

/// A recorded call, made again.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// What the release answered, as a recording has it.
    pub output: Value,
    /// What it asked for, in order; without the configuration, the clock, randomness and placeholders.
    pub requests: Vec<Request>,
}

/// A release that is called with the outside stubbed. It has no grant and no secret, so that nothing of what it does can
/// reach anybody; what it asks for is answered from recordings. The same calls have the same answers every time.
#[derive(Debug)]
pub struct Rehearsal {
    connection: Connection,
    granted: Granted,
}

impl Rehearsal {
    /// Prepares a release with the settings of a connection. Of secrets only the names count.
    ///
    /// # Errors
    /// [`SandboxError::Settings`] if they are out of bounds.
    pub fn new(
        sandbox: Arc<Sandbox>,
        release: Arc<Release>,
        mut settings: Settings,
    ) -> Result<Self, SandboxError> {
        let granted = Granted {
            http: settings.http.take().is_some(),
            mail: settings.mail.take().is_some(),
            pools: settings.codes.take().map(|grant| grant.pools).unwrap_or_default(),
            store: settings.store.take().is_some(),
            audience: settings.audience.take().is_some(),
            secrets: settings.secrets.keys().cloned().collect(),
        };
        settings.recorder = None;
        // What a rehearsed plugin says is not what happened.
        settings.limits.log_lines = 0;
        settings.limits.wall_time = settings.limits.wall_time.min(WALL_TIME);
        settings.clock = Arc::new(|| 0);
        for (name, value) in &mut settings.secrets {
            *value = SecretValue::new(secret(name));
        }
        Ok(Self { connection: Connection::new(sandbox, release, settings)?, granted })
    }

    /// The release.
    #[must_use]
    pub fn release(&self) -> &Arc<Release> {
        self.connection.release()
    }

    /// What the plugin says of its configuration. A plugin that asks its provider finds nobody there.
    ///
    /// # Errors
    /// [`CallError`] if there is no answer.
    pub async fn check(&self) -> Result<Result<(), Vec<Problem>>, CallError> {
        let nothing = Recording {
            function: "plugin.check".to_owned(),
            release: String::new(),
            at: 0,
            input: Value::Null,
            exchanges: Vec::new(),
            output: Value::Null,
        };
        self.connection.check_on(&self.tape(&nothing, None)).await
    }

    /// The traits of each kind that the plugin is of, or why they are not known.
    pub async fn traits(&self) -> BTreeMap<Kind, Value> {
        let mut traits = BTreeMap::new();
        for kind in self.release().kinds() {
            let answer = match kind {
                Kind::Channel => shown(self.connection.channel_traits().await),
                Kind::Coupon => shown(self.connection.coupon_traits().await),
                Kind::Action => shown(self.connection.action_traits().await),
                Kind::TriggerSource => shown(self.connection.trigger_source_traits().await),
            };
            traits.insert(*kind, answer);
        }
        traits
    }

    /// Makes a recorded call again. `known` is how another release performed it, so that both are answered the same where
    /// the other one's requests differ from the recorded ones; without it a request that the recording does not have is
    /// answered with what it has for the same destination.
    ///
    /// # Errors
    /// Why the recording cannot be played: it was damaged, or written by a newer version.
    pub async fn play(
        &self,
        recording: &Recording,
        known: Option<&Performance>,
    ) -> Result<Performance, String> {
        let tape = self.tape(recording, known);
        let input = tape.player().map(|player| player.expanded(&recording.input));
        let output = self.call(&recording.function, input.unwrap_or_default(), &tape).await?;
        let Some(mut player) = tape.player() else { return Err("the stub is gone".to_owned()) };
        Ok(Performance { output: player.marked(&output), requests: player.take_made() })
    }

    fn tape(&self, recording: &Recording, known: Option<&Performance>) -> Tape {
        let known = known.map(|performance| performance.requests.as_slice());
        let player = Player::new(recording, self.granted.clone(), known);
        Tape::Replaying(Arc::new(Mutex::new(player)))
    }

    async fn call(&self, function: &str, input: Value, tape: &Tape) -> Result<Value, String> {
        let plugin = &self.connection;
        Ok(match function {
            "channel.send" => written(&plugin.send_on(&read::<Vec<_>>(input)?, tape).await.0),
            "channel.find" => {
                written(&plugin.find_messages_on(&read::<Vec<_>>(input)?, tape).await)
            }
            "channel.receive" => {
                let request: HttpRequest = read(input)?;
                shown(plugin.receive_reports_on(&request, tape).await)
            }
            "coupon.issue" => written(&plugin.issue_on(&read::<Vec<_>>(input)?, tape).await.0),
            "coupon.revoke" => written(&plugin.revoke_on(&read::<Vec<_>>(input)?, tape).await.0),
            "coupon.find" => written(&plugin.find_grants_on(&read::<Vec<_>>(input)?, tape).await),
            "action.run" => written(&plugin.run_on(&read::<Vec<_>>(input)?, tape).await.0),
            "trigger-source.receive" => {
                let (request, subscriptions): (HttpRequest, Vec<_>) = read(input)?;
                shown(plugin.receive_on(&request, &subscriptions, tape).await)
            }
            "trigger-source.poll" => {
                let (subscriptions, cursor): (Vec<_>, Option<String>) = read(input)?;
                shown(plugin.poll_on(&subscriptions, cursor.as_deref(), tape).await)
            }
            "plugin.check" => shown(plugin.check_on(tape).await),
            other => return Err(format!("there is no function {other}")),
        })
    }
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, String> {
    json::record(input)
}

fn written<T: Serialize>(answer: &T) -> Value {
    json::value(answer, usize::MAX / 4).unwrap_or_default()
}

/// An answer, or the error as text.
fn shown<T: Serialize>(answer: Result<T, CallError>) -> Value {
    written(&answer.map_err(|error| error.to_string()))
}
