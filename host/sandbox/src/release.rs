//! A loaded plugin.

use std::{fmt, sync::Arc};

use wasmtime::component::{Component, InstancePre};

use crate::{
    bindings::exports::waystation::plugin::{action, channel, coupon, plugin, trigger_source},
    cache,
    call::{self, Live},
    contract::plugin::Manifest,
    error::{CallError, SandboxError},
    guest::{Context, Guest},
    limits::Limits,
    link, manifest,
    sandbox::Sandbox,
    tape::Tape,
};

/// Largest plugin, in bytes of WebAssembly.
const WASM_BYTES_MAX: usize = 64 << 20;

/// What a plugin can be. A plugin may be several.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Takes messages to customers.
    Channel,
    /// Tells of events.
    TriggerSource,
    /// Issues coupons.
    Coupon,
    /// Does or computes something for a step.
    Action,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Channel, Self::TriggerSource, Self::Coupon, Self::Action];

    /// The name that the contract gives it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::TriggerSource => "trigger-source",
            Self::Coupon => "coupon",
            Self::Action => "action",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A plugin that is compiled, linked and described. It runs only through a [`crate::Connection`].
pub struct Release {
    digest: String,
    manifest: Manifest,
    kinds: Vec<Kind>,
    imports: Vec<String>,
    /// `name@version`, for the log.
    pub(crate) label: Arc<str>,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) exports: Exports,
}

/// Where the functions of each kind are, looked up once.
pub(crate) struct Exports {
    pub(crate) plugin: plugin::GuestIndices,
    pub(crate) channel: Option<channel::GuestIndices>,
    pub(crate) trigger_source: Option<trigger_source::GuestIndices>,
    pub(crate) coupon: Option<coupon::GuestIndices>,
    pub(crate) action: Option<action::GuestIndices>,
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Release")
            .field("label", &self.label)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Release {
    /// SHA-256 of the WebAssembly, 64 lower case hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// `name@version`, for people.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What the plugin says about itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the plugin can be, at least one, in the order of [`Kind::ALL`].
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The interfaces that the plugin imports, such as `waystation:plugin/mail@1.0.0`.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }
}

pub(crate) async fn load(
    sandbox: &Arc<Sandbox>,
    wasm: Arc<[u8]>,
) -> Result<Arc<Release>, SandboxError> {
    if wasm.len() > WASM_BYTES_MAX {
        return Err(SandboxError::TooLarge { bytes: wasm.len(), limit: WASM_BYTES_MAX });
    }
    check_preamble(&wasm)?;
    let (digest, component) = compile(sandbox, wasm).await?;
    let pre = link::pre(sandbox, &component)?;
    let imports = link::imports(sandbox, &component);
    let (kinds, exports) = exports(sandbox, &component, &pre)?;
    let manifest = describe(sandbox, &pre, (&kinds, &exports), &digest).await?;
    manifest::check(&manifest).map_err(SandboxError::Manifest)?;
    let label = Arc::from(format!("{}@{}", manifest.name, manifest.version));
    Ok(Arc::new(Release { digest, manifest, kinds, imports, label, pre, exports }))
}

/// Tells components from everything else by the eight bytes that the specifications put in front.
fn check_preamble(wasm: &[u8]) -> Result<(), SandboxError> {
    let Some(([0x00, b'a', b's', b'm'], version)) = wasm.split_first_chunk::<4>() else {
        return Err(SandboxError::NotWasm);
    };
    match version {
        [0x01, 0x00, 0x00, 0x00, ..] => Err(SandboxError::CoreModule),
        [_, _, 0x01, 0x00, ..] => Ok(()),
        _ => Err(SandboxError::NotWasm),
    }
}

