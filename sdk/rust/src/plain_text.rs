//! A plain text made from HTML: to stand beside it in an email for readers, and filters, that want one, or for a channel
//! that shows no markup.

/// Elements whose text nobody is meant to read.
const HIDDEN: [&str; 4] = ["head", "script", "style", "title"];

/// Elements that begin and end a line.
const BLOCKS: [&str; 17] = [
    "blockquote",
    "br",
    "div",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "p",
    "section",
    "table",
    "tr",
];

/// The text of an HTML document: a line for each block, links followed by where they lead. It reads the markup that
/// templates have, and makes something legible of any other.
///
/// ```
/// let html = r#"<p>Your <a href="https://shop.example/cart">cart</a> waits.</p><p>Bye</p>"#;
/// let text = "Your cart (https://shop.example/cart) waits.\nBye\n";
/// assert_eq!(waystation_sdk::plain_text::from_html(html), text);
/// ```
#[must_use]
pub fn from_html(html: &str) -> String {
    let mut out = Text::default();
    let mut rest = html;
    let mut link = None;
    while let Some(start) = rest.find('<') {
        out.text(&rest[..start]);
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some(end) = rest.find('>') else { break };
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        let (closing, inside) = tag.strip_prefix('/').map_or((false, tag), |inside| (true, inside));
        let name: String = inside
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        if !closing && HIDDEN.contains(&name.as_str()) {
            rest = after_end_of(&name, rest);
        } else if BLOCKS.contains(&name.as_str()) {
            out.line();
        } else if name == "a" && !closing {
            link = attribute(inside, "href");
        } else if name == "a"
            && let Some(address) = link.take().filter(|address| address.starts_with("http"))
        {
            out.text(&format!(" ({address}) "));
        } else if name == "td" || name == "img" {
            out.text(" ");
        }
    }
    out.text(rest);
    out.finish()
}

/// What follows `</name>`, or nothing if it is never closed.
fn after_end_of<'a>(name: &str, html: &'a str) -> &'a str {
    let close = format!("</{name}");
    let is_close = |window: &[u8]| window.eq_ignore_ascii_case(close.as_bytes());
    let Some(at) = html.as_bytes().windows(close.len()).position(is_close) else { return "" };
    html[at..].split_once('>').map_or("", |(_, after)| after)
}

/// The value of an attribute in quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let at = tag.to_ascii_lowercase().find(&format!("{name}="))?;
    let value = &tag[at + name.len() + 1..];
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split_once(quote).map(|(value, _)| value)
}

/// Text whose spaces run together and whose lines are not empty.
#[derive(Default)]
struct Text {
    lines: Vec<String>,
    line: String,
}

impl Text {
    fn text(&mut self, raw: &str) {
        for (index, word) in raw.split([' ', '\t', '\r', '\n']).enumerate() {
            if index > 0 && !self.line.is_empty() && !self.line.ends_with(' ') {
                self.line.push(' ');
            }
            self.line.push_str(&decoded(word));
        }
    }

    fn line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.trim().is_empty() {
            self.lines.push(line.trim().to_owned());
        }
    }

    fn finish(mut self) -> String {
        self.line();
        self.lines.join("\n") + "\n"
    }
}

/// The entities that templates use; any other stays as it is.
fn decoded(word: &str) -> String {
    if !word.contains('&') {
        return word.to_owned();
    }
    // The ampersand itself comes last, lest `&amp;lt;` become `<`.
    [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&apos;", "'"),
        ("&yen;", "¥"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(word.to_owned(), |word, (entity, text)| word.replace(entity, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_legible() {
        let cases = [
            ("<p>Hello,\n  <b>you</b>!</p><p>Bye</p>", "Hello, you!\nBye\n"),
            (
                "<html><head><title>x</title></head><body><STYLE>p{}</style>a<br/>b</body></html>",
                "a\nb\n",
            ),
            (
                r#"Your <a class="b" href="https://shop.example/cart?a=1&amp;b=2">cart</a> waits"#,
                "Your cart (https://shop.example/cart?a=1&b=2) waits\n",
            ),
            (
                r#"<a href="https:&#x2f;&#x2f;shop.example">Lin&#x27;s</a>"#,
                "Lin's (https://shop.example)\n",
            ),
            (r##"<a href="#top">up</a>"##, "up\n"),
            ("5 &lt; 6 &amp;lt; <!-- <p>no</p> --> &copy;", "5 < 6 &lt; &copy;\n"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>满减</td></tr></table>", "a b\n满减\n"),
            ("a <script>if (1 < 2) {}", "a\n"),
            ("a < b <unclosed", "a < b <unclosed\n"),
            ("", "\n"),
        ];
        for (html, expected) in cases {
            assert_eq!(from_html(html), expected, "{html}");
        }
    }
}
