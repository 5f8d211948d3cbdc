//! Which installed release a connection means, and what it asks for beyond what it was granted. Pure.

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use waystation_store::records::ReleaseRow;

use crate::spec::PermissionSpec;

/// A permission that a release asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Such as `http`.
    pub name: String,
    /// What within it; empty for the whole.
    pub scope: String,
    /// Why, in the vendor's words.
    pub reason: String,
}

/// What a connection says about the release that it uses.
enum Wanted<'a> {
    /// One release and no other.
    Digest(&'a str),
    /// Releases of a plugin: any version, one version, or a range.
    Plugin(&'a str, Versions),
}

enum Versions {
    Any,
    Exactly(String),
    Range(VersionReq),
}

/// Reads `name`, `name@1.2.3`, `name@^1.2` (or another range of Cargo's kind), or a digest.
fn read(wanted: &str) -> Result<Wanted<'_>, String> {
    if wanted.len() == 64 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Wanted::Digest(wanted));
    }
    let Some((name, version)) = wanted.split_once('@') else {
        return Ok(Wanted::Plugin(wanted, Versions::Any));
    };
    if Version::parse(version).is_ok() {
        return Ok(Wanted::Plugin(name, Versions::Exactly(version.to_owned())));
    }
    match VersionReq::parse(version) {
        Ok(range) => Ok(Wanted::Plugin(name, Versions::Range(range))),
        Err(error) => Err(format!(
            "`{version}` in `{wanted}` is neither a version such as 1.4.0 nor a range such as ^1.4: {error}"
        )),
    }
}

impl Wanted<'_> {
    fn takes(&self, release: &ReleaseRow) -> bool {
        match self {
            Self::Digest(digest) => release.digest == *digest,
            // Releases in development share their version, so that only a digest tells them apart.
            Self::Plugin(name, versions) => {
                release.name == *name
                    && !release.development
                    && match versions {
                        Versions::Any => true,
                        Versions::Exactly(version) => release.version == *version,
                        Versions::Range(range) => Version::parse(&release.version)
                            .is_ok_and(|version| range.matches(&version)),
                    }
            }
        }
    }
}

/// Whether a release is one that the connection may use.
#[must_use]
pub fn fits(wanted: &str, release: &ReleaseRow) -> bool {
    read(wanted).is_ok_and(|wanted| wanted.takes(release))
}

/// The installed release that is meant: of several the highest version, a pre-release only if nothing else fits.
///
/// # Errors
/// What is wrong with the words, or that nothing installed fits, with what there is.
pub fn choose<'a>(releases: &'a [ReleaseRow], wanted: &str) -> Result<&'a ReleaseRow, String> {
    let meant = read(wanted)?;
    let rank = |release: &&ReleaseRow| {
        let version = Version::parse(&release.version).ok();
        let finished = version.as_ref().is_some_and(|version| version.pre.is_empty());
        (finished, version)
    };
    let best = releases.iter().filter(|release| meant.takes(release)).max_by_key(rank);
    best.ok_or_else(|| {
        let known: Vec<String> = releases
            .iter()
            .map(|one| {
                let development = if one.development { " (in development)" } else { "" };
                format!("{}@{}{development}", one.name, one.version)
            })
            .collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!(
            "installed release `{wanted}` (installed: {known}); install it with `waystation plugin install FILE.wasm`"
        )
    })
}

/// What a release asks for.
#[must_use]
pub fn asked(release: &ReleaseRow) -> Vec<Asked> {
    let permissions = release.manifest.get("permissions").cloned().unwrap_or_default();
    serde_json::from_value(permissions).unwrap_or_default()
}

/// What a release asks for and was not granted.
#[must_use]
pub fn wanting(release: &ReleaseRow, granted: &PermissionSpec) -> Vec<Asked> {
    asked(release).into_iter().filter(|one| !has(granted, one)).collect()
}

