//! The Lambda edge of the step.
fn main() {}
