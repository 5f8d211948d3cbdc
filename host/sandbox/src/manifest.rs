//! The bounds of a plugin's description of itself.

use crate::contract::plugin::Manifest;

const NAME_CHARS: usize = 64;
const VERSION_CHARS: usize = 64;
const LINE_CHARS: usize = 200;
const TEXT_CHARS: usize = 2_000;
const SCHEMA_BYTES: usize = 64 << 10;
const PERMISSIONS: usize = 100;
const EXTRAS: usize = 64;
const EXTRAS_BYTES: usize = 64 << 10;

/// Names that a plugin may ask for.
const GRANTABLE: &[&str] =
    &["http", "secrets", "mail", "codes", "store", "audience", "reveal", "customer-field"];

/// Says what is wrong and what is allowed instead.
pub(crate) fn check(manifest: &Manifest) -> Result<(), String> {
    if !is_kebab(&manifest.name) {
        return Err(format!(
            "the name {:?} must be lower kebab case such as smtp-mail, at most {NAME_CHARS} characters",
            manifest.name
        ));
    }
    if !is_semantic_version(&manifest.version) {
        return Err(format!(
            "the version {:?} must be a semantic version such as 1.4.0, at most {VERSION_CHARS} characters",
            manifest.version
        ));
    }
    let texts = [
        ("title", &manifest.title, LINE_CHARS),
        ("vendor", &manifest.vendor, LINE_CHARS),
        ("license", &manifest.license, LINE_CHARS),
        ("summary", &manifest.summary, TEXT_CHARS),
    ];
    for (field, text, limit) in texts {
        if text.chars().count() > limit {
            return Err(format!("the {field} has more than {limit} characters"));
        }
    }
    check_schema("config-schema", &manifest.config_schema)?;
    check_permissions(manifest)?;
    let bytes: usize = manifest.extras.iter().map(|(name, value)| name.len() + value.len()).sum();
    if manifest.extras.len() > EXTRAS || bytes > EXTRAS_BYTES {
        return Err(format!("extras must have at most {EXTRAS} entries and {EXTRAS_BYTES} bytes"));
    }
    Ok(())
}

/// A schema is empty or a JSON object (or boolean) of bounded size.
pub(crate) fn check_schema(field: &str, schema: &str) -> Result<(), String> {
    if schema.len() > SCHEMA_BYTES {
        return Err(format!("{field} has {} bytes, more than {SCHEMA_BYTES}", schema.len()));
    }
    if schema.is_empty() {
        return Ok(());
    }
    match serde_json::from_str::<serde_json::Value>(schema) {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Bool(_)) => Ok(()),
        Ok(_) => Err(format!("{field} must be a JSON Schema, which is an object")),
        Err(error) => Err(format!("{field} is not JSON: {error}")),
    }
}

fn check_permissions(manifest: &Manifest) -> Result<(), String> {
    if manifest.permissions.len() > PERMISSIONS {
        return Err(format!("it asks for more than {PERMISSIONS} permissions"));
    }
    for permission in &manifest.permissions {
        if !GRANTABLE.contains(&permission.name.as_str()) {
            return Err(format!(
                "it asks for the permission {:?}; there are {}",
                permission.name,
                GRANTABLE.join(", ")
            ));
        }
        if permission.scope.chars().count() > LINE_CHARS
            || permission.reason.chars().count() > TEXT_CHARS
        {
            return Err(format!(
                "the permission {} must have a scope of at most {LINE_CHARS} and a reason of at most {TEXT_CHARS} characters",
                permission.name
            ));
        }
    }
    Ok(())
}

fn is_kebab(name: &str) -> bool {
    name.len() <= NAME_CHARS
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.split('-').all(|word| {
            !word.is_empty()
                && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        })
}

/// `major.minor.patch`, then optionally `-prerelease` and `+build`.
fn is_semantic_version(version: &str) -> bool {
    let identifiers = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty()
                && part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        })
    };
    let (version_and_pre, build) =
        version.split_once('+').map_or((version, None), |(left, right)| (left, Some(right)));
    let (core, pre) = version_and_pre
        .split_once('-')
        .map_or((version_and_pre, None), |(left, right)| (left, Some(right)));
    let numbers: Vec<&str> = core.split('.').collect();
    version.len() <= VERSION_CHARS
        && numbers.len() == 3
        && numbers.iter().all(|number| {
            number.parse::<u64>().is_ok()
                && number.bytes().all(|digit| digit.is_ascii_digit())
                && (number.len() == 1 || !number.starts_with('0'))
        })
        && pre.is_none_or(identifiers)
        && build.is_none_or(identifiers)
}
