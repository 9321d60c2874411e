//! What is mostly one, and may be several: written as one where it is one, as releases before wrote and read it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> From<OneOrMany<T>> for Vec<T> {
    fn from(several: OneOrMany<T>) -> Self {
        match several {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(mut several: Vec<T>) -> Self {
        match (several.len(), several.pop()) {
            (1, Some(one)) => Self::One(one),
            (_, last) => {
                several.extend(last);
                Self::Many(several)
            }
        }
    }
}
