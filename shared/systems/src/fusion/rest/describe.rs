//! What a resource says of itself (`describe`), and what an export asks of it that it does not have.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::export::{FusionRest, KeyFields};
use landfall::error::{Error, Result};
use landfall::job::Window;
use landfall::rows::ColumnType;
use landfall::schema::SourceColumn;

/// From this framework version on, `q` is a row match expression; before it, a query by example.
pub(super) const ROW_MATCH_SINCE: u8 = 2;
/// How alike two names must be for one to be offered for the other, of 1.
const ALIKE: f64 = 0.75;
/// How many names are offered.
const OFFERED: usize = 3;
/// What marks a child as a descriptive flexfield.
const FLEXFIELD_CONTEXT: &str = "__FLEX_Context";

/// What `expand` takes besides children: the meanings of lookup codes.
const LOOKUPS: &str = "lookups";
/// How many rows of a child come with its parent, where the description does not say.
const USUAL_RANGE: usize = 25;

/// The answer to `describe`: resources by name.
#[derive(Debug, Deserialize)]
pub(super) struct Described {
    #[serde(rename = "Resources")]
    resources: BTreeMap<String, Shape>,
}

/// What rows of a resource, or of a child, are made of.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Shape {
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    collection: Option<CollectionShape>,
    /// None where the answer does not show them.
    #[serde(default)]
    children: Option<BTreeMap<String, Shape>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Attribute {
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default = "yes")]
    queryable: bool,
    /// Its digits in all, and those behind the point, where the description has them.
    #[serde(default)]
    precision: Value,
    #[serde(default)]
    scale: Value,
}

impl Attribute {
    /// The type of its values in JSON, where the description tells it to the digit.
    fn column_type(&self) -> Option<ColumnType> {
        let digits = |value: &Value| value.as_u64().and_then(|digits| u8::try_from(digits).ok());
        let decimal = |precision, scale| format!("DECIMAL({precision},{scale})").parse().ok();
        match self.kind.as_str() {
            "string" => Some(ColumnType::Text),
            "boolean" => Some(ColumnType::Boolean),
            "date" => Some(ColumnType::Date),
            "datetime" | "timestamp" => Some(ColumnType::TimestampWithZone),
            "integer" | "int" | "long" => match digits(&self.precision) {
                Some(precision @ 19..) => decimal(precision, 0),
                _ => Some(ColumnType::Integer),
            },
            "number" => decimal(digits(&self.precision)?, digits(&self.scale)?),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
struct CollectionShape {
    #[serde(default)]
    finders: Vec<FinderShape>,
    /// How many rows come where nobody says how many.
    #[serde(default, rename = "rangeSize")]
    range_size: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
struct FinderShape {
    name: String,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

/// An attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyAttribute {
    pub(super) name: String,
    /// Whether its values are numbers; otherwise they are texts.
    pub(super) is_numeric: bool,
}

impl KeyAttribute {
    fn of(attribute: &Attribute) -> Self {
        let is_numeric = matches!(attribute.kind.as_str(), "integer" | "number" | "long" | "int");
        Self { name: attribute.name.clone(), is_numeric }
    }
}

/// The attributes whose values together no two rows share, in the order in which rows are compared by them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyAttributes(pub(super) Vec<KeyAttribute>);

impl KeyAttributes {
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|attribute| attribute.name.as_str()).collect()
    }
}

impl std::fmt::Display for KeyAttributes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.names().join(", "))
    }
}

impl Described {
    /// The resource of this name; what else the answer holds, its context say, does not matter.
    pub(super) fn resource(mut self, name: &str) -> Option<Shape> {
        match self.resources.remove(name) {
            Some(shape) => Some(shape),
            None if self.resources.len() == 1 => self.resources.into_values().next(),
            None => None,
        }
    }
}

