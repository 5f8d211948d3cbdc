//! The workspace's policy in use.

use std::sync::{Arc, RwLock};

use waystation_journey::Policy;
use waystation_store::Store;

use crate::engine::Engine;
use crate::error::EngineError;

/// What the policy's file is called among the settings.
const SETTING: &str = "policy";

/// The policy, replaced as a whole when it changes.
#[derive(Default)]
pub(crate) struct Policies(RwLock<Arc<Policy>>);

impl Policies {
    /// Reads what the store holds.
    pub(crate) async fn load(&self, store: &Store) -> Result<(), EngineError> {
        let Some(source) = store.setting(SETTING).await? else { return Ok(()) };
        let checked = Policy::check(&source);
        let Some(policy) = checked.policy else {
            let problems: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
            return Err(EngineError::Invalid(format!(
                "the policy in the database is not understood by this server; start the release that it was applied with, or \
                 a newer one ({})",
                problems.join("; ")
            )));
        };
        self.put(policy);
        Ok(())
    }

    pub(crate) fn get(&self) -> Arc<Policy> {
        self.0.read().map(|policy| Arc::clone(&policy)).unwrap_or_default()
    }

    fn put(&self, policy: Policy) {
        if let Ok(mut present) = self.0.write() {
            *present = Arc::new(policy);
        }
    }
}

impl Engine {
    /// The workspace's policy.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.core.policies.get()
    }

    /// The policy's file, if one was applied.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn policy_file(&self) -> Result<Option<String>, EngineError> {
        Ok(self.core.store.setting(SETTING).await?)
    }

    /// Stores a policy file and puts it into use, for every message that is not handed over yet. What waits already is
    /// decided upon at the time that it was put off to, and keeps its rank.
    ///
    /// # Errors
    /// If the database fails; then nothing changed.
    pub async fn use_policy(&self, source: String, policy: Policy) -> Result<(), EngineError> {
        let _turn = self.core.changing.lock().await;
        self.core.store.set_setting(SETTING, source).await?;
        self.core.policies.put(policy);
        Ok(())
    }
}
