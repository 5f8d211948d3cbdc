//! Redirects: followed as far as is allowed, and nobody gets what was meant for another.

use waystation_sandbox::Connection;

use crate::web::{Reply, Seen, Server, closed_port, connect, grant, order, secret};

/// Two servers that may be used. `key` is granted for both, `own` for the first alone.
struct Web {
    first: Server,
    second: Server,
    shop: Connection,
}

impl Web {
    /// The first server redirects from `/STATUS?LOCATION` to that location, in which `{second}` is the second.
    async fn start(redirects: u8) -> Self {
        let second = Server::start(|seen: &Seen| match seen.path() {
            "/back" => Reply::redirect("302 Found", seen.header("x-back").unwrap_or("/")),
            _ => Reply::ok("second"),
        })
        .await;
        let port = second.port;
        let first = Server::start(move |seen: &Seen| match seen.path().split_once('?') {
            Some((status, location)) => {
                let location = location.replace("second", &format!("127.0.0.1:{port}"));
                Reply::redirect(&format!("{} Moved", &status[1..]), &location)
            }
            None => Reply::ok("first"),
        })
        .await;
        let origins = [first.port, second.port].map(|port| format!("http://127.0.0.1:{port}"));
        let both: Vec<&str> = origins.iter().map(String::as_str).collect();
        let shop = connect(|settings| {
            grant(settings, &both);
            settings.http.as_mut().expect("it was granted").redirects = redirects;
            secret(settings, "key", "for/both", &both);
            secret(settings, "own", "first+only", &both[..1]);
        })
        .await;
        Self { first, second, shop }
    }

    async fn send(&self, method: &str, path: &str, rest: &str) -> String {
        let url = format!("http://127.0.0.1:{}{path}", self.first.port);
        order(&self.shop, &format!("send\n{method} {url}\n{rest}")).await
    }
}

#[tokio::test]
async fn no_redirect_is_followed_unless_it_is_granted() {
    let web = Web::start(0).await;
    let answer = web.send("GET", "/302?http://second/", "").await;
    assert!(answer.starts_with("302\n") && answer.ends_with("moved"), "{answer}");
    assert!(web.second.seen().is_empty());
}

#[tokio::test]
async fn the_method_is_rewritten_as_rfc_9110_has_it() {
    let web = Web::start(1).await;
    for (status, method, becomes) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ] {
        let before = web.second.seen().len();
        let rest = "content-type: text/plain\nx-kept: 1\n\nbody";
        web.send(method, &format!("/{status}?http://second/end"), rest).await;
        let seen = web.second.seen().remove(before);
        let kept = method == becomes && method != "HEAD" || becomes == "HEAD";
        assert!(
            seen.head.starts_with(&format!("{becomes} /end ")),
            "{status} {method}: {}",
            seen.head
        );
        assert_eq!(seen.header("x-kept"), Some("1"));
        assert_eq!(seen.header("content-type").is_some(), kept, "{status} {method}: {}", seen.head);
        assert_eq!(seen.body, if kept { &b"body"[..] } else { b"" }, "{status} {method}");
    }
}

#[tokio::test]
async fn after_the_last_redirect_its_response_is_returned() {
    let web = Web::start(2).await;
    let answer = web.send("GET", "/302?/302?/302?/end", "").await;
    assert!(answer.starts_with("302\nlocation: /end\n"), "{answer}");
    assert!(web.send("GET", "/302?/302?/end", "").await.ends_with("first"));
    assert_eq!(web.first.seen().len(), 6);
}

#[tokio::test]
async fn a_status_that_is_no_redirect_is_returned() {
    let web = Web::start(5).await;
    for status in [300, 304, 305] {
        let answer = web.send("GET", &format!("/{status}?http://second/"), "").await;
        assert!(answer.starts_with(&status.to_string()), "{answer}");
    }
    assert!(web.second.seen().is_empty());
}

