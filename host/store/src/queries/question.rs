//! A condition as SQL about the customer `c`. Whatever comes from the condition is a parameter.
//!
//! A condition that cannot be told is null. A comparison looks at the type of the JSON value first, as SQLite would otherwise
//! compare values of any two types, and PostgreSQL refuse to read a text as a number. What must not be read without that look
//! stands behind it in a `case`, as only there the order is certain.

use waystation_journey::{
    Condition, CouponField, Edge, Field, Literal, MAX_ADDEND, MAX_PAST, MAX_TIME, Order, SUM_PARTS,
    Term,
};

use super::super::json;

/// Where customers' attributes are.
const ATTRIBUTES: &str = "c.attributes";
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A parameter.
pub(super) enum Value {
    Whole(i64),
    Number(f64),
    Text(String),
}

/// The condition and its parameters, the first of which is `$first`.
pub(super) fn question(condition: &Condition, first: usize) -> (String, Vec<Value>) {
    let mut writer = Writer { first, values: Vec::new() };
    let holds = writer.condition(condition);
    (holds, writer.values)
}

struct Writer {
    first: usize,
    values: Vec<Value>,
}

/// What kinds of values are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Number,
    Text,
    Truth,
    Null,
}

/// A term as SQL.
enum Side {
    /// A value that certainly has this type, unless it cannot be told.
    Value(String, Sort),
    /// A field of any type: its path.
    Field(String),
}

