//! What is asked of a release before it is installed, and what is deleted when it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use waystation_sandbox::{
    CallError, Connection, Kind, Release, SandboxError, Settings, Sweep, Swept, sweep,
};

use crate::error::EngineError;
use crate::workshop::{Workshop, file_error};

/// Ending of an installed component's file.
const ENDING: &str = ".wasm";
const DIGEST_DIGITS: usize = 64;

/// A release that passed every check.
#[derive(Debug)]
pub struct Examined {
    /// The release itself.
    pub release: Arc<Release>,
    /// Traits by kind, of those kinds that tell them without a configuration.
    pub traits: BTreeMap<&'static str, Value>,
}

impl Workshop {
    /// Checks a component as thoroughly as is possible without a connection: it is linked and describes itself, its
    /// configuration schema is a JSON Schema (draft 2020-12) that refers to nothing outside, and its traits, where it tells them
    /// without a configuration, keep to the contract. Nothing is stored.
    ///
    /// # Errors
    /// [`EngineError::Sandbox`] saying what is wrong with it.
    pub async fn examine(&self, wasm: Vec<u8>) -> Result<Examined, EngineError> {
        let release = self.inspect(wasm).await?;
        check_schema("config-schema", &release.manifest().config_schema)
            .map_err(SandboxError::Manifest)?;
        let mut settings = Settings::new("installation", Arc::clone(&self.clock));
        // That a plugin cannot tell without a configuration is nobody's concern.
        settings.limits.log_lines = 0;
        let connection =
            Connection::new(Arc::clone(&self.sandbox), Arc::clone(&release), settings)?;
        let mut traits = BTreeMap::new();
        for kind in release.kinds() {
            match told(&connection, *kind).await {
                Ok(told) => {
                    traits.insert(kind.as_str(), told);
                }
                // An answer that the contract forbids does not get better with a configuration.
                Err(CallError::Answer(detail)) => {
                    return Err(SandboxError::Manifest(format!(
                        "the traits that it tells as a {kind}: {detail}"
                    ))
                    .into());
                }
                // Many plugins must be configured before they know; the connection asks again.
                Err(_) => {}
            }
        }
        Ok(Examined { release, traits })
    }

    /// Deletes a release's component and compiled code. What is in use of it stays loaded.
    ///
    /// # Errors
    /// [`EngineError::File`] if a file cannot be deleted.
    pub async fn forget(&self, digest: &str) -> Result<(), EngineError> {
        let file = self.release_file(digest);
        match tokio::fs::remove_file(&file).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_error(&file, error));
            }
            _ => {}
        }
        let (sandbox, digest) = (Arc::clone(&self.sandbox), digest.to_owned());
        self.off_thread(move || sandbox.forget(&digest)).await?;
        Ok(())
    }

    /// Deletes the components and the compiled code of all but these releases, given by their digests. Files that are not
    /// named like either stay.
    ///
    /// # Errors
    /// [`EngineError::File`] if a folder cannot be read.
    pub async fn tidy(&self, known: BTreeSet<String>, how: Sweep) -> Result<Swept, EngineError> {
        let (sandbox, folder) = (Arc::clone(&self.sandbox), self.releases.clone());
        self.off_thread(move || {
            let mut swept = sandbox.tidy(&known, how)?;
            swept += sweep(&folder, how, |name| {
                name.strip_suffix(ENDING).is_some_and(|digest| {
                    digest.len() == DIGEST_DIGITS
                        && digest.bytes().all(|digit| digit.is_ascii_hexdigit())
                        && !known.contains(digest)
                })
            })?;
            Ok(swept)
        })
        .await
    }

    pub(crate) async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, EngineError> {
        let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
        done.and_then(|done| done).map_err(|error| file_error(&self.releases, error))
    }
}

/// The traits of one kind.
async fn told(connection: &Connection, kind: Kind) -> Result<Value, CallError> {
    let (traits, schema) = match kind {
        Kind::Channel => (serde_json::to_value(connection.channel_traits().await?), None),
        Kind::Coupon => (serde_json::to_value(connection.coupon_traits().await?), None),
        Kind::TriggerSource => {
            let traits = connection.trigger_source_traits().await?;
            let schema = ("subscription-schema", traits.subscription_schema.clone());
            (serde_json::to_value(traits), Some(schema))
        }
        Kind::Action => {
            let traits = connection.action_traits().await?;
            let schema = ("parameters-schema", traits.parameters_schema.clone());
            (serde_json::to_value(traits), Some(schema))
        }
    };
    if let Some((field, schema)) = schema {
        check_schema(field, &schema).map_err(CallError::Answer)?;
    }
    // Records of numbers and strings: they can be written as JSON.
    traits.map_err(|error| CallError::Answer(error.to_string()))
}

/// Whether a text is empty or a JSON Schema of draft 2020-12 that needs nothing but itself.
fn check_schema(field: &str, schema: &str) -> Result<(), String> {
    if schema.is_empty() {
        return Ok(());
    }
    let schema: Value =
        serde_json::from_str(schema).map_err(|error| format!("{field} is not JSON: {error}"))?;
    if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
        return Err(format!(
            "{field} is not a JSON Schema of draft 2020-12: {error}, at {}",
            place(&error.instance_path().to_string())
        ));
    }
    // Nothing is fetched, so a reference to elsewhere fails here.
    jsonschema::draft202012::new(&schema)
        .map(drop)
        .map_err(|error| format!("{field} cannot be used: {error}"))
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "its root" } else { pointer }
}
