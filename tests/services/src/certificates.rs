//! Certificates of an authority that nobody knows, for servers on 127.0.0.1.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// What an authority of its own signed, in DER.
pub struct Signed {
    /// The authority's certificate.
    pub root: Vec<u8>,
    /// The server's certificate.
    pub certificate: Vec<u8>,
    /// The server's key, as PKCS #8.
    pub key: Vec<u8>,
}

impl Signed {
    /// Makes an authority and a certificate of it for a server with these names.
    ///
    /// # Panics
    /// If one of them is no name.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
            .expect("the authority signs itself");
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .expect("names")
            .signed_by(&key, &issuer)
            .expect("the authority signs");
        Self {
            root: issuer.der().to_vec(),
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
        }
    }
}

/// An authority's certificate, and one that it signed for `127.0.0.1` and `localhost`, as files in PEM.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes an authority of its own.
    ///
    /// # Panics
    /// If the files cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        // The server runs as another user.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("it is ours");
        let signed = Signed::new(&["127.0.0.1", "localhost"]);
        let made = Self { folder };
        write(&made.root(), "CERTIFICATE", &signed.root);
        write(&made.certificate(), "CERTIFICATE", &signed.certificate);
        write(&made.key(), "PRIVATE KEY", &signed.key);
        made
    }

    /// The authority's certificate.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The server's certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The server's key, which its owner alone can read.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// Gives the key to a user, in whose name the server runs.
    ///
    /// # Panics
    /// If this process may not.
    pub fn give_key_to(&self, user: &str) {
        let given = Command::new("chown").arg(user).arg(self.key()).status();
        assert!(given.is_ok_and(|status| status.success()), "the key cannot be given to {user}");
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn write(file: &Path, label: &str, der: &[u8]) {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is text"))
        .collect();
    let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
    std::fs::write(file, pem).expect("the file can be written");
    let mode = if label == "CERTIFICATE" { 0o644 } else { 0o600 };
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(file, permissions).expect("it is ours");
}
