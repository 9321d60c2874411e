//! The rows, computed from their places.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::{Value, json};

use super::scenario::RestScenario;

/// The first invoice's id; a place more is one more.
const FIRST_INVOICE: u64 = 300_100_000_000;
/// The last update of a row that nobody has touched is in the days after this moment.
const OLDEST: Timestamp = Timestamp::constant(1_704_067_200, 0);
const DAYS: u64 = 300;
/// The first person with assignments.
const FIRST_PERSON: u64 = 1_000;
/// So many places are a person's: more rows than a page has, so that pages begin and end within a person.
const PLACES_OF_A_PERSON: u64 = 1_400;
/// And so many an assignment's: one for each day from this one on.
const PLACES_OF_AN_ASSIGNMENT: u64 = 14;
const FIRST_DAY: Date = date(2026, 1, 1);
/// What assignments are called; a finder's value may have what separates values.
const TITLES: [&str; 3] = ["Clerk", "Clerk, Senior", "Lead; Grade=3"];

/// A resource that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// Keys are numbers; rows have children.
    Invoices,
    /// Keys are texts with apostrophes.
    Lookups,
    /// Keys have three fields, a number, a text and a day; rows are effective from their day on, and have children.
    Assignments,
}

impl Resource {
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Invoices, Self::Lookups, Self::Assignments]
            .into_iter()
            .find(|resource| resource.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Invoices => "invoices",
            Self::Lookups => "standardLookups",
            Self::Assignments => "workerAssignments",
        }
    }

    /// The place of a key's text, if it is a key of this resource.
    pub(super) fn place(self, key: &str) -> Option<u64> {
        match self {
            Self::Invoices => key.parse::<u64>().ok()?.checked_sub(FIRST_INVOICE),
            Self::Lookups => key.strip_prefix("O'Brien-")?.parse().ok(),
            Self::Assignments => assignment_place(key),
        }
    }

    pub(super) fn key(self, place: u64) -> String {
        match self {
            Self::Invoices => (FIRST_INVOICE + place).to_string(),
            Self::Lookups => format!("O'Brien-{place:010}"),
            Self::Assignments => {
                let (person, number, day) = assignment(place);
                format!("{person}|{number}|{day}")
            }
        }
    }
}

/// The person, the number and the first day of the assignment at a place.
fn assignment(place: u64) -> (u64, String, Date) {
    let (person, in_person) = (place / PLACES_OF_A_PERSON, place % PLACES_OF_A_PERSON);
    let day = i64::try_from(in_person % PLACES_OF_AN_ASSIGNMENT).unwrap_or(0);
    (
        FIRST_PERSON + person,
        format!("E'{:03}", in_person / PLACES_OF_AN_ASSIGNMENT),
        FIRST_DAY.saturating_add(Span::new().days(day)),
    )
}

fn assignment_place(key: &str) -> Option<u64> {
    let (person, rest) = key.split_once('|')?;
    let (number, day) = rest.split_once("|")?;
    let person = person.parse::<u64>().ok()?.checked_sub(FIRST_PERSON)?;
    let number: u64 = number.strip_prefix("E'")?.parse().ok()?;
    let day = (day.parse::<Date>().ok()? - FIRST_DAY).get_days();
    let day = u64::try_from(day).ok().filter(|day| *day < PLACES_OF_AN_ASSIGNMENT)?;
    person
        .checked_mul(PLACES_OF_A_PERSON)?
        .checked_add(number.checked_mul(PLACES_OF_AN_ASSIGNMENT)?)?
        .checked_add(day)
}

