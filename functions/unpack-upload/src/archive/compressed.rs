//! Members that are compressed already: they land as they are, under their own names, as files do.

use std::collections::{HashMap, HashSet};

use landfall::form::JobForm;
use landfall_zip::{Directory, Member};

/// The members that get the form's suffix whatever they hold, as another member lands under their own name: `a.csv.gz`
/// beside `a.csv`.
#[derive(Debug, Default)]
pub(crate) struct NamesTaken(HashSet<u32>);

impl NamesTaken {
    /// Those of an archive.
    pub(crate) fn of(form: JobForm, directory: &Directory) -> Self {
        if form.is_raw() {
            return Self::default();
        }
        let suffix = form.name().suffix();
        let suffixed = directory
            .files()
            .filter_map(|member| Some((member.name().strip_suffix(suffix)?, member.index())));
        let suffixed: HashMap<&str, u32> = suffixed.collect();
        Self(directory.files().filter_map(|member| suffixed.get(member.name()).copied()).collect())
    }

    /// Whether another member lands under this one's own name.
    pub(crate) fn has(&self, member: &Member) -> bool {
        self.0.contains(&member.index())
    }
}
