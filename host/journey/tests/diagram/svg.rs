use std::collections::BTreeSet;

use proptest::prelude::*;
use waystation_journey::Diagram;

use crate::{CART, EVERYTHING, diagram, of_steps};

type Element = (String, Vec<(String, String)>, String);

/// The elements of a document: names with attributes, and what text they hold. Panics if it is not well-formed.
fn parse(svg: &str) -> Vec<Element> {
    let document =
        roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error} in\n{svg}"));
    let elements = document.descendants().filter(roxmltree::Node::is_element).map(|node| {
        let attributes =
            node.attributes().map(|one| (one.name().to_owned(), one.value().to_owned()));
        let text = node.text().unwrap_or_default().to_owned();
        (node.tag_name().name().to_owned(), attributes.collect(), text)
    });
    elements.collect()
}

fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
    attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

fn number(attributes: &[(String, String)], name: &str) -> i32 {
    attribute(attributes, name).parse().expect("a whole number")
}

/// Corners of the boxes: of rectangles as they stand, of hexagons what encloses them.
fn boxes(svg: &str) -> Vec<(i32, i32, i32, i32)> {
    let elements = parse(svg);
    let boxes =
        elements.iter().filter(|(_, attributes, _)| attribute(attributes, "class") == "box");
    let corners = boxes.map(|(name, attributes, _)| {
        if name == "rect" {
            let (x, y) = (number(attributes, "x"), number(attributes, "y"));
            return (x, y, x + number(attributes, "width"), y + number(attributes, "height"));
        }
        enclosing(&points(attribute(attributes, "d")))
    });
    corners.collect()
}

fn points(path: &str) -> Vec<(i32, i32)> {
    let numbers =
        path.split(|c: char| !c.is_ascii_digit() && c != '-').filter_map(|one| one.parse().ok());
    numbers.collect::<Vec<i32>>().chunks(2).map(|pair| (pair[0], pair[1])).collect()
}

fn enclosing(points: &[(i32, i32)]) -> (i32, i32, i32, i32) {
    let (x, y) = (points.iter().map(|one| one.0), points.iter().map(|one| one.1));
    let bounds = (x.clone().min(), y.clone().min(), x.max(), y.max());
    let (Some(left), Some(top), Some(right), Some(bottom)) = bounds else { panic!("no points") };
    (left, top, right, bottom)
}

/// Checks that every node and edge is drawn, within the picture, that boxes stand apart and no line crosses one.
#[track_caller]
fn is_sound(diagram: &Diagram) {
    let svg = diagram.to_svg();
    let elements = parse(&svg);
    let nodes =
        elements.iter().filter(|(_, one, _)| !attribute(one, "data-node").is_empty()).count();
    assert_eq!(nodes, diagram.nodes.len() + diagram.rules.len());
    let lines: Vec<_> =
        elements.iter().filter(|(_, one, _)| attribute(one, "class") == "line").collect();
    let drawn: Vec<(String, String)> = lines
        .iter()
        .map(|(_, one, _)| {
            (attribute(one, "data-from").to_owned(), attribute(one, "data-to").to_owned())
        })
        .collect();
    let edges = diagram.edges.iter().map(|one| (format!("n{}", one.from), format!("n{}", one.to)));
    assert_eq!(drawn.len(), diagram.edges.len(), "in\n{svg}");
    assert_eq!(drawn.into_iter().collect::<BTreeSet<_>>(), edges.collect(), "in\n{svg}");

    let boxes = boxes(&svg);
    let (width, height) = (number(&elements[0].1, "width"), number(&elements[0].1, "height"));
    for (index, one) in boxes.iter().enumerate() {
        assert!(one.0 >= 0 && one.1 >= 0 && one.2 <= width && one.3 <= height, "{one:?} in\n{svg}");
        for other in &boxes[index + 1..] {
            let apart = one.2 < other.0 || other.2 < one.0 || one.3 < other.1 || other.3 < one.1;
            assert!(apart, "{one:?} and {other:?} overlap in\n{svg}");
        }
    }
    for (_, attributes, _) in lines {
        let points = points(attribute(attributes, "d"));
        for pair in points.windows(2) {
            let line = enclosing(pair);
            assert!(line.0 >= 0 && line.2 <= width && line.3 <= height, "{line:?} in\n{svg}");
            let crossed = boxes.iter().find(|one| {
                line.0 < one.2 && one.0 < line.2 && line.1 < one.3 && one.1 < line.3
                    // A line along an axis has no width.
                    || line.0 == line.2 && one.0 < line.0 && line.0 < one.2 && line.1 < one.3 && one.1 < line.3
                    || line.1 == line.3 && one.1 < line.1 && line.1 < one.3 && line.0 < one.2 && one.0 < line.2
            });
            assert_eq!(crossed, None, "{line:?} crosses a box in\n{svg}");
        }
    }
}

