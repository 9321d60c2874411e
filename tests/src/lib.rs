//! Helpers of the whole-run tests.
