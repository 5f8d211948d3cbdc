use crate::{CART, EVERYTHING, diagram, of_steps};

/// The lines of the diagram of a journey with these steps, entry, header and styles left out.
#[track_caller]
fn draws(steps: &str, expected: &str) {
    let text = of_steps(steps).to_mermaid();
    let lines = text.lines().skip(5).take_while(|line| !line.contains("classDef"));
    let lines: Vec<&str> = lines.map(str::trim).collect();
    assert_eq!(lines.join("\n"), expected, "of {steps}");
}

#[test]
fn the_cart_journey() {
    let expected = include_str!("cart.mmd");
    assert_eq!(diagram(CART).to_mermaid(), expected);
}

#[test]
fn every_step_of_the_language() {
    let expected = include_str!("everything.mmd");
    assert_eq!(diagram(EVERYTHING).to_mermaid(), expected);
}

#[test]
fn ways_that_part_and_meet() {
    for (steps, expected) in [
        (
            "[{ wait: 24h }, { wait: 3d }]",
            "n1[\"wait 24h\"]:::k_wait
n2[\"wait 3d\"]:::k_wait
n3([\"finished\"]):::k_end
n0 --> n1
n1 --> n2
n2 --> n3",
        ),
        (
            "[{ wait_for: { event: order.paid, up_to: 12h } }, { exit: x }]",
            "n1[\"order.paid within 12h?\"]:::k_wait
n2([\"leave as x\"]):::k_end
n0 --> n1
n1 -->|\"either way\"| n2",
        ),
        (
            "[{ if: customer.a, then: [{ exit: x }], else: [{ exit: y }] }]",
            "n1{{\"customer.a?\"}}:::k_branch
n2([\"leave as x\"]):::k_end
n3([\"leave as y\"]):::k_end
n0 --> n1
n1 -->|\"yes\"| n2
n1 -->|\"no\"| n3",
        ),
        (
            "[{ repeat: { times: 1 }, steps: [{ if: customer.a, then: [{ exit: x }] }] }]",
            "n1{{\"repeat up to 1 time\"}}:::k_branch
n2{{\"customer.a?\"}}:::k_branch
n3([\"leave as x\"]):::k_end
n4([\"finished\"]):::k_end
n0 --> n1
n1 -->|\"again\"| n2
n1 -->|\"done\"| n4
n2 -->|\"yes\"| n3
n2 -->|\"no\"| n1",
        ),
    ] {
        draws(steps, expected);
    }
}

/// Whatever a journey's texts say, they stay texts.
#[test]
fn texts_stay_texts() {
    for (text, expected) in [
        ("\"]; click n0 callback", "#34;#93;#59; click n0 callback"),
        ("<script>alert(1)</script>", "#60;script#62;alert(1)#60;/script#62;"),
        ("%%{init: {}}%%", "#37;#37;#123;init: #123;#125;#125;#37;#37;"),
        ("`**bold**`", "#96;#42;#42;bold#42;#42;#96;"),
        ("&quot; #quot; #", "#38;quot#59; #35;quot#59; #35;"),
        ("a --> b | c", "a --#62; b #124; c"),
        ("\u{202e}abc\u{0}", "\u{fffd}abc\u{fffd}"),
        ("优惠 🎁", "优惠 🎁"),
    ] {
        let quoted = serde_json::Value::from(text).to_string();
        let steps =
            format!("[{{ assign: {{ to: {quoted}, note: x }} }}]").replace("\\u0000", "\\0");
        let drawn = of_steps(&steps).to_mermaid();
        let label = drawn.lines().nth(5).unwrap();
        assert_eq!(label, format!("  n1[\"assign to {expected}<br/>x\"]:::k_action"));
    }
    let titled =
        "journey: a\ntitle: \"x\\\" --- %%{init}%%\"\nentry: { event: go }\nsteps: [{ wait: 1h }]";
    let drawn = diagram(titled).to_mermaid();
    assert_eq!(
        drawn.lines().nth(1),
        Some("title: \"x\\\" --- \\u0025\\u0025{init}\\u0025\\u0025\"")
    );
}
