//! What the simulated systems remember.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::fusion_extract::state::FusionExtractState;
use crate::identity::state::TokenState;
use crate::registry::for_each_system;
use crate::switches::Times;

macro_rules! define_state {
    ($($(#[$doc:meta])* $key:ident: $folder:ident { $faults:ident, $scenario:ident, $state:ident },)*) => {
        /// All that is remembered.
        #[derive(Clone, Debug, Default, Serialize)]
        pub(crate) struct State {
            #[serde(flatten)]
            pub(crate) tokens: TokenState,
            #[serde(flatten)]
            pub(crate) fusion_extract: FusionExtractState,
            /// How often each switch has been asked whether it acts, by switch and subject.
            pub(crate) occasions: BTreeMap<String, u32>,
            $($(#[$doc])* pub(crate) $key: crate::$folder::state::$state,)*
        }

        // Written by hand, as what serde derives for flattened parts cannot read the numbers that jobs are kept by.
        impl<'de> Deserialize<'de> for State {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let kept = Value::deserialize(deserializer)?;
                Ok(Self {
                    tokens: read(&kept)?,
                    fusion_extract: read(&kept)?,
                    occasions: part(&kept, "occasions")?,
                    $($key: part(&kept, stringify!($key))?,)*
                })
            }
        }
    };
}
for_each_system!(define_state);

fn read<T: DeserializeOwned, E: serde::de::Error>(value: &Value) -> Result<T, E> {
    T::deserialize(value).map_err(E::custom)
}

/// A part of its own; what an earlier version did not keep is as it is at the beginning.
fn part<T: DeserializeOwned + Default, E: serde::de::Error>(kept: &Value, key: &str) -> Result<T, E> {
    kept.get(key).map_or_else(|| Ok(T::default()), read)
}

impl State {
    /// Whether a switch acts now; each call that could be affected is one more occasion.
    pub(crate) fn occurs(&mut self, times: Times, switch: &str, subject: &str) -> bool {
        if times.is_never() {
            return false;
        }
        times.includes(self.count(switch, subject))
    }

    /// The first of these switches that acts now: those behind it are not asked.
    pub(crate) fn first_to_occur<const N: usize>(
        &mut self,
        switches: [(Times, &'static str); N],
    ) -> Option<&'static str> {
        switches.into_iter().find(|(times, switch)| self.occurs(*times, switch, "")).map(|(_, switch)| switch)
    }

    /// How often this has been called for a subject before.
    pub(crate) fn count(&mut self, what: &str, subject: &str) -> u32 {
        let count = self.occasions.entry(format!("{what} {subject}")).or_default();
        let earlier = *count;
        *count = earlier.saturating_add(1);
        earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transient switches act on the first occasions, each subject with a count of its own.
    #[test]
    fn a_switch_acts_on_the_first_occasions_of_each_subject() {
        let mut state = State::default();
        let twice = Times::First(2);
        let acted: Vec<bool> = (0..3).map(|_| state.occurs(twice, "content.cut", "1")).collect();
        assert_eq!(acted, [true, true, false]);
        assert!(state.occurs(twice, "content.cut", "2"));
        assert!(state.occurs(Times::Always, "other", "1"));
        assert!(!state.occurs(Times::default(), "never", "1"));
    }

    /// A data folder of an earlier version goes on: its jobs, its tokens and what it counted are where they were.
    #[test]
    fn the_state_is_kept_in_the_form_that_it_always_had() {
        let kept = r#"{
            "next_job_id": 44057, "next_definition_id": 300100641963647, "token_generation": 2, "tokens_issued": 5,
            "authorized_requests": 9, "definitions": [], "windows": { "SimpleCarriers": 1 },
            "jobs": { "44046": {
                "id": 44046, "submitted_at": "2026-11-21T06:00:00Z", "request": { "description": "a" },
                "kind": { "occurrence": { "parent": 1, "number": 2 } }, "polls": 3, "lists": 1, "file_lists": 0,
                "window": 0, "end": null
            } },
            "occasions": { "submit.drop_connection ": 1 }
        }"#;
        let state: State = serde_json::from_str(kept).unwrap();
        assert_eq!((state.tokens.generation, state.fusion_extract.jobs[&44_046].polls), (2, 3));
        let written = serde_json::to_value(&state).unwrap();
        let kept: Value = serde_json::from_str(kept).unwrap();
        for (key, value) in kept.as_object().unwrap() {
            if key == "jobs" {
                assert_eq!(written[key]["44046"]["kind"], value["44046"]["kind"]);
            } else {
                assert_eq!(written[key], *value, "{key}");
            }
        }
        let again: State = serde_json::from_value(written).unwrap();
        assert_eq!(again.fusion_extract.jobs.len(), 1);
    }
}
