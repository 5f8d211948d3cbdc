//! Secrets in requests: put in by the host, only where they belong, and not to be seen in what comes back.

use base64::{Engine as _, engine::general_purpose};
use waystation_sandbox::{Connection, HttpGrant};

use crate::web::{Reply, Seen, Server, connect, grant, name, order, secret};

const SECRET: &str = "s3cr/et +\"é";

/// A connection whose secret `key` may go to the server, `elsewhere` to another, and `hashed` nowhere.
async fn shop(server: &Server) -> (Connection, String) {
    let origin = format!("http://127.0.0.1:{}", server.port);
    name("elsewhere.test", &[&["127.0.0.1"]]);
    let elsewhere = format!("http://elsewhere.test:{}", server.port);
    let shop = connect(|settings| {
        grant(settings, &[&origin, &elsewhere]);
        secret(settings, "key", SECRET, &[&origin]);
        secret(settings, "elsewhere", "another-secret", &[&elsewhere]);
        secret(settings, "hashed", "for-hmac-only", &[]);
        secret(settings, "lines", "one\r\ntwo", &[&origin]);
    })
    .await;
    (shop, origin)
}

#[tokio::test]
async fn a_secret_is_put_where_its_placeholder_stands() {
    let server = Server::start(|_| Reply::ok("")).await;
    let (shop, origin) = shop(&server).await;
    let request = format!(
        "send\nPOST {origin}/bot{{key}}/send?a=1&token={{key}}#{{key}}\nauthorization: Bearer {{key}}\nx-twice: {{key}}-{{key}}\n\n<{{key}}>"
    );
    assert!(order(&shop, &request).await.starts_with("200"));
    let seen = server.only();
    let encoded = "s3cr%2Fet%20%2B%22%C3%A9";
    assert_eq!(seen.path(), format!("/bot{encoded}/send?a=1&token={encoded}"));
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {SECRET}")));
    assert_eq!(seen.header("x-twice"), Some(&*format!("{SECRET}-{SECRET}")));
    assert_eq!(seen.body, format!("<{SECRET}>").as_bytes());
    assert_eq!(seen.header("content-length"), Some(&*(SECRET.len() + 2).to_string()));
}

#[tokio::test]
async fn a_secret_is_put_into_basic_credentials() {
    let server = Server::start(|_| Reply::ok("")).await;
    let (shop, origin) = shop(&server).await;
    for scheme in ["Basic", "basic"] {
        let request = format!("send\nGET {origin}/\nauthorization: {scheme} {{basic:user:<key>}}");
        assert!(order(&shop, &request).await.starts_with("200"));
    }
    let expected = format!("Basic {}", general_purpose::STANDARD.encode(format!("user:{SECRET}")));
    for seen in server.seen() {
        assert_eq!(seen.header("authorization"), Some(&*expected));
    }
}

