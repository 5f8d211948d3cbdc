//! `waystation plugin keygen`, `sign` and `verify`: what a vendor does, without a server.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::cli::{files, output};
use crate::private::write_new;
use crate::trust::{PublicKey, SecretKey, Signature, digest};

/// Make a key to sign plugins with.
#[derive(Args)]
pub(crate) struct Keygen {
    /// Where to keep the secret key; it must not be there yet.
    file: PathBuf,
}

/// Sign a component.
#[derive(Args)]
pub(crate) struct Sign {
    /// The component. The signature is written beside it, with `.sig` after its name.
    file: PathBuf,
    /// File of the secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Verify a component's signature.
#[derive(Args)]
pub(crate) struct Verify {
    /// The component.
    file: PathBuf,
    /// The public key, as `keygen` printed it.
    #[arg(long, value_name = "PUBLIC", value_parser = public)]
    key: PublicKey,
    /// File of the signature; by default the component's with `.sig` after its name.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
}

fn public(text: &str) -> Result<PublicKey, String> {
    text.parse().map_err(|error: anyhow::Error| format!("{error:#}"))
}

impl Keygen {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let key = SecretKey::new()?;
        let place = self.file.display();
        // Never in place of another file: a lost key signs nothing any more.
        write_new(&self.file, format!("{}\n", key.text()).as_bytes())?;
        output::line(key.public());
        output::progress(format!(
            "this is the public key, with the id {}; who installs your plugins trusts it with `waystation key add NAME PUBLIC`. \
             {place} holds the secret one: keep it, and show it to nobody",
            key.public().id()
        ));
        Ok(())
    }
}

impl Sign {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let key: SecretKey =
            files::read(&self.key)?.parse().with_context(|| self.key.display().to_string())?;
        let signature = key.sign(&digest(&component(&self.file)?));
        let file = beside(&self.file);
        std::fs::write(&file, format!("{signature}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        output::line(file.display());
        Ok(())
    }
}

impl Verify {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let file = self.signature.clone().unwrap_or_else(|| beside(&self.file));
        let signature = read(&file)?;
        if signature.key != self.key.id() {
            bail!(
                "{} is signed by the key {}, not by {}",
                self.file.display(),
                signature.key,
                self.key.id()
            );
        }
        let digest = digest(&component(&self.file)?);
        if !self.key.verifies(&signature, &digest) {
            bail!(
                "{} is not what the key {} signed: one of the two files was changed, or they do not belong together",
                self.file.display(),
                signature.key
            );
        }
        output::line(format!("{}: {digest} is signed by {}", self.file.display(), signature.key));
        Ok(())
    }
}

/// Where a component's signature is looked for.
pub(crate) fn beside(component: &Path) -> PathBuf {
    component.with_added_extension("sig")
}

/// A file's signature.
pub(crate) fn read(file: &Path) -> anyhow::Result<Signature> {
    files::read(file)?.parse().with_context(|| file.display().to_string())
}

fn component(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
