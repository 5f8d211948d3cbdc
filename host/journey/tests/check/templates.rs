use crate::{content, finds};

const KNOWN: &str = "known here: customer, entry, coupons, steps, now, coupon, unsubscribe_url";

#[test]
fn contents() {
    let kinds = "known here: email, text, card, template, post";
    content("{}", &format!("5:3: error: templates.t.zh: the locale has no content; {kinds}"));
    content(
        "{ text: x, sms: x }",
        &format!("5:14: error: templates.t.zh: unknown key `sms`; {kinds}"),
    );
    content(
        "{ text: x, email: { subject: s } }",
        "5:21: error: templates.t.zh.email: the email needs `html` or `text`",
    );
    content(
        "{ text: x, email: { html: h } }",
        "5:21: error: templates.t.zh.email: `subject` is missing",
    );
    content(
        "{ text: x, card: { title: t } }",
        "5:20: error: templates.t.zh.card: `body` is missing",
    );
    content(
        "{ text: [x] }",
        "5:11: error: templates.t.zh.text: the text must be a single value, not a list",
    );
    content(
        "{ card: { title: t, body: b } }",
        "2:39: warning: steps[0].send.template: template `t` has nothing in `zh` that `sms` takes, so another language is sent; add text",
    );
}

#[test]
fn what_templates_may_do() {
    content(
        "{ text: '{{ customer.name }} {% for c in coupons %}{{ c.code }} {{ loop.index }}{% endfor %}' }",
        "",
    );
    content(
        "{ text: '{{ range(3) | length }} {{ now | date(\"%Y\") }} {{ unsubscribe_url }}' }",
        "",
    );
    content(
        "{ text: '{{ entry.sku | default(\"\") | upper }} {% if customer.vip is defined %}x{% endif %}' }",
        "",
    );
    content(
        "{ text: '{% for a in customer.tags %}{{ a }}{% endfor %}{{ customer.id }} {{ customer[\"name\"] }}' }",
        "",
    );
}

#[test]
fn templates_that_cannot_be_read() {
    let unreadable = "error: templates.t.zh.text: the template cannot be read:";
    content(
        "{ text: '{{ x' }",
        &format!("5:11: {unreadable} unexpected end of input, expected end of variable block"),
    );
    content(
        "{ text: '{{ customer.name | uper }}' }",
        &format!("5:11: {unreadable} unknown filter `uper`"),
    );
    content(
        "{ text: '{% include \"x\" %}' }",
        &format!(
            "5:11: {unreadable} `include` is not supported; a text may use if, elif, else and for, and values are computed by steps"
        ),
    );
    content("{ text: '{{ 1 is evn }}' }", &format!("5:11: {unreadable} unknown test `evn`"));
    content(
        "{ text: '{{ now | date(\"%Y\", \"Asia/Shangai\") }}' }",
        &format!("5:11: {unreadable} `Asia/Shangai` is no time zone; write such as Asia/Shanghai"),
    );
    content(
        "{ text: '{{ now | date(\"%Y %\") }}' }",
        &format!("5:11: {unreadable} `%Y %` is no format; write such as %Y-%m-%d %H:%M"),
    );
    let long = format!("{{ text: '{{{{ 1{} }}}}' }}", "+1".repeat(500));
    content(
        &long,
        &format!(
            "5:11: {unreadable} a placeholder is longer than 1000 bytes; compute it in a `set` step"
        ),
    );
    let with = |templates: &str| {
        format!(
            "journey: a\nentry: {{ event: go }}\nsteps: [{{ send: {{ use: sms, template: t }} }}]\ntemplates:\n{templates}\n"
        )
    };
    finds(
        &with("  t:\n    zh:\n      text: |\n        a\n          {% if %}"),
        &format!("9:11: {unreadable} unexpected end of block"),
    );
}

#[test]
fn variables_of_templates() {
    let reads = "error: templates.t.zh.text: the template reads an unknown variable";
    content("{ text: '{{ foo }}' }", &format!("5:11: {reads} `foo`; {KNOWN}"));
    content(
        "{ text: '{{ custmer.name }}' }",
        &format!("5:11: {reads} `custmer`; did you mean `customer`?"),
    );
    content("{ text: '{{ debug() }}' }", &format!("5:11: {reads} `debug`; {KNOWN}"));
    content(
        "{ text: '{{ steps.offer.code }}' }",
        "5:11: error: templates.t.zh.text: no step is named `offer`; a step gets its name by `as: offer`",
    );
}

#[test]
fn names_and_locales() {
    let with = |templates: &str| {
        format!(
            "journey: a\nentry: {{ event: go }}\nsteps: [{{ send: {{ use: sms, template: t }} }}]\ntemplates:\n{templates}\n"
        )
    };
    finds(
        &with("  t: {}"),
        "3:39: error: steps[0].send.template: template `t` has nothing that `sms` takes; add text\n5:6: error: templates.t: the template needs at least one locale, such as `default`",
    );
    finds(
        &with("  t: { chinese_: { text: x } }"),
        "5:8: error: templates.t: `chinese_` is no locale; write `default` or a BCP 47 tag such as zh-CN",
    );
    finds(
        &with("  t: { zh-CN: { text: x }, zh-cn: { text: x } }"),
        "5:28: error: templates.t: the locale `zh-cn` is given twice; keep one",
    );
    finds(
        &with("  t: { en: { text: x } }\n  T_1: { en: { text: x } }"),
        "6:3: error: templates: `T_1` is no template name: lower case letters and digits in groups joined by `-`\n6:3: warning: templates.T_1: no step sends the template `T_1`",
    );
    finds(
        &with("  [t]"),
        "3:39: error: steps[0].send.template: there is no template `t`; none is known here\n5:3: error: templates: the templates must be a mapping, not a list",
    );
    finds(&with("  t: { default: { text: x }, zh-Hant-TW: { text: x }, en-GB: { text: x } }"), "");
}
