//! What users get wrong: a precise answer, and nothing half-written.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

/// Status, content type and problem document that a request gets.
async fn problem(server: &Server, request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, "application/problem+json", "{status}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(server.get("/v1/enrollments").await, json!([]));
    (status, body)
}

#[tokio::test]
async fn journeys_with_faults_are_refused_with_line_and_column() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let head = "journey: j\nentry: { event: a.b }\n";
    for (name, source, expected) in [
        ("malformed YAML", "journey: j\nentry: { event: a.b\nsteps: []\n".to_owned(), "3:"),
        ("unknown step", format!("{head}steps:\n  - sendd: {{ use: coupons }}\n"), "4:5: steps[0]"),
        (
            "unknown connection",
            format!(
                "{head}steps:\n  - issue: {{ use: nowhere, campaign: c, off: 5 CNY, valid: 1d }}\n"
            ),
            "4:19: steps[0].issue.use",
        ),
        (
            "wrong kind of connection",
            format!(
                "{head}steps:\n  - issue: {{ use: shop, campaign: c, off: 5 CNY, valid: 1d }}\n"
            ),
            "4:19: steps[0].issue.use",
        ),
        (
            "CEL that does not parse",
            format!("{head}steps:\n  - if: customer.score >\n    then: [{{ wait: 1h }}]\n"),
            "4:",
        ),
        (
            "CEL with an unknown variable",
            format!("{head}steps:\n  - if: custmer.score > 1\n    then: [{{ wait: 1h }}]\n"),
            "4:9: steps[0].if",
        ),
    ] {
        let file = server.write("bad.yaml", &source);
        let output = server.command(&["apply", &file]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "{name} was taken");
        assert!(text.contains(&format!("bad.yaml:{expected}")), "{name}:\n{text}");
        let checked = server.command(&["check", "--online", &file]);
        assert!(!checked.status.success());
        assert_eq!(
            String::from_utf8(checked.stdout).unwrap(),
            text,
            "check and apply disagree about {name}"
        );
    }
    assert_eq!(server.get("/v1/journeys").await, json!([]));
}

#[tokio::test]
async fn events_with_faults_are_refused_whole() {
    let server = Server::start(None);
    let http = reqwest::Client::new();
    let post =
        |body: Value| http.post(server.url("/v1/events")).bearer_auth(server.token()).json(&body);
    let good = json!({ "id": "e1", "name": "a.b", "customer": "c1" });
    for (body, at, message) in [
        (json!({ "name": "a.b", "customer": "c1" }), "/id", "identifier of 1 to 128"),
        (json!({ "id": "", "name": "a.b", "customer": "c1" }), "/id", "identifier of 1 to 128"),
        (json!({ "id": "x", "customer": "c1" }), "/name", "lower case words"),
        (json!({ "id": "x", "name": "A B", "customer": "c1" }), "/name", "lower case words"),
        (json!({ "id": "x", "name": "a.b" }), "/customer", "either `customer` or `identity`"),
        (
            json!([good, { "id": "x", "name": "a.b", "customer": "c1", "when": 1 }]),
            "/1",
            "unknown field `when`",
        ),
        (
            json!([good, { "id": "x", "name": "a.b", "customer": "c1", "properties": { "big": "x".repeat(70_000) } }]),
            "/1/properties",
            "more than the 65536 allowed",
        ),
        (json!([]), "", "1 to 1000 events"),
        (Value::Array(vec![good.clone(); 1001]), "", "1 to 1000 events"),
    ] {
        let (status, problem) = problem(&server, post(body)).await;
        assert_eq!(status, 422);
        assert_eq!(problem["faults"][0]["at"], at, "{problem}");
        assert!(problem["faults"][0]["message"].as_str().unwrap().contains(message), "{problem}");
    }
    // None of the batches left anything: the good event among them is still new.
    let (status, answer) = server.request(Method::POST, "/v1/events", &good).await;
    assert_eq!((status, &answer["results"]), (StatusCode::ACCEPTED, &json!(["accepted"])));
    let (_, again) = server.request(Method::POST, "/v1/events", &good).await;
    assert_eq!(again["results"], json!(["duplicate"]));
    let stranger = json!({ "id": "e2", "name": "a.b", "identity": { "kind": "email", "value": "who@example.com" } });
    let (_, answer) = server.request(Method::POST, "/v1/events", &stranger).await;
    assert_eq!(answer["results"], json!(["unknown_customer"]));
}

