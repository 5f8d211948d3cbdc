//! Saying which function of a plugin has another shape than the contract gives it: wasmtime says only how it differs.

use wasmtime::{
    Store,
    component::{ComponentNamedList, Instance, Lift, Lower},
};

use crate::{
    contract::{action, channel, coupon, plugin, trigger_source, types::HttpRequest},
    guest::Guest,
    release::Kind,
};

/// An interface's functions in a plugin, to be compared with the contract's.
struct Interface<'a> {
    store: &'a mut Store<Guest>,
    instance: &'a Instance,
    name: &'static str,
    misfits: Vec<String>,
}

impl Interface<'_> {
    /// Compares a function's parameters and results.
    fn check<P, R>(&mut self, function: &str)
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let interface = format!("waystation:plugin/{}@1.0.0", self.name);
        let place = format!("{}.{function}", self.name);
        let found = self
            .instance
            .get_export_index(&mut *self.store, None, &interface)
            .and_then(|one| self.instance.get_export_index(&mut *self.store, Some(&one), function))
            .and_then(|one| self.instance.get_func(&mut *self.store, one));
        match found.map(|function| function.typed::<P, R>(&*self.store).map(drop)) {
            Some(Ok(())) => {}
            Some(Err(error)) => self.misfits.push(format!("{place}: {error:#}")),
            None => self.misfits.push(format!("{place} is not there")),
        }
    }
}

/// Every function of the plugin that is not as the contract has it, and how it differs.
pub(crate) fn list(store: &mut Store<Guest>, instance: &Instance, kinds: &[Kind]) -> Vec<String> {
    let mut one = Interface { store, instance, name: "plugin", misfits: Vec::new() };
    one.check::<(), (plugin::Manifest,)>("describe");
    one.check::<(), (Result<(), Vec<plugin::Problem>>,)>("check");
    for kind in kinds {
        one.name = kind.as_str();
        match kind {
            Kind::Channel => {
                one.check::<(), (channel::Traits,)>("get-traits");
                one.check::<(&[channel::Message],), (Vec<channel::Outcome>,)>("send");
                one.check::<(&[String],), (Vec<Option<channel::Outcome>>,)>("find");
                one.check::<(&HttpRequest,), (Result<channel::Reception, String>,)>("receive");
            }
            Kind::TriggerSource => {
                one.check::<(), (trigger_source::Traits,)>("get-traits");
                one.check::<(&HttpRequest, &[trigger_source::Subscription]), (Result<trigger_source::Reception, String>,)>("receive");
                one.check::<(&[trigger_source::Subscription], Option<&str>), (Result<trigger_source::Polled, String>,)>("poll");
            }
            Kind::Coupon => {
                one.check::<(), (coupon::Traits,)>("get-traits");
                one.check::<(&[coupon::Request],), (Vec<Result<coupon::Grant, coupon::Failure>>,)>(
                    "issue",
                );
                one.check::<(&[coupon::Revocation],), (Vec<Result<(), coupon::Failure>>,)>(
                    "revoke",
                );
                one.check::<(&[String],), (Vec<Result<Option<coupon::Grant>, coupon::Failure>>,)>(
                    "find",
                );
            }
            Kind::Action => {
                one.check::<(), (action::Traits,)>("get-traits");
                one.check::<(&[action::Call],), (Vec<Result<String, action::Failure>>,)>("run");
            }
        }
    }
    one.misfits
}
