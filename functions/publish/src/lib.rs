//! The step publish.
