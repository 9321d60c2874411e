//! What a run exports, as data: its kind, and what that kind's system reads of it.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::capabilities::Capabilities;
use crate::declaration::{DeclaredColumn, OnSchemaChange};
use crate::error::{Error, Result};
use crate::parse;
use crate::rows::{OnBrokenRecord, RowFormat, RowSettings};

/// The field of an export that names its kind.
const KIND: &str = "kind";

/// The fields that every kind of export takes: what is declared of its tables, whatever system they come from.
const OF_TABLES: [&str; 2] = ["columns", "on_schema_change"];

/// What an export says of its tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TableSettings {
    /// The columns of the export's table, as far as they are declared; the others are observed.
    pub columns: Vec<DeclaredColumn>,
    /// What becomes of a job whose columns do not fit the export's schema; as the destination says, if not said.
    pub on_schema_change: Option<OnSchemaChange>,
}

/// What to export: a JSON object that names its kind; each kind has its own fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    kind: String,
    body: Map<String, Value>,
}

/// What is to be known of any export, whatever system runs it.
pub trait ExportSpec: fmt::Debug + Send + Sync {
    /// The export's own name, as it appears in the landing layout.
    fn name(&self) -> &str;

    /// The folders that it is in at its source, the outermost first: in the landing layout they lead its name.
    fn folders(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The export as its kind writes it: whatever an event leaves out is as if it had been said.
    fn to_export(&self) -> Export;

    /// The export by what decides on its rows alone: two that are alike here give the same rows, however they are cut
    /// into files and increments.
    fn rows(&self) -> Export {
        self.to_export()
    }

    /// Whether it is submitted once and runs again and again: each occurrence is a job of its own.
    fn recurs(&self) -> bool {
        false
    }

    /// Whether a job of this export that puts nothing out is normal.
    fn allows_empty(&self) -> bool {
        false
    }

    /// The file of this machine that it reads; only the command line takes it, and puts it into the work bucket.
    fn local_input(&self) -> Option<&str> {
        None
    }

    /// The export that reads this object of the work bucket where it read a file of this machine.
    fn with_input(&self, _key: String) -> Export {
        self.to_export()
    }
}

/// What a kind of export says in an event: the fields besides `kind`.
pub trait ExportBody: ExportSpec + Serialize + DeserializeOwned + JsonSchema + 'static {
    /// What the kind is, and what its source supports.
    const CAPABILITIES: Capabilities;
    /// What the kind is, in a line of the schema.
    const DESCRIPTION: &'static str;
    /// Whether a file whose name says that it is MARC is: `.mrc` is where a library system has written it, and may be
    /// anything elsewhere.
    const WRITES_MARC: bool = false;
    /// Whether a `.json` file of this kind holds one value a line.
    const WRITES_JSON_LINES: bool = false;
}

/// A kind of export.
pub trait ExportKind: Sync {
    /// What it is, and what its source supports.
    fn capabilities(&self) -> Capabilities;

    /// What an export of this kind says; `InvalidEvent` names the field that does not fit.
    fn read(&self, export: &Export) -> Result<Box<dyn ExportSpec>>;

    /// The format of a file's rows, which are counted, by its name. It does not depend on what the export says, so that
    /// a job whose export has fields of a later release still lands.
    fn row_format(&self, name: &str, settings: RowSettings) -> Option<RowFormat>;

    /// The schema of an export of this kind.
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;
}

/// The kind whose exports say `B`.
#[derive(Debug)]
pub struct Kind<B>(PhantomData<fn() -> B>);

impl<B> Kind<B> {
    /// The kind.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Default for Kind<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: ExportBody> ExportKind for Kind<B> {
    fn capabilities(&self) -> Capabilities {
        B::CAPABILITIES
    }

    fn read(&self, export: &Export) -> Result<Box<dyn ExportSpec>> {
        Ok(Box::new(export.read::<B>()?))
    }