async fn compile(
    sandbox: &Arc<Sandbox>,
    wasm: Arc<[u8]>,
) -> Result<(String, Component), SandboxError> {
    let sandbox = Arc::clone(sandbox);
    let compiled = tokio::task::spawn_blocking(move || {
        let digest = cache::digest(&wasm);
        let component = sandbox.cache.component(&sandbox.engine, &digest, &wasm)?;
        // Otherwise the first call would pay for it.
        component.initialize_copy_on_write_image()?;
        Ok::<_, wasmtime::Error>((digest, component))
    })
    .await;
    match compiled {
        Ok(result) => result.map_err(|error| SandboxError::Invalid(format!("{error:#}"))),
        Err(error) => Err(SandboxError::Invalid(format!("the compiler failed on it: {error}"))),
    }
}

/// Finds the kinds among the component's exports.
fn exports(
    sandbox: &Sandbox,
    component: &Component,
    pre: &InstancePre<Guest>,
) -> Result<(Vec<Kind>, Exports), SandboxError> {
    let names = link::exports(sandbox, component);
    let has = |name: &str| names.iter().any(|export| link::interface(export) == Some(name));
    let misfit = |error: wasmtime::Error| SandboxError::Misfit(format!("{error:#}"));
    if !has("plugin") {
        return Err(match link::other_major(&names) {
            Some(other) => SandboxError::Misfit(other),
            None => SandboxError::NoPlugin,
        });
    }
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| has(kind.as_str())).collect();
    if kinds.is_empty() {
        return Err(SandboxError::NoKind);
    }
    let is = |kind: Kind| kinds.contains(&kind);
    let exports = Exports {
        plugin: plugin::GuestIndices::new(pre).map_err(misfit)?,
        channel: is(Kind::Channel)
            .then(|| channel::GuestIndices::new(pre))
            .transpose()
            .map_err(misfit)?,
        trigger_source: is(Kind::TriggerSource)
            .then(|| trigger_source::GuestIndices::new(pre))
            .transpose()
            .map_err(misfit)?,
        coupon: is(Kind::Coupon)
            .then(|| coupon::GuestIndices::new(pre))
            .transpose()
            .map_err(misfit)?,
        action: is(Kind::Action)
            .then(|| action::GuestIndices::new(pre))
            .transpose()
            .map_err(misfit)?,
    };
    Ok((kinds, exports))
}

/// Asks the plugin who it is, and checks the types of everything it exports on the way.
async fn describe(
    sandbox: &Arc<Sandbox>,
    pre: &InstancePre<Guest>,
    (kinds, exports): (&[Kind], &Exports),
    digest: &str,
) -> Result<Manifest, SandboxError> {
    // Until the plugin has said its name, its log lines carry its digest.
    let context = Arc::new(Context::ungranted(Arc::from(digest), Limits::default()));
    let mut live = call::open(sandbox, pre, &context, None, &Tape::Off)
        .await
        .map_err(SandboxError::Describe)?;
    let plugin = match load_all(&mut live, exports) {
        Ok(plugin) => plugin,
        Err(CallError::Start(detail)) => {
            let misfits = live.misfits(kinds);
            let detail = if misfits.is_empty() { detail } else { misfits.join("; ") };
            return Err(SandboxError::Misfit(detail));
        }
        Err(other) => return Err(SandboxError::Describe(other)),
    };
    let deadline = live.begin();
    let answer = deadline.bound(plugin.call_describe(&mut live.store)).await;
    live.close(answer).map_err(SandboxError::Describe)
}

/// Looks every function up that the host may call, which checks their types.
fn load_all(live: &mut Live<'_>, exports: &Exports) -> Result<plugin::Guest, CallError> {
    let plugin = live.load(|store, instance| exports.plugin.load(store, instance))?;
    if let Some(indices) = &exports.channel {
        live.load(|store, instance| indices.load(store, instance))?;
    }
    if let Some(indices) = &exports.trigger_source {
        live.load(|store, instance| indices.load(store, instance))?;
    }
    if let Some(indices) = &exports.coupon {
        live.load(|store, instance| indices.load(store, instance))?;
    }
    if let Some(indices) = &exports.action {
        live.load(|store, instance| indices.load(store, instance))?;
    }
    Ok(plugin)
}
