//! `landfall sources`: the systems that exports run in, from the code itself.

use landfall::source::{About, KINDS};
use serde_json::json;

/// The kinds, one JSON object a line.
pub(crate) fn lines() -> String {
    KINDS.iter().map(|about| format!("{}\n", json!(about))).collect()
}

/// The kinds, for people.
pub(crate) fn text() -> String {
    KINDS.iter().map(described).collect::<Vec<_>>().join("\n")
}

fn described(about: &About) -> String {
    let rows = [
        ("connection", format!("type = \"{}\"", about.connection_type)),
        ("authentication", about.auth.join(", ")),
        ("increments", about.increments.words().to_owned()),
        ("lost submission", about.lost_submission.words().to_owned()),
        ("downloads resume", about.resumes.words().to_owned()),
        ("verified by", about.verified_by.join(", ")),
        ("sweep", if about.sweeps { "finds jobs of others" } else { "no" }.to_owned()),
    ];
    let mut text = format!("{}: {}\n", about.kind, about.system);
    for (name, value) in rows {
        text.push_str(&format!("  {name:<17} {value}\n"));
    }
    text
}
