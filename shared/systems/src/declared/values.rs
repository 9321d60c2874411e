//! What an export says in `with`, held against what its description takes.

use jiff::Timestamp;
use landfall::error::{Error, Result};
use landfall::job::Window;
use serde_json::{Map, Value};

use super::description::{Description, InputKind, TimeForm};
use super::template::{Bound, Values};

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
        let missing =
            self.inputs.iter().filter(|(name, input)| input.is_required && !with.contains_key(*name));
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

    /// What the names of an export and its window stand for.
    pub(super) fn values(&self, with: &Map<String, Value>, window: Option<&Window>) -> Values {
        let mut values = Values::default();
        for (name, input) in &self.inputs {
            if let Some(value) = with.get(name).or(input.default.as_ref()) {
                let is_path = input.kind == InputKind::Path;
                values.set_bound(name, Bound { value: value.clone(), is_path });
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
}

impl TimeForm {
    pub(super) fn write(self, time: Timestamp) -> Value {
        match self {
            Self::Rfc3339 => time.to_string().into(),
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

    /// A window's moments are written as the source reads them.
    #[test]
    fn a_moment_is_written_in_its_form() {
        let time: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        assert_eq!(TimeForm::Rfc3339.write(time), json!("2026-11-21T06:00:00Z"));
        assert_eq!(TimeForm::Date.write(time), json!("2026-11-21"));
        assert_eq!(TimeForm::Seconds.write(time), json!(1_795_240_800));
        assert_eq!(TimeForm::Milliseconds.write(time), json!(1_795_240_800_000_i64));
    }
}
