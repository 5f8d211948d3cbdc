use super::*;

fn plugin(more: &Value) -> Recommend {
    let mut whole = json!({ "url": "https://recommend.example/v1" });
    whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Recommend::new(serde_json::from_value(whole).unwrap()).unwrap()
}

fn call(parameters: &str) -> Call {
    Call {
        key: "enr-1-1".to_owned(),
        customer: "c-1".to_owned(),
        fields: vec![("age".to_owned(), "30".to_owned())],
        parameters: parameters.to_owned(),
    }
}

#[test]
fn the_service_is_asked_with_parameters_and_granted_fields() {
    let asked: Value =
        serde_json::from_str(&body(&call(r#"{"sku":"A","count":3}"#)).unwrap()).unwrap();
    let expected = json!({
        "customer": { "id": "c-1", "fields": { "age": "30" } },
        "parameters": { "sku": "A", "count": 3 },
    });
    assert_eq!(asked, expected);
    // The key names an attempt at an effect, and the same question is the same whoever asks.
    let again = Call { key: "enr-2-1".to_owned(), ..call(r#"{"count":3,"sku":"A"}"#) };
    assert_eq!(body(&again), body(&call(r#"{"sku":"A","count":3}"#)));
    assert!(matches!(body(&call("[]")), Err(Failure::Refused(_))));
}

#[track_caller]
fn gives(plugin: &Recommend, answer: &Value, expected: Result<Value, &str>) {
    let response = HttpResponse::new(200).with_json(answer).unwrap();
    match (plugin.result(&response, 0), expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value, expected),
        (Err(Failure::Refused(detail)), Err(expected)) => {
            assert!(detail.contains(expected), "{detail}");
        }
        (result, expected) => panic!("{result:?}, not {expected:?}"),
    }
}

#[test]
fn the_journey_gets_the_part_that_is_configured() {
    let answer = json!({ "data": { "items": [1, 2, 3] }, "took": 5 });
    gives(&plugin(&json!({})), &answer, Ok(answer.clone()));
    let items = plugin(&json!({ "pointer": "/data/items" }));
    gives(&items, &answer, Ok(json!([1, 2, 3])));
    gives(&items, &json!({ "data": {} }), Err("nothing at /data/items"));
    let two = plugin(&json!({ "pointer": "/data/items", "limit": 2 }));
    gives(&two, &answer, Ok(json!([1, 2])));
    gives(&plugin(&json!({})), &json!("x".repeat(70_000)), Err("70002 bytes, more than 65536"));
}

#[test]
fn what_the_service_fails_at_is_asked_for_again() {
    let result = |response: HttpResponse| plugin(&json!({})).result(&response, 0).unwrap_err();
    let refused = |failure| matches!(failure, Failure::Refused(_));
    assert!(refused(result(HttpResponse::new(404))));
    assert!(refused(result(HttpResponse::new(401))));
    assert!(refused(result(HttpResponse::text(200, "<html>"))));
    for status in [429, 500, 502, 503] {
        let answer = HttpResponse::text(status, "busy");
        assert_eq!(result(answer), Failure::deferred(PAUSE, format!("status {status}: busy")));
    }
    let pause = HttpResponse::text(503, "busy").with_header("retry-after", "9");
    assert_eq!(result(pause), Failure::deferred(Duration::from_secs(9), "status 503: busy"));
}

#[test]
fn traits_are_as_configured() {
    let traits = plugin(&json!({})).traits();
    assert_eq!((traits.dedupe_window, traits.max_batch), (Some(u64::MAX), 100));
    assert_eq!(traits.parameters_schema, ANY);
    let schema = json!({ "type": "object", "required": ["sku"] });
    let traits = plugin(&json!({ "parameters_schema": schema, "max_batch": 7 })).traits();
    assert_eq!(traits.max_batch, 7);
    assert_eq!(serde_json::from_str::<Value>(&traits.parameters_schema).unwrap(), schema);
}

#[test]
fn a_configuration_that_cannot_work_is_told() {
    let problem = |more: Value| {
        let mut whole = json!({ "url": "https://recommend.example/v1" });
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problem =
            Recommend::new(serde_json::from_value(whole).unwrap()).map(|_| ()).unwrap_err();
        problem.path
    };
    assert_eq!(problem(json!({ "url": "recommend.example" })), "/url");
    assert_eq!(problem(json!({ "pointer": "items" })), "/pointer");
}