#[tokio::test]
async fn credentials_stay_with_the_origin_they_were_meant_for() {
    let web = Web::start(5).await;
    let rest = "authorization: Bearer known\ncookie: a=b\nx-key: {key}\nx-own: {own}\nx-both: {key}{own}\nx-other: c";
    assert!(web.send("GET", "/302?http://second/", rest).await.ends_with("second"));
    let first = web.first.only();
    assert_eq!(first.header("authorization"), Some("Bearer known"));
    assert_eq!(first.header("x-both"), Some("for/bothfirst+only"));
    let second = web.second.only();
    assert_eq!((second.header("x-key"), second.header("x-other")), (Some("for/both"), Some("c")));
    for name in ["authorization", "cookie", "x-own", "x-both"] {
        assert_eq!(second.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn authorization_goes_along_if_its_secret_is_granted_there() {
    let web = Web::start(5).await;
    web.send("GET", "/302?http://second/", "authorization: Bearer {key}").await;
    assert_eq!(web.second.seen()[0].header("authorization"), Some("Bearer for/both"));
    web.send("GET", "/302?http://second/", "authorization: Basic {basic:user:<own>}").await;
    assert_eq!(web.second.seen()[1].header("authorization"), None);
    web.send("GET", "/302?http://second/", "authorization: Basic {basic:user:<key>}").await;
    assert_eq!(web.second.seen()[2].header("authorization"), Some("Basic dXNlcjpmb3IvYm90aA=="));
}

#[tokio::test]
async fn within_an_origin_everything_goes_along() {
    let web = Web::start(5).await;
    let answer =
        web.send("POST", "/307?/end", "authorization: Bearer {own}\ncookie: a=b\n\n{own}").await;
    assert!(answer.ends_with("first"), "{answer}");
    let last = web.first.seen().remove(1);
    assert_eq!(last.header("authorization"), Some("Bearer first+only"));
    assert_eq!((last.header("cookie"), last.body.as_slice()), (Some("a=b"), &b"first+only"[..]));
}

#[tokio::test]
async fn what_was_dropped_on_the_way_does_not_come_back() {
    let web = Web::start(5).await;
    let back = format!("x-back: http://127.0.0.1:{}/end", web.first.port);
    let rest = format!("authorization: Bearer known\nx-own: {{own}}\n{back}");
    assert!(web.send("GET", "/302?http://second/back", &rest).await.ends_with("first"));
    let last = web.first.seen().remove(1);
    assert_eq!((last.header("authorization"), last.header("x-own")), (None, None));
}

#[tokio::test]
async fn a_redirect_that_would_carry_a_secret_away_is_not_followed() {
    let web = Web::start(5).await;
    // The body would go along, and then the URL that the server makes of what it was sent.
    let cases = [("/307?http://second/", "\n{own}"), ("/302?http://second/?token={own}", "\n")];
    for (path, rest) in cases {
        let answer = web.send("POST", path, rest).await;
        assert!(answer.starts_with("Error::Interrupted(") && answer.contains("own"), "{answer}");
        assert!(!answer.contains("first+only") && !answer.contains("first%2B"), "{answer}");
    }
    assert!(web.second.seen().is_empty());
    let answer = web.send("POST", "/302?http://second/?token={key}", "\n").await;
    assert!(answer.ends_with("second"), "{answer}");
    assert_eq!(web.second.only().path(), "/?token=for%2Fboth");
}

#[tokio::test]
async fn after_a_redirect_nothing_is_certainly_not_sent() {
    let web = Web::start(5).await;
    let closed = closed_port().await;
    for (location, says) in [
        (format!("http://127.0.0.1:{closed}/"), "is not an allowed origin"),
        ("ftp://second/".to_owned(), "neither https nor http"),
        ("http://u:p@second/".to_owned(), "user or password"),
        ("http://[".to_owned(), "not to a URL"),
    ] {
        let answer = web.send("POST", &format!("/302?{location}"), "\nbody").await;
        assert!(answer.starts_with("Error::Interrupted(\"127.0.0.1 redirects: "), "{answer}");
        assert!(answer.contains(says), "{answer}");
    }
    assert!(web.second.seen().is_empty());
}
