//! The step poll-status.
