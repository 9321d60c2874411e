//! What an event says about an export of a described system.

use std::time::Duration;

use jiff::Timestamp;
use landfall::contract::Increments;
use landfall::error::Result;
use landfall::export::{Export, ExportBody, ExportSpec};
use landfall::systems::{Capabilities, Increment, LostSubmission, Resumes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::description::Description;
use crate::fields::{Range, check_name, invalid};

/// What an export of a described system is asked to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredExport {
    /// The system, by the name of its description: `fhir-bulk`. It is that of the connection.
    pub system: String,
    /// The export's own name, as it appears in the landing layout; the system's, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the description takes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub with: Map<String, Value>,
    /// Only what has changed since the last run that landed, where the description has a window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<DeclaredIncrements>,
    /// Only what is of this time, where the description has a window: it does not affect the increments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Range>,
    /// Whether a job that puts nothing out is normal; otherwise it is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// How increments follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeclaredIncrements {
    /// How many seconds an increment reaches back into the one before it; 600, if not said.
    pub overlap_seconds: u32,
    /// How many seconds before now an increment ends; 60, if not said.
    pub lag_seconds: u32,
    /// Where the first increment begins; with all there is, if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_from: Option<Timestamp>,
}

impl Default for DeclaredIncrements {
    fn default() -> Self {
        Self { overlap_seconds: 600, lag_seconds: 60, initial_from: None }
    }
}

impl DeclaredExport {
    /// Refuses what cannot be, whatever the description is.
    fn check(&self) -> Result<()> {
        check_name("system", &self.system)?;
        if let Some(name) = &self.name {
            check_name("name", name)?;
        }
        match &self.window {
            Some(Range { from: Some(from), until }) if from >= until => {
                Err(invalid("window", "it must end after it begins"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what the description does not take.
    pub(super) fn check_for(&self, description: &Description) -> Result<()> {
        self.check()?;
        let name = &description.name;
        if self.system != *name {
            return Err(invalid("system", &format!("it is {}, and the system here is {name}", self.system)));
        }
        if self.has_window() && description.window.is_none() {
            let field = if self.window.is_some() { "window" } else { "incremental" };
            return Err(invalid(
                field,
                &format!("{name} has no window: each of its jobs exports all there is"),
            ));
        }
        description.check_inputs(&self.with)?;
        let increments =
            self.incremental.as_ref().is_none_or(|incremental| incremental.initial_from.is_some());
        let has_start = increments && self.window.as_ref().is_none_or(|window| window.from.is_some());
        description.check_window(&self.with, self.has_window(), has_start)
    }

    /// Whether it is of a time.
    fn has_window(&self) -> bool {
        self.incremental.is_some() || self.window.is_some()
    }

    /// How it is divided by time; not at all, unless it says so.
    pub(super) fn increments(&self, field: &str) -> Option<Increments> {
        self.has_window().then(|| {
            let DeclaredIncrements { overlap_seconds, lag_seconds, initial_from } =
                self.incremental.clone().unwrap_or_default();
            Increments {
                field: field.to_owned(),
                overlap: Duration::from_secs(u64::from(overlap_seconds)),
                lag: Duration::from_secs(u64::from(lag_seconds)),
                initial_from,
                given: self.window.as_ref().map(|window| (window.from, window.until)),
            }
        })
    }
}

impl ExportSpec for DeclaredExport {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.system)
    }

    fn to_export(&self) -> Export {
        Export::of(self)
    }

    fn allows_empty(&self) -> bool {
        self.allow_empty
    }

    fn rows(&self) -> Export {
        let usual = DeclaredIncrements::default();
        let incremental = self.incremental.clone().map(|incremental| DeclaredIncrements {
            overlap_seconds: usual.overlap_seconds,
            lag_seconds: usual.lag_seconds,
            ..incremental
        });
        Export::of(&Self { incremental, name: None, allow_empty: false, ..self.clone() })
    }
}

impl ExportBody for DeclaredExport {
    const CAPABILITIES: Capabilities = Capabilities {
        kind: "declared",
        system: "A system described in a file",
        connection_type: "declared",
        auth: &[
            "OAuth client credentials",
            "OAuth password",
            "OAuth JWT bearer",
            "OAuth SAML 2.0 bearer",
            "OAuth refresh token",
            "private-key JWT",
            "HTTP Basic",
            "bearer token",
            "none",
        ],
        increments: Increment::ByWatermark,
        lost_submission: LostSubmission::AsDescribed,
        resumes: Resumes::WithinFile,
        verified_by: &["size", "SHA-256", "rows"],
        sweeps: false,
    };
    const DESCRIPTION: &'static str = "An export of a system that is described in a file.";
}
