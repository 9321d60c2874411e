//! What steps measure.

/// One value of one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Its name, with the unit in it where that is not a number of things.
    pub name: &'static str,
    /// Its unit, in CloudWatch's word.
    pub unit: &'static str,
    /// Its value.
    pub value: u64,
}

impl Measure {
    /// How many of something.
    pub fn count(name: &'static str, value: u64) -> Self {
        Self { name, unit: "Count", value }
    }

    /// A number of bytes.
    pub fn bytes(name: &'static str, value: u64) -> Self {
        Self { name, unit: "Bytes", value }
    }

    /// A number of seconds.
    pub fn seconds(name: &'static str, value: u64) -> Self {
        Self { name, unit: "Seconds", value }
    }
}

/// An answer of a step, of which there may be something to measure.
pub trait Measured {
    /// What is measured of it.
    fn measures(&self) -> Vec<Measure> {
        Vec::new()
    }
}
