//! The descriptions that come with landfall.

use std::sync::{Arc, LazyLock};

use landfall::error::{Error, Result};

use super::description::{Description, InvalidDescription, parse};
use crate::tables::meant;

/// Each description's text. Its file is called after it.
const TEXTS: [(&str, &str); 8] = [
    ("fhir-bulk", include_str!("systems/fhir-bulk.toml")),
    ("marketo-leads", include_str!("systems/marketo-leads.toml")),
    ("netsuite-async", include_str!("systems/netsuite-async.toml")),
    ("oracle-extract", include_str!("systems/oracle-extract.toml")),
    ("salesforce-bulk", include_str!("systems/salesforce-bulk.toml")),
    ("shopify-bulk", include_str!("systems/shopify-bulk.toml")),
    ("sp-api-reports", include_str!("systems/sp-api-reports.toml")),
    ("stripe-reports", include_str!("systems/stripe-reports.toml")),
];

static BUILT_IN: LazyLock<Vec<Result<Arc<Description>, InvalidDescription>>> =
    LazyLock::new(|| TEXTS.iter().map(|(name, text)| parse(name, text).map(Arc::new)).collect());

/// The descriptions that come with landfall, by name.
pub fn all() -> impl Iterator<Item = &'static Arc<Description>> {
    BUILT_IN.iter().filter_map(|read| read.as_ref().ok())
}

/// The text of a description that comes with landfall.
pub fn text(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The description of this name; `InvalidConfig` names those that there are.
pub fn named(name: &str) -> Result<Arc<Description>> {
    all().find(|known| known.name == name).cloned().ok_or_else(|| {
        let known: Vec<&str> = all().map(|known| known.name.as_str()).collect();
        let meant = meant(name, known.iter().copied());
        Error::invalid_config(format!("system {name:?} is not one of: {}{meant}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The guide's own examples hold, and promise what they say.
    #[test]
    fn the_examples_of_the_guide_hold() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/descriptions");
        let mut names = Vec::new();
        for file in folder.read_dir().unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let description =
                parse("example", &text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(Some(description.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
            assert_eq!(description.promises().len(), 7);
            names.push(description.name);
        }
        assert!(names.len() >= 3, "{names:?}");
    }

    /// What comes with landfall has no mistakes, and is called as its file is.
    #[test]
    fn every_description_that_comes_with_landfall_holds() {
        for ((name, _), read) in TEXTS.iter().zip(BUILT_IN.iter()) {
            match read {
                Ok(description) => assert_eq!(description.name, *name),
                Err(error) => panic!("{error}"),
            }
            assert!(named(name).is_ok());
        }
        assert_eq!(all().count(), TEXTS.len());
        let said = named("fhir-bukl").unwrap_err().line();
        assert!(said.contains("did you mean fhir-bulk?"), "{said}");
    }
}
