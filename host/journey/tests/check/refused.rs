//! Journeys that are malformed or meant to do harm, and the exact error that each of them gets.

use waystation_journey::check;

use crate::shop::{connections, lines};
use Part::{Entry, Head, Step, Text, When, Whole};

/// What of a journey a row gives. The rest is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// All of it.
    Whole,
    /// A line at the top, the third.
    Head,
    /// A key of the entry, at 2:21.
    Entry,
    /// The condition of a step, within single quotes, at 5:10.
    When,
    /// A step, at 5:5.
    Step,
    /// The text of a message, within single quotes, at 7:35.
    Text,
}

impl Part {
    fn journey(self, text: &str) -> String {
        let (head, entry, step, message) = match self {
            Self::Whole => return text.to_owned(),
            Self::Head => (text, String::new(), "wait: 1h".to_owned(), "hi".to_owned()),
            Self::Entry => ("", format!(", {text}"), "wait: 1h".to_owned(), "hi".to_owned()),
            Self::When => {
                let condition = text.replace('\'', "''");
                let step = format!("{{ if: '{condition}', then: [{{ wait: 1h }}] }}");
                ("", String::new(), step, "hi".to_owned())
            }
            Self::Step => ("", String::new(), text.to_owned(), "hi".to_owned()),
            Self::Text => ("", String::new(), "wait: 1h".to_owned(), text.replace('\'', "''")),
        };
        format!(
            "journey: a\nentry: {{ event: go{entry} }}\n{head}\nsteps:\n  - {step}\n  - send: {{ use: sms, template: hello }}\ntemplates: {{ hello: {{ en: {{ text: '{message}' }} }} }}\n"
        )
    }
}