#[test]
fn boxes_stand_apart_and_lines_lead_around_them() {
    is_sound(&diagram(CART));
    is_sound(&diagram(EVERYTHING));
    for steps in [
        "[{ wait: 1h }]",
        "[{ exit: x }, { wait: 1h }]",
        "[{ if: customer.a, then: [] }]",
        "[{ if: customer.a, then: [], else: [] }, { exit: x }]",
        "[{ if: customer.a, then: [], else: [{ exit: x }] }]",
        "[{ switch: [{ when: customer.a, then: [] }, { when: customer.b }], else: [] }]",
        "[{ repeat: { times: 2 }, steps: [{ exit: x }] }]",
        "[{ repeat: { times: 2 }, steps: [{ repeat: { times: 2 }, steps: [{ repeat: { times: 2 }, steps: [{ wait: 1h }] }] }] }]",
        "[{ repeat: { times: 2 }, steps: [{ if: customer.a, then: [{ repeat: { times: 2 }, steps: [{ wait: 1h }] }] }] }]",
    ] {
        is_sound(&of_steps(steps));
    }
}

#[test]
fn texts_stay_texts() {
    let hostile = "</text><script>alert(1)</script>]]>&lt; \" ' <!-- --> &xxe; \u{202e}";
    let quoted = serde_json::Value::from(hostile).to_string();
    let drawn = of_steps(&format!("[{{ assign: {{ to: {quoted}, note: x }} }}]"));
    is_sound(&drawn);
    let svg = drawn.to_svg();
    let elements = parse(&svg);
    assert!(elements.iter().all(|(name, _, _)| {
        ["svg", "title", "style", "defs", "marker", "path", "rect", "g", "text"]
            .contains(&name.as_str())
    }));
    let tips: Vec<&str> =
        elements.iter().filter(|(name, _, _)| name == "title").map(|one| one.2.as_str()).collect();
    assert!(
        tips.contains(
            &format!("steps[0]: assign to {}; x", hostile.replace('\u{202e}', "\u{fffd}")).as_str()
        ),
        "{tips:?}"
    );
    let control = of_steps("[{ assign: { to: \"a\\0\\x1b\\uFFFEb\", note: \"x\\ny\" } }]").to_svg();
    parse(&control);
}

/// The widest of all letters fit the box that is drawn around them, Chinese ones too.
#[test]
fn texts_fit_their_boxes() {
    for text in ["W".repeat(300), "优惠券".repeat(100), "i".repeat(500), "word ".repeat(100)] {
        let svg = of_steps(&format!("[{{ assign: {{ to: x, note: '{text}' }} }}]")).to_svg();
        let elements = parse(&svg);
        let widest = elements
            .iter()
            .filter(|one| one.0 == "rect")
            .filter_map(|one| attribute(&one.1, "width").parse::<usize>().ok())
            .max()
            .unwrap();
        for (_, _, line) in elements.iter().filter(|one| one.0 == "text") {
            let em = |c: char| {
                if c.is_ascii() {
                    if c == 'W' {
                        95
                    } else if c == 'i' {
                        28
                    } else {
                        60
                    }
                } else {
                    100
                }
            };
            let width: usize = line.chars().map(em).sum();
            assert!(width * 14 / 100 < widest, "{line} in {widest}");
        }
        assert!(widest < 400);
    }
}

/// Steps nested at random.
fn steps() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("{ wait: 1h }".to_owned()),
        Just("{ exit: x }".to_owned()),
        Just("{ send: { use: sms, template: hello } }".to_owned()),
        Just("{ wait_for: { event: order.paid, up_to: 3d } }".to_owned()),
    ];
    let step = leaf.prop_recursive(4, 40, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3).prop_map(|all| format!("[{}]", all.join(", ")));
        let some = prop::collection::vec(inner, 1..3).prop_map(|all| format!("[{}]", all.join(", ")));
        prop_oneof![
            (list.clone(), list.clone()).prop_map(|(a, b)| format!("{{ if: customer.a, then: {a}, else: {b} }}")),
            list.clone().prop_map(|a| format!("{{ if: customer.a, then: {a} }}")),
            list.clone().prop_map(|a| format!("{{ wait_for: {{ event: e, up_to: 1h }}, else: {a} }}")),
            (list.clone(), list.clone(), list.clone()).prop_map(|(a, b, c)| {
                format!("{{ switch: [{{ when: customer.a, then: {a} }}, {{ when: customer.b, then: {b} }}], else: {c} }}")
            }),
            some.prop_map(|a| format!("{{ repeat: {{ times: 2 }}, steps: {a} }}")),
        ]
    });
    prop::collection::vec(step, 1..4).prop_map(|all| format!("[{}]", all.join(", ")))
}

proptest! {
    #[test]
    fn whatever_the_steps(steps in steps()) {
        is_sound(&of_steps(&steps));
    }
}
