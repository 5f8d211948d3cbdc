use std::collections::{BTreeMap, BTreeSet};

use waystation_journey::{ChannelFacts, ContentKind, Customer, Purpose, Suppression, permit};

#[test]
fn a_message_needs_an_address_and_consent() {
    let email = ChannelFacts { address: "email".to_owned(), contents: vec![ContentKind::Email] };
    let (marketing, transactional) = (Purpose::Marketing, Purpose::Transactional);
    for (purpose, address, consents, expected) in [
        (marketing, Some("a@b.c"), vec![("marketing", vec!["email"])], Ok("a@b.c")),
        (marketing, Some("a@b.c"), vec![("marketing", vec!["phone"])], Err(Suppression::NoConsent)),
        (
            marketing,
            Some("a@b.c"),
            vec![("transactional", vec!["email"])],
            Err(Suppression::NoConsent),
        ),
        (marketing, Some("a@b.c"), vec![], Err(Suppression::NoConsent)),
        (marketing, None, vec![("marketing", vec!["email"])], Err(Suppression::NoAddress)),
        (marketing, Some(""), vec![("marketing", vec!["email"])], Err(Suppression::NoAddress)),
        (transactional, Some("a@b.c"), vec![], Ok("a@b.c")),
        (transactional, Some("a@b.c"), vec![("transactional", vec!["email"])], Ok("a@b.c")),
        (
            transactional,
            Some("a@b.c"),
            vec![("transactional", vec![])],
            Err(Suppression::NoConsent),
        ),
        (transactional, None, vec![], Err(Suppression::NoAddress)),
    ] {
        let identities = address.map(|address| ("email".to_owned(), address.to_owned()));
        let kinds =
            |kinds: &Vec<&str>| kinds.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let consents: BTreeMap<_, _> =
            consents.iter().map(|(purpose, list)| ((*purpose).to_owned(), kinds(list))).collect();
        let customer = Customer {
            identities: identities.into_iter().collect(),
            consents,
            ..Customer::default()
        };
        assert_eq!(permit(purpose, &email, &customer), expected, "{purpose} {customer:?}");
    }
}

#[test]
fn a_customer_survives_storage() {
    let json = r#"{"id":"c","attributes":{"name":"Lin"},"tags":["vip"],"identities":{"email":"a@b.c"},"consents":{"marketing":["email"]}}"#;
    let customer: Customer = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&customer).unwrap(), json);
    let bare: Customer = serde_json::from_str(r#"{"id":"c"}"#).unwrap();
    assert_eq!(serde_json::to_string(&bare).unwrap(), r#"{"id":"c"}"#);
}
