//! What a database is asked about customers.
//!
//! A condition holds, does not hold, or cannot be told, as when it reads an attribute that is absent or of a type that the
//! comparison does not take. That third answer spreads as SQL's `null` does: the opposite of what cannot be told cannot be
//! told, and `all` and `any` can be told where one part decides. CEL's failures spread in the same way.

/// A condition on a customer.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The same for everybody.
    Always(bool),
    /// The opposite.
    Not(Box<Condition>),
    /// Every one holds.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// An attribute is `true`; cannot be told unless it is `true` or `false`.
    True(Field),
    /// The last part of the field is there. Cannot be told if what it is a part of is no object.
    Has(Field),
    /// One value comes before another. Cannot be told unless both are numbers, both texts or both truth values.
    Compare {
        /// The left side.
        left: Term,
        /// How it stands to the right side.
        order: Order,
        /// The right side.
        right: Term,
    },
    /// A term is one of these values. Values of different types differ.
    OneOf(Term, Vec<Literal>),
    /// The customer carries this tag.
    Tagged(String),
    /// An attribute that is a list holds this value, or one that is an object has this key. Cannot be told of others.
    Holds(Field, Literal),
    /// A text starts with, ends with or contains another. Cannot be told if the term is no text.
    Text {
        /// The longer text.
        term: Term,
        /// Where the other is looked for.
        edge: Edge,
        /// The other.
        part: String,
    },
    /// The condition of another segment holds; if it cannot be told, it does not.
    Member(Box<Condition>),
    /// The customer has a coupon for which the condition holds; its terms are fields of coupons and values.
    Coupon(Box<Condition>),
}

/// How one value stands to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// Where a text is looked for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// At the start.
    Start,
    /// At the end.
    End,
    /// Anywhere.
    Anywhere,
}

/// An attribute, or a part of one: names from the outside in. Never empty; every name is an identifier.
pub type Field = Vec<String>;

/// A value that is compared. Windows and times are in Unix milliseconds; an event counts if `since < at <= until`.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A fixed value.
    Literal(Literal),
    /// The customer's identifier.
    Id,
    /// An attribute.
    Field(Field),
    /// How many events there were.
    Count {
        /// The events' name.
        event: String,
        /// When the window begins.
        since: i64,
        /// When it ends.
        until: i64,
    },
    /// The sum of a property over events, in thousandths rounded each; numbers beyond 10^12 and others than numbers do not
    /// count.
    Sum {
        /// The events' name.
        event: String,
        /// The property.
        field: String,
        /// When the window begins.
        since: i64,
        /// When it ends.
        until: i64,
    },
    /// When the latest event was; cannot be told if there was none.
    Last {
        /// The events' name.
        event: String,
        /// Later events do not count.
        until: i64,
    },
    /// Whole days since the latest event.
    DaysSince {
        /// The events' name.
        event: String,
        /// Later events do not count; the days are counted up to then.
        until: i64,
    },
    /// Whole days since a time that an attribute holds, as Unix milliseconds or as a date in UTC.
    DaysSinceField {
        /// The attribute.
        field: Field,
        /// The days are counted up to then.
        until: i64,
    },
    /// A field of the coupon at hand, as of a time.
    Coupon(CouponField, i64),
}

/// A field of a coupon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are the coupon's own")]
pub enum CouponField {
    Code,
    Campaign,
    Connection,
    State,
    ValidFrom,
    ValidUntil,
    Usable,
}

/// A fixed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true` or `false`
    Truth(bool),
    /// A whole number.
    Whole(i64),
    /// Any other number; finite.
    Number(f64),
    /// A text.
    Text(String),
}

/// What sort of values a term has, where that is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Null,
    Truth,
    Number,
    Text,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Truth => "a truth value",
            Self::Number => "a number",
            Self::Text => "a text",
        }
    }
}

impl Literal {
    pub(super) fn sort(&self) -> Sort {
        match self {
            Self::Null => Sort::Null,
            Self::Truth(_) => Sort::Truth,
            Self::Whole(_) | Self::Number(_) => Sort::Number,
            Self::Text(_) => Sort::Text,
        }
    }
}

impl Term {
    pub(super) fn sort(&self) -> Option<Sort> {
        match self {
            Self::Literal(literal) => Some(literal.sort()),
            Self::Id => Some(Sort::Text),
            Self::Field(_) => None,
            Self::Count { .. }
            | Self::Sum { .. }
            | Self::Last { .. }
            | Self::DaysSince { .. }
            | Self::DaysSinceField { .. } => Some(Sort::Number),
            Self::Coupon(field, _) => Some(match field {
                CouponField::Code
                | CouponField::Campaign
                | CouponField::Connection
                | CouponField::State => Sort::Text,
                CouponField::ValidFrom | CouponField::ValidUntil => Sort::Number,
                CouponField::Usable => Sort::Truth,
            }),
        }
    }
}

impl CouponField {
    /// All of them, by the names that expressions read.
    pub(super) const ALL: [(&'static str, Self); 7] = [
        ("code", Self::Code),
        ("campaign", Self::Campaign),
        ("connection", Self::Connection),
        ("state", Self::State),
        ("valid_from", Self::ValidFrom),
        ("valid_until", Self::ValidUntil),
        ("usable", Self::Usable),
    ];
}
