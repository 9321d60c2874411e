//! What an event says about a Fusion REST resource, and what of it cannot be.

use landfall::export::{Export, ExportBody, ExportSpec};
use landfall::systems::{Capabilities, Increment, LostSubmission, Resumes};
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::several::OneOrMany;
use crate::fields::Range;
use landfall::contract::Increments;
use landfall::error::{Error, Result};

/// The most pages that a file may have: its rows are fetched again from its beginning when a fetch is cut.
const MAX_PAGES: u32 = 1000;

/// What a read of a Fusion REST resource exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FusionRest {
    /// The resource, for instance `invoices`; or the path of a child collection, `invoices/1/child/invoiceLines`.
    pub resource: String,
    /// The pillar whose API has the resource; `fscm`, if not said.
    #[serde(default)]
    pub pillar: Pillar,
    /// The version of the API; `11.13.18.05`, if not said.
    #[serde(default = "default_version")]
    pub version: String,
    /// The version of the framework, 1 to 9, which decides on the form of `q` and of children; 4, if not said.
    #[serde(default = "default_framework")]
    #[schemars(range(min = 1, max = 9))]
    pub framework_version: u8,
    /// The fields of a row, `child.Field` for those of a child; all, if none is named. The key is always there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The children that come with a row, `child.grandchild` for those of a child.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
    /// Which rows, in the syntax of the framework version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// A predefined query of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finder: Option<Finder>,
    /// The field whose value no two rows share, or the fields whose values together no two rows share, by which rows are
    /// read in order; what `describe` says, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyFields>,
    /// The day as of which date-effective rows are read, `2026-11-21`; the source's today, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub effective_date: Option<Date>,
    /// Whether rows come without links; `true`, if not said.
    #[serde(default = "yes")]
    pub only_data: bool,
    /// Only what has changed since the last run that landed; all rows, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Incremental>,
    /// Only the rows that changed last in this time: a backfill, which does not affect the increments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Range>,
    /// How many pages of at most 499 rows make one file; 20, if not said.
    #[serde(default = "default_pages")]
    #[schemars(range(min = 1, max = 1000))]
    pub pages_per_file: u32,
    /// Whether a run without rows is normal; otherwise it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// The parts of Fusion, each with an API of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pillar {
    /// Financials and supply chain: `/fscmRestApi`.
    #[default]
    Fscm,
    /// Human capital management: `/hcmRestApi`.
    Hcm,
    /// Sales and service: `/crmRestApi`.
    Crm,
    /// What they have in common: `/commonRestApi`.
    Common,
}

impl Pillar {
    /// The first segment of the API's path.
    pub(super) fn root(self) -> &'static str {
        match self {
            Self::Fscm => "fscmRestApi",
            Self::Hcm => "hcmRestApi",
            Self::Crm => "crmRestApi",
            Self::Common => "commonRestApi",
        }
    }
}

/// The fields of a key, in the order in which rows are compared by them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "OneOrMany<String>", into = "OneOrMany<String>")]
#[schemars(with = "OneOrMany<String>")]
pub struct KeyFields(pub Vec<String>);

impl From<OneOrMany<String>> for KeyFields {
    fn from(fields: OneOrMany<String>) -> Self {
        Self(fields.into())
    }
}

impl From<KeyFields> for OneOrMany<String> {
    fn from(KeyFields(fields): KeyFields) -> Self {
        fields.into()
    }
}

/// A predefined query of a resource, with the values of its variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finder {
    /// Its name.
    pub name: String,
    /// The values of its variables, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

impl Finder {
    /// A value with what separates values is written in quotation marks; one that has such a mark itself cannot be written
    /// so that it is sure to be read as it is.
    fn check(&self) -> Result<()> {
        let refuse =
            |field: &str, why: &str| Err(Error::invalid_event(format!("export.finder.{field} {why}")));
        if !is_name(&self.name) {
            return refuse("name", "must be a name");
        }
        for (name, value) in &self.variables {
            let field = format!("variables.{name}");
            if !is_name(name) {
                return refuse(&field, "must be a name");
            }
            if value.is_empty() {
                return refuse(&field, "is empty: leave it out");
            }
            if value.contains('"') || value.chars().any(char::is_control) {
                return refuse(
                    &field,
                    "cannot be carried: a finder's value has neither quotation marks nor control characters",
                );
            }
        }
        Ok(())
    }
}

/// How increments follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Incremental {
    /// The field that says when a row changed last; `LastUpdateDate`, if not said.
    pub field: String,
    /// How many seconds an increment reaches back into the one before it; 600, if not said. A row whose transaction
    /// takes longer than this, from the time in the row to its end, is missed.
    pub overlap_seconds: u32,
    /// How many seconds before now an increment ends; 60, if not said.
    pub lag_seconds: u32,
    /// Where the first increment begins; with all rows, if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_from: Option<Timestamp>,
}

