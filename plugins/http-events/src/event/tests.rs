use super::*;

const SENT_AT: u64 = 1_700_000_000_000;

fn read_text(body: &str) -> Result<Vec<Event>, String> {
    read(&HttpRequest::post("/").with_body(body), SENT_AT)
}

#[test]
fn one_event_or_a_list() {
    let one = r#"{"id":"1","name":"cart.item_added","customer":"c1","properties":{"sku":"a"}}"#;
    let events = read_text(one).unwrap();
    assert_eq!((events[0].at, events[0].properties.as_str()), (SENT_AT, r#"{"sku":"a"}"#));
    assert_eq!(read_text(&format!(" \n[{one},{one}]")).unwrap().len(), 2);
    assert_eq!(read_text("[]").unwrap(), []);
}

#[test]
fn times_are_text_or_milliseconds() {
    let at = |at: &str| {
        let body = format!(
            r#"{{"id":"1","name":"a","identity":{{"kind":"email","value":"a@b"}},"at":{at}}}"#
        );
        read_text(&body).map(|events| events[0].at)
    };
    assert_eq!(at("1716170400000"), Ok(1_716_170_400_000));
    assert_eq!(at("\"2024-05-20T10:00:00+08:00\""), Ok(1_716_170_400_000));
    assert_eq!(at("null"), Ok(SENT_AT));
    for wrong in ["\"yesterday\"", "-1"] {
        assert!(at(wrong).unwrap_err().starts_with("/at: use RFC 3339"), "{wrong}");
    }
}

#[track_caller]
fn check(body: &str, expected: &str) {
    let fault = read_text(body).unwrap_err();
    assert!(fault.starts_with(expected), "{fault}");
}

#[test]
fn faults_say_what_and_where() {
    check("{", "EOF while parsing an object at line 1 column 1");
    check("7", "invalid type: integer `7`");
    check(r#"[{"id":"1","name":"a","customer":"c"},{"id":"2"}]"#, "/1: missing field `name`");
    check(r#"[{"id":"1","name":"a"}]"#, "/0: `customer` or `identity` is missing");
    check(r#"{"id":1}"#, "/id: invalid type: integer `1`");
    check(r#"{"id":"","name":"a","customer":"c"}"#, "/id: use 1 to 128 characters");
    check(r#"{"id":"1","name":"A b","customer":"c"}"#, "/name: use lower-case words");
    check(r#"{"id":"1","name":"a..b","customer":"c"}"#, "/name: use lower-case words");
    check(r#"{"id":"1","name":"a"}"#, "`customer` or `identity` is missing");
    check(r#"{"id":"1","name":"a","customer":""}"#, "`customer`, or the parts");
    check(
        r#"{"id":"1","name":"a","identity":{"kind":"email"}}"#,
        "/identity: missing field `value`",
    );
    check(
        r#"{"id":"1","name":"a","customer":"c","propertis":{}}"#,
        "/propertis: unknown field `propertis`",
    );
    check(
        r#"{"id":"1","name":"a","customer":"c","properties":[]}"#,
        "/properties: invalid type: sequence",
    );
    let event = r#"{"id":"1","name":"a","customer":"c"}"#;
    check(&format!("[{}]", vec![event; 1001].join(",")), "1001 events; send at most 1000");
}