impl Shape {
    /// The columns of its rows, as far as their types are told.
    pub(super) fn columns(&self) -> Vec<SourceColumn> {
        let column = |attribute: &Attribute| {
            Some(SourceColumn { name: attribute.name.clone(), r#type: attribute.column_type()? })
        };
        self.attributes.iter().filter_map(column).collect()
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The child of this name, where the answer shows children.
    pub(super) fn child(&self, name: &str) -> Option<&Shape> {
        self.children.as_ref()?.get(name)
    }

    /// How many rows of it come with a parent, at most, where nobody says how many.
    pub(super) fn range_size(&self) -> usize {
        let told = self.collection.as_ref().and_then(|collection| collection.range_size);
        told.filter(|rows| *rows > 0).unwrap_or(USUAL_RANGE)
    }

    /// Whether rows have a field of this name.
    pub(super) fn has(&self, field: &str) -> bool {
        self.attribute(field).is_some()
    }

    /// The key that the resource itself names, where its rows can be read by it: one of several attributes takes conditions
    /// that say `or`, on attributes that are all there and can be queried.
    pub(super) fn own_key(&self, framework: u8) -> Option<KeyAttributes> {
        let parts = match self.primary_key() {
            [] => return None,
            [part] => vec![KeyAttribute::of(self.attribute(&part.name).unwrap_or(part))],
            parts => {
                let known = |part: &Attribute| {
                    self.attribute(&part.name).filter(|attribute| attribute.queryable).map(KeyAttribute::of)
                };
                let known: Option<Vec<_>> = parts.iter().map(known).collect();
                known.filter(|_| framework >= ROW_MATCH_SINCE)?
            }
        };
        Some(KeyAttributes(parts))
    }

    /// The fields that are asked for, led by the keys of all children on the way to them: a child with more rows than
    /// come with its parent is read by its key, and all rows of a child are to have the same fields.
    pub(super) fn with_keys_of_children(&self, fields: &[String], framework: u8) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for field in fields {
            let (mut shape, mut path) = (self, String::new());
            let (children, _) = field.rsplit_once('.').unwrap_or_default();
            for name in children.split('.').filter(|name| !name.is_empty()) {
                let Some(child) = shape.child(name) else { break };
                (shape, path) = (child, format!("{path}{name}."));
                for name in child.own_key(framework).iter().flat_map(KeyAttributes::names) {
                    let key = format!("{path}{name}");
                    if !all.contains(&key) {
                        all.push(key);
                    }
                }
            }
        }
        let named: Vec<String> = fields.iter().filter(|field| !all.contains(field)).cloned().collect();
        all.extend(named);
        all
    }

    fn primary_key(&self) -> &[Attribute] {
        let finders = self.collection.as_ref().map(|collection| collection.finders.as_slice());
        let primary = finders.unwrap_or_default().iter().find(|finder| finder.name == "PrimaryKey");
        primary.map(|finder| finder.attributes.as_slice()).unwrap_or_default()
    }

    /// The descriptive flexfields and their segments, which each customer names otherwise.
    pub(super) fn flexfields(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let children = self.children.iter().flatten();
        children.filter(|(_, child)| child.attribute(FLEXFIELD_CONTEXT).is_some()).map(|(name, child)| {
            let segments = child.attributes.iter().map(|attribute| attribute.name.as_str());
            (name.as_str(), segments.filter(|segment| !segment.starts_with("__")).collect())
        })
    }

    /// Refuses what an export asks for and the resource does not have; what it has that is alike is offered.
    pub(super) fn check(&self, export: &FusionRest, window: Option<&Window>) -> Result<()> {
        for field in &export.fields {
            self.check_field(&export.resource, field)?;
        }
        for child in &export.expand {
            self.check_path(&export.resource, child)?;
        }
        if let Some(finder) = &export.finder {
            self.check_finder(&export.resource, &finder.name)?;
        }
        if let Some(window) = window {
            self.check_window(&export.resource, &window.field)?;
        }
        self.key(export).map(|_| ())
    }

    /// The key by which the rows are read.
    pub(super) fn key(&self, export: &FusionRest) -> Result<KeyAttributes> {
        let (resource, framework) = (&export.resource, export.framework_version);
        let Some(KeyFields(names)) = &export.key else {
            return self.own_key(framework).ok_or_else(|| self.no_own_key(resource, framework));
        };
        if names.len() > 1 && framework < ROW_MATCH_SINCE {
            return Err(Error::invalid_event(format!(
                "export.key has several fields, whose conditions framework version 1 has no word for: use \
                 framework_version {ROW_MATCH_SINCE} or later"
            )));
        }
        let attributes = names.iter().map(|name| {
            let attribute = self.attribute(name).ok_or_else(|| self.unknown("key", resource, name, ""))?;
            match attribute.queryable {
                true => Ok(KeyAttribute::of(attribute)),
                false => Err(Error::invalid_event(format!(
                    "export.key: {resource} cannot be queried by {name}: name a field that can"
                ))),
            }
        });
        attributes.collect::<Result<_>>().map(KeyAttributes)
    }

    fn no_own_key(&self, resource: &str, framework: u8) -> Error {
        let several: Vec<_> = self.primary_key().iter().map(|part| part.name.as_str()).collect();
        let several = several.join(", ");
        let why = match self.primary_key().len() {
            0 => "does not say what its key is".to_owned(),
            _ if framework < ROW_MATCH_SINCE => format!(
                "has a key of several fields ({several}), by which framework version 1 cannot read: use framework_version \
                 {ROW_MATCH_SINCE} or later, or"
            ),
            _ => format!("has a key of several fields ({several}), by which it cannot be queried"),
        };
        let separator = if why.ends_with("or") { " " } else { ": " };
        Error::invalid_event(format!(
            "{resource} {why}{separator}set export.key to a field whose value no two rows share, or to several whose values \
             together no two rows share"
        ))
    }

    fn check_field(&self, resource: &str, path: &str) -> Result<()> {
        let Some((child, field)) = path.split_once('.') else {
            return match self.attribute(path) {
                Some(_) => Ok(()),
                None => Err(self.unknown("fields", resource, path, "")),
            };
        };
        match (&self.children, self.child(child)) {
            (None, _) => Ok(()),
            (Some(_), Some(shape)) => shape.check_field(&format!("{resource}.{child}"), field),
            (Some(_), None) => Err(self.unknown_child("fields", resource, child)),
        }
    }

    fn check_path(&self, resource: &str, path: &str) -> Result<()> {
        let (child, rest) = path.split_once('.').map_or((path, None), |(child, rest)| (child, Some(rest)));
        // What codes mean comes by a name that is no child's, and that no description has.
        if path == LOOKUPS {
            return Ok(());
        }
        match (&self.children, self.child(child), rest) {
            (None, _, _) | (Some(_), Some(_), None) => Ok(()),
            (Some(_), Some(shape), Some(rest)) => shape.check_path(&format!("{resource}.{child}"), rest),
            (Some(_), None, _) => Err(self.unknown_child("expand", resource, child)),
        }
    }

    fn check_finder(&self, resource: &str, name: &str) -> Result<()> {
        let Some(collection) = &self.collection else { return Ok(()) };
        let finders: Vec<_> = collection.finders.iter().map(|finder| finder.name.as_str()).collect();
        match finders.contains(&name) {
            true => Ok(()),
            false => {
                let offer = offer(name, &finders);
                Err(Error::invalid_event(format!("export.finder: {resource} has no finder {name}{offer}")))
            }
        }
    }

    /// Increments need moments: a date without a time says neither when in the day nor in whose time zone.
    fn check_window(&self, resource: &str, field: &str) -> Result<()> {
        let attribute = self
            .attribute(field)
            .ok_or_else(|| self.unknown("incremental.field", resource, field, " to tell a row's time by"))?;
        if !attribute.queryable {
            return Err(Error::invalid_event(format!(
                "export.incremental.field: {resource} cannot be queried by {field}: name a field that can"
            )));
        }
        match attribute.kind.as_str() {
            "datetime" | "timestamp" => Ok(()),
            kind => Err(Error::invalid_event(format!(
                "export.incremental.field: {field} of {resource} is a {kind}, which has no time of day and no time \
                 zone: name one that is a datetime"
            ))),
        }
    }

    fn unknown(&self, at: &str, resource: &str, name: &str, what_for: &str) -> Error {
        let names: Vec<_> = self.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        let flexfields: Vec<_> = self
            .flexfields()
            .map(|(child, segments)| format!("flexfield {child} has {}", segments.join(", ")))
            .collect();
        let flexfields = match flexfields.is_empty() {
            true => String::new(),
            false => format!(" ({})", flexfields.join("; ")),
        };
        let offer = offer(name, &names);
        Error::invalid_event(format!(
            "export.{at}: {resource} has no field {name}{what_for}{offer}{flexfields}"
        ))
    }

    fn unknown_child(&self, at: &str, resource: &str, name: &str) -> Error {
        let names: Vec<_> = self.children.iter().flatten().map(|(name, _)| name.as_str()).collect();
        Error::invalid_event(format!("export.{at}: {resource} has no child {name}{}", offer(name, &names)))
    }
}

/// What may have been meant.
fn offer(name: &str, names: &[&str]) -> String {
    let mut alike: Vec<(f64, &str)> = names
        .iter()
        .map(|other| (strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase()), *other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(one, first), (other, second)| other.total_cmp(one).then(first.cmp(second)));
    let alike: Vec<_> = alike.into_iter().take(OFFERED).map(|(_, name)| name).collect();
    match alike.is_empty() {
        true => String::new(),
        false => format!(": did you mean {}?", alike.join(" or ")),
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::export::tests::rest;
    use super::*;

    /// A description tells a type only where it tells it to the digit.
    #[test]
    fn columns_are_those_that_are_described() {
        let described = json!({ "Resources": { "x": { "attributes": [
            { "name": "Id", "type": "integer", "precision": 18 },
            { "name": "Large", "type": "integer", "precision": 20 },
            { "name": "Amount", "type": "number", "precision": 20, "scale": 4 },
            { "name": "Rate", "type": "number", "precision": 0, "scale": -127 },
            { "name": "Any", "type": "number" },
            { "name": "Code", "type": "string", "precision": "30" },
            { "name": "At", "type": "datetime" },
            { "name": "Blob", "type": "attachment" },
        ] } } });
        let shape = serde_json::from_value::<Described>(described).unwrap().resource("x").unwrap();
        let told: Vec<_> =
            shape.columns().into_iter().map(|column| format!("{} {}", column.name, column.r#type)).collect();
        assert_eq!(
            told,
            [
                "Id BIGINT",
                "Large DECIMAL(20,0)",
                "Amount DECIMAL(20,4)",
                "Code VARCHAR",
                "At TIMESTAMP WITH TIME ZONE"
            ]
        );
    }

    fn invoices() -> Shape {
        let described = json!({ "Resources": { "invoices": {
            "attributes": [
                { "name": "InvoiceId", "type": "integer" },
                { "name": "InvoiceNumber", "type": "string" },
                { "name": "InvoiceDate", "type": "date" },
                { "name": "Blob", "type": "attachment", "queryable": false },
                { "name": "ComputedAt", "type": "datetime", "queryable": false },
                { "name": "LastUpdateDate", "type": "datetime" },
            ],
            "collection": { "finders": [
                { "name": "PrimaryKey", "attributes": [{ "name": "InvoiceId", "type": "integer" }] },
                { "name": "ByStatus", "attributes": [] },
            ] },
            "children": {
                "invoiceLines": {
                    "attributes": [{ "name": "LineNumber", "type": "integer" }],
                    "collection": { "rangeSize": 10, "finders": [
                        { "name": "PrimaryKey", "attributes": [{ "name": "LineNumber" }] },
                    ] },
                    "children": {},
                },
                "invoiceDff": { "attributes": [{ "name": "__FLEX_Context" }, { "name": "costCentre" }] },
            },
        } } });
        serde_json::from_value::<Described>(described).unwrap().resource("invoices").unwrap()
    }

    fn refusal(export: Value) -> String {
        let export = rest(export);
        let window = export.increments().map(|increments| Window {
            field: increments.field,
            from: None,
            until: jiff::Timestamp::UNIX_EPOCH,
            overlap_until: None,
        });
        let error = invoices().check(&export, window.as_ref()).expect_err("a refusal");
        assert_eq!(error.error_type().name(), "InvalidEvent");
        error.line()
    }

    /// Trap: an unknown field is refused before the run, with what may have been meant.
    #[test]
    fn what_the_resource_does_not_have_is_refused_with_near_matches() {
        let said = refusal(json!({ "fields": ["InvoiceNum"] }));
        assert!(said.contains("no field InvoiceNum: did you mean InvoiceNumber or InvoiceId"), "{said}");
        let said = refusal(json!({ "fields": ["invoiceLines.LineNo"] }));
        assert!(
            said.contains("invoices.invoiceLines has no field LineNo: did you mean LineNumber?"),
            "{said}"
        );
        let said = refusal(json!({ "expand": ["invoiceLine"] }));
        assert!(said.contains("no child invoiceLine: did you mean invoiceLines"), "{said}");
        let said = refusal(json!({ "expand": ["invoiceLines.distributions"] }));
        assert!(said.contains("invoices.invoiceLines has no child distributions"), "{said}");
        let said = refusal(json!({ "finder": { "name": "byStatus" } }));
        assert!(said.contains("no finder byStatus: did you mean ByStatus?"), "{said}");
        let said = refusal(json!({ "key": "InvoiceID" }));
        assert!(
            said.contains("export.key: invoices has no field InvoiceID: did you mean InvoiceId"),
            "{said}"
        );
        assert!(refusal(json!({ "key": "Blob" })).contains("cannot be queried by Blob"));
    }

    /// Trap: flexfield segments differ from customer to customer, so they are named.
    #[test]
    fn flexfield_segments_are_named() {
        let said = refusal(json!({ "fields": ["invoiceDff.costCenter"] }));
        assert!(
            said.contains("invoices.invoiceDff has no field costCenter: did you mean costCentre?"),
            "{said}"
        );
        let said = refusal(json!({ "fields": ["costCentre"] }));
        assert!(said.contains("flexfield invoiceDff has costCentre"), "{said}");
    }

    /// Trap: a DATE has no time zone, so no increment can be divided by it.
    #[test]
    fn increments_need_a_field_with_a_time() {
        let said = refusal(json!({ "incremental": { "field": "InvoiceDate" } }));
        assert!(said.contains("InvoiceDate of invoices is a date"), "{said}");
        let said = refusal(json!({ "incremental": { "field": "LastUpdated" } }));
        assert!(said.contains("did you mean LastUpdateDate"), "{said}");
    }

    /// An increment asks by its field, so the field must be one that can be asked by.
    #[test]
    fn increments_need_a_field_that_can_be_queried() {
        let said = refusal(json!({ "incremental": { "field": "ComputedAt" } }));
        assert!(
            said.contains("export.incremental.field: invoices cannot be queried by ComputedAt"),
            "{said}"
        );
    }

    /// Trap: the meanings of codes are expanded by a name that is no child's.
    #[test]
    fn lookups_can_be_expanded_though_no_description_has_them() {
        invoices().check(&rest(json!({ "expand": ["lookups"] })), None).unwrap();
        let said = refusal(json!({ "expand": ["lookup"] }));
        assert!(said.contains("no child lookup"), "{said}");
    }

    /// A child's rows have its key whether or not it is asked for: by it further rows are read.
    #[test]
    fn the_keys_of_children_are_among_the_fields() {
        let with_keys = |fields: &[&str]| {
            let fields: Vec<_> = fields.iter().map(|field| (*field).to_owned()).collect();
            invoices().with_keys_of_children(&fields, 4)
        };
        assert_eq!(with_keys(&[]), [""; 0]);
        assert_eq!(with_keys(&["InvoiceNumber"]), ["InvoiceNumber"]);
        assert_eq!(
            with_keys(&[
                "InvoiceNumber",
                "invoiceLines.Amount",
                "invoiceDff.costCentre",
                "invoiceLines.taxes.Rate"
            ]),
            [
                "invoiceLines.LineNumber",
                "InvoiceNumber",
                "invoiceLines.Amount",
                "invoiceDff.costCentre",
                "invoiceLines.taxes.Rate"
            ]
        );
        assert_eq!(with_keys(&["invoiceLines.LineNumber"]), ["invoiceLines.LineNumber"]);
    }

    /// How many rows of a child come unasked is what it says, or what is usual.
    #[test]
    fn the_usual_number_of_rows_is_what_the_description_says() {
        assert_eq!(invoices().child("invoiceLines").unwrap().range_size(), 10);
        assert_eq!(invoices().child("invoiceDff").unwrap().range_size(), 25);
    }

    fn key_of(names: &[(&str, bool)]) -> KeyAttributes {
        let attribute = |(name, is_numeric): &(&str, bool)| KeyAttribute {
            name: (*name).to_owned(),
            is_numeric: *is_numeric,
        };
        KeyAttributes(names.iter().map(attribute).collect())
    }

    /// The key that the resource names is taken, unless the export names another.
    #[test]
    fn the_key_is_what_the_resource_says() {
        let key = invoices().key(&rest(json!({}))).unwrap();
        assert_eq!(key, key_of(&[("InvoiceId", true)]));
        let key = invoices().key(&rest(json!({ "key": "InvoiceNumber" }))).unwrap();
        assert_eq!(key, key_of(&[("InvoiceNumber", false)]));
        let key = invoices().key(&rest(json!({ "key": ["InvoiceDate", "InvoiceId"] }))).unwrap();
        assert_eq!(key, key_of(&[("InvoiceDate", false), ("InvoiceId", true)]));
        let error = Shape::default().key(&rest(json!({}))).unwrap_err();
        assert!(error.line().contains("export.key"), "{}", error.line());
    }

    /// A key of several fields is read by all of them, in their order. Where that cannot be, the message says what can: a
    /// query by example has no word for it, and a field that cannot be queried cannot be read by.
    #[test]
    fn a_key_of_several_fields_is_read_by_all_of_them() {
        let shape = |queryable: bool, parts: Value| -> Shape {
            serde_json::from_value(json!({
                "attributes": [
                    { "name": "TypeId", "type": "integer" },
                    { "name": "Code", "type": "string", "queryable": queryable },
                ],
                "collection": { "finders": [{ "name": "PrimaryKey", "attributes": parts }] },
            }))
            .unwrap()
        };
        let both = json!([{ "name": "TypeId" }, { "name": "Code" }]);
        let key = shape(true, both.clone()).key(&rest(json!({}))).unwrap();
        assert_eq!(key, key_of(&[("TypeId", true), ("Code", false)]));
        assert_eq!(key.to_string(), "TypeId, Code");
        let of_parent = json!([{ "name": "ParentId" }, { "name": "Code" }]);
        for (queryable, parts, export, said) in [
            (
                true,
                both.clone(),
                json!({ "framework_version": 1 }),
                "use framework_version 2 or later, or set export.key",
            ),
            (
                true,
                both.clone(),
                json!({ "framework_version": 1, "key": ["TypeId", "Code"] }),
                "export.key has several",
            ),
            (false, both.clone(), json!({}), "(TypeId, Code), by which it cannot be queried: set export.key"),
            (true, of_parent, json!({}), "(ParentId, Code), by which it cannot be queried"),
            (false, both, json!({ "key": ["TypeId", "Code"] }), "cannot be queried by Code"),
        ] {
            let error = shape(queryable, parts).key(&rest(export.clone())).unwrap_err();
            assert!(error.line().contains(said), "{export}: {}", error.line());
        }
    }
}
