//! An authority for the tests and a certificate of it for `tls.test`, both made anew in each run.

use std::sync::{Arc, LazyLock};

use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use waystation_sandbox::CertificateDer;
use waystation_services::certificates::Signed;

struct Authority {
    root: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let signed = Signed::new(&["tls.test"]);
    Authority {
        root: signed.root.into(),
        certificate: signed.certificate.into(),
        key: PrivateKeyDer::try_from(signed.key).expect("it was made as a key"),
    }
});

/// What a client must trust.
pub(crate) fn root() -> CertificateDer<'static> {
    AUTHORITY.root.clone()
}

/// Speaks TLS for `tls.test` and offers protocols.
pub(crate) fn acceptor(protocols: &[&str]) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider can")
        .with_no_client_auth()
        .with_single_cert(vec![AUTHORITY.certificate.clone()], AUTHORITY.key.clone_key())
        .expect("the key is the certificate's");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
