use crate::step;

#[test]
fn times_to_wait_until() {
    for sound in [
        "wait_until: window",
        "wait_until: { time: \"10:00\" }",
        "wait_until: { time: \"10:00\", weekday: [tuesday, thursday], zone: Asia/Shanghai }",
        "wait_until: { date: customer.birthday, every: year, offset: -7d, time: \"09:00\" }",
        "wait_until: { at: \"2027-06-18T00:00:00+08:00\" }",
    ] {
        step(sound, "");
    }
    for (wrong, expected) in [
        (
            "wait_until: monday",
            "4:17: error: steps[0].wait_until: `monday` is no time; known here: window",
        ),
        ("wait_until: {}", "4:17: error: steps[0].wait_until: `time` is missing"),
        (
            "wait_until: { time: \"25:00\" }",
            "4:25: error: steps[0].wait_until.time: `25:00` is no time of day; write such as \"09:30\", from 00:00 to 23:59",
        ),
        (
            "wait_until: { time: \"10:00\", weekday: mondy }",
            "4:43: error: steps[0].wait_until.weekday: `mondy` is no weekday; did you mean `monday`?",
        ),
        (
            "wait_until: { time: \"10:00\", zone: Asia/Shanghia }",
            "4:40: error: steps[0].wait_until.zone: `Asia/Shanghia` is no time zone; did you mean `Asia/Shanghai`?",
        ),
        (
            "wait_until: { time: \"10:00\", offset: -7d }",
            "4:42: error: steps[0].wait_until: `offset` goes with `date` only",
        ),
        (
            "wait_until: { date: customer.birthday, at: \"2027-06-18T00:00:00Z\" }",
            "4:17: error: steps[0].wait_until: a time is given by `date` or by `at`; keep one",
        ),
        (
            "wait_until: { date: customer.birthday, every: month }",
            "4:51: error: steps[0].wait_until.every: `month` is no interval; known here: year",
        ),
        (
            "wait_until: { at: 2027-06-18 }",
            "4:23: error: steps[0].wait_until.at: `2027-06-18` is no instant; write such as 2027-06-18T00:00:00+08:00",
        ),
        (
            "wait_until: { date: birthday }",
            "4:25: error: steps[0].wait_until.date: unknown variable `birthday`; known here: customer, coupons, now, entry, steps",
        ),
    ] {
        step(wrong, expected);
    }
}
