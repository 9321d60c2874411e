//! One HTTP client: auth, retry, resume, redaction, host policy.
