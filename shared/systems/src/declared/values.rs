//! What an export says in `with`, held against what its description takes.

use jiff::Timestamp;
use landfall::error::{Error, Result};
use landfall::job::Window;
use serde_json::{Map, Value};

use super::description::{Description, InputKind, TimeForm};
use super::template::{self, Bound, Values};
use crate::fields::invalid;

/// What stands in an export's own texts for the moments of its window. Other braces are the texts' own.
const FROM: &str = "{from}";
const UNTIL: &str = "{until}";

impl Description {
    /// Refuses what the description does not take, as `InvalidEvent` that names all of it.
    pub(super) fn check_inputs(&self, with: &Map<String, Value>) -> Result<()> {
        let mut wrong = Vec::new();
        for (name, value) in with {
            match self.inputs.get(name) {
                Some(input) => {
                    wrong.extend(input.check(value).err().map(|reason| format!("with.{name}: {reason}")));
                }
                None => {
                    let known: Vec<&str> = self.inputs.keys().map(String::as_str).collect();
                    wrong.push(format!("with.{name}: unknown, expected one of: {}", known.join(", ")));
                }
            }
        }
        let missing = self.inputs.iter().filter(|(name, input)| input.required && !with.contains_key(*name));
        wrong.extend(missing.map(|(name, input)| format!("with.{name} is missing: {}", input.about)));
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::invalid_event(format!(
                "the event does not fit at export: {} ({})",
                wrong.join("; "),
                self.name
            ))),
        }
    }

    /// Refuses a window that no call would have, and moments of one that there is not.
    pub(super) fn check_window(
        &self,
        with: &Map<String, Value>,
        has_window: bool,
        has_start: bool,
    ) -> Result<()> {
        let says = |moment: &str| {
            let mut saying = with.iter().filter(|(name, value)| {
                self.inputs.get(*name).is_some_and(|input| input.says(value, moment))
            });
            saying.next().map(|(name, _)| name.as_str())
        };
        let refused = |field: &str, reason: &str| Err(invalid(field, reason));
        match (has_window, says(FROM), says(UNTIL)) {
            (false, Some(name), _) | (false, None, Some(name)) => refused(
                &format!("with.{name}"),
                "{from} and {until} stand for nothing without incremental or window",
            ),
            (true, Some(_), _) if !has_start => {
                refused("incremental", "initial_from is missing: {from} would stand for nothing at first")
            }
            (true, _, None) if self.has_window_by_inputs() => {
                let names =
                    self.inputs.iter().filter(|(_, input)| input.window).map(|(name, _)| name.as_str());
                let names = names.collect::<Vec<_>>().join(" or ");
                refused(
                    &format!("with.{names}"),
                    "say {until}, and {from}, where it is of a time: all there is would come each time",
                )
            }
            _ => Ok(()),
        }
    }

    /// What the names of an export and its window stand for.
    pub(super) fn values(&self, with: &Map<String, Value>, window: Option<&Window>) -> Values {
        let mut values = Values::default();
        let moments = self.moments(window);
        for (name, input) in &self.inputs {
            if let Some(value) = with.get(name).or(input.default.as_ref()) {
                let is_path = input.kind == InputKind::Path;
                let value = if input.window { said(value, &moments) } else { value.clone() };
                values.set_bound(name, Bound { value, is_path });
            }
        }
        if let (Some(form), Some(window)) = (&self.window, window) {
            if let Some(from) = window.from {
                values.set("from", form.write.write(from));
            }
            values.set("until", form.write.write(window.until));
        }
        values
    }

    /// The moments of a window as texts, and what stands for them.
    fn moments(&self, window: Option<&Window>) -> Vec<(&'static str, String)> {
        let (Some(form), Some(window)) = (&self.window, window) else { return Vec::new() };
        let moments = [(FROM, window.from), (UNTIL, Some(window.until))];
        let written = |(name, time): (&'static str, Option<Timestamp>)| {
            Some((name, template::text(&form.write.write(time?))?))
        };
        moments.into_iter().filter_map(written).collect()
    }
}

/// What an export says with the moments of its window in it.
fn said(value: &Value, moments: &[(&str, String)]) -> Value {
    match value {
        Value::String(text) => {
            moments.iter().fold(text.clone(), |text, (name, moment)| text.replace(name, moment)).into()
        }
        Value::Array(list) => list.iter().map(|element| said(element, moments)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.clone(), said(field, moments))).collect()
        }
        other => other.clone(),
    }
}

impl TimeForm {
    pub(super) fn write(self, time: Timestamp) -> Value {
        match self {
            // Whole seconds, down: not every source reads more, and what one window ends with the next begins with.
            Self::Rfc3339 => Timestamp::from_second(time.as_second()).unwrap_or(time).to_string().into(),
            Self::Date => time.strftime("%Y-%m-%d").to_string().into(),
            Self::Seconds => time.as_second().into(),
            Self::Milliseconds => time.as_millisecond().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An export's own text has the moments of its window, and is left alone besides.
    #[test]
    fn what_an_export_says_has_the_moments_of_its_window() {
        let moments = [(FROM, "A".to_owned()), (UNTIL, "B".to_owned())];
        for (value, written) in [
            (json!("x > {from} AND x < {until}"), json!("x > A AND x < B")),
            (
                json!({ "at": { "start": "{from}", "n": 1 }, "list": ["{until}"] }),
                json!({ "at": { "start": "A", "n": 1 }, "list": ["B"] }),
            ),
            (json!("{ products { edges } } {other}"), json!("{ products { edges } } {other}")),
        ] {
            assert_eq!(said(&value, &moments), written);
        }
    }

    /// A window's moments are written as the source reads them.
    #[test]
    fn a_moment_is_written_in_its_form() {
        let time: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        assert_eq!(TimeForm::Rfc3339.write(time), json!("2026-11-21T06:00:00Z"));
        let later: Timestamp = "2026-11-21T06:00:00.999999999Z".parse().unwrap();
        assert_eq!(TimeForm::Rfc3339.write(later), json!("2026-11-21T06:00:00Z"));
        assert_eq!(TimeForm::Date.write(time), json!("2026-11-21"));
        assert_eq!(TimeForm::Seconds.write(time), json!(1_795_240_800));
        assert_eq!(TimeForm::Milliseconds.write(time), json!(1_795_240_800_000_i64));
    }
}