fn has(granted: &PermissionSpec, asked: &Asked) -> bool {
    let scope = asked.scope.as_str();
    let whole = scope.is_empty();
    match asked.name.as_str() {
        "http" => granted.http.as_ref().is_some_and(|http| {
            whole || http.origins.iter().any(|origin| origin == scope || below(scope, origin))
        }),
        "secrets" => granted.secrets.contains_key(scope) || whole && !granted.secrets.is_empty(),
        "reveal" => granted.reveal.contains(scope) || whole && !granted.reveal.is_empty(),
        "mail" => granted.mail.is_some(),
        "codes" => granted.codes.contains(scope) || whole && !granted.codes.is_empty(),
        "store" => granted.store.is_some(),
        "audience" => granted.audience.is_some(),
        "customer-field" => {
            let of_audience = granted.audience.iter().flat_map(|audience| &audience.fields);
            granted.customer_fields.iter().chain(of_audience).any(|name| whole || name == scope)
        }
        _ => false,
    }
}

/// Whether `https://*.example.com` covers an origin.
fn below(origin: &str, pattern: &str) -> bool {
    let Some((scheme, domain)) = pattern.split_once("://*") else { return false };
    let host = origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
    host.is_some_and(|host| host.len() > domain.len() && host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use serde_json::json;

    fn release(version: &str) -> ReleaseRow {
        ReleaseRow {
            digest: format!("{:0>64}", version.len()),
            name: "mail".to_owned(),
            version: version.to_owned(),
            kinds: Vec::new(),
            manifest: json!({ "permissions": [
                { "name": "http", "scope": "https://api.example.com", "reason": "to send" },
                { "name": "secrets", "scope": "key", "reason": "to sign" },
                { "name": "store", "scope": "", "reason": "to remember" },
            ] }),
            installed_at: 0,
            signer: None,
            development: false,
        }
    }

    #[test]
    fn a_connection_means_the_highest_version_that_fits() {
        let installed =
            ["1.2.0", "1.10.0", "2.0.0-rc.1", "1.9.3", "2.1.0-alpha"].map(release).to_vec();
        let cases = [
            ("mail", Some("1.10.0")),
            ("mail@^1.2", Some("1.10.0")),
            ("mail@~1.9", Some("1.9.3")),
            ("mail@1.2.0", Some("1.2.0")),
            ("mail@=1.2.0", Some("1.2.0")),
            ("mail@2.0.0-rc.1", Some("2.0.0-rc.1")),
            ("mail@>=1.2, <1.10", Some("1.9.3")),
            ("mail@^3", None),
            ("mail@newest", None),
            ("post", None),
        ];
        for (wanted, version) in cases {
            let chosen = choose(&installed, wanted).ok().map(|release| release.version.as_str());
            assert_eq!(chosen, version, "{wanted}");
        }
        assert!(choose(&installed, "mail@newest").unwrap_err().contains("^1.4"));
    }

    #[test]
    fn a_release_in_development_is_only_meant_by_its_digest() {
        let mut one = release("1.0.0");
        one.development = true;
        assert!(!fits("mail", &one) && !fits("mail@1.0.0", &one));
        assert!(fits(&one.digest, &one));
    }

    #[test]
    fn what_was_not_granted_is_named() {
        let names = |granted: serde_json::Value| {
            let granted = serde_json::from_value(granted).unwrap();
            let wanting = wanting(&release("1.0.0"), &granted);
            wanting.into_iter().map(|one| one.name).collect::<Vec<_>>()
        };
        assert_eq!(names(json!({})), ["http", "secrets", "store"]);
        let origins = |origin: &str| json!({ "http": { "origins": [origin] }, "secrets": ["key"] });
        assert_eq!(names(origins("https://api.example.com")), ["store"]);
        assert_eq!(names(origins("https://*.example.com")), ["store"]);
        assert_eq!(names(origins("https://*.com.example")), ["http", "store"]);
        assert_eq!(names(origins("http://*.example.com")), ["http", "store"]);
    }
}
