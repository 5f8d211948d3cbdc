//! What `check` says about journey files, right and wrong.

use std::collections::BTreeMap;

use waystation_journey::{ChannelFacts, ConnectionFacts, Connections, ContentKind, check};

const CART: &str = include_str!("journeys/cart-unpaid-reminder.yaml");

fn connections() -> Connections {
    let channel = |address: &str, contents: &[ContentKind]| ConnectionFacts {
        channel: Some(ChannelFacts { address: address.to_owned(), contents: contents.to_vec() }),
        ..ConnectionFacts::default()
    };
    Connections(BTreeMap::from([
        ("notice".to_owned(), channel("wechat-openid", &[ContentKind::Card, ContentKind::Text])),
        ("sms".to_owned(), channel("phone", &[ContentKind::Text])),
        ("mail".to_owned(), channel("email", &[ContentKind::Email])),
        ("coupons".to_owned(), ConnectionFacts { coupon: true, ..ConnectionFacts::default() }),
    ]))
}

fn problems(source: &str) -> String {
    let checked = check(source, Some(&connections()));
    let lines: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn the_cart_journey_is_sound() {
    assert_eq!(problems(CART), "");
}

#[test]
fn show() {
    for (name, source) in BTreeMap::from([
        ("tab", "journey: a\n\tb: c"),
        ("unclosed", "journey: [a"),
        ("dup", "journey: a\njourney: b"),
        ("anchor", "journey: &a b\ntitle: *a"),
        (
            "cel",
            "journey: a\nentry:\n  event: x\n  when: 'customer.名字 == foo && bar(1)'\n  key: event.a +\nsteps:\n  - wait: 1h\n  - if: \"a == 'x'\"\n    then: [{ wait: 0s }]\n",
        ),
        (
            "cel2",
            "journey: a\nentry:\n  event: x\n  when: '\"中文\" == foo && has(\"x\") && [1].exists(1, 2)'\n  key: |\n    event.a +\n     foo\nsteps:\n  - if: \"a == \\\"x\\\"\"\n    then:\n      - exit: x\n      - wait: 5x\n",
        ),
        (
            "tmpl",
            "journey: a\nentry: { event: x }\ntemplates:\n  t:\n    zh:\n      text: \"{{ x\"\n      email:\n        subject: a {{ foo }} {% for c in coupons %}{{ c.code }}{{ loop.index }}{% endfor %}{{ customer['x'] }} {{ range(3) }}\n        html: |\n          <p>\n            {% if %}\nsteps:\n  - send: { use: mail, template: t }\n",
        ),
        ("empty", ""),
        ("list", "- a"),
        ("two", "journey: a\n---\njourney: b"),
        ("merge", "journey: a\n<<: {a: b}"),
        ("tag", "journey: !x a"),
        ("complex key", "? [a]\n: b"),
    ]) {
        println!("--- {name}\n{}", problems(source));
    }
}
