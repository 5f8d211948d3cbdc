//! The records of the contract, as `wit/` describes them: plain data with named fields that can be compared and
//! serialised.

/// Values that several interfaces share.
pub mod types {
    pub use crate::bindings::waystation::plugin::types::{
        Deferral, Extras, Failure, HttpHeaders, HttpRequest, HttpResponse, Identity, Milliseconds,
        Money, Report, ReportKind, Timestamp,
    };
}

/// What every plugin says about itself.
pub mod plugin {
    pub use crate::bindings::exports::waystation::plugin::plugin::{Manifest, Permission, Problem};
}

/// Messages and what became of them.
pub mod channel {
    pub use crate::bindings::exports::waystation::plugin::channel::{
        Card, Content, Email, Message, Outcome, Post, Purpose, Receipt, Reception, Recipient,
        Refusal, RefusalReason, Template, Traits,
    };
}

/// Subscriptions and events.
pub mod trigger_source {
    pub use crate::bindings::exports::waystation::plugin::trigger_source::{
        Event, Polled, Reception, Subject, Subscription, Traits,
    };
}

/// Coupons.
pub mod coupon {
    pub use crate::bindings::exports::waystation::plugin::coupon::{
        Benefit, Failure, Grant, Offer, Request, Revocation, Traits,
    };
}

/// Actions.
pub mod action {
    pub use crate::bindings::exports::waystation::plugin::action::{Call, Failure, Traits};
}
