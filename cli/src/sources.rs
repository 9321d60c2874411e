//! `landfall sources`: the systems that exports run in, from the code itself.

use landfall::systems::Capabilities;
use landfall_systems::SYSTEMS;
use serde_json::json;

/// The kinds, one JSON object a line.
pub(crate) fn lines() -> String {
    kinds().map(|kind| format!("{}\n", json!(kind))).collect()
}

/// The kinds, for people.
pub(crate) fn text() -> String {
    kinds().map(|kind| described(&kind)).collect::<Vec<_>>().join("\n")
}

/// The kinds that are run by a source.
fn kinds() -> impl Iterator<Item = Capabilities> {
    SYSTEMS.kinds().map(|kind| kind.capabilities()).filter(|kind| kind.connection_type != "local")
}

fn described(about: &Capabilities) -> String {
    let rows = [
        ("connection", format!("type = \"{}\"", about.connection_type)),
        ("authentication", about.auth.join(", ")),
        ("increments", about.increments.words().to_owned()),
        ("lost submission", about.lost_submission.words().to_owned()),
        ("downloads resume", about.resumes.words().to_owned()),
        ("verified by", about.verified_by.join(", ")),
        ("sweep", if about.sweeps { "finds jobs that were submitted elsewhere" } else { "no" }.to_owned()),
    ];
    let mut text = format!("{}: {}\n", about.kind, about.system);
    for (name, value) in rows {
        text.push_str(&format!("  {name:<17} {value}\n"));
    }
    text
}
