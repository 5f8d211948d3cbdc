//! Reaching what is not public: the host itself, its neighbours, its cloud's metadata.

use waystation_sandbox::HttpGrant;

use super::{Attempt, check};
use crate::web::{Reply, Seen, Server, connect, grant, name, order};

/// Every host is an allowed origin here, so that it is the address that stops the request.
const ADDRESSES: &[Attempt] = &[
    ("loopback", "send\nGET http://127.0.0.1:{port}/", "127.0.0.1 is not public: it is the host"),
    ("all of loopback", "send\nGET http://127.8.9.10:{port}/", "127.8.9.10 is not public"),
    ("decimal", "send\nGET http://2130706433:{port}/", "127.0.0.1 is not public"),
    ("octal", "send\nGET http://0177.0.0.01:{port}/", "127.0.0.1 is not public"),
    ("hexadecimal", "send\nGET http://0x7f000001:{port}/", "127.0.0.1 is not public"),
    ("mixed", "send\nGET http://0x7f.0.01:{port}/", "127.0.0.1 is not public"),
    ("short", "send\nGET http://127.1:{port}/", "127.0.0.1 is not public"),
    ("a dot at the end", "send\nGET http://127.0.0.1.:{port}/", "127.0.0.1 is not public"),
    ("percent-encoded", "send\nGET http://%31%32%37.0.0.1:{port}/", "127.0.0.1 is not public"),
    ("full-width digits", "send\nGET http://１２７。０。０。１:{port}/", "127.0.0.1 is not public"),
    ("no host at all", "send\nGET http://0.0.0.0:{port}/", "0.0.0.0 is not public"),
    ("zero", "send\nGET http://0:{port}/", "0.0.0.0 is not public"),
    ("private, class A", "send\nGET http://10.0.0.1:{port}/", "10.0.0.1/32 to allow it"),
    ("private, class B", "send\nGET http://172.16.0.1:{port}/", "172.16.0.1 is not public"),
    ("private, class C", "send\nGET http://192.168.0.1:{port}/", "192.168.0.1 is not public"),
    ("behind a provider", "send\nGET http://100.64.0.1:{port}/", "100.64.0.1 is not public"),
    ("metadata", "send\nGET http://169.254.169.254:{port}/latest", "169.254.169.254 is not public"),
    ("metadata in decimal", "send\nGET http://2852039166:{port}/", "169.254.169.254 is not public"),
    (
        "Alibaba's metadata",
        "send\nGET http://100.100.100.200:{port}/",
        "100.100.100.200 is not public",
    ),
    ("Azure's metadata", "send\nGET http://168.63.129.16:{port}/", "168.63.129.16 is not public"),
    ("benchmarks", "send\nGET http://198.18.0.1:{port}/", "198.18.0.1 is not public"),
    ("documentation", "send\nGET http://192.0.2.1:{port}/", "192.0.2.1 is not public"),
    ("multicast", "send\nGET http://224.0.0.1:{port}/", "224.0.0.1 is not public"),
    ("broadcast", "send\nGET http://255.255.255.255:{port}/", "255.255.255.255 is not public"),
    ("IPv6 loopback", "send\nGET http://[::1]:{port}/", "::1 is not public: it is the host"),
    ("unspecified", "send\nGET http://[::]:{port}/", ":: is not public"),
    ("IPv4-mapped", "send\nGET http://[::ffff:127.0.0.1]:{port}/", "127.0.0.1 is not public"),
    ("IPv4-mapped, hex", "send\nGET http://[::ffff:7f00:1]:{port}/", "127.0.0.1 is not public"),
    ("IPv4-compatible", "send\nGET http://[::127.0.0.1]:{port}/", "leads to 127.0.0.1"),
    ("6to4", "send\nGET http://[2002:7f00:1::]:{port}/", "leads to 127.0.0.1"),
    ("NAT64", "send\nGET http://[64:ff9b::7f00:1]:{port}/", "leads to 127.0.0.1"),
    ("local NAT64", "send\nGET http://[64:ff9b:1::7f00:1]:{port}/", "leads into a private IPv4"),
    ("Teredo", "send\nGET http://[2001:0:a00:1::80ff:fffe]:{port}/", "such as Teredo"),
    ("ISATAP", "send\nGET http://[2600::5efe:10.0.0.1]:{port}/", "leads to 10.0.0.1"),
    ("unique local", "send\nGET http://[fd00:ec2::254]:{port}/", "fd00:ec2::254 is not public"),
    ("link-local", "send\nGET http://[fe80::1]:{port}/", "fe80::1 is not public"),
    (
        "link-local, zone",
        "send\nGET http://[fe80::1%25lo]:{port}/",
        "the URL is not absolute or is none",
    ),
    ("site-local", "send\nGET http://[fec0::1]:{port}/", "fec0::1 is not public"),
    (
        "a name for loopback",
        "send\nGET http://localhost:{port}/",
        "localhost resolves to 127.0.0.1",
    ),
    (
        "a name below it",
        "send\nGET http://a.localhost:{port}/",
        "a.localhost resolves to 127.0.0.1",
    ),
    ("a dot after it", "send\nGET http://LocalHost.:{port}/", "localhost resolves to 127.0.0.1"),
    ("a public name", "send\nGET http://private.test:{port}/", "private.test resolves to 10.0.0.1"),
    ("many private addresses", "send\nGET http://several.test:{port}/", "several.test resolves to"),
    (
        "mapped in a name",
        "send\nGET http://mapped.test:{port}/",
        "mapped.test resolves to 127.0.0.1",
    ),
    ("metadata by name", "send\nGET http://metadata.test:{port}/", "resolves to 169.254.169.254"),
];

