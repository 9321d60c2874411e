//! Members that are compressed already: they land as they are, under their own names, as files do.

use std::collections::{HashMap, HashSet};

use landfall::form::JobForm;
use landfall_zip::{Directory, Member};

/// The members that get the form's suffix whatever they hold, as another member lands under their own name: `a.csv.gz`
/// beside `a.csv`. In a form for tables, which cannot be had twice, those that land as they are whatever they hold:
/// `a.csv` beside `a.csv.parquet`.
#[derive(Debug, Default)]
pub(crate) struct NamesTaken(HashSet<u32>);

impl NamesTaken {
    /// Those of an archive.
    pub(crate) fn of(form: JobForm, directory: &Directory) -> Self {
        if form.is_raw() {
            return Self::default();
        }
        let suffix = form.name().suffix();
        if form.is_for_tables() {
            let names: HashSet<&str> = directory.files().map(Member::name).collect();
            let meets = |member: &&Member| names.contains(format!("{}{suffix}", member.name()).as_str());
            return Self(directory.files().filter(meets).map(Member::index).collect());
        }
        let suffixed = directory
            .files()
            .filter_map(|member| Some((member.name().strip_suffix(suffix)?, member.index())));
        let suffixed: HashMap<&str, u32> = suffixed.collect();
        Self(directory.files().filter_map(|member| suffixed.get(member.name()).copied()).collect())
    }

    /// Whether another member would meet this one.
    pub(crate) fn has(&self, member: &Member) -> bool {
        self.0.contains(&member.index())
    }
}
