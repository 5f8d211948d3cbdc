//! From the traits of this crate to the exports of a component.

use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::action::exports::waystation::plugin::action as action_export;
use crate::bindings::channel::exports::waystation::plugin::channel as channel_export;
use crate::bindings::coupon::exports::waystation::plugin::coupon as coupon_export;
use crate::bindings::host::exports::waystation::plugin::plugin as plugin_export;
use crate::bindings::trigger_source::exports::waystation::plugin::trigger_source as trigger_source_export;
use crate::http::{HttpRequest, HttpResponse};
use crate::values::WHEN_MENDED;
use crate::{
    Action, Channel, Coupon, Deferral, Failure, Manifest, Plugin, Problem, TriggerSource, config,
    log,
};
use crate::{channel, coupon, trigger_source};

/// Implements the generated traits for whatever the plugin implements of ours.
pub struct Exported<P>(PhantomData<P>);

/// The plugin, ready for one call of the host.
fn load<P: Plugin>() -> Result<P, Problem> {
    report_panics();
    config::load()
}

/// A panic ends the sandbox without a word, so its message has to be logged before.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            log::error("the plugin panicked", &[("panic", panic)])
        }));
    });
}

fn unusable(problem: &Problem) -> String {
    let Problem { path, message } = problem;
    let at = if path.is_empty() { "" } else { " at " };
    format!("the connection's configuration cannot be used{at}{path}: {message}")
}

/// Nothing was done, and it will succeed once an operator has mended the configuration.
fn until_mended(problem: &Problem) -> Deferral {
    Deferral::new(WHEN_MENDED, unusable(problem))
}

/// The caller of a hook is to try again, as its request is not at fault.
fn try_later(problem: &Problem) -> HttpResponse {
    log::error(&unusable(problem), &[]);
    HttpResponse::text(503, "not configured; try again later")
}

/// The contract has no way to answer that traits are not known, so the call fails, and the log says why.
#[expect(clippy::panic, reason = "the host turns it into a failed call")]
fn require<P: Plugin>() -> P {
    load().unwrap_or_else(|problem| panic!("{}", unusable(&problem)))
}

impl<P: Plugin> plugin_export::Guest for Exported<P> {
    fn describe() -> Manifest {
        report_panics();
        P::manifest()
    }

    fn check() -> Result<(), Vec<Problem>> {
        load::<P>().map_err(|problem| vec![problem])?.check()
    }
}

impl<P: Channel> channel_export::Guest for Exported<P> {
    fn get_traits() -> channel::Traits {
        require::<P>().traits()
    }

    fn send(messages: Vec<channel::Message>) -> Vec<channel::Outcome> {
        match load::<P>() {
            Ok(plugin) => plugin.send(messages).into_iter().map(channel::Outcome::from).collect(),
            Err(problem) => messages
                .iter()
                .map(|_| channel::Outcome::Deferred(until_mended(&problem)))
                .collect(),
        }
    }

    fn find(keys: Vec<String>) -> Vec<Option<channel::Outcome>> {
        match load::<P>() {
            Ok(plugin) => plugin.find(keys),
            Err(problem) => {
                keys.iter().map(|_| Some(channel::Outcome::Unknown(unusable(&problem)))).collect()
            }
        }
    }

    fn receive(request: HttpRequest) -> Result<channel::Reception, String> {
        match load::<P>() {
            Ok(plugin) => plugin.receive(request),
            Err(problem) => Ok(channel::Reception::answer(try_later(&problem))),
        }
    }
}

impl<P: TriggerSource> trigger_source_export::Guest for Exported<P> {
    fn get_traits() -> trigger_source::Traits {
        require::<P>().traits()
    }

    fn receive(
        request: HttpRequest,
        subscriptions: Vec<trigger_source::Subscription>,
    ) -> Result<trigger_source::Reception, String> {
        match load::<P>() {
            Ok(plugin) => plugin.receive(request, subscriptions),
            Err(problem) => Ok(trigger_source::Reception::answer(try_later(&problem))),
        }
    }

    fn poll(
        subscriptions: Vec<trigger_source::Subscription>,
        cursor: Option<String>,
    ) -> Result<trigger_source::Polled, String> {
        load::<P>().map_err(|problem| unusable(&problem))?.poll(subscriptions, cursor)
    }
}

