//! A coupon plugin: codes that it computes itself, or codes from a pool that a shop provided.
//!
//! Either way a key always gets the same code, so the host may ask again after a crash without giving two.

use serde::Deserialize;
use waystation_sdk::coupon::{Coupon, Failure, Grant, Request, Revocation, Traits};
use waystation_sdk::{
    Manifest, Permission, Plugin, Problem, codes, export_coupon, manifest, secrets,
};

mod code;

/// Under which secret codes are computed. Whoever knows it can compute every code.
const SECRET: &str = "codes";

struct CouponCodes {
    config: Config,
}

#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
enum Config {
    Generate {
        #[serde(default)]
        prefix: String,
        #[serde(default = "default_length")]
        length: usize,
    },
    Pool {
        pool: String,
    },
}

fn default_length() -> usize {
    12
}

impl Plugin for CouponCodes {
    type Config = Config;

    fn manifest() -> Manifest {
        manifest!("Coupon codes")
            .config_schema(include_str!("../config.schema.json"))
            .needs(Permission::secret(SECRET, "Computes codes that nobody can guess."))
            .needs(Permission::codes("Takes codes from an imported pool."))
    }

    fn new(config: Config) -> Result<Self, Problem> {
        match &config {
            Config::Generate { length, .. } if !code::LENGTHS.contains(length) => {
                Err(Problem::new("/length", "use a length from 10 to 24"))
            }
            Config::Generate { prefix, .. } if !code::is_prefix(prefix) => {
                Err(Problem::new("/prefix", "use at most 16 of the characters A-Z and 0-9"))
            }
            Config::Pool { pool } if pool.is_empty() => Err(Problem::new("/pool", "name the pool")),
            _ => Ok(CouponCodes { config }),
        }
    }

    /// Asks for nothing, to find out whether it would be allowed to.
    fn check(&self) -> Result<(), Vec<Problem>> {
        match &self.config {
            Config::Generate { .. } => match secrets::hmac_sha256(SECRET, b"") {
                Ok(_) => Ok(()),
                Err(error) => Err(vec![secrets::problem(SECRET, error)]),
            },
            Config::Pool { pool } => match codes::take(pool, &[]) {
                Ok(_) => Ok(()),
                Err(error) => Err(vec![codes::problem("/pool", error)]),
            },
        }
    }
}

impl Coupon for CouponCodes {
    fn traits(&self) -> Traits {
        Traits::new(1000).dedupes_forever()
    }

    fn issue(&self, requests: Vec<Request>) -> Vec<Result<Grant, Failure>> {
        match &self.config {
            Config::Generate { prefix, length } => {
                let issue = |request: Request| {
                    let mac = secrets::hmac_sha256(SECRET, request.key.as_bytes())?;
                    Ok(grant(&request, code::from_mac(&mac, prefix, *length)))
                };
                requests.into_iter().map(issue).collect()
            }
            Config::Pool { pool } => {
                let keys: Vec<String> =
                    requests.iter().map(|request| request.key.clone()).collect();
                match codes::take(pool, &keys) {
                    Ok(taken) => {
                        let give = |(request, code): (&Request, Option<String>)| {
                            code.map(|code| grant(request, code)).ok_or(Failure::Exhausted)
                        };
                        requests.iter().zip(taken).map(give).collect()
                    }
                    Err(error) => requests.iter().map(|_| Err(error.clone().into())).collect(),
                }
            }
        }
    }

    fn revoke(&self, revocations: Vec<Revocation>) -> Vec<Result<(), Failure>> {
        match &self.config {
            // A computed code exists nowhere but in the host's record of grants, and there the host revokes it.
            Config::Generate { .. } => revocations.iter().map(|_| Ok(())).collect(),
            Config::Pool { pool } => {
                let keys: Vec<String> =
                    revocations.iter().map(|revocation| revocation.key.clone()).collect();
                let given_back = codes::give_back(pool, &keys);
                revocations.iter().map(|_| given_back.clone().map_err(Failure::from)).collect()
            }
        }
    }
}

fn grant(request: &Request, code: String) -> Grant {
    Grant { code, valid_until: request.offer.valid_until, extras: Vec::new() }
}

export_coupon!(CouponCodes);
