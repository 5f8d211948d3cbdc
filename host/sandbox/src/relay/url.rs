//! Reading a relay's URL.

use std::path::PathBuf;

use lettre::transport::smtp::{
    authentication::Credentials, client::TlsParameters, extension::ClientId,
};
use percent_encoding::percent_decode_str;
use url::Url;

/// When a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// Never.
    None,
    /// By STARTTLS if the server offers it.
    Opportunistic,
    /// By STARTTLS, or there is no connection.
    Required,
    /// From the start.
    Wrapped,
}

/// What a URL names.
pub(super) enum Address {
    Server(Box<Server>),
    Folder(PathBuf),
}

/// An SMTP server and how to speak to it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) tls_parameters: TlsParameters,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
}

pub(super) fn parse(text: &str) -> Result<Address, String> {
    // The URL may hold a password, so no message repeats it.
    let url = Url::parse(text).map_err(|error| format!("its URL is not one: {error}"))?;
    match url.scheme() {
        "smtp" | "smtps" => server(&url).map(|server| Address::Server(Box::new(server))),
        "file" => url
            .to_file_path()
            .map(Address::Folder)
            .map_err(|()| "its URL names no absolute folder".to_owned()),
        scheme => Err(format!("{scheme}: is not a scheme for mail")),
    }
}

fn server(url: &Url) -> Result<Server, String> {
    let host = match url.host() {
        Some(url::Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        Some(url::Host::Ipv4(ip)) => ip.to_string(),
        Some(url::Host::Ipv6(ip)) => ip.to_string(),
        _ => return Err("its URL names no host".to_owned()),
    };
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err("its URL has a path or a fragment, which mean nothing here".to_owned());
    }
    let wrapped = url.scheme() == "smtps";
    let mut tls = if wrapped { Tls::Wrapped } else { Tls::Opportunistic };
    let mut hello = ClientId::default();
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("tls", "none") if !wrapped => tls = Tls::None,
            ("tls", "opportunistic") if !wrapped => tls = Tls::Opportunistic,
            ("tls", "required") if !wrapped => tls = Tls::Required,
            ("hello", name) if is_host_name(name) => hello = ClientId::Domain(name.to_owned()),
            (name, value) => {
                return Err(format!(
                    "its URL's parameter {name}={value} is not known or has no such value"
                ));
            }
        }
    }
    let credentials = credentials(url)?;
    let port = url.port().unwrap_or(match (wrapped, &credentials) {
        (true, _) => 465,
        (false, Some(_)) => 587,
        (false, None) => 25,
    });
    let tls_parameters =
        TlsParameters::new_rustls(host.clone()).map_err(|error| error.to_string())?;
    Ok(Server { host, port, tls, tls_parameters, credentials, hello })
}

fn credentials(url: &Url) -> Result<Option<Credentials>, String> {
    let decode = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| "its user or password is not UTF-8".to_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        (user, Some(password)) if !user.is_empty() => {
            Ok(Some(Credentials::new(decode(user)?, decode(password)?)))
        }
        _ => Err("its URL has a user without a password or the reverse".to_owned()),
    }
}

fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}
