//! The operating guide: it has every error that there is, in the code's own words.

use std::fmt::Write as _;
use std::path::Path;

use landfall::ErrorType;

const BEGIN: &str = "<!-- errors -->\n";
const END: &str = "<!-- /errors -->";

fn table() -> String {
    let mut table = "| name | what it means | retried | what to do |\n|---|---|---|---|\n".to_owned();
    for error in ErrorType::ALL {
        let retried = if error.retryable() { "yes" } else { "no" };
        let (name, meaning, remedy) = (error.name(), error.meaning(), error.remedy());
        writeln!(table, "| `{name}` | {meaning} | {retried} | {remedy} |").unwrap();
    }
    table
}

/// Who is called at night finds each name, and what to do. `LANDFALL_WRITE_DOCS=1` writes the table anew.
#[test]
fn the_operating_guide_has_every_error() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = guide.split_once(BEGIN).unwrap();
    let (kept, after) = rest.split_once(END).unwrap();
    if std::env::var_os("LANDFALL_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(
        kept,
        table(),
        "docs/operating.md is not what the code says: LANDFALL_WRITE_DOCS=1 cargo test -p landfall-tests --test operating"
    );
}