/// What is wrong, and what is said about it.
const REFUSED: &[(Part, &str, &str)] = &[
    (Whole, "", "1:1: error: the file is empty; a journey starts with `journey: its-name`"),
    (
        Whole,
        "\u{feff}# nothing",
        "1:1: error: the file is empty; a journey starts with `journey: its-name`",
    ),
    (Whole, "journey", "1:1: error: a journey must be a mapping, not a single value"),
    (
        Whole,
        "[[[[",
        "2:1: error: this is not YAML: while parsing a node, did not find expected node content",
    ),
    (
        Whole,
        "a: &a [x]\nb: *a",
        "1:4: error: anchors are not supported; write the value out where it is needed",
    ),
    (
        Whole,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "1:4: error: anchors are not supported; write the value out where it is needed",
    ),
    (Whole, "a: !!python/object:os.system x", "1:4: error: tags are not supported; remove the `!`"),
    (Whole, "<<: { journey: a }", "1:1: error: merge keys are not supported; write the values out"),
    (
        Whole,
        "journey: a\n---\njourney: b",
        "2:1: error: a file holds one journey; put the second document into a file of its own",
    ),
    (Whole, "? { a: b }\n: c", "1:3: error: a key must be a single word"),
    (
        Whole,
        "journey: a\n\tentry: x",
        "1:10: error: this is not YAML: while scanning a plain scalar, found a tab",
    ),
    (
        Whole,
        "{}",
        "1:1: error: `journey` is missing\n1:1: error: `entry` is missing\n1:1: error: `steps` is missing",
    ),
    (Head, "journey: b", "3:1: error: `journey` is given twice, first on line 1; keep one"),
    (
        Head,
        "steps: []",
        "3:8: error: steps: a journey needs at least one step\n4:1: error: `steps` is given twice, first on line 3; keep one\n7:14: warning: templates.hello: no step sends the template `hello`",
    ),
    (Head, "title: \"two\\nlines\"", "3:8: error: title: the title must be on one line"),
    (Head, "title: \"\\x1b[31mred\"", "3:8: error: title: the title must be on one line"),
    (Head, "owner: []", "3:8: error: owner: the owner must be a single value, not a list"),
    (Head, "owner: ''", "3:8: error: owner: the owner is missing"),
    (
        Head,
        "purpose: spam",
        "3:10: error: purpose: `spam` is no purpose; known here: marketing, transactional",
    ),
    (
        Head,
        "priority: -1",
        "3:11: error: priority: `-1` is no priority; write low, medium, high or a number from 0 to 100",
    ),
    (
        Head,
        "priority: 999999999999999999999",
        "3:11: error: priority: `999999999999999999999` is no priority; write low, medium, high or a number from 0 to 100",
    ),
    (
        Head,
        "priority: 0x10",
        "3:11: error: priority: `0x10` is no priority; write low, medium, high or a number from 0 to 100",
    ),
    (
        Head,
        "tags: ['a b']",
        "3:8: error: tags[0]: `a b` is no tag of messages: lower case letters and digits in groups joined by `-`, such as `wake-up`",
    ),
    (
        Head,
        "tags: \"\\u202ewake-up\"",
        "3:7: error: tags: `\u{202e}wake-up` is no tag of messages: lower case letters and digits in groups joined by `-`, such as `wake-up`",
    ),
    (
        Head,
        "on_unknown: retry",
        "3:13: error: on_unknown: `retry` is no way to settle; known here: find, resend, hold",
    ),
    (
        Head,
        "window: { hours: '25:00-26:00' }",
        "3:18: error: window.hours: `25:00-26:00` are no hours; write such as \"10:00-12:00\", or \"21:00-08:00\" past midnight",
    ),
    (
        Head,
        "window: { days: [] }",
        "3:17: error: window.days: no weekday is given; name one at least",
    ),
    (
        Head,
        "window: { days: workdays, calendar: ../../etc/passwd }",
        "3:37: error: window.calendar: there is no holiday calendar `../../etc/passwd`; known here: CN, DE, US",
    ),
    (
        Head,
        "window: { hours: '09:00-09:00' }",
        "3:18: error: window.hours: `09:00-09:00` are no hours; write such as \"10:00-12:00\", or \"21:00-08:00\" past midnight",
    ),
    (
        Head,
        "window: { zone: Mars/Olympus, days: all }",
        "3:17: error: window.zone: `Mars/Olympus` is no time zone; write such as Asia/Shanghai or Europe/Berlin",
    ),
    (
        Head,
        "limits: { messages: 0, per: 1d }",
        "3:21: error: limits.messages: `0` is no number of messages; write 1 to 1000",
    ),
    (
        Head,
        "limits: { messages: 4294967296, per: 1d }",
        "3:21: error: limits.messages: `4294967296` is no number of messages; write 1 to 1000",
    ),
    (
        Head,
        "limits: { messages: 1, per: 367d }",
        "3:29: error: limits.per: a limit counts over 366d at most",
    ),
    (
        Head,
        "limits: { messages: 1.5, per: 1d }",
        "3:21: error: limits.messages: `1.5` is no number of messages; write 1 to 1000",
    ),
    (
        Head,
        "exit: { event: 'order paid' }",
        "3:16: error: exit.event: `order paid` is no event name: letters, digits and `_ - . :`, such as `order.paid`",
    ),
    (
        Head,
        "exit: { event: order.paid, as: finished }",
        "3:32: error: exit.as: `finished` is no outcome: a word of letters, digits, `_` and `-`; `finished` and `error` are the host's own",
    ),
    (
        Head,
        "exit: { event: order.paid, as: error }",
        "3:32: error: exit.as: `error` is no outcome: a word of letters, digits, `_` and `-`; `finished` and `error` are the host's own",
    ),
    (
        Head,
        "goal: { event: order.paid, within: forever }",
        "3:36: error: goal.within: `forever` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h",
    ),
    (Head, "goal: { within: 1d }", "3:7: error: goal: `event` is missing"),
    (
        Head,
        "templates: []",
        "3:12: error: templates: the templates must be a mapping, not a list\n6:33: error: steps[1].send.template: there is no template `hello`; none is known here\n7:1: error: `templates` is given twice, first on line 3; keep one",
    ),
    (
        Head,
        "tests: [{ expect: {} }]",
        "3:19: error: tests[0].expect: nothing is expected; say such as `sends: 1`",
    ),
    (
        Head,
        "stesp: []",
        "3:1: error: unknown key `stesp`; did you mean `steps`? known here: journey, title, owner, purpose, priority, tags, window, limits, entry, exit, goal, on_unknown, templates, steps, tests",
    ),
    (
        Head,
        "__proto__: x",
        "3:1: error: unknown key `__proto__`; known here: journey, title, owner, purpose, priority, tags, window, limits, entry, exit, goal, on_unknown, templates, steps, tests",
    ),
    (
        Entry,
        "again: sometimes",
        "2:28: error: entry.again: `sometimes` is no rule; known here: never, always, after",
    ),
    (
        Entry,
        "again: after",
        "2:28: error: entry.again: `after` needs a duration: write { after: 30d }",
    ),
    (
        Entry,
        "again: { after: 0s }",
        "2:37: error: entry.again.after: `0s` is out of bounds; a duration is between 1s and 3650d",
    ),
    (
        Entry,
        "key: entry.x",
        "2:26: error: entry.key: there is no `entry` yet where customers enter; `event` is at hand",
    ),
    (
        Entry,
        "key: steps.x",
        "2:26: error: entry.key: there is no `steps` yet where customers enter; `event` is at hand",
    ),
    (Entry, "when: customer.in('x')", "2:36: error: entry.when: `.in` does not belong here"),
    (
        Entry,
        "use: calendar",
        "2:26: error: entry: a customer enters either by an `event` or by what the trigger source `use` brings; leave one out",
    ),
    (
        Entry,
        "with: { a: 1 }",
        "2:27: error: entry: `with` goes with `use`: an event takes no parameters",
    ),
    (
        Entry,
        "when: true &&",
        "2:34: error: entry.when: the expression ends too early; something is missing at its end",
    ),
    (
        Entry,
        "when: import('os')",
        "2:27: error: entry.when: the expression cannot be read: reserved identifier: import",
    ),
    (
        When,
        "event.x > 1",
        "5:12: error: steps[0].if: there is no `event` at hand here; `entry` holds what enrolled the customer",
    ),
    (When, "customer.name = 1", "5:26: error: steps[0].if: `=` does not belong here; write `==`"),
    (
        When,
        "eval('1')",
        "5:11: error: steps[0].if: unknown function `eval`; the standard functions and macros of CEL are known",
    ),
    (
        When,
        "env('PATH')",
        "5:11: error: steps[0].if: unknown function `env`; the standard functions and macros of CEL are known",
    ),
    (
        When,
        "customers['c-2'].name",
        "5:11: error: steps[0].if: unknown variable `customers`; did you mean `customer`?",
    ),
    (
        When,
        "self.name",
        "5:12: error: steps[0].if: unknown variable `self`; known here: customer, coupons, now, entry, steps",
    ),
    (
        When,
        "[1].map(a, [1].map(b, [1].map(c, c)))",
        "5:38: error: steps[0].if: macros are nested more than 2 deep; split the expression",
    ),
    (When, "customer.name.matches('(')", "5:11: error: steps[0].if: `(` is no regular expression"),
    (
        When,
        "customer.name.matches('(((((((((a{1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000})')",
        "5:11: error: steps[0].if: `(((((((((a{1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000})` is no regular expression",
    ),
    (
        When,
        "99999999999999999999 > 1",
        "5:12: error: steps[0].if: the expression cannot be read: invalid int literal",
    ),
    (When, "Foo{a: 1} == 1", "5:12: error: steps[0].if: there is no type `Foo` to make a value of"),
    (
        When,
        "count(customer.event, '30d') > 1",
        "5:11: error: steps[0].if: the event must be written out in quotes, so that a check knows what is read",
    ),
    (
        When,
        "count('order.paid', '30 days') > 1",
        "5:11: error: steps[0].if: `30 days` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h",
    ),
    (
        When,
        "sum('order.paid', '30d') > 1",
        "5:11: error: steps[0].if: `sum` is not written this way; such as sum(\"order.paid\", \"amount\", \"30d\")",
    ),
    (
        When,
        "in_segment(customer.x)",
        "5:31: error: steps[0].if: the segment must be written out in quotes, so that a check knows what is read",
    ),
    (
        When,
        "last() > 1",
        "5:12: error: steps[0].if: `last` is not written this way; such as last(\"login\")",
    ),
    (
        When,
        "steps.nobody.outcome == 'x'",
        "5:11: error: steps[0].if: no step before is named `nobody`; a step gets its name by `as: nobody` and is known from there on",
    ),
    (
        When,
        "customer.name == 'x'; drop table customer",
        "5:11: error: steps[0].if: `;` does not belong here",
    ),
    (
        When,
        "\"\\\" + 1",
        "5:12: error: steps[0].if: the text that starts here is not closed; add the quote at its end",
    ),
    (
        When,
        "days_since('1', '2') > 1",
        "5:11: error: steps[0].if: `days_since` is not written this way; such as days_since(\"login\") or days_since(customer.joined_at)",
    ),
    (
        Step,
        "wiat: 1h",
        "5:5: error: steps[0]: unknown step `wiat`; did you mean `wait`? known here: wait, wait_until, wait_for, if, switch, split, repeat, issue, send, publish, run, set, assign, exit",
    ),
    (
        Step,
        "{ wait: 1h, exit: x }",
        "5:5: error: steps[0]: a step is one thing: `wait` and `exit` make two steps",
    ),
    (
        Step,
        "{}",
        "5:5: error: steps[0]: the step is empty; known here: wait, wait_until, wait_for, if, switch, split, repeat, issue, send, publish, run, set, assign, exit",
    ),
    (Step, "[]", "5:5: error: steps[0]: a step must be a mapping, not a list"),
    (
        Step,
        "wait: 1h30",
        "5:11: error: steps[0].wait: `1h30` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h",
    ),
    (
        Step,
        "wait: -1h",
        "5:11: error: steps[0].wait: `-1h` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h",
    ),
    (
        Step,
        "wait: 99999999999999999999w",
        "5:11: error: steps[0].wait: `99999999999999999999w` is out of bounds; a duration is between 1s and 3650d",
    ),
    (
        Step,
        "wait: [1h]",
        "5:11: error: steps[0].wait: how long to wait must be a single value, not a list",
    ),
    (
        Step,
        "wait_until: { time: '24:01' }",
        "5:25: error: steps[0].wait_until.time: `24:01` is no time of day; write such as \"09:30\", from 00:00 to 23:59",
    ),
    (
        Step,
        "wait_until: { time: '10:00', zone: Asia/Shanghia }",
        "5:40: error: steps[0].wait_until.zone: `Asia/Shanghia` is no time zone; did you mean `Asia/Shanghai`?",
    ),
    (
        Step,
        "wait_until: { time: '10:00', weekday: someday }",
        "5:43: error: steps[0].wait_until.weekday: `someday` is no weekday; known here: monday, tuesday, wednesday, thursday, friday, saturday, sunday",
    ),
    (
        Step,
        "wait_until: { at: 2027-02-30T00:00:00Z }",
        "5:23: error: steps[0].wait_until.at: `2027-02-30T00:00:00Z` is no instant; write such as 2027-06-18T00:00:00+08:00",
    ),
    (
        Step,
        "wait_until: { at: '9999999-01-01' }",
        "5:23: error: steps[0].wait_until.at: `9999999-01-01` is no instant; write such as 2027-06-18T00:00:00+08:00",
    ),
    (
        Step,
        "wait_until: { date: customer.birthday, every: second }",
        "5:51: error: steps[0].wait_until.every: `second` is no interval; known here: year",
    ),
    (
        Step,
        "wait_until: { date: customer.birthday, offset: -99999d }",
        "5:52: error: steps[0].wait_until.offset: `-99999d` is no offset; write such as -7d, 3d or -1d12h",
    ),
    (Step, "wait_for: { event: e }", "5:15: error: steps[0].wait_for: `up_to` is missing"),
    (
        Step,
        "wait_for: { up_to: 1h, any: [] }",
        "5:33: error: steps[0].wait_for.any: the events must be 1 to 20 items",
    ),
    (
        Step,
        "wait_for: { event: e, any: [{ event: f }], up_to: 1h }",
        "5:24: error: steps[0].wait_for: `event` belongs to each of the events in `any`",
    ),
    (
        Step,
        "{ if: customer.a }",
        "5:5: error: steps[0]: `then` is missing: what to do if the condition holds",
    ),
    (
        Step,
        "{ if: [customer.a], then: [] }",
        "5:11: error: steps[0].if: an expression must be a single text, not a list",
    ),
    (Step, "switch: {}", "5:13: error: steps[0].switch: the cases must be a list, not a mapping"),
    (
        Step,
        "{ split: s, arms: [{ arm: a }] }",
        "5:23: error: steps[0].arms: a split needs at least two arms",
    ),
    (
        Step,
        "{ split: s, arms: [{ arm: a, weight: -1 }, { arm: b }] }",
        "5:42: error: steps[0].arms[0].weight: `-1` is out of bounds; the weight is a whole number from 1 to 1000",
    ),
    (
        Step,
        "{ split: s, arms: [{ arm: a }, { arm: a }] }",
        "5:43: error: steps[0].arms[1].arm: another arm is named `a`; give each a name of its own",
    ),
    (
        Step,
        "{ split: s, arms: [{ arm: a }, { arm: b }], winner: automatic }",
        "5:57: error: steps[0].winner: an automatic winner is the arm that reaches the goal most often, and the journey has no `goal`",
    ),
    (
        Step,
        "{ repeat: { times: 1000000000 }, steps: [{ wait: 1h }] }",
        "5:24: error: steps[0].repeat.times: `1000000000` is out of bounds; how often to repeat is a whole number from 1 to 100",
    ),
    (
        Step,
        "{ repeat: { while: true }, steps: [{ wait: 1h }] }",
        "5:15: error: steps[0].repeat: `times` is missing",
    ),
    (
        Step,
        "{ repeat: { times: 2 }, steps: [] }",
        "5:36: error: steps[0].steps: there is nothing to repeat",
    ),
    (
        Step,
        "send: { use: sms, template: nobody }",
        "5:33: error: steps[0].send.template: there is no template `nobody`; known here: hello",
    ),
    (
        Step,
        "send: { use: coupons, template: hello }",
        "5:18: error: steps[0].send.use: connection `coupons` is no channel; known here: mail, notice, sms, weibo",
    ),
    (
        Step,
        "send: { use: sms, template: hello, fallback: sms }",
        "5:50: error: steps[0].send.fallback: `sms` is tried already; name each channel once",
    ),
    (
        Step,
        "send: { use: 'sms; rm -rf /', template: hello }",
        "5:18: error: steps[0].send.use: `sms; rm -rf /` is no connection name: lower case letters and digits in groups joined by `-`",
    ),
    (
        Step,
        "send: { use: \"s\\u200bms\", template: hello }",
        "5:18: error: steps[0].send.use: `s\u{200b}ms` is no connection name: lower case letters and digits in groups joined by `-`",
    ),
    (
        Step,
        "send: { use: sms, template: hello, backup: hello }",
        "5:48: error: steps[0].send.backup: `hello` is what was refused; name another template",
    ),
    (
        Step,
        "send: { use: { prefer: customer.c }, template: hello }",
        "5:18: error: steps[0].send.use: `among` is missing",
    ),
    (
        Step,
        "issue: { use: coupons, campaign: c, off: 101%, valid: 1h }",
        "5:46: error: steps[0].issue.off: `101%` is no share; write 0.1% to 100%, with one decimal at most",
    ),
    (
        Step,
        "issue: { use: coupons, campaign: c, off: -5 CNY, valid: 1h }",
        "5:46: error: steps[0].issue.off: `-5 CNY` is nothing that a coupon can give; write such as 5 CNY, 20%, free_shipping or { gift: sample }",
    ),
    (
        Step,
        "issue: { use: coupons, campaign: c, off: 9999999999999999 CNY, valid: 1h }",
        "5:46: error: steps[0].issue.off: `9999999999999999 CNY` is too large; 12 digits are the most",
    ),
    (
        Step,
        "issue: { use: coupons, campaign: c, off: 5 XXX, valid: 1h }",
        "5:46: error: steps[0].issue.off: unknown currency `XXX`; known here: AED, AUD, BHD, BRL, CAD, CHF, CLP, CNY, CZK, DKK, EGP, EUR, GBP, HKD, HUF, IDR, ILS, INR, ISK, JOD, JPY, KRW, KWD, MOP, MXN, MYR, NOK, NZD, OMR, PHP, PLN, SAR, SEK, SGD, THB, TND, TRY, TWD, USD, VND",
    ),
    (
        Step,
        "issue: { use: coupons, campaign: '../c', off: 20%, valid: 1h }",
        "5:38: error: steps[0].issue.campaign: `../c` is no campaign: letters, digits and `_ - .`",
    ),
    (
        Step,
        "issue: { use: sms, campaign: c, off: 20%, valid: 1h }",
        "5:19: error: steps[0].issue.use: connection `sms` is no issuer of coupons; known here: coupons",
    ),
    (
        Step,
        "{ run: a b, use: recommender }",
        "5:12: error: steps[0].run: `a b` is no step name: a letter or `_`, then letters, digits and `_`, as expressions read it",
    ),
    (Step, "{ run: r, use: strict }", "5:5: error: steps[0]: the action needs the parameter `sku`"),
    (
        Step,
        "{ run: r, use: strict, with: { sku: A, token: x } }",
        "5:44: error: steps[0].with: the action takes no parameter `token`; known here: count, share, sku, whatever",
    ),
    (
        Step,
        "{ run: r, use: recommender, with: { x: '{{ coupon.code }}' } }",
        "5:44: error: steps[0].with.x: `coupon` is at hand in messages only",
    ),
    (
        Step,
        "{ run: r, use: recommender, otherwise: '{{ x }}' }",
        "5:44: error: steps[0].otherwise: this is a fixed value; templates are filled in elsewhere only",
    ),
    (
        Step,
        "set: { attributes: { id: '1' } }",
        "5:26: error: steps[0].set.attributes: `id` is no attribute: letters, digits and `_`, and neither `id` nor `tags`",
    ),
    (
        Step,
        "set: { attributes: { 'a.b': '1' } }",
        "5:26: error: steps[0].set.attributes: `a.b` is no attribute: letters, digits and `_`, and neither `id` nor `tags`",
    ),
    (
        Step,
        "set: { add: { tags: 1 } }",
        "5:19: error: steps[0].set.add: `tags` is no attribute: letters, digits and `_`, and neither `id` nor `tags`",
    ),
    (
        Step,
        "set: {}",
        "5:10: error: steps[0].set: there is nothing to set; give attributes, add, tags or untag",
    ),
    (Step, "assign: { to: sales }", "5:13: error: steps[0].assign: `note` is missing"),
    (
        Step,
        "assign: { to: sales, note: x, due: never }",
        "5:40: error: steps[0].assign.due: `never` is no duration; write such as 90s, 15m, 12h, 7d, 2w or 1d12h",
    ),
    (
        Step,
        "publish: { use: weibo, template: hello }",
        "5:38: error: steps[0].publish.template: template `hello` has no `post`, which is what can be published",
    ),
    (
        Step,
        "publish: { use: sms, template: hello, fallback: sms }",
        "5:36: error: steps[0].publish.template: template `hello` has no `post`, which is what can be published\n5:43: error: steps[0].publish: unknown key `fallback`; known here: use, template, backup\n5:53: error: steps[0].publish.fallback: `sms` is tried already; name each channel once",
    ),
    (
        Step,
        "exit: two words",
        "5:11: error: steps[0].exit: `two words` is no outcome: a word of letters, digits, `_` and `-`; `finished` and `error` are the host's own\n6:5: warning: steps[1]: nobody gets here: the step before always ends the journey",
    ),
    (
        Step,
        "exit: finished",
        "5:11: error: steps[0].exit: `finished` is no outcome: a word of letters, digits, `_` and `-`; `finished` and `error` are the host's own\n6:5: warning: steps[1]: nobody gets here: the step before always ends the journey",
    ),
    (
        Text,
        "{{ debug() }}",
        "7:35: error: templates.hello.en.text: the template reads an unknown variable `debug`; known here: customer, entry, coupons, steps, now, coupon, unsubscribe_url",
    ),
    (
        Text,
        "{{ __class__ }}",
        "7:35: error: templates.hello.en.text: the template reads an unknown variable `__class__`; known here: customer, entry, coupons, steps, now, coupon, unsubscribe_url",
    ),
    (
        Text,
        "{{ customer.__class__.__mro__ }}{{ config }}",
        "7:35: error: templates.hello.en.text: the template reads an unknown variable `config`; known here: customer, entry, coupons, steps, now, coupon, unsubscribe_url",
    ),
    (
        Text,
        "{{ env.PATH }}",
        "7:35: error: templates.hello.en.text: the template reads an unknown variable `env`; known here: customer, entry, coupons, steps, now, coupon, unsubscribe_url",
    ),
    (
        Text,
        "{% include '/etc/passwd' %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `include` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{% import 'os' as os %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `import` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{% extends 'x' %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `extends` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{% block a %}{% endblock %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `block` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{{ lipsum() }}",
        "7:35: error: templates.hello.en.text: the template reads an unknown variable `lipsum`; known here: customer, entry, coupons, steps, now, coupon, unsubscribe_url",
    ),
    (
        Text,
        "{{ customers }}",
        "7:35: error: templates.hello.en.text: the template reads an unknown variable `customers`; did you mean `customer`?",
    ),
    (
        Text,
        "{{ x | eval }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unknown filter `eval`",
    ),
    (
        Text,
        "{{ customer.name | attr('x') | system }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unknown filter `system`",
    ),
    (
        Text,
        "{% for x in range(3) %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unexpected end of input, expected end of block",
    ),
    (
        Text,
        "{{ now | date('%Y', '../../etc') }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `../../etc` is no time zone; write such as Asia/Shanghai",
    ),
    (
        Text,
        "{% if x is callable_thing %}{% endif %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unknown test `callable_thing`",
    ),
    (
        Text,
        "{{ steps.nobody.code }}",
        "7:35: error: templates.hello.en.text: no step is named `nobody`; a step gets its name by `as: nobody`",
    ),
    (
        Text,
        "{{ 'a' * }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unexpected end of variable block",
    ),
    (
        Text,
        "{{ coupon.code }}",
        "6:33: error: steps[1].send.template: template `hello` reads `coupon`, which is at hand in `then_send` of an issue only",
    ),
    (
        Text,
        "{% macro a() %}{{ b }}{% endmacro %}{{ a() }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `macro` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{% set ns = namespace(t=entry.text) %}{% for a in range(50) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `set` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{% with b = a ~ a %}{{ b }}{% endwith %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `with` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{{ entry.text * entry.number }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `*` is not supported, as it repeats texts; compute the value in a `set` step",
    ),
    (
        Text,
        "{{ entry.text | indent(1000000000) }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unknown filter `indent`",
    ),
    (
        Text,
        "{{ entry.list | slice(1000000000) }}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unknown filter `slice`",
    ),
    (
        Text,
        "{% call x() %}{% endcall %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: `call` is not supported; a text may use if, elif, else and for, and values are computed by steps",
    ),
    (
        Text,
        "{% raw %}",
        "7:35: error: templates.hello.en.text: the template cannot be read: unexpected end of raw block",
    ),
];

#[test]
fn every_one_of_them_is_refused_by_name() {
    let distinct: std::collections::BTreeSet<(Part, &str)> =
        REFUSED.iter().map(|(part, text, _)| (*part, *text)).collect();
    assert!(distinct.len() >= 100 && distinct.len() == REFUSED.len());
    let connections = connections();
    for (part, text, expected) in REFUSED {
        let source = part.journey(text);
        let checked = check(&source, Some(&connections));
        assert_eq!(lines(&checked.problems), *expected, "in\n{source}");
        assert!(checked.program.is_none(), "it can run:\n{source}");
    }
}
