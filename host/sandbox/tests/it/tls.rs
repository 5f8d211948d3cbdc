//! An authority for the tests and a certificate of it for `tls.test`, both made anew in each run.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use waystation_sandbox::CertificateDer;

struct Authority {
    root: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
        .expect("the authority signs itself");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["tls.test".to_owned()])
        .expect("a name")
        .signed_by(&key, &issuer)
        .expect("the authority signs");
    Authority {
        root: issuer.der().clone(),
        certificate: certificate.der().clone(),
        key: PrivateKeyDer::try_from(key.serialize_der()).expect("it was made as a key"),
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