impl Writer {
    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::Always(truth) => truth.to_string(),
            Condition::Not(inner) => format!("(not {})", self.condition(inner)),
            Condition::All(parts) => self.joined(parts, " and ", "true"),
            Condition::Any(parts) => self.joined(parts, " or ", "false"),
            Condition::True(field) => {
                let path = self.path(field);
                let (guard, value) =
                    (json::is_truth(ATTRIBUTES, &path), json::truth(ATTRIBUTES, &path));
                format!("case when {guard} then {value} = true end")
            }
            Condition::Has(field) => self.has(field),
            Condition::Compare { left, order, right } => self.compare(left, *order, right),
            Condition::OneOf(term, literals) => self.one_of(term, literals),
            Condition::Tagged(tag) => {
                let tag = self.text(tag);
                json::has_text("c.tags", &tag)
            }
            Condition::Holds(field, literal) => self.holds(field, literal),
            Condition::Text { term, edge, part } => self.part_of(term, *edge, part),
            Condition::Member(inner) => format!("coalesce({}, false)", self.condition(inner)),
            Condition::Coupon(inner) => format!(
                "exists (select 1 from coupon_grant as g where g.customer = c.id and {})",
                self.condition(inner)
            ),
        }
    }

    fn joined(&mut self, parts: &[Condition], word: &str, empty: &str) -> String {
        if parts.is_empty() {
            return empty.to_owned();
        }
        let parts: Vec<String> = parts.iter().map(|part| self.condition(part)).collect();
        format!("({})", parts.join(word))
    }

    fn has(&mut self, field: &Field) -> String {
        let path = self.path(field);
        let there = json::is_there(ATTRIBUTES, &path);
        let outer = &field[..field.len().saturating_sub(1)];
        if outer.is_empty() {
            return format!("({there})");
        }
        let outer = self.path(outer);
        format!("case when {} then {there} end", json::is_object(ATTRIBUTES, &outer))
    }

    fn compare(&mut self, left: &Term, order: Order, right: &Term) -> String {
        let (left, right) = (self.side(left), self.side(right));
        let operator = match order {
            Order::Less => "<",
            Order::AtMost => "<=",
            Order::Greater => ">",
            Order::AtLeast => ">=",
        };
        let sorts = match left.sort().or(right.sort()) {
            Some(sort) => vec![sort],
            None => vec![Sort::Number, Sort::Text, Sort::Truth],
        };
        let mut text = String::new();
        for sort in sorts {
            let compared = format!("{} {operator} {}", left.value(sort), right.value(sort));
            let guards: Vec<String> =
                [&left, &right].into_iter().filter_map(|side| side.guard(sort)).collect();
            if guards.is_empty() {
                return format!("({compared})");
            }
            text.push_str(&format!(" when {} then {compared}", guards.join(" and ")));
        }
        format!("case{text} end")
    }

    fn one_of(&mut self, term: &Term, literals: &[Literal]) -> String {
        if let Term::Literal(value) = term {
            return literals.iter().any(|literal| equal(value, literal)).to_string();
        }
        let side = self.side(term);
        match &side {
            Side::Field(path) => self.field_one_of(&side, path, literals),
            Side::Value(value, sort) => {
                if !literals.iter().any(|literal| sort_of(literal) == *sort) {
                    return format!("case when {value} is not null then false end");
                }
                self.among(value, *sort, literals)
            }
        }
    }

    fn field_one_of(&mut self, side: &Side, path: &str, literals: &[Literal]) -> String {
        let absent = json::is_absent(ATTRIBUTES, path);
        let mut text = format!("case when {absent} then null");
        for sort in [Sort::Number, Sort::Text, Sort::Truth] {
            let Some(guard) = side.guard(sort) else { continue };
            if literals.iter().any(|literal| sort_of(literal) == sort) {
                let among = self.among(&side.value(sort), sort, literals);
                text.push_str(&format!(" when {guard} then {among}"));
            }
        }
        if literals.contains(&Literal::Null) {
            text.push_str(&format!(" when {} then true", json::is_null(ATTRIBUTES, path)));
        }
        text.push_str(" else false end");
        text
    }

    /// Whether a value of this type is one of the literals of the same type.
    fn among(&mut self, value: &str, sort: Sort, literals: &[Literal]) -> String {
        let same = literals.iter().filter(|literal| sort_of(literal) == sort);
        let same: Vec<String> = same.map(|literal| self.literal(literal)).collect();
        format!("{value} in ({})", same.join(", "))
    }

    fn holds(&mut self, field: &Field, literal: &Literal) -> String {
        let path = self.path(field);
        let (in_list, in_object) = match literal {
            Literal::Text(text) => {
                let text = self.text(text);
                (
                    json::holds_text(ATTRIBUTES, &path, &text),
                    json::has_key(ATTRIBUTES, &path, &text),
                )
            }
            Literal::Truth(truth) => {
                (json::holds_truth(ATTRIBUTES, &path, *truth), "false".to_owned())
            }
            // Keys are texts.
            number => {
                let number = self.literal(number);
                (json::holds_number(ATTRIBUTES, &path, &number), "false".to_owned())
            }
        };
        let (is_list, is_object) =
            (json::is_list(ATTRIBUTES, &path), json::is_object(ATTRIBUTES, &path));
        format!("case when {is_list} then {in_list} when {is_object} then {in_object} end")
    }

    fn part_of(&mut self, term: &Term, edge: Edge, part: &str) -> String {
        let side = self.side(term);
        let text = side.value(Sort::Text);
        let length = i64::try_from(part.chars().count()).unwrap_or(i64::MAX);
        let part = self.text(part);
        let found = match edge {
            Edge::Anywhere => format!("{} > 0", json::place_in(&text, &part)),
            Edge::Start => {
                let length = self.place(length);
                format!("substr({text}, 1, {length}) = {part}")
            }
            Edge::End => {
                let length = self.place(length);
                format!(
                    "(length({text}) >= {length} and substr({text}, length({text}) - {length} + 1) = {part})"
                )
            }
        };
        match side.guard(Sort::Text) {
            Some(guard) => format!("case when {guard} then {found} end"),
            None => format!("({found})"),
        }
    }

    fn side(&mut self, term: &Term) -> Side {
        let (value, sort) = match term {
            Term::Field(field) => {
                return Side::Field(self.path(field));
            }
            Term::Literal(literal) => (self.literal(literal), sort_of(literal)),
            Term::Id => ("c.id".to_owned(), Sort::Text),
            Term::Coupon(field, now) => self.coupon(*field, *now),
            Term::Count { event, since, until } => {
                let among = self.events(event, Some(*since), *until);
                let sql = format!(
                    "(select count(*) from (select 1 from event as e where {among} limit {MAX_PAST}) as past)"
                );
                (sql, Sort::Number)
            }
            Term::Sum { event, field, since, until } => {
                (self.sum(event, field, *since, *until), Sort::Number)
            }
            Term::Last { event, until } => (self.last(event, *until), Sort::Number),
            Term::DaysSince { event, until } => {
                let (last, until) = (self.last(event, *until), self.whole(*until));
                (format!("(({until} - {last}) / {DAY})"), Sort::Number)
            }
            Term::DaysSinceField { field, until } => {
                (self.days_since_field(field, *until), Sort::Number)
            }
        };
        Side::Value(value, sort)
    }

    fn coupon(&mut self, field: CouponField, now: i64) -> (String, Sort) {
        let column = match field {
            CouponField::Code => "g.code",
            CouponField::Campaign => "g.campaign",
            CouponField::Connection => "g.connection",
            CouponField::State => {
                let word =
                    "case when g.state in ('usable', 'used') then g.state else 'revoked' end";
                return (format!("({word})"), Sort::Text);
            }
            CouponField::ValidFrom => return ("g.valid_from".to_owned(), Sort::Number),
            CouponField::ValidUntil => return ("g.valid_until".to_owned(), Sort::Number),
            CouponField::Usable => {
                let now = self.whole(now);
                let usable = format!(
                    "(g.state = 'usable' and g.valid_from <= {now} and {now} < g.valid_until)"
                );
                return (usable, Sort::Truth);
            }
        };
        (column.to_owned(), Sort::Text)
    }

    /// Which events `e` of the customer.
    fn events(&mut self, event: &str, since: Option<i64>, until: i64) -> String {
        let (event, until) = (self.text(event), self.whole(until));
        let mut text = format!("e.customer = c.id and e.name = {event} and e.at <= {until}");
        if let Some(since) = since {
            let since = self.whole(since);
            text.push_str(&format!(" and e.at > {since}"));
        }
        text
    }

    fn sum(&mut self, event: &str, field: &str, since: i64, until: i64) -> String {
        let among = self.events(event, Some(since), until);
        let path = self.path(&[field.to_owned()]);
        let number = format!("cast({} as double precision)", json::number("e.properties", &path));
        let guard = json::is_number("e.properties", &path);
        // The number is looked up within, where the limit keeps the database from looking it up anew for each use.
        let number_in_parts = json::whole_part(&format!(
            "number * {SUM_PARTS:?} + case when number < 0 then -0.5 else 0.5 end"
        ));
        let most = format!("{MAX_ADDEND:.1}");
        format!(
            "(select cast(coalesce(sum(case when number between -{most} and {most} then {number_in_parts} end), 0) \
             as double precision) / {SUM_PARTS:?} from (select case when {guard} then {number} end as number \
             from event as e where {among} order by e.at desc, e.properties desc limit {MAX_PAST}) as past)"
        )
    }

    fn last(&mut self, event: &str, until: i64) -> String {
        let among = self.events(event, None, until);
        format!("(select max(e.at) from event as e where {among})")
    }

    fn days_since_field(&mut self, field: &Field, until: i64) -> String {
        let (path, until) = (self.path(field), self.whole(until));
        let (number, text) = (json::number(ATTRIBUTES, &path), json::text(ATTRIBUTES, &path));
        let (is_whole, is_text) =
            (json::is_whole(ATTRIBUTES, &path), json::is_text(ATTRIBUTES, &path));
        let midnight = json::midnight(&text);
        format!(
            "(case when {is_whole} then case when {number} between -{MAX_TIME} and {MAX_TIME} \
             then ({until} - cast({number} as bigint)) / {DAY} end \
             when {is_text} then ({until} - {midnight}) / {DAY} end)"
        )
    }

    fn literal(&mut self, literal: &Literal) -> String {
        match literal {
            Literal::Null => "null".to_owned(),
            Literal::Truth(truth) => truth.to_string(),
            Literal::Whole(number) => self.whole(*number),
            Literal::Number(number) => self.value(Value::Number(*number)),
            Literal::Text(text) => self.text(text),
        }
    }

    fn path(&mut self, field: &[String]) -> String {
        self.value(Value::Text(json::path(field)))
    }

    fn text(&mut self, text: &str) -> String {
        self.value(Value::Text(text.to_owned()))
    }

    fn whole(&mut self, number: i64) -> String {
        self.value(Value::Whole(number))
    }

    /// A number of characters.
    fn place(&mut self, number: i64) -> String {
        format!("cast({} as integer)", self.whole(number))
    }

    /// A number says of which type it is: a connection keeps a statement under its text, and PostgreSQL its parameters' types
    /// with it, so that one type's bytes would be read as another's.
    fn value(&mut self, value: Value) -> String {
        let place = self.first + self.values.len();
        let written = match value {
            Value::Whole(_) => format!("cast(${place} as bigint)"),
            Value::Number(_) => format!("cast(${place} as double precision)"),
            Value::Text(_) => format!("${place}"),
        };
        self.values.push(value);
        written
    }
}

