//! The demo, as a new user runs it.

use std::process::Command;

#[test]
fn demo_once_succeeds_only_if_everything_happened_as_it_should() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_waystation")).args(["demo", "--once"]).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    for line in [
        "li-lei      cart-unpaid-reminder  结束 ended: converted",
        "tom         cart-unpaid-reminder  发送 sending: notice last-call",
    ] {
        assert!(out.contains(line), "`{line}` is missing from:\n{out}");
    }
}
