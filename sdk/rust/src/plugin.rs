//! Who a plugin is and whether its configuration is usable.

use serde::de::DeserializeOwned;

pub use crate::bindings::host::exports::waystation::plugin::plugin::{
    Manifest, Permission, Problem,
};

/// What every plugin implements, whatever its kinds.
pub trait Plugin: Sized + 'static {
    /// What the connection's configuration is read into; [`NoConfig`](crate::NoConfig) if there is nothing to configure.
    type Config: DeserializeOwned;

    /// Who the plugin is. It runs without any permission and must always give the same answer.
    fn manifest() -> Manifest;

    /// Takes the configuration over for one call of the host.
    ///
    /// # Errors
    /// What a JSON Schema cannot say: values that do not go together, an address that cannot be read.
    fn new(config: Self::Config) -> Result<Self, Problem>;

    /// Looks beyond the configuration: at secrets, or at the provider. It must have no lasting effect.
    ///
    /// # Errors
    /// Everything an operator has to mend before the connection can work.
    fn check(&self) -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

/// Schema of a configuration that is empty.
const NO_CONFIG: &str = r#"{"type":"object","additionalProperties":false}"#;

impl Manifest {
    /// A manifest with a name (lower kebab case, at most 64 characters), a semantic version and a title for people.
    ///
    /// Nothing is configurable and no permission is asked for until said otherwise. [`manifest!`](crate::manifest) fills
    /// in what the crate's `Cargo.toml` knows.
    ///
    /// ```
    /// use waystation_sdk::{Manifest, Permission};
    ///
    /// let manifest = Manifest::new("http-events", "1.0.0", "HTTP events")
    ///     .summary("Takes signed webhooks.")
    ///     .needs(Permission::secret("signing", "Checks the signatures of webhooks."));
    /// assert_eq!(manifest.permissions[0].scope, "signing");
    /// ```
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        title: impl Into<String>,
    ) -> Self {
        Manifest {
            name: name.into(),
            version: version.into(),
            title: title.into(),
            summary: String::new(),
            vendor: String::new(),
            license: String::new(),
            config_schema: NO_CONFIG.to_owned(),
            permissions: Vec::new(),
            extras: Vec::new(),
        }
    }

    /// What it does, in a sentence or two.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// Who answers for it.
    #[must_use]
    pub fn vendor(mut self, vendor: impl Into<String>) -> Self {
        self.vendor = vendor.into();
        self
    }

    /// SPDX expression such as `Apache-2.0`.
    #[must_use]
    pub fn license(mut self, license: impl Into<String>) -> Self {
        self.license = license.into();
        self
    }

    /// JSON Schema (draft 2020-12) of the configuration, at most 64 KiB.
    #[must_use]
    pub fn config_schema(mut self, schema: impl Into<String>) -> Self {
        self.config_schema = schema.into();
        self
    }

    /// Asks for a permission.
    #[must_use]
    pub fn needs(mut self, permission: Permission) -> Self {
        self.permissions.push(permission);
        self
    }
}

/// A [`Manifest`] with name, version, summary, vendor and license as the crate's `Cargo.toml` has them (`name`, `version`,
/// `description`, `authors`, `license`), and the title given here.
///
/// ```
/// let manifest = waystation_sdk::manifest!("Events over HTTP");
/// assert_eq!(manifest.title, "Events over HTTP");
/// ```
#[macro_export]
macro_rules! manifest {
    ($title:expr) => {
        $crate::Manifest::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), $title)
            .summary(env!("CARGO_PKG_DESCRIPTION"))
            .vendor(env!("CARGO_PKG_AUTHORS"))
            .license(env!("CARGO_PKG_LICENSE"))
    };
}

impl Permission {
    /// To send requests to an origin such as `https://api.example.com` or `https://*.example.com`.
    #[must_use]
    pub fn http(origin: impl Into<String>, reason: impl Into<String>) -> Self {
        Permission::new("http", origin, reason)
    }

    /// To use a secret without seeing it: as a placeholder in a request, or as the key of an HMAC.
    #[must_use]
    pub fn secret(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Permission::new("secrets", name, reason)
    }

    /// To read a secret. Ask for it only where [`Permission::secret`] cannot do.
    #[must_use]
    pub fn reveal(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Permission::new("reveal", name, reason)
    }

    /// To hand mail to the operator's relay.
    #[must_use]
    pub fn mail(reason: impl Into<String>) -> Self {
        Permission::new("mail", "", reason)
    }

    /// To use pools of imported codes; which ones, the operator decides.
    #[must_use]
    pub fn codes(reason: impl Into<String>) -> Self {
        Permission::new("codes", "", reason)
    }

    /// To keep values between calls.
    #[must_use]
    pub fn store(reason: impl Into<String>) -> Self {
        Permission::new("store", "", reason)
    }

    /// To read customers that match a condition.
    #[must_use]
    pub fn audience(reason: impl Into<String>) -> Self {
        Permission::new("audience", "", reason)
    }

    /// To see a field of the customers it deals with.
    #[must_use]
    pub fn customer_field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Permission::new("customer-field", field, reason)
    }

    fn new(name: &str, scope: impl Into<String>, reason: impl Into<String>) -> Self {
        Permission { name: name.to_owned(), scope: scope.into(), reason: reason.into() }
    }
}

impl Problem {
    /// Something wrong with the part of the configuration that a JSON Pointer such as `/sender` names; empty for the whole.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Problem { path: path.into(), message: message.into() }
    }
}