impl Side {
    /// The type that it certainly has.
    fn sort(&self) -> Option<Sort> {
        match self {
            Self::Value(_, sort) => Some(*sort),
            Self::Field(_) => None,
        }
    }

    /// The value, read as one of this type.
    fn value(&self, sort: Sort) -> String {
        match self {
            Self::Value(value, _) => value.clone(),
            Self::Field(path) => match sort {
                Sort::Number => json::number(ATTRIBUTES, path),
                Sort::Text => json::text(ATTRIBUTES, path),
                Sort::Truth => json::truth(ATTRIBUTES, path),
                Sort::Null => "null".to_owned(),
            },
        }
    }

    /// Whether the value is of this type; none if that is certain.
    fn guard(&self, sort: Sort) -> Option<String> {
        let Self::Field(path) = self else { return None };
        Some(match sort {
            Sort::Number => json::is_number(ATTRIBUTES, path),
            Sort::Text => json::is_text(ATTRIBUTES, path),
            Sort::Truth => json::is_truth(ATTRIBUTES, path),
            Sort::Null => json::is_null(ATTRIBUTES, path),
        })
    }
}

fn sort_of(literal: &Literal) -> Sort {
    match literal {
        Literal::Null => Sort::Null,
        Literal::Truth(_) => Sort::Truth,
        Literal::Whole(_) | Literal::Number(_) => Sort::Number,
        Literal::Text(_) => Sort::Text,
    }
}

/// Whether two fixed values are equal; a whole number may equal another one.
#[allow(clippy::cast_precision_loss, reason = "a condition compares them in the same way")]
fn equal(one: &Literal, other: &Literal) -> bool {
    match (one, other) {
        (Literal::Whole(whole), Literal::Number(number))
        | (Literal::Number(number), Literal::Whole(whole)) => *whole as f64 == *number,
        _ => one == other,
    }
}