impl Default for Incremental {
    fn default() -> Self {
        Self { field: "LastUpdateDate".to_owned(), overlap_seconds: 600, lag_seconds: 60, initial_from: None }
    }
}

impl FusionRest {
    /// What of it cannot be, whatever the resource is.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field: &str, why: &str| Err(Error::invalid_event(format!("export.{field} {why}")));
        if !self.segments().all(is_segment) {
            return refuse(
                "resource",
                "is no path of a resource: letters, digits and _ - . , with / between",
            );
        }
        if !is_segment(&self.version) {
            return refuse("version", "is no version of an API, such as 11.13.18.05 or latest");
        }
        if !(1..=9).contains(&self.framework_version) {
            return refuse("framework_version", "must be 1 to 9");
        }
        if !(1..=MAX_PAGES).contains(&self.pages_per_file) {
            return refuse("pages_per_file", "must be 1 to 1000");
        }
        if !self.fields.iter().all(|field| is_path(field)) {
            return refuse("fields", "must be names of fields, or child.Field");
        }
        if !self.expand.iter().all(|child| is_path(child)) {
            return refuse("expand", "must be names of children, or child.grandchild");
        }
        if self.expand.iter().any(|path| path.split('.').any(|child| child == "all")) {
            return refuse("expand", "has all: name the children, so that each can be read to its end");
        }
        if let Some(KeyFields(fields)) = &self.key {
            if fields.is_empty() || !fields.iter().all(|field| is_name(field)) {
                return refuse("key", "must be the name of a field, or a list of names");
            }
            if fields.iter().enumerate().any(|(at, field)| fields.iter().take(at).any(|other| other == field))
            {
                return refuse("key", "names a field twice");
            }
        }
        if !is_name(&self.increment_field()) {
            return refuse("incremental.field", "must be the name of a field");
        }
        if self.q.as_deref().is_some_and(|q| q.trim().is_empty()) {
            return refuse("q", "is empty: leave it out");
        }
        if let Some(finder) = &self.finder {
            finder.check()?;
        }
        match &self.window {
            Some(Range { from: Some(from), until }) if from >= until => {
                refuse("window", "must end after it begins")
            }
            _ => self.check_children(),
        }
    }

    /// `fields` and `expand` exclude each other at the source, which takes `fields` then: it must name what is expanded.
    fn check_children(&self) -> Result<()> {
        if self.fields.is_empty() {
            return Ok(());
        }
        let names_one_of = |child: &str| {
            self.fields.iter().any(|field| field.rsplit_once('.').is_some_and(|(of, _)| of == child))
        };
        match self.expand.iter().find(|child| !names_one_of(child)) {
            Some(child) => Err(Error::invalid_event(format!(
                "export.expand has {child}, and export.fields names none of its fields: add {child}.<field>, as the \
                 source gives no others"
            ))),
            None => Ok(()),
        }
    }

    /// The path's segments.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.resource.split('/')
    }

    fn increment_field(&self) -> String {
        self.incremental.clone().unwrap_or_default().field
    }

    /// The same rows, by the usual files and increments.
    fn rows(&self) -> Self {
        let usual = Incremental::default();
        let incremental = self.incremental.clone().map(|incremental| Incremental {
            overlap_seconds: usual.overlap_seconds,
            lag_seconds: usual.lag_seconds,
            ..incremental
        });
        Self { incremental, pages_per_file: default_pages(), allow_empty: false, ..self.clone() }
    }

    /// How it is divided by time; not at all, unless it says so.
    pub(super) fn increments(&self) -> Option<Increments> {
        if self.incremental.is_none() && self.window.is_none() {
            return None;
        }
        let Incremental { field, overlap_seconds, lag_seconds, initial_from } =
            self.incremental.clone().unwrap_or_default();
        Some(Increments {
            field,
            overlap: Duration::from_secs(u64::from(overlap_seconds)),
            lag: Duration::from_secs(u64::from(lag_seconds)),
            initial_from,
            given: self.window.as_ref().map(|window| (window.from, window.until)),
        })
    }
}

fn is_segment(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !text.is_empty() && text.chars().all(allowed) && !text.starts_with('.')
}

/// An attribute's name; those that the framework makes up begin with underscores, some of a pillar have a `$`.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_$-".contains(c))
}

fn is_path(text: &str) -> bool {
    text.split('.').all(is_name)
}

fn default_version() -> String {
    "11.13.18.05".to_owned()
}

fn default_framework() -> u8 {
    4
}

fn default_pages() -> u32 {
    20
}

fn yes() -> bool {
    true
}

impl ExportSpec for FusionRest {
    fn name(&self) -> &str {
        &self.resource
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }

    fn allows_empty(&self) -> bool {
        self.allow_empty
    }

    fn rows(&self) -> Export {
        Export::of(&Self::rows(self))
    }
}