#[tokio::test]
async fn no_form_of_a_private_address_is_reached() {
    let server = Server::start(|_| Reply::ok("reached")).await;
    for (host, addresses) in [
        ("private.test", &["10.0.0.1"][..]),
        ("several.test", &["127.0.0.1", "::1", "169.254.169.254"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("metadata.test", &["169.254.169.254"]),
    ] {
        name(host, &[addresses]);
    }
    let origins = ADDRESSES.iter().filter_map(|(_, order, _)| {
        let url = order.strip_prefix("send\nGET ")?.split('/').nth(2)?;
        let origin = format!("http://{}", url.replace("{port}", &server.port.to_string()));
        // Percent signs have no place in a grant.
        (!origin.contains('%')).then_some(origin)
    });
    let attacker = connect(|settings| {
        settings.http = Some(HttpGrant { origins: origins.collect(), ..HttpGrant::default() });
    })
    .await;
    check(&attacker, server.port, ADDRESSES).await;
    assert!(server.seen().is_empty(), "{:?}", server.seen());
}

/// Nothing but one origin is allowed here.
const ORIGINS: &[Attempt] = &[
    (
        "another port",
        "send\nGET http://shop.test:1/",
        "http://shop.test:1 is not an allowed origin",
    ),
    ("another scheme", "send\nGET https://shop.test:{port}/", "is not an allowed origin"),
    ("a name below", "send\nGET http://a.shop.test:{port}/", "is not an allowed origin"),
    ("a name like it", "send\nGET http://shop.test.evil.test:{port}/", "is not an allowed origin"),
    ("a look-alike", "send\nGET http://ѕhop.test:{port}/", "http://xn--hop-ehd.test"),
    ("its address", "send\nGET http://127.0.0.1:{port}/", "is not an allowed origin"),
    ("as a user", "send\nGET http://shop.test@evil.test:{port}/", "has a user or password"),
    ("as a user, port", "send\nGET http://shop.test:{port}@evil.test/", "has a user or password"),
    ("backslash", "send\nGET http://evil.test\\@shop.test:{port}/", "http://evil.test is not"),
    ("a fragment", "send\nGET http://evil.test#@shop.test:{port}/", "http://evil.test is not"),
    ("a file", "send\nGET file:///etc/passwd", "neither https nor http"),
    ("a socket", "send\nGET unix:///run/docker.sock", "neither https nor http"),
    ("another protocol", "send\nGET gopher://shop.test:{port}/_QUIT", "neither https nor http"),
    ("data", "send\nGET data:text/plain,hello", "neither https nor http"),
    ("no scheme", "send\nGET //shop.test/", "the URL is not absolute or is none"),
];

#[tokio::test]
async fn no_other_origin_is_reached() {
    let server = Server::start(|_| Reply::ok("reached")).await;
    name("shop.test", &[&["127.0.0.1"]]);
    let origin = format!("http://shop.test:{}", server.port);
    let attacker = connect(|settings| grant(settings, &[&origin])).await;
    check(&attacker, server.port, ORIGINS).await;
    assert!(server.seen().is_empty(), "{:?}", server.seen());
    assert!(order(&attacker, &format!("send\nGET {origin}/")).await.ends_with("reached"));
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_each_time() {
    let public = Server::start(|_| Reply::ok("public").and_close()).await;
    let private = Server::at(&format!("127.0.0.2:{}", public.port), |_| Reply::ok("private")).await;
    // The network of the first address is granted and so stands for a public one.
    name("rebinding.test", &[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.2"], &["127.0.0.1"]]);
    let origin = format!("http://rebinding.test:{}", public.port);
    let attacker = connect(|settings| grant(settings, &[&origin])).await;
    let words = format!("send\nGET {origin}/");
    assert!(order(&attacker, &words).await.ends_with("public"));
    for _ in 0..2 {
        let answer = order(&attacker, &words).await;
        assert!(answer.contains("rebinding.test resolves to 127.0.0.2"), "{answer}");
    }
    assert!(order(&attacker, &words).await.ends_with("public"));
    assert!(private.seen().is_empty(), "{:?}", private.seen());
}

/// The server redirects to what stands in the query.
const REDIRECTS: &[Attempt] = &[
    (
        "to loopback",
        "send\nGET http://way.test:{port}/?http://127.0.0.1:{port}/in",
        "127.0.0.1 is not public",
    ),
    (
        "to decimal",
        "send\nGET http://way.test:{port}/?http://2130706433:{port}/in",
        "127.0.0.1 is not public",
    ),
    (
        "to metadata",
        "send\nGET http://way.test:{port}/?http://169.254.169.254/in",
        "169.254.169.254 is not public",
    ),
    (
        "to a private name",
        "send\nGET http://way.test:{port}/?http://inside.test:{port}/in",
        "inside.test resolves to 10.0.0.1",
    ),
    (
        "without scheme",
        "send\nGET http://way.test:{port}/?//127.0.0.1:{port}/in",
        "127.0.0.1 is not public",
    ),
    (
        "to another scheme",
        "send\nGET http://way.test:{port}/?https://way.test:{port}/in",
        "is not an allowed origin",
    ),
    ("to a file", "send\nGET http://way.test:{port}/?file:///etc/passwd", "neither https nor http"),
    (
        "to another origin",
        "send\nGET http://way.test:{port}/?http://evil.test/in",
        "http://evil.test is not an allowed origin",
    ),
    (
        "with a user",
        "send\nGET http://way.test:{port}/?http://way.test@evil.test/in",
        "has a user or password",
    ),
    ("in a circle", "send\nGET http://way.test:{port}/?loop", "302\nlocation: /?loop"),
    ("on and on", "send\nGET http://way.test:{port}/?more", "302\nlocation: /?moremore"),
];

#[tokio::test]
async fn a_redirect_leads_nowhere_that_a_request_may_not_go() {
    let server = Server::at("127.0.0.3:0", |seen: &Seen| {
        let query = seen.path().trim_start_matches("/?");
        match query {
            "loop" => Reply::redirect("302 Found", "/?loop"),
            _ if query.starts_with("more") => {
                Reply::redirect("302 Found", &format!("/?{query}more"))
            }
            _ => Reply::redirect("302 Found", query),
        }
    })
    .await;
    let inside = Server::at(&format!("127.0.0.1:{}", server.port), |_| Reply::ok("reached")).await;
    name("way.test", &[&["127.0.0.3"]]);
    name("inside.test", &[&["10.0.0.1"]]);
    let origins = ["way.test", "127.0.0.1", "inside.test"]
        .map(|host| format!("http://{host}:{}", server.port))
        .into_iter()
        .chain(["http://169.254.169.254".to_owned()]);
    let attacker = connect(|settings| {
        settings.http = Some(HttpGrant {
            origins: origins.collect(),
            networks: vec!["127.0.0.3/32".parse().unwrap()],
            redirects: 10,
        });
    })
    .await;
    check(&attacker, server.port, REDIRECTS).await;
    assert!(inside.seen().is_empty(), "{:?}", inside.seen());
    // One request for each attempt, and ten more for each of the two that go on.
    assert_eq!(server.seen().len(), REDIRECTS.len() + 20);
}