impl<P: Coupon> coupon_export::Guest for Exported<P> {
    fn get_traits() -> coupon::Traits {
        require::<P>().traits()
    }

    fn issue(requests: Vec<coupon::Request>) -> Vec<Result<coupon::Grant, coupon::Failure>> {
        match load::<P>() {
            Ok(plugin) => plugin.issue(requests),
            Err(problem) => requests
                .iter()
                .map(|_| Err(coupon::Failure::Deferred(until_mended(&problem))))
                .collect(),
        }
    }

    fn revoke(revocations: Vec<coupon::Revocation>) -> Vec<Result<(), coupon::Failure>> {
        match load::<P>() {
            Ok(plugin) => plugin.revoke(revocations),
            Err(problem) => revocations
                .iter()
                .map(|_| Err(coupon::Failure::Deferred(until_mended(&problem))))
                .collect(),
        }
    }

    fn find(keys: Vec<String>) -> Vec<Result<Option<coupon::Grant>, coupon::Failure>> {
        match load::<P>() {
            Ok(plugin) => plugin.find(keys),
            Err(problem) => {
                keys.iter().map(|_| Err(coupon::Failure::Unknown(unusable(&problem)))).collect()
            }
        }
    }
}

impl<P: Action> action_export::Guest for Exported<P> {
    fn get_traits() -> crate::action::Traits {
        require::<P>().traits()
    }

    fn run(calls: Vec<crate::action::Call>) -> Vec<Result<String, Failure>> {
        match load::<P>() {
            Ok(plugin) => plugin
                .run(calls)
                .into_iter()
                .map(|result| result.map(|value| value.to_string()))
                .collect(),
            Err(problem) => {
                calls.iter().map(|_| Err(Failure::Deferred(until_mended(&problem)))).collect()
            }
        }
    }
}

/// Makes a component of a plugin that is of one or several kinds: `channel`, `trigger_source`, `coupon`, `action`.
///
/// A crate calls it once, or one of the macros for a single kind, such as [`export_channel!`](crate::export_channel).
///
/// ```
/// # use waystation_sdk::{channel, trigger_source, Channel, Manifest, NoConfig, Plugin, Problem, TriggerSource, manifest};
/// # struct Shop;
/// # impl Plugin for Shop {
/// #     type Config = NoConfig;
/// #     fn manifest() -> Manifest { manifest!("Shop") }
/// #     fn new(_: NoConfig) -> Result<Self, Problem> { Ok(Shop) }
/// # }
/// # impl Channel for Shop {
/// #     fn traits(&self) -> channel::Traits { channel::Traits::new("shop-id", &["card"]) }
/// # }
/// # impl TriggerSource for Shop {
/// #     fn traits(&self) -> trigger_source::Traits { trigger_source::Traits::hooks() }
/// # }
/// waystation_sdk::export!(Shop: channel, trigger_source);
/// ```
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($kind:ident),+ $(,)?) => {
        const _: () = {
            type Exported = $crate::export::Exported<$plugin>;
            $crate::bindings::host::export!(Exported with_types_in $crate::bindings::host);
            $($crate::bindings::$kind::export!(Exported with_types_in $crate::bindings::$kind);)+
        };
    };
}

/// Makes a component of a plugin that is a [`Channel`](crate::Channel); [`export!`](crate::export) is for several kinds.
#[macro_export]
macro_rules! export_channel {
    ($plugin:ty) => {
        $crate::export!($plugin: channel);
    };
}

/// Makes a component of a plugin that is a [`TriggerSource`](crate::TriggerSource); [`export!`](crate::export) is for
/// several kinds.
#[macro_export]
macro_rules! export_trigger_source {
    ($plugin:ty) => {
        $crate::export!($plugin: trigger_source);
    };
}

/// Makes a component of a plugin that is a [`Coupon`](crate::Coupon); [`export!`](crate::export) is for several kinds.
#[macro_export]
macro_rules! export_coupon {
    ($plugin:ty) => {
        $crate::export!($plugin: coupon);
    };
}

/// Makes a component of a plugin that is an [`Action`](crate::Action); [`export!`](crate::export) is for several kinds.
#[macro_export]
macro_rules! export_action {
    ($plugin:ty) => {
        $crate::export!($plugin: action);
    };
}