/// What a row is a row of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Root(Resource),
    Line,
    Distribution,
    Flexfield,
    Note,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Root(resource) => resource.name(),
            Self::Line => "invoiceLines",
            Self::Distribution => "distributions",
            Self::Flexfield => "invoiceDff",
            Self::Note => "notes",
        }
    }

    /// The fields of its key, in the order in which rows are compared by them.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Root(Resource::Invoices) | Self::Flexfield => &["InvoiceId"],
            Self::Root(Resource::Lookups) => &["LookupCode"],
            Self::Root(Resource::Assignments) => &["PersonId", "AssignmentNumber", "EffectiveStartDate"],
            Self::Line => &["InvoiceLineId"],
            Self::Distribution => &["DistributionId"],
            Self::Note => &["NoteType", "NoteId"],
        }
    }

    /// Whether rows are at a hash of their keys whatever the switches say: a key of several fields makes no segment.
    fn is_hashed(self) -> bool {
        self.keys().len() > 1
    }

    pub(super) fn children(self) -> &'static [Kind] {
        match self {
            Self::Root(Resource::Invoices) => &[Kind::Line, Kind::Flexfield],
            Self::Root(Resource::Assignments) => &[Kind::Note],
            Self::Line => &[Kind::Distribution],
            Self::Root(Resource::Lookups) | Self::Distribution | Self::Flexfield | Self::Note => &[],
        }
    }

    pub(super) fn child(self, name: &str) -> Option<Kind> {
        self.children().iter().copied().find(|child| child.name() == name)
    }

    /// The attributes, with their types, in the order in which rows have them.
    pub(super) fn attributes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Root(Resource::Invoices) => &[
                ("InvoiceId", "integer"),
                ("InvoiceNumber", "string"),
                ("InvoiceAmount", "number"),
                ("InvoiceCurrency", "string"),
                ("InvoiceDate", "date"),
                ("Description", "string"),
                ("Status", "string"),
                ("CreationDate", "datetime"),
                ("LastUpdateDate", "datetime"),
            ],
            Self::Root(Resource::Lookups) => {
                &[("LookupCode", "string"), ("Meaning", "string"), ("LastUpdateDate", "datetime")]
            }
            Self::Root(Resource::Assignments) => &[
                ("PersonId", "integer"),
                ("AssignmentNumber", "string"),
                ("EffectiveStartDate", "date"),
                ("Title", "string"),
                ("LastUpdateDate", "datetime"),
            ],
            Self::Note => &[("NoteType", "string"), ("NoteId", "integer"), ("Text", "string")],
            Self::Line => {
                &[("InvoiceLineId", "integer"), ("LineNumber", "integer"), ("LineAmount", "number")]
            }
            Self::Distribution => &[("DistributionId", "integer"), ("Amount", "number")],
            Self::Flexfield => &[
                ("InvoiceId", "integer"),
                ("__FLEX_Context", "string"),
                ("costCentre", "string"),
                ("region", "string"),
            ],
        }
    }

    /// What `describe` says.
    pub(super) fn described(self) -> Value {
        let attributes: Vec<Value> = self
            .attributes()
            .iter()
            .map(|(name, kind)| {
                json!({
                    "name": name, "type": kind, "updatable": false, "mandatory": self.keys().contains(name),
                    "queryable": true, "allowChanges": "never", "title": name,
                })
            })
            .collect();
        let of_key = |name: &&str| attributes.iter().find(|attribute| attribute["name"] == **name);
        let key: Vec<&Value> = self.keys().iter().filter_map(of_key).collect();
        let mut finders = vec![json!({ "name": "PrimaryKey", "title": "PrimaryKey", "attributes": key })];
        if self == Self::Root(Resource::Invoices) {
            let status = json!([{ "name": "Status", "type": "string", "required": "true" }]);
            finders.push(json!({ "name": "FindByStatus", "title": "By status", "attributes": status }));
        }
        if self == Self::Root(Resource::Assignments) {
            let title = json!([{ "name": "Title", "type": "string", "required": "true" }]);
            finders.push(json!({ "name": "FindByTitle", "title": "By title", "attributes": title }));
        }
        let children: serde_json::Map<String, Value> =
            self.children().iter().map(|child| (child.name().to_owned(), child.described())).collect();
        json!({
            "discrColumnType": false,
            "title": self.name(),
            "attributes": attributes,
            "collection": { "rangeSize": 25, "finders": finders, "links": [], "actions": [] },
            "item": { "links": [], "actions": [] },
            "children": children,
        })
    }
}

/// A row, as it is at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) kind: Kind,
    /// What its key is made from: its place, or for a child, its own number.
    pub(super) number: u64,
    place: u64,
    revision: u32,
    updated_at: Timestamp,
    lines: u64,
    seed: u64,
}

impl Row {
    pub(super) fn root(
        resource: Resource,
        place: u64,
        revision: u32,
        updated_at: Option<Timestamp>,
        scenario: &RestScenario,
    ) -> Self {
        let random = mixed(scenario.seed.wrapping_add(place));
        let lines = if place.is_multiple_of(100) { scenario.long_lines } else { random % 4 };
        Self {
            kind: Kind::Root(resource),
            number: place,
            place,
            revision,
            updated_at: updated_at.unwrap_or_else(|| after(OLDEST, random % (DAYS * 86_400_000))),
            lines,
            seed: scenario.seed,
        }
    }

