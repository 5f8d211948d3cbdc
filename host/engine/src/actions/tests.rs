use super::*;

fn terms(schema: &str, granted: &[&str]) -> Result<Terms, String> {
    let traits = action::Traits {
        parameters_schema: schema.to_owned(),
        max_batch: 100,
        dedupe_window: None,
        extras: Vec::new(),
    };
    Terms::new(Some(&traits), &granted.iter().map(|name| (*name).to_owned()).collect())
}

fn customer() -> Customer {
    let Value::Object(attributes) = json!({
        "name": "Lin", "age": 30, "vip": true, "sizes": ["m", 38], "gone": null, "secret": "s",
        "identity.email": "an attribute that only looks like an identity",
    }) else {
        unreachable!()
    };
    Customer {
        id: "c-1".to_owned(),
        attributes,
        tags: ["b".to_owned(), "a".to_owned()].into(),
        identities: [("email".to_owned(), "lin@example.com".to_owned())].into(),
        ..Customer::default()
    }
}

#[track_caller]
fn sees(granted: &[&str], expected: &[(&str, &str)]) {
    let call = terms("", granted).unwrap().call("e-1", &customer(), "{}".to_owned()).unwrap();
    let expected: Vec<_> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(call.fields, expected);
    assert_eq!((call.key.as_str(), call.customer.as_str()), ("e-1", "c-1"));
}

#[test]
fn an_action_sees_the_granted_fields_that_have_a_value_and_no_other() {
    sees(&[], &[]);
    sees(&["name", "absent", "gone"], &[("name", "Lin")]);
    sees(&["sizes", "age", "vip"], &[("age", "30"), ("sizes", r#"["m",38]"#), ("vip", "true")]);
    sees(&["tags"], &[("tags", r#"["a","b"]"#)]);
    sees(&["identity.email", "identity.phone"], &[("identity.email", "lin@example.com")]);
    sees(&["email", "identity", "id", "Name"], &[]);
}

#[test]
fn a_grant_names_a_field() {
    for name in ["", "identity."] {
        let fault = terms("", &[name]).unwrap_err();
        assert!(fault.contains(&format!("customer_fields: `{name}` names no field")), "{fault}");
    }
}

const SCHEMA: &str = r#"{ "type": "object", "required": ["sku"], "additionalProperties": false,
    "properties": { "sku": { "type": "string", "maxLength": 8 }, "count": { "type": "integer" } } }"#;

#[track_caller]
fn refused(schema: &str, parameters: &Value, expected: &str) {
    let fault =
        terms(schema, &[]).unwrap().call("e-1", &customer(), parameters.to_string()).unwrap_err();
    assert_eq!(fault, Fault { reason: "parameters", detail: expected.to_owned() });
}

#[test]
fn parameters_must_be_what_the_action_takes() {
    let taken = |schema: &str, parameters: &Value| {
        terms(schema, &[]).unwrap().call("e-1", &customer(), parameters.to_string()).unwrap();
    };
    taken(SCHEMA, &json!({ "sku": "A-1", "count": 3 }));
    taken("", &json!({}));
    taken("true", &json!({ "whatever": 1 }));
    refused(SCHEMA, &json!({}), ": \"sku\" is a required property");
    refused(
        SCHEMA,
        &json!({ "sku": "A", "count": "3" }),
        "/count: value is not of type \"integer\"",
    );
    refused("", &json!({ "sku": "A" }), "the action takes no parameters");
    // What a customer's field held is not repeated.
    refused(
        SCHEMA,
        &json!({ "sku": "lin@example.com" }),
        "/sku: value is longer than 8 characters",
    );
}

#[test]
fn a_schema_that_cannot_be_used_is_told_when_the_connection_is_set_up() {
    let fault = terms(r#"{ "type": 7 }"#, &[]).unwrap_err();
    assert!(fault.starts_with("the plugin's parameters-schema cannot be used: "), "{fault}");
    let fault = terms(r#"{ "$ref": "https://schemas.example.com/a.json" }"#, &[]).unwrap_err();
    assert!(fault.contains("https://schemas.example.com/a.json"), "{fault}");
}

#[test]
fn fields_are_bounded_together() {
    let mut customer = customer();
    customer.attributes.insert("story".to_owned(), Value::from("x".repeat(FIELD_BYTES)));
    let terms = terms("", &["story"]).unwrap();
    let fault = terms.call("e-1", &customer, "{}".to_owned()).unwrap_err();
    assert_eq!(fault.reason, "customer_fields");
    assert!(fault.detail.contains("65541 bytes, more than 65536"), "{}", fault.detail);
}