#[tokio::test]
async fn a_secret_goes_only_where_it_is_granted() {
    let server = Server::start(|_| Reply::ok("")).await;
    let (shop, origin) = shop(&server).await;
    for request in [
        "POST {o}/?a={elsewhere}",
        "POST {o}/{elsewhere}",
        "POST {o}/\nx-a: {elsewhere}",
        "POST {o}/\nauthorization: Basic {basic:user:<elsewhere>}",
        "POST {o}/\n\n{elsewhere}",
        "POST {o}/\n\n{key}{elsewhere}",
        "POST {o}/\n\n{hashed}",
    ] {
        let answer = order(&shop, &format!("send\n{}", request.replace("{o}", &origin))).await;
        assert!(answer.starts_with("Error::Denied(\"the secret "), "{request}: {answer}");
        assert!(answer.contains("must hold that origin"), "{request}: {answer}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_placeholder_has_no_business_in_hosts_and_names() {
    let server = Server::start(|_| Reply::ok("")).await;
    let (_, origin) = shop(&server).await;
    let everywhere = format!("http://*.test:{}", server.port);
    let shop = connect(|settings| {
        grant(settings, &[&origin, &everywhere]);
        secret(settings, "key", "s3cret", &[&origin, &everywhere]);
    })
    .await;
    for (request, says) in [
        ("GET http://{key}.test:{p}/", "stands in the URL's scheme, host or port"),
        ("GET http://a.{key}.test:{p}/", "stands in the URL's scheme, host or port"),
        ("GET http://{key}@a.test:{p}/", "has a user or password"),
        ("GET http://a:{key}@a.test:{p}/", "has a user or password"),
        ("GET {key}://a.test/", "neither https nor http"),
        ("GET http://a.test:{key}/", "the URL is not absolute or is none"),
        ("GET {o}/\n{key}: a", "stands in a header field's name"),
        ("{key} {o}/", "the method is not a word"),
    ] {
        let request = request.replace("{o}", &origin).replace("{p}", &server.port.to_string());
        let answer = order(&shop, &format!("send\n{request}")).await;
        assert!(answer.starts_with("Error::Denied("), "{request}: {answer}");
        assert!(answer.contains(says), "{request}: {answer}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_secret_with_line_breaks_is_no_header() {
    let server = Server::start(|_| Reply::ok("")).await;
    let (shop, origin) = shop(&server).await;
    let answer = order(&shop, &format!("send\nGET {origin}/\nx-a: {{lines}}")).await;
    assert!(
        answer.starts_with("Error::Denied(\"the header field x-a has a line break"),
        "{answer}"
    );
    assert!(server.seen().is_empty());
    let answer = order(&shop, &format!("send\nPOST {origin}/?{{lines}}\n\n{{lines}}")).await;
    assert!(answer.starts_with("200"), "{answer}");
    assert_eq!(server.only().path(), "/?one%0D%0Atwo");
}

#[tokio::test]
async fn secrets_may_lengthen_a_request_only_so_much() {
    let server = Server::start(|_| Reply::ok("")).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let shop = connect(|settings| {
        grant(settings, &[&origin]);
        secret(settings, "long", &"x".repeat(60_000), &[&origin]);
    })
    .await;
    for request in [
        format!("POST {origin}/{{long}}"),
        format!("POST {origin}/\nx-a: {{long}}\nx-b: {{long}}"),
        format!("POST {origin}/\n\n{}", "{long}".repeat(20)),
    ] {
        let answer = order(&shop, &format!("send\n{request}")).await;
        assert!(answer.starts_with("Error::Denied(\"with its secrets in place"), "{answer}");
    }
    assert!(server.seen().is_empty());
    let answer = order(&shop, &format!("send\nPOST {origin}/\n\n{}", "{long}".repeat(15))).await;
    assert!(answer.starts_with("200"), "{answer}");
}

#[tokio::test]
async fn what_a_server_repeats_is_covered_wherever_and_however_it_stands() {
    let server = Server::start(|seen: &Seen| {
        let secret = seen.header("x-key").unwrap();
        let other = "another-secret";
        let hex: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
        let body = [
            secret.to_owned(),
            other.to_owned(),
            serde_json::to_string(secret).unwrap(),
            seen.path().trim_start_matches("/?").to_owned(),
            hex,
            general_purpose::STANDARD.encode(secret),
            general_purpose::URL_SAFE_NO_PAD.encode(format!("u:{secret}:")),
            general_purpose::STANDARD.encode(format!("us:{secret}")),
        ];
        let fields = format!(
            "x-echo: {secret}\r\nx-another-secret: 1\r\nset-cookie: a=s3cr%2Fet%20%2B%22%C3%A9\r\n"
        );
        Reply::answer("200 OK", &fields, body.join("|"))
    })
    .await;
    let (shop, origin) = shop(&server).await;
    let answer = order(&shop, &format!("send\nGET {origin}/?{{key}}\nx-key: {{key}}")).await;
    let (head, body) = answer.split_once("\n\n").unwrap();
    assert!(
        head.starts_with("200\nx-echo: [secret]\nset-cookie: a=[secret]\ncontent-length:"),
        "{head}"
    );
    let parts: Vec<&str> = body.split('|').collect();
    assert_eq!(
        parts[..6],
        ["[secret]", "[secret]", "\"[secret]\"", "[secret]", "[secret]", "[secret]"]
    );
    for part in &parts[6..] {
        assert!(part.contains("[secret]") && part.len() < 20, "{part}");
    }
}

#[tokio::test]
async fn a_large_response_is_covered_to_its_end() {
    let server = Server::start(|seen: &Seen| {
        let secret = seen.header("x-key").unwrap();
        Reply::ok(format!("{}{secret}", "x".repeat(1_000_000)))
    })
    .await;
    let (shop, origin) = shop(&server).await;
    let answer = order(&shop, &format!("send\nGET {origin}/\nx-key: {{key}}")).await;
    assert!(answer.ends_with("1000008 bytes"), "{answer}");
}

#[tokio::test]
async fn without_the_permission_nothing_is_sent() {
    let server = Server::start(|_| Reply::ok("")).await;
    let url = format!("http://127.0.0.1:{}/", server.port);
    let shop = connect(|_| {}).await;
    let answer = order(&shop, &format!("send\nGET {url}")).await;
    assert_eq!(answer, r#"Error::Denied("the connection may not send HTTP requests")"#);
    let shop = connect(|settings| settings.http = Some(HttpGrant::default())).await;
    let answer = order(&shop, &format!("send\nGET {url}")).await;
    assert!(
        answer.contains("is not an allowed origin; permissions.http.origins must hold it"),
        "{answer}"
    );
    assert!(server.seen().is_empty());
}
