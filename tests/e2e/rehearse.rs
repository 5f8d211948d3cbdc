//! Rehearsing journeys: the library with its tests, and what the command says of tests that fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../journeys")
}

fn waystation(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_waystation")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Rehearses a file with this text; gives whether it passed, and what was printed.
fn rehearse(file: &str, options: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journey.yaml");
    std::fs::write(&path, file).unwrap();
    let path = path.to_str().unwrap();
    let output = waystation(&[&["rehearse", path], options].concat());
    (output.status.success(), text(&output.stdout).replace(path, "journey.yaml"))
}

const CART: &str = "
journey: cart
entry: { event: cart.item_added, key: event.cart }
exit: { event: order.paid, as: converted }
templates: { left: { en: { text: 'Still there.' } } }
steps:
  - wait: 12h
  - send: { use: sms, template: left, fallback: push }
tests:
";

#[test]
fn every_journey_of_the_library_is_sound_and_passes_its_tests() {
    let library = library();
    let library = library.to_str().unwrap();
    let output = waystation(&["rehearse", library]);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    let last = told.lines().last().unwrap();
    let (tests, rest) = last.split_once(" tests, 0 failed, ").expect(last);
    assert!(tests.parse::<u32>().unwrap() >= 60, "{last}");
    let checked = waystation(&["check", library]);
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    // All of them together, a month of a thousand customers among them, while other tests run.
    let ms: u32 = rest.strip_suffix(" ms").unwrap().parse().unwrap();
    assert!(ms < 1_000, "{last}");
}

#[test]
fn a_timeline_tells_what_happens_to_whom() {
    let tests = "  - name: waits and pays\n    events: [{ at: 0h, emit: entry, with: { cart: k1 } }, { at: 13h, emit: order.paid }]\n    faults: [{ use: sms, refuses: blocked }]\n    expect: { sent: [{ template: left, channel: push, at: 12h }], outcome: finished }\n";
    let (passed, told) = rehearse(&format!("{CART}{tests}"), &["--timeline"]);
    assert!(passed, "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines[..lines.len() - 1],
        [
            "passed cart: waits and pays",
            "  customer",
            "    Mon 2026-06-01 09:00       +0s   cart.item_added happens",
            "                                     cart: enters for k1",
            "                                     cart: waits until Mon 2026-06-01 21:00",
            "    Mon 2026-06-01 21:00      +12h   cart: goes on",
            "                                     cart: sending left by sms",
            "                                     cart: left: refused blocked: ",
            "                                     cart: sending left by push",
            "                                     cart: left: accepted",
            "                                     cart: leaves: finished",
            "    Mon 2026-06-01 22:00      +13h   order.paid happens",
        ]
    );
}

/// What is expected and does not come, and what is said of it.
#[test]
fn a_test_that_fails_says_which_line_expected_what() {
    for (test, expected) in [
        (
            "  - events: [{ at: 0h, emit: entry, with: { cart: k } }]\n    expect: { sends: 0 }",
            "journey.yaml: line 11: expected sends 0, came 1",
        ),
        (
            "  - events: [{ at: 0h, emit: entry, with: { cart: k } }]\n    expect: { sent: [{ template: left, channel: push }] }",
            "journey.yaml: line 11: expected sent left by push, came left by sms at 12h",
        ),
        (
            "  - events: [{ at: 0h, emit: entry, with: { cart: k } }]\n    until: 6h\n    expect: { outcome: finished }",
            "journey.yaml: line 12: expected outcome finished, came active",
        ),
        (
            "  - customers: [{ id: ann }, { id: bo, no_address: [sms, push] }]\n    events: [{ at: 0h, emit: entry, with: { cart: k } }]\n    expect: [{ customer: ann, sends: 1 }, { customer: bo, suppressed: {} }]",
            "journey.yaml: line 12: bo: expected suppressed nothing, came no_address: 2",
        ),
        (
            "  - events: [{ at: 0h, emit: entry, with: { cart: k } }]\n    expect: { tags: vip, attributes: { level: 2 } }",
            "journey.yaml: line 11: customer: expected the tag vip, has nothing",
        ),
        (
            "  - journeys: [other]\n    events: [{ at: 0h, emit: entry }]\n    expect: { sends: 0 }",
            "journey.yaml: line 10: there is no journey `other` among the files; name its file too",
        ),
        (
            "  - events: [{ at: 0h, emit: entry }]\n    expect: { sends: 1 }",
            "1 times nobody entered, as the entry's condition or key cannot be evaluated",
        ),
    ] {
        let (passed, told) = rehearse(&format!("{CART}{test}\n"), &[]);
        assert!(!passed && told.contains(expected), "{expected} is not in\n{told}");
    }
}

#[test]
fn faults_outside_are_played_as_the_host_would_meet_them() {
    for (policy, sends, outcome) in
        [("find", 1, "accepted"), ("resend", 2, "accepted"), ("hold", 1, "unknown")]
    {
        let file = format!(
            "journey: once\non_unknown: {policy}\nentry: {{ event: go }}\ntemplates: {{ t: {{ en: {{ text: hi }} }} }}\nsteps:\n  - send: {{ use: sms, template: t }}\n    as: sent\n  - set: {{ attributes: {{ came: steps.sent.outcome }} }}\ntests:\n  - faults: [{{ use: sms, answer: lost }}]\n    events: [{{ at: 0h, emit: entry, reported: twice }}]\n    expect: {{ sends: {sends}, attributes: {{ came: {outcome} }}, outcome: finished }}\n"
        );
        let (passed, told) = rehearse(&file, &[]);
        assert!(passed, "{told}");
    }
    let down = "  - faults: [{ use: sms, from: 11h, down: 2h }, { use: push, from: 11h, down: 3h }]\n    events: [{ at: 0h, emit: entry, with: { cart: k } }]\n    expect: { sent: [{ template: left, channel: push, at: 14h }], suppressed: { unavailable: 1 } }\n";
    let (passed, told) = rehearse(&format!("{CART}{down}"), &[]);
    assert!(passed, "{told}");
}

#[test]
fn files_that_cannot_be_rehearsed_fail() {
    let (passed, told) = rehearse("journey: a\nentry: { event: go }\nsteps: [{ wait: 1h }]\n", &[]);
    assert!(!passed && told.contains("write `tests:` into the journey"), "{told}");
    let (passed, told) = rehearse("journey: a\nsteps: [{ wiat: 1h }]\n", &[]);
    assert!(
        !passed && told.contains("journey.yaml:2:11: error: steps[0]: unknown step `wiat`"),
        "{told}"
    );
}