impl ExportBody for FusionRest {
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "fusion_rest",
        system: "Oracle Fusion REST resources",
        connection_type: "fusion",
        auth: &[
            "OAuth client credentials",
            "OAuth password",
            "OAuth JWT bearer",
            "OAuth SAML 2.0 bearer",
            "OAuth refresh token",
            "private-key JWT",
            "HTTP Basic",
            "bearer token",
        ],
        increments: Increment::ByWatermark,
        lost_submission: LostSubmission::OwnId,
        resumes: Resumes::ByFile,
        verified_by: &["ascending unique keys", "hasMore"],
        sweeps: false,
    };
    const DESCRIPTION: &'static str = "The rows of a Fusion REST resource.";
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::read;

    /// An export of a resource, with whatever else a test says.
    pub(in super::super) fn rest(more: Value) -> FusionRest {
        read(json!({ "resource": "invoices" }), more).unwrap()
    }

    /// Promise 7: nothing of an event can leave its place in a URL.
    #[test]
    fn what_cannot_be_is_named_by_its_field() {
        for (field, export) in [
            ("resource", json!({ "resource": "" })),
            ("resource", json!({ "resource": "invoices/../users" })),
            ("resource", json!({ "resource": "invoices?limit=1" })),
            ("version", json!({ "version": "../x" })),
            ("framework_version", json!({ "framework_version": 0 })),
            ("framework_version", json!({ "framework_version": 10 })),
            ("pages_per_file", json!({ "pages_per_file": 0 })),
            ("fields", json!({ "fields": ["InvoiceId,Other"] })),
            ("expand", json!({ "expand": ["all&limit=1"] })),
            ("expand", json!({ "expand": ["all"] })),
            ("expand", json!({ "expand": ["invoiceLines.all"] })),
            ("key", json!({ "key": "a b" })),
            ("incremental.field", json!({ "incremental": { "field": "a > b" } })),
            ("q", json!({ "q": " " })),
            ("key", json!({ "key": [] })),
            ("key", json!({ "key": ["A", "b c"] })),
            ("key", json!({ "key": ["A", "B", "A"] })),
            ("finder.name", json!({ "finder": { "name": "By Status" } })),
            (
                "finder.variables.Status",
                json!({ "finder": { "name": "ByStatus", "variables": { "Status": "" } } }),
            ),
            (
                "finder.variables.Status",
                json!({ "finder": { "name": "B", "variables": { "Status": "a \"b\"" } } }),
            ),
            (
                "finder.variables.Status",
                json!({ "finder": { "name": "B", "variables": { "Status": "a\nb" } } }),
            ),
            ("finder.variables.a=b", json!({ "finder": { "name": "B", "variables": { "a=b": "x" } } })),
            (
                "window",
                json!({ "window": { "from": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z" } }),
            ),
            ("expand", json!({ "fields": ["InvoiceId"], "expand": ["invoiceLines"] })),
        ] {
            let error = rest(export.clone()).check().expect_err(&export.to_string());
            assert_eq!(error.error_type().name(), "InvalidEvent");
            assert!(error.line().contains(&format!("export.{field} ")), "{export}: {}", error.line());
        }
        let fine = json!({ "fields": ["InvoiceId", "invoiceLines.LineNumber"], "expand": ["invoiceLines"] });
        rest(fine).check().unwrap();
        rest(json!({ "resource": "invoices/300100/child/invoiceLines" })).check().unwrap();
    }

    /// The documented defaults.
    #[test]
    fn what_is_left_out_has_its_documented_value() {
        let export = rest(json!({ "incremental": {} }));
        assert_eq!((export.framework_version, export.pages_per_file, export.only_data), (4, 20, true));
        assert_eq!((export.version.as_str(), export.pillar.root()), ("11.13.18.05", "fscmRestApi"));
        let increments = export.increments().unwrap();
        assert_eq!(increments.field, "LastUpdateDate");
        assert_eq!((increments.overlap.as_secs(), increments.lag.as_secs()), (600, 60));
        assert_eq!(rest(json!({})).increments(), None);
    }

    /// A key of one field is one export, however it is written, and is written as releases before this one read it.
    #[test]
    fn a_key_of_one_field_is_no_list() {
        let one = rest(json!({ "key": ["InvoiceId"] }));
        assert_eq!(one, rest(json!({ "key": "InvoiceId" })));
        assert_eq!(serde_json::to_value(&one).unwrap()["key"], "InvoiceId");
        let two = rest(json!({ "key": ["A", "B"], "effective_date": "2026-11-21" }));
        two.check().unwrap();
        let written = serde_json::to_value(&two).unwrap();
        assert_eq!((&written["key"], &written["effective_date"]), (&json!(["A", "B"]), &json!("2026-11-21")));
        assert!(
            read::<FusionRest>(json!({ "resource": "x" }), json!({ "effective_date": "2026-02-30" }))
                .is_err()
        );
    }

    /// A backfill is the window that is given, whatever the increments are.
    #[test]
    fn a_given_window_is_a_backfill() {
        let until: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let export = rest(json!({ "incremental": {}, "window": { "until": until } }));
        assert_eq!(export.increments().unwrap().given, Some((None, until)));
    }
}