    fn row_format(&self, name: &str, settings: RowSettings) -> Option<RowFormat> {
        let is_json =
            name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("json"));
        if B::WRITES_JSON_LINES && is_json {
            return Some(RowFormat::Ndjson);
        }
        let format = RowFormat::from_name(name, settings)?;
        (B::WRITES_MARC || !matches!(format, RowFormat::Marc { .. })).then_some(format)
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = B::json_schema(generator);
        let kind = serde_json::json!({ "type": "string", "const": B::CAPABILITIES.kind });
        let of_tables = TableSettings::json_schema(generator);
        let object = schema.ensure_object();
        let mut properties = Map::from_iter([(KIND.to_owned(), kind)]);
        if let Some(Value::Object(fields)) = object.remove("properties") {
            properties.extend(fields);
        }
        if let Some(Value::Object(fields)) = of_tables.get("properties") {
            properties.extend(fields.clone());
        }
        let mut required = vec![Value::from(KIND)];
        if let Some(Value::Array(fields)) = object.remove("required") {
            required.extend(fields);
        }
        object.insert("description".to_owned(), B::DESCRIPTION.into());
        object.insert("properties".to_owned(), properties.into());
        object.insert("required".to_owned(), required.into());
        schema
    }
}

impl Export {
    /// The export of a kind.
    pub fn of<B: ExportBody>(body: &B) -> Self {
        // A body is a struct of strings, numbers, flags and lists: it serialises, and to an object.
        let body = match serde_json::to_value(body) {
            Ok(Value::Object(body)) => body,
            _ => Map::new(),
        };
        Self { kind: B::CAPABILITIES.kind.to_owned(), body }
    }

    /// The kind's name, as an event has it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its fields, besides the kind.
    pub fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// What becomes of a file with a broken record, where the export says so; the destination does otherwise. What this
    /// program cannot read of it is not said.
    pub fn on_broken_record(&self) -> Option<OnBrokenRecord> {
        OnBrokenRecord::deserialize(self.body.get("on_broken_record")?).ok()
    }

    /// What it says of its tables; `InvalidEvent` names what of it does not fit.
    pub fn tables(&self) -> Result<TableSettings> {
        let said =
            OF_TABLES.iter().filter_map(|field| Some(((*field).to_owned(), self.body.get(*field)?.clone())));
        parse::below("export", Value::Object(said.collect()))
    }

    /// Whether it declares columns: then all values are looked at.
    pub fn declares_columns(&self) -> bool {
        self.body.get("columns").and_then(Value::as_array).is_some_and(|columns| !columns.is_empty())
    }

    /// This export, with what another one says of its tables.
    #[must_use]
    pub fn with_tables_of(mut self, other: &Self) -> Self {
        let said =
            OF_TABLES.iter().filter_map(|field| Some(((*field).to_owned(), other.body.get(*field)?.clone())));
        self.body.extend(said);
        self
    }

    /// The same export, in which this becomes of a job whose columns do not fit the schema.
    pub fn on_schema_change(&self, rule: OnSchemaChange) -> Self {
        let mut changed = self.clone();
        // A word: it serialises.
        changed.body.insert("on_schema_change".to_owned(), serde_json::to_value(rule).unwrap_or_default());
        changed
    }

    /// The same export, in which a job that puts nothing out is normal; not every kind has such a field.
    #[must_use]
    pub fn allowing_empty(&self) -> Self {
        let mut allowing = self.clone();
        allowing.body.insert("allow_empty".to_owned(), Value::Bool(true));
        allowing
    }

    /// Whether it is of this kind.
    pub fn is<B: ExportBody>(&self) -> bool {
        self.kind == B::CAPABILITIES.kind
    }

    /// What an export of this kind says; `InvalidEvent` names the field that does not fit.
    pub fn read<B: ExportBody>(&self) -> Result<B> {
        if !self.is::<B>() {
            let (kind, takes) = (&self.kind, B::CAPABILITIES.kind);
            return Err(Error::invalid_event(format!(
                "export.kind is {kind}, which this connection does not run: it takes {takes}"
            )));
        }
        self.tables()?;
        let own = self.body.iter().filter(|(field, _)| !OF_TABLES.contains(&field.as_str()));
        parse::below(
            "export",
            Value::Object(own.map(|(field, value)| (field.clone(), value.clone())).collect()),
        )
    }
}

impl Serialize for Export {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.body.len()))?;
        map.serialize_entry(KIND, &self.kind)?;
        for (field, value) in &self.body {
            map.serialize_entry(field, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Export {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut body = Map::deserialize(deserializer)?;
        match body.shift_remove(KIND) {
            Some(Value::String(kind)) => Ok(Self { kind, body }),
            Some(_) => Err(D::Error::custom("field `kind` is not a string")),
            None => Err(D::Error::missing_field(KIND)),
        }
    }
}

/// Any export: which kinds there are, [`Systems::export_schema`](crate::Systems::export_schema) knows.
impl JsonSchema for Export {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Export".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "object", "required": [KIND] })
    }
}
