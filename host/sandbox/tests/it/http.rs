//! Requests that a plugin sends, and what it hears of them.

use std::time::{Duration, Instant};

use waystation_sandbox::{Connection, HttpGrant, SandboxError};

use crate::{
    guests::{release, settings, shared},
    web::{Reply, Seen, Server, closed_port, connect, grant, name, order, until},
};

/// A connection that may send requests to a server, and its origin.
async fn to(server: &Server) -> (Connection, String) {
    let origin = format!("http://127.0.0.1:{}", server.port);
    (connect(|settings| grant(settings, &[&origin])).await, origin)
}

#[tokio::test]
async fn a_request_arrives_as_it_was_written() {
    let server = Server::start(|_| {
        Reply::answer("201 Created", "content-type: text/plain\r\nx-a: 1\r\nx-a: 2\r\n", "made")
    })
    .await;
    let (shop, origin) = to(&server).await;
    let answer = order(
        &shop,
        &format!(
            "send\nPUT {origin}/a%20b?c=d#part\ncontent-type: text/plain\nx-b: 你\nx-b: 2\n\nbody"
        ),
    )
    .await;
    assert_eq!(answer, "201\ncontent-type: text/plain\nx-a: 1\nx-a: 2\ncontent-length: 4\n\nmade");
    let seen = server.only();
    assert!(seen.head.starts_with("PUT /a%20b?c=d HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.header("host"), Some(origin.trim_start_matches("http://")));
    assert_eq!((seen.header("content-type"), seen.header("x-b")), (Some("text/plain"), Some("你")));
    assert!(seen.head.contains("x-b: 2"), "{}", seen.head);
    assert_eq!(seen.header("accept-encoding"), Some("gzip"));
    assert!(seen.header("user-agent").is_some_and(|agent| agent.starts_with("waystation/")));
    assert_eq!((seen.header("content-length"), seen.body.as_slice()), (Some("4"), &b"body"[..]));
}

#[tokio::test]
async fn an_empty_body_is_told_where_one_is_usual() {
    let server = Server::start(|_| Reply::ok("")).await;
    let (shop, origin) = to(&server).await;
    assert!(order(&shop, &format!("send\nPOST {origin}")).await.starts_with("200"));
    assert!(order(&shop, &format!("send\nGET {origin}")).await.starts_with("200"));
    let lengths: Vec<Option<String>> =
        server.seen().iter().map(|seen| seen.header("content-length").map(str::to_owned)).collect();
    assert_eq!(lengths, [Some("0".to_owned()), None]);
}

#[tokio::test]
async fn connections_are_used_again_but_not_by_others() {
    let server = Server::start(|_| Reply::ok("")).await;
    let ((shop, origin), (other, _)) = (to(&server).await, to(&server).await);
    for sender in [&shop, &shop, &shop, &other] {
        assert!(order(sender, &format!("send\nGET {origin}")).await.starts_with("200"));
    }
    let used: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(used, [0, 0, 0, 1]);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let server = Server::start(|_| Reply::ok("").and_close()).await;
    let (shop, origin) = to(&server).await;
    for _ in 0..3 {
        let answer = order(&shop, &format!("send\nPOST {origin}\n\nbody")).await;
        assert!(answer.starts_with("200"), "{answer}");
    }
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn many_requests_are_answered_in_order_at_the_same_time() {
    let server = Server::start(|seen: &Seen| Reply::ok(format!("#{}", &seen.path()[1..]))).await;
    let (shop, origin) = to(&server).await;
    let answer = order(&shop, &format!("send-all 1000\nGET {origin}/{{n}}")).await;
    assert!(answer.starts_with("ok 1000 own 1000 denied 0"), "{answer}");
    assert_eq!(server.seen().len(), 1_000);
    let connections = server.seen().iter().map(|seen| seen.connection).max();
    assert!(connections.is_some_and(|last| (1..200).contains(&last)), "{connections:?}");
}

#[tokio::test]
async fn one_slow_answer_holds_up_no_other() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/0" => Reply::hang(""),
        path => Reply::ok(format!("#{}", &path[1..])),
    })
    .await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let shop = connect(|settings| {
        grant(settings, &[&origin]);
        settings.limits.wall_time = Duration::from_secs(3);
    })
    .await;
    let answer = order(&shop, &format!("send-all 500\nGET {origin}/{{n}}")).await;
    assert!(answer.starts_with("ok 499 own 499 denied 0 not-sent 0 interrupted 1"), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_not_sent() {
    let port = closed_port().await;
    let closed = format!("http://127.0.0.1:{port}");
    let shop = connect(|settings| grant(settings, &[&closed, "http://unknown.test"])).await;
    let answer = order(&shop, &format!("send\nPOST {closed}/?key=k1\n\nbody")).await;
    assert!(answer.starts_with("Error::NotSent(\"127.0.0.1 cannot be connected to: "), "{answer}");
    assert!(answer.contains("refused") && !answer.contains("k1"), "{answer}");
    let answer = order(&shop, "send\nPOST http://unknown.test/\n\nbody").await;
    assert!(
        answer.starts_with("Error::NotSent(\"unknown.test cannot be connected to: "),
        "{answer}"
    );
    assert!(answer.contains("no such name"), "{answer}");
}

#[tokio::test]
async fn a_request_without_a_whole_response_is_interrupted() {
    let server = Server::start(|seen: &Seen| match seen.path() {
        "/nothing" => Reply::raw(""),
        "/half" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"),
        "/chunk" => Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal"),
        "/gzip" => {
            Reply::answer("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b\x08\0not gzip at all")
        }
        _ => Reply::raw("SSH-2.0-OpenSSH_9.9\r\n"),
    })
    .await;
    let (shop, origin) = to(&server).await;
    for path in ["nothing", "half", "chunk", "gzip", "other"] {
        let answer = order(&shop, &format!("send\nPOST {origin}/{path}?key=k1\n\nbody")).await;
        assert!(answer.starts_with("Error::Interrupted(\"127.0.0.1 gave no complete"), "{answer}");
        assert!(!answer.contains("k1"), "{answer}");
    }
}

#[tokio::test]
async fn at_the_deadline_each_request_says_how_far_it_came() {
    let server =
        Server::start(|_| Reply::hang("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")).await;
    let silent = Server::start(|_| Reply::hang("")).await;
    let origins = [server.port, silent.port].map(|port| format!("http://127.0.0.1:{port}"));
    let shop = connect(|settings| {
        grant(settings, &[&origins[0], &origins[1], "http://stuck.test"]);
        settings.limits.wall_time = Duration::from_secs(2);
    })
    .await;
    let begun = Instant::now();
    let requests = [
        format!("POST {}/\n\nbody", origins[0]),
        format!("POST {}/\n\nbody", origins[1]),
        format!("GET {}/", origins[1]),
        "POST http://stuck.test/\n\nbody".to_owned(),
    ];
    let answer = order(&shop, &format!("send-each\n{}", requests.join("\n====\n"))).await;
    let answers: Vec<&str> = answer.split("\n====\n").collect();
    assert_eq!(
        answers,
        [
            r#"Error::Interrupted("127.0.0.1 did not end its response in time")"#,
            r#"Error::Interrupted("127.0.0.1 did not answer in time")"#,
            r#"Error::Interrupted("127.0.0.1 did not answer in time")"#,
            r#"Error::NotSent("stuck.test did not answer in time")"#,
        ]
    );
    assert!(begun.elapsed() < Duration::from_secs(2), "the plugin could still tell");
}

#[tokio::test]
async fn a_connection_has_so_many_requests_under_way() {
    let server = Server::start(|_| Reply::hang("")).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let shop = connect(|settings| {
        grant(settings, &[&origin]);
        settings.limits.wall_time = Duration::from_secs(3);
    })
    .await;
    let answer = order(&shop, &format!("send-all 100\nGET {origin}/")).await;
    let counts = "ok 0 own 0 denied 0 not-sent 36 interrupted 64 too-large 0";
    assert!(answer.starts_with(counts), "{answer}");
    assert_eq!(server.seen().len(), 64);
}

#[tokio::test]
async fn a_dropped_call_takes_its_requests_along() {
    let server = Server::start(|_| Reply::hang("")).await;
    let (shop, origin) = to(&server).await;
    let words = format!("send\nGET {origin}/");
    tokio::select! {
        answer = order(&shop, &words) => panic!("{answer}"),
        () = until("the request arrives", || server.seen().len() == 1) => {}
    }
}

#[tokio::test]
async fn only_allowed_addresses_of_a_name_are_connected_to() {
    let server = Server::start(|_| Reply::ok("here")).await;
    let origin = format!("http://mixed.test:{}", server.port);
    name("mixed.test", &[&["10.0.0.1", "::1", "127.0.0.1", "169.254.169.254"]]);
    let shop = connect(|settings| grant(settings, &[&origin])).await;
    let begun = Instant::now();
    assert!(order(&shop, &format!("send\nGET {origin}/")).await.ends_with("here"));
    assert!(begun.elapsed() < Duration::from_secs(5), "the others were not tried");
}

#[tokio::test]
async fn names_below_a_star_are_allowed() {
    let server = Server::start(|seen: &Seen| Reply::ok(seen.header("host").unwrap())).await;
    name("a.star.test", &[&["127.0.0.1"]]);
    name("star.test", &[&["127.0.0.1"]]);
    let pattern = format!("http://*.star.test:{}", server.port);
    let shop = connect(|settings| grant(settings, &[&pattern])).await;
    let host = format!("a.star.test:{}", server.port);
    assert!(order(&shop, &format!("send\nGET http://{host}/")).await.ends_with(&host));
    let dotted = format!("send\nGET http://A.Star.Test.:{}/", server.port);
    assert!(order(&shop, &dotted).await.ends_with(&host));
    let answer = order(&shop, &format!("send\nGET http://star.test:{}/", server.port)).await;
    assert!(answer.contains("is not an allowed origin"), "{answer}");
}

#[tokio::test]
async fn a_bad_grant_is_refused_with_its_place_and_remedy() {
    let refused = async |change: fn(&mut HttpGrant), says: &str| {
        let mut settings = settings("shop");
        let mut grant = HttpGrant::default();
        change(&mut grant);
        settings.http = Some(grant);
        let error = Connection::new(shared(), release("attacker").await, settings).unwrap_err();
        assert!(matches!(error, SandboxError::Settings { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    refused(
        |grant| grant.origins = ["api.example.com".to_owned()].into(),
        "permissions.http.origins: \"api.example.com\" has no scheme; write https://host",
    )
    .await;
    refused(|grant| grant.redirects = 11, "permissions.http.redirects is 11").await;
    let mut settings = settings("shop");
    settings.permissions.secrets = [("key".to_owned(), ["https://".to_owned()].into())].into();
    let error = Connection::new(shared(), release("attacker").await, settings).unwrap_err();
    assert!(error.to_string().contains("permissions.secrets.key: \"https://\""), "{error}");
}
