//! Origins: where a request goes, and the patterns by which an operator allows it.

use std::fmt;

use url::{Host, Url};

/// Scheme, host and port of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    https: bool,
    host: Host,
    port: u16,
}

/// An allowed origin, or all that have a name below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    origin: Origin,
    below: bool,
}

impl Origin {
    /// The origin of a URL that a request can be sent to, or why it is none.
    pub(super) fn of(url: &Url) -> Result<Self, String> {
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err("the URL's scheme is neither https nor http".to_owned()),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "the URL has a user or password; put them into the header authorization".to_owned()
            );
        }
        match (url.host(), url.port_or_known_default()) {
            (Some(host), Some(port)) => Ok(Self { https, host: plain(host.to_owned())?, port }),
            _ => Err("the URL names no host".to_owned()),
        }
    }

    /// The host alone, as errors and logs name it.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }
}

/// A dot at the end says that a name is complete, as all are here.
fn plain(host: Host) -> Result<Host, String> {
    match host {
        Host::Domain(name) => match name.strip_suffix('.').unwrap_or(&name) {
            "" => Err("the URL names no host".to_owned()),
            name => Ok(Host::Domain(name.to_owned())),
        },
        address => Ok(address),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, port) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == port { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Pattern {
    /// Reads `scheme://host[:port]`, where the host may begin with `*.`, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mend = |what: &str| {
            format!(
                "{text:?} {what}; write https://host or http://host, with *. before the host for every name below it and :port after it where that is not the scheme's own"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| mend("has no scheme"))?;
        if !matches!(scheme, "https" | "http") {
            return Err(mend("has another scheme"));
        }
        let (host, below) = match rest.strip_prefix("*.") {
            Some(host) => (host, true),
            None => (rest, false),
        };
        // The parser would drop or mend what an operator did not mean.
        if host.contains(|letter: char| {
            letter.is_control() || letter.is_whitespace() || "/\\?#@*%".contains(letter)
        }) {
            return Err(mend("is more or less than scheme, host and port"));
        }
        let url = Url::parse(&format!("{scheme}://{host}"))
            .map_err(|error| mend(&format!("is not an origin: {error}")))?;
        let origin = Origin::of(&url).map_err(|error| mend(&format!("is no origin: {error}")))?;
        if below && !matches!(origin.host, Host::Domain(_)) {
            return Err(mend("has *. before an address"));
        }
        Ok(Self { origin, below })
    }

    pub(super) fn allows(&self, origin: &Origin) -> bool {
        if !self.below {
            return self.origin == *origin;
        }
        let (Host::Domain(parent), Host::Domain(name)) = (&self.origin.host, &origin.host) else {
            return false;
        };
        self.origin.https == origin.https
            && self.origin.port == origin.port
            && name
                .strip_suffix(parent.as_str())
                .is_some_and(|left| left.len() > 1 && left.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Origin, Pattern};

    fn check(pattern: &str, url: &str, allowed: bool) {
        let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
        assert_eq!(Pattern::parse(pattern).unwrap().allows(&origin), allowed, "{pattern} {url}");
    }

    #[test]
    fn a_pattern_allows_its_origin_in_every_form() {
        for url in [
            "https://api.example.com",
            "https://API.example.com:443/a?b#c",
            "https://api.example.com./a",
            "https://api。example。com",
            "https:\\\\api.example.com\\a",
            "https://%61pi.example.com",
        ] {
            check("https://api.example.com", url, true);
        }
        check("https://bücher.example", "https://xn--bcher-kva.example", true);
        check("http://127.0.0.1:8080", "http://2130706433:8080", true);
        check("https://[::1]", "https://[0:0:0:0:0:0:0:1]", true);
    }

    #[test]
    fn a_pattern_allows_nothing_else() {
        for url in [
            "http://api.example.com",
            "https://api.example.com:8443",
            "https://example.com",
            "https://a.api.example.com",
            "https://api.example.com.evil.example",
            "https://evilapi.example.com",
        ] {
            check("https://api.example.com", url, false);
        }
    }

    #[test]
    fn a_star_stands_for_names_below() {
        let pattern = "https://*.example.com:8443";
        check(pattern, "https://a.example.com:8443", true);
        check(pattern, "https://a.b.example.com.:8443", true);
        check(pattern, "https://example.com:8443", false);
        check(pattern, "https://.example.com:8443", false);
        check(pattern, "https://aexample.com:8443", false);
        check(pattern, "https://a.example.com", false);
        check(pattern, "http://a.example.com:8443", false);
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_remedy() {
        for pattern in [
            "",
            "*",
            "api.example.com",
            "ftp://api.example.com",
            "https://",
            "https://*",
            "https://*.",
            "https://a.*.example.com",
            "https://*.1.2.3.4",
            "https://api.example.com/",
            "https://api.example.com/v1",
            "https://user@api.example.com",
            "https://api.example.com:99999",
            "https://api.example.com:x",
            " https://api.example.com",
            "https://api.example.com ",
            "https://.",
        ] {
            let error = Pattern::parse(pattern).expect_err(pattern);
            assert!(error.contains("write https://host"), "{pattern}: {error}");
        }
    }
}
