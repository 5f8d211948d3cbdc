use serde_json::json;
use waystation_sandbox::Match;

use super::*;

fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let request = json!({ "method": method, "url": url, "headers": headers, "body": body });
    one("http.send", request)
}

fn one(function: &str, request: Value) -> Request {
    let exchange = Exchange { function: function.to_owned(), request, answer: Value::Null };
    Request { exchange, matched: Match::Exact }
}

fn kinds(found: &[Difference]) -> Vec<&str> {
    found.iter().map(|(kind, ..)| kind.as_str()).collect()
}

#[test]
fn requests_are_paired_before_they_are_called_missing() {
    let send = |body: &str| http("POST", "https://api.example/send?x=1", &[("a", "1")], body);
    let current = [send("one"), send("two"), http("GET", "https://api.example/me", &[], "")];
    assert!(requests(&current, &current).is_empty());
    // Another order is no difference.
    let [one, two, me] = current.clone();
    assert!(requests(&current, &[me.clone(), two.clone(), one.clone()]).is_empty());
    let found = requests(&current, &[one.clone(), send("three"), me.clone()]);
    assert_eq!(kinds(&found), ["http.send POST https://api.example: changed body"]);
    assert_eq!((&found[0].1, &found[0].2), (&json!({"body": "two"}), &json!({"body": "three"})));
    let found = requests(&current, &[one.clone(), me.clone()]);
    assert_eq!(kinds(&found), ["http.send POST https://api.example: missing"]);
    let found = requests(std::slice::from_ref(&me), &[me.clone(), one]);
    assert_eq!(kinds(&found), ["http.send POST https://api.example: additional"]);
    let moved = http("PUT", "https://other.example/send", &[("a", "1"), ("b", "2")], "two");
    let found = requests(&[two], &[moved]);
    assert_eq!(
        kinds(&found),
        ["http.send POST https://api.example: changed header b, method, url"]
    );
    assert_eq!(found[0].2["headers"], json!([["b", "2"]]));
}

#[test]
fn functions_are_not_mixed_up() {
    let current = [one("store.set", json!(["a", "1"])), one("codes.take", json!(["p", "k1"]))];
    let candidate = [one("store.set", json!(["a", "2"])), one("secrets.hmac", json!({"key": "x"}))];
    let found = requests(&current, &candidate);
    assert_eq!(
        kinds(&found),
        ["store.set: changed", "codes.take: missing", "secrets.hmac: additional"]
    );
}

#[test]
fn outcomes_are_told_apart_by_how_they_end() {
    let accepted = |id: &str| json!({ "Accepted": { "provider_id": id, "cost": null } });
    let refused = json!({ "Refused": { "reason": "Address", "detail": "no such address" } });
    let cases = [
        (accepted("1"), refused.clone(), "accepted -> refused (address)"),
        (accepted("1"), accepted("2"), "accepted, but with another provider_id"),
        (json!(null), json!({ "Unknown": "x" }), "none -> unknown"),
        (json!({ "Unknown": "x" }), json!({ "Unknown": "y" }), "unknown, but with another detail"),
        (json!({ "Ok": "1" }), json!({ "Err": "Exhausted" }), "done with a result -> exhausted"),
        (json!({ "Ok": "1" }), json!({ "Ok": "2" }), "done with a result, but with another result"),
        (json!({ "Ok": null }), json!({ "Err": { "Refused": "x" } }), "done -> refused"),
        (
            json!({ "Ok": { "response": { "status": 202 }, "events": [1] } }),
            json!({ "Ok": { "response": { "status": 401 }, "events": [] } }),
            "202 with 1 events and 0 reports -> 401 with 0 events and 0 reports",
        ),
        (json!({ "Ok": { "Ok": null } }), json!({ "Ok": { "Err": [] } }), "done -> objections"),
        (
            json!({ "Ok": { "next_at": 1, "events": [] } }),
            json!({ "Err": "x" }),
            "0 events -> no answer",
        ),
    ];
    for (was, is, kind) in cases {
        let found = outcomes("f", &json!([was]), &json!([is]), Strict::Whole);
        assert_eq!(kinds(&found), [format!("f: {kind}")], "{was} {is}");
    }
    let (was, is) = (json!([accepted("1")]), json!([accepted("2")]));
    assert!(outcomes("f", &was, &is, Strict::Ending).is_empty());
    assert!(outcomes("f", &was, &was, Strict::Whole).is_empty());
}