    /// The children of a kind.
    pub(super) fn children(&self, kind: Kind) -> Vec<Row> {
        let child = |number: u64| Row { kind, number, ..*self };
        match (self.kind, kind) {
            (Kind::Root(Resource::Invoices), Kind::Line) => {
                (1..=self.lines).map(|line| child((FIRST_INVOICE + self.place) * 1000 + line)).collect()
            }
            (Kind::Root(Resource::Invoices), Kind::Flexfield) => vec![child(self.place)],
            (Kind::Root(Resource::Assignments), Kind::Note) => {
                (1..=self.lines).map(|note| child(self.place * 1000 + note)).collect()
            }
            (Kind::Line, Kind::Distribution) => {
                // One line has more than come with it.
                let count = if self.number.is_multiple_of(97) { 30 } else { 1 };
                (1..=count).map(|part| child(self.number * 100 + part)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The key's text.
    pub(super) fn key(&self) -> String {
        match self.kind {
            Kind::Root(resource) => resource.key(self.place),
            Kind::Flexfield => (FIRST_INVOICE + self.place).to_string(),
            Kind::Line | Kind::Distribution => self.number.to_string(),
            Kind::Note => format!("{}|{}", self.note_type(), self.number),
        }
    }

    /// Notes of two types in turn, which their key is ordered by first.
    fn note_type(&self) -> &'static str {
        if self.number % 1000 <= self.lines / 2 { "A" } else { "B" }
    }

    /// The day that it is effective from, where it has one.
    pub(super) fn effective_from(&self) -> Option<Date> {
        (self.kind == Kind::Root(Resource::Assignments)).then(|| assignment(self.place).2)
    }

    pub(super) fn title(&self) -> &'static str {
        one_of(&TITLES, self.place / 2)
    }

    /// The segment of its URL.
    pub(super) fn address(&self, is_hashed: bool) -> String {
        match is_hashed || self.kind.is_hashed() {
            true => format!("0002{:016X}", mixed(self.number)),
            false => self.key(),
        }
    }

    pub(super) fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// The JSON text of an attribute.
    pub(super) fn text(&self, attribute: &str) -> String {
        let random = mixed(self.seed.wrapping_add(self.number));
        match attribute {
            "InvoiceId" | "InvoiceLineId" | "DistributionId" => self.key(),
            "LookupCode" => quoted(&self.key()),
            "PersonId" => assignment(self.place).0.to_string(),
            "AssignmentNumber" => quoted(&assignment(self.place).1),
            "EffectiveStartDate" => quoted(&assignment(self.place).2.to_string()),
            "Title" => quoted(self.title()),
            "NoteType" => quoted(self.note_type()),
            "NoteId" => self.number.to_string(),
            "Text" => quoted(&format!("Note {} of revision {}", self.number, self.revision)),
            "InvoiceNumber" => quoted(&format!("INV-{:09}-{}", self.place, self.revision)),
            "InvoiceAmount" | "LineAmount" | "Amount" => match random % 5 {
                0 => "12345678901234567.123400".to_owned(),
                1 => format!("-{}.10", random % 10_000),
                2 => format!("{}.000000", random % 100),
                _ => (random % 1_000_000).to_string(),
            },
            "InvoiceCurrency" => quoted(one_of(&["EUR", "USD", "JPY"], random)),
            "InvoiceDate" => quoted(&self.updated_at.strftime("%Y-%m-%d").to_string()),
            "Description" => match random % 4 {
                0 => "null".to_owned(),
                1 => "\"two\\nlines, \\u20ac 5, \\\"quoted\\\", \u{f6}\"".to_owned(),
                _ => quoted(&format!("Invoice {} of revision {}", self.place, self.revision)),
            },
            "Status" => quoted(self.status()),
            "CreationDate" | "LastUpdateDate" => quoted(&moment(self.updated_at)),
            "Meaning" => quoted(&format!("Meaning {} {}", self.place, self.revision)),
            "LineNumber" => (self.number % 1000).to_string(),
            "__FLEX_Context" => quoted("Global Data Elements"),
            "costCentre" => quoted(&format!("CC-{}", random % 90)),
            "region" => quoted("EMEA"),
            _ => "null".to_owned(),
        }
    }

    pub(super) fn status(&self) -> &'static str {
        one_of(&["OPEN", "HELD", "PAID"], self.place / 2)
    }
}

fn one_of(texts: &[&'static str; 3], number: u64) -> &'static str {
    let [first, second, third] = texts;
    match number % 3 {
        0 => first,
        1 => second,
        _ => third,
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A moment as Fusion writes it.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}

fn after(moment: Timestamp, milliseconds: u64) -> Timestamp {
    let by = SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(0));
    moment.checked_add(by).unwrap_or(moment)
}

/// A number that looks drawn at random (the finalizer of `SplitMix64`).
pub(super) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
