//! The step submit.
