//! An action that asks a recommendation service what suits a customer.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use waystation_sdk::action::{Action, Call, Traits};
use waystation_sdk::http::{self, HttpRequest, HttpResponse, Verdict};
use waystation_sdk::{
    Failure, Manifest, Permission, Plugin, Problem, clock, export_action, manifest, secrets,
};

mod cache;

/// Requests carry this secret.
const TOKEN: &str = "token";

/// How long to wait where the service does not say.
const PAUSE: Duration = Duration::from_secs(60);

/// Largest result in bytes of JSON, as the contract has it.
const MAX_RESULT: usize = 64 * 1024;

/// Any parameters.
const ANY: &str = r#"{"type":"object"}"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: String,
    #[serde(default)]
    authorization: Authorization,
    #[serde(default)]
    pointer: String,
    #[serde(default = "hundred")]
    limit: usize,
    parameters_schema: Option<Map<String, Value>>,
    #[serde(default = "hundred_calls")]
    max_batch: u32,
    #[serde(default)]
    cache_seconds: u64,
}

/// How the service knows who asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Authorization {
    #[default]
    Bearer,
    None,
}

fn hundred() -> usize {
    100
}

fn hundred_calls() -> u32 {
    100
}

struct Recommend(Config);

impl Plugin for Recommend {
    type Config = Config;

    fn manifest() -> Manifest {
        manifest!("Recommendations over HTTP")
            .config_schema(include_str!("../config.schema.json"))
            .needs(Permission::http("", "Asks the service that you configure."))
            .needs(Permission::secret(TOKEN, "Shows the service who asks; may be left out."))
            .needs(Permission::store("Keeps answers for a while, if you configure that."))
    }

    fn new(config: Config) -> Result<Self, Problem> {
        http::check_url(&config.url).map_err(|fault| Problem::new("/url", fault))?;
        if !config.pointer.is_empty() && !config.pointer.starts_with('/') {
            return Err(Problem::new("/pointer", "write a JSON Pointer such as /data/items"));
        }
        Ok(Recommend(config))
    }

    fn check(&self) -> Result<(), Vec<Problem>> {
        let token = (self.0.authorization == Authorization::Bearer)
            .then(|| secrets::placeholder(TOKEN).err())
            .flatten()
            .map(|error| secrets::problem(TOKEN, error));
        let cache = (self.0.cache_seconds > 0).then(cache::problem).flatten();
        let problems: Vec<Problem> = token.into_iter().chain(cache).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl Action for Recommend {
    fn traits(&self) -> Traits {
        let schema = self.0.parameters_schema.clone().map(Value::Object);
        Traits::without_effect()
            .max_batch(self.0.max_batch)
            .parameters_schema(schema.map_or_else(|| ANY.to_owned(), |schema| schema.to_string()))
    }

    /// All at once, but for what is known already.
    fn run(&self, calls: Vec<Call>) -> Vec<Result<Value, Failure>> {
        let now = clock::now();
        let asked: Vec<Result<String, Failure>> = calls.iter().map(body).collect();
        let bodies: Vec<&str> = asked.iter().flatten().map(String::as_str).collect();
        let cached = if self.0.cache_seconds > 0 {
            cache::find(&bodies, now)
        } else {
            vec![None; bodies.len()]
        };
        let unknown = bodies.iter().zip(&cached).filter(|(_, known)| known.is_none());
        let unknown: Vec<&str> = unknown.map(|(body, _)| *body).collect();
        let fresh = match self.requests(&unknown) {
            Ok(requests) => {
                let answers = http::send_all(&requests).into_iter();
                answers.map(|answer| self.result(&answer?, now)).collect()
            }
            Err(failure) => vec![Err(failure); unknown.len()],
        };
        if self.0.cache_seconds > 0 {
            let found = unknown.iter().zip(&fresh);
            let found = found.filter_map(|(body, result)| Some((*body, result.as_ref().ok()?)));
            cache::keep(found, now + self.0.cache_seconds * 1000);
        }
        let mut fresh = fresh.into_iter();
        let missing = || Err(Failure::unknown("no answer"));
        let mut answers = cached
            .into_iter()
            .map(|known| known.map_or_else(|| fresh.next().unwrap_or_else(missing), Ok));
        asked
            .into_iter()
            .map(|body| body.and_then(|_| answers.next().unwrap_or_else(missing)))
            .collect()
    }
}

impl Recommend {
    fn requests(&self, bodies: &[&str]) -> Result<Vec<HttpRequest>, Failure> {
        let token = match self.0.authorization {
            Authorization::Bearer if !bodies.is_empty() => Some(secrets::placeholder(TOKEN)?),
            Authorization::Bearer | Authorization::None => None,
        };
        let request = |body: &&str| {
            let request = HttpRequest::post(&self.0.url)
                .with_header("content-type", "application/json")
                .with_header("accept", "application/json")
                .with_body(*body);
            match &token {
                Some(token) => request.with_header("authorization", format!("Bearer {token}")),
                None => request,
            }
        };
        Ok(bodies.iter().map(request).collect())
    }

    /// Asking changes nothing: whatever the service failed at, nothing was done, and it may be asked again.
    fn result(&self, response: &HttpResponse, now: u64) -> Result<Value, Failure> {
        let status = response.status;
        match Verdict::of(status) {
            Verdict::Accepted => self.part(response),
            Verdict::Refused | Verdict::RefusedAccount => {
                Err(Failure::refused(format!("status {status}: {}", response.excerpt())))
            }
            Verdict::Deferred | Verdict::Unknown => Err(Failure::deferred(
                response.retry_after(now).unwrap_or(PAUSE),
                format!("status {status}: {}", response.excerpt()),
            )),
        }
    }

    /// The part of the answer that the journey gets.
    fn part(&self, response: &HttpResponse) -> Result<Value, Failure> {
        let mut answer: Value = response
            .json()
            .map_err(|error| Failure::refused(format!("the service's answer: {error}")))?;
        let pointer = &self.0.pointer;
        let mut part = answer.pointer_mut(pointer).map(Value::take).ok_or_else(|| {
            Failure::refused(format!("the service's answer has nothing at {pointer}"))
        })?;
        if let Value::Array(items) = &mut part {
            items.truncate(self.0.limit);
        }
        let bytes = part.to_string().len();
        if bytes > MAX_RESULT {
            return Err(Failure::refused(format!(
                "the result has {bytes} bytes, more than {MAX_RESULT}; choose less by `pointer` or `limit`"
            )));
        }
        Ok(part)
    }
}

/// What the service is asked: the same for the same customer, fields and parameters.
fn body(call: &Call) -> Result<String, Failure> {
    let parameters: Map<String, Value> = call.read()?;
    let fields = call.fields.iter();
    let fields: Map<String, Value> =
        fields.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let customer = json!({ "id": call.customer, "fields": fields });
    Ok(json!({ "customer": customer, "parameters": parameters }).to_string())
}

export_action!(Recommend);

#[cfg(test)]
mod tests;
