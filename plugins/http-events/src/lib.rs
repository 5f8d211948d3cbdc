//! A trigger source: takes events from a shop or website by signed webhooks.

use serde::Deserialize;
use waystation_sdk::http::{HttpRequest, HttpResponse};
use waystation_sdk::secrets::hmac_sha256;
use waystation_sdk::trigger_source::{Reception, Subscription, Traits, TriggerSource};
use waystation_sdk::webhook::Scheme;
use waystation_sdk::{
    Manifest, Permission, Plugin, Problem, export_trigger_source, manifest, secrets,
};

mod event;

/// The sender signs with this secret.
const SIGNING: &str = "signing";

/// While the sender changes over to a new secret, the old one counts too.
const PREVIOUS: &str = "signing-previous";

struct HttpEvents {
    tolerance_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "default_tolerance")]
    tolerance_seconds: u64,
}

fn default_tolerance() -> u64 {
    300
}

impl Plugin for HttpEvents {
    type Config = Config;

    fn manifest() -> Manifest {
        manifest!("Events over HTTP")
            .config_schema(include_str!("../config.schema.json"))
            .needs(Permission::secret(SIGNING, "Checks that requests come from your shop."))
            .needs(Permission::secret(
                PREVIOUS,
                "Accepts the old signing secret while you change it; may be left out.",
            ))
    }

    fn new(config: Config) -> Result<Self, Problem> {
        match config.tolerance_seconds {
            1..=86_400 => Ok(HttpEvents { tolerance_seconds: config.tolerance_seconds }),
            _ => Err(Problem::new("/tolerance_seconds", "use 1 to 86400 seconds")),
        }
    }

    fn check(&self) -> Result<(), Vec<Problem>> {
        match hmac_sha256(SIGNING, b"") {
            Ok(_) => Ok(()),
            Err(error) => Err(vec![secrets::problem(SIGNING, error)]),
        }
    }
}

impl TriggerSource for HttpEvents {
    fn traits(&self) -> Traits {
        Traits::hooks()
    }

    fn receive(
        &self,
        request: HttpRequest,
        _subscriptions: Vec<Subscription>,
    ) -> Result<Reception, String> {
        Ok(self.answer(&request).unwrap_or_else(Reception::answer))
    }
}

impl HttpEvents {
    /// What the request brought, or the response that refuses it.
    fn answer(&self, request: &HttpRequest) -> Result<Reception, HttpResponse> {
        if request.method != "POST" {
            return Err(HttpResponse::text(405, "use POST").with_header("allow", "POST"));
        }
        let signed_at = Scheme::WAYSTATION
            .check(request, &[SIGNING, PREVIOUS], self.tolerance_seconds)
            .map_err(|rejection| rejection.answer())?;
        let events =
            event::read(request, signed_at).map_err(|fault| HttpResponse::text(400, fault))?;
        let response = HttpResponse::text(202, format!("{} accepted", events.len()));
        Ok(Reception { events, ..Reception::answer(response) })
    }
}

export_trigger_source!(HttpEvents);