#[tokio::test]
async fn requests_that_do_not_fit_get_problem_documents() {
    let server = Server::start(None);
    // The server closes a connection whose request it did not read to its end, so none is used twice.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let with_token = |request: reqwest::RequestBuilder| request.bearer_auth(server.token());
    let events = server.url("/v1/events");
    for (name, request, status, detail) in [
        ("no token", http.get(server.url("/v1/journeys")), 401, "Authorization: Bearer"),
        (
            "wrong token",
            http.get(server.url("/v1/journeys")).bearer_auth(format!("{}0", server.token())),
            401,
            "Authorization: Bearer",
        ),
        (
            "token of another shape",
            http.get(server.url("/v1/journeys")).bearer_auth("secret"),
            401,
            "Authorization: Bearer",
        ),
        ("unknown path", with_token(http.get(server.url("/v1/nothing"))), 404, "/v1/openapi.json"),
        ("unknown method", http.delete(server.url("/healthz")), 405, "does not take this method"),
        ("unknown hook", http.post(server.url("/hooks/nowhere")), 404, "`nowhere`"),
        (
            "no JSON",
            with_token(http.post(&events)).header("content-type", "application/json").body("{"),
            422,
            "body",
        ),
        ("wrong content type", with_token(http.post(&events)).body("{}"), 415, "application/json"),
        (
            "body over the limit",
            with_token(http.post(&events))
                .header("content-type", "application/json")
                .body(vec![b' '; (8 << 20) + 1]),
            413,
            "larger",
        ),
        (
            "journey over the limit",
            with_token(http.post(server.url("/v1/journeys"))).body(vec![b'#'; (256 << 10) + 1]),
            413,
            "larger",
        ),
        (
            "journey that is not UTF-8",
            with_token(http.post(server.url("/v1/journeys"))).body(vec![0xff, 0xfe]),
            422,
            "UTF-8",
        ),
        (
            "not WebAssembly",
            with_token(http.post(server.url("/v1/plugins"))).body("hello"),
            422,
            "not WebAssembly",
        ),
        (
            "page too large",
            with_token(http.get(server.url("/v1/deliveries?limit=5000"))),
            422,
            "1 to 1000",
        ),
        (
            "unknown parameter",
            with_token(http.get(server.url("/v1/deliveries?color=red"))),
            422,
            "color",
        ),
        (
            "unknown customer",
            with_token(http.get(server.url("/v1/customers/nobody"))),
            404,
            "`nobody`",
        ),
        (
            "unknown delivery",
            with_token(http.get(server.url("/v1/deliveries/none"))),
            404,
            "`none`",
        ),
        (
            "customer with an unknown field",
            with_token(http.put(server.url("/v1/customers/c"))).json(&json!({ "mail": 1 })),
            422,
            "mail",
        ),
        (
            "consent for an unknown purpose",
            with_token(http.put(server.url("/v1/customers/c")))
                .json(&json!({ "consents": { "spam": {} } })),
            422,
            "marketing",
        ),
    ] {
        let (found, problem) = problem(&server, request).await;
        assert_eq!(found, status, "{name}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{name}: {problem}");
    }
    let (status, _) = server.request(Method::GET, "/v1/customers/c", &Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn an_identity_belongs_to_one_customer() {
    let server = Server::start(None);
    let mine = json!({ "identities": { "email": "a@example.com" }, "tags": ["x"] });
    let (status, _) = server.request(Method::PUT, "/v1/customers/one", &mine).await;
    assert_eq!(status, 204);
    let (status, problem) = server.request(Method::PUT, "/v1/customers/two", &mine).await;
    assert_eq!(status, 409, "{problem}");
    let (status, _) = server.request(Method::GET, "/v1/customers/two", &Value::Null).await;
    assert_eq!(status, 404, "half of a refused customer was stored");
}

#[tokio::test]
async fn connections_with_faults_are_refused() {
    let server = Server::start(None);
    server.set_up_without_mail();
    for (name, source, expected) in [
        ("unknown plugin", "connection: x\nplugin: nothing\n", "installed: "),
        (
            "unknown relay",
            "connection: x\nplugin: smtp-email\nconfig: { sender: a@b.example }\npermissions: { mail: { relay: fast, senders: [a@b.example] } }\n",
            "no relay `fast`",
        ),
        (
            "configuration that the plugin refuses",
            "connection: x\nplugin: coupon-codes\nconfig: { mode: guess }\n",
            "mode",
        ),
        (
            "unknown permission",
            "connection: x\nplugin: coupon-codes\npermissions: { files: all }\n",
            "files",
        ),
        ("bad name", "connection: X Y\nplugin: coupon-codes\n", "lower case words"),
        (
            "missing variable",
            "connection: x\nplugin: coupon-codes\nsecrets: { codes: { env: NO_SUCH_VARIABLE } }\n",
            "NO_SUCH_VARIABLE",
        ),
        ("malformed YAML", "connection: x\nplugin: [x\n", "line 2"),
    ] {
        let file = server.write("bad.yaml", source);
        let output = server.command(&["connection", "apply", &file]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{name} was taken");
        assert!(text.contains(expected) && text.contains("bad.yaml"), "{name}: {text}");
    }
    let connections = server.get("/v1/connections").await;
    let names: Vec<&str> = connections
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["connection"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["coupons", "shop"]);
}

#[tokio::test]
async fn secrets_cannot_be_read_back_or_found_on_disk() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let shown = server.get("/v1/connections").await.to_string();
    assert!(!shown.contains("shop-signing-key"), "{shown}");
    let mut files = vec![server.folder().join("data")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(16).any(|window| window == b"shop-signing-key");
            assert!(!found, "{} holds a secret in the clear", path.display());
        }
    }
    assert!(!server.log().contains("shop-signing-key"));
}
