//! What a system that is described so keeps of landfall's promises, and what it cannot.

use super::{Credentials, Description, Find, Link, Rows};

impl Description {
    /// What it promises and what it cannot, a line each.
    pub fn promises(&self) -> Vec<String> {
        let lost = match &self.find {
            Find::Repeat(repeat) => format!(
                "a lost submission is found by repeating the call under its key, for {} hours; after that by a person",
                repeat.within_hours
            ),
            Find::List(_) => "a lost submission is found in the source's list".to_owned(),
            Find::Person(_) => "a lost submission is left to a person: the source cannot be asked".to_owned(),
        };
        let increments = match &self.window {
            Some(_) => "increments: by a watermark that landfall keeps",
            None => "increments: none",
        };
        let of_pages = self.files.iter().any(|files| matches!(files.link(), Link::Page));
        let fresh = self.files.iter().any(|files| matches!(files.link(), Link::Call(_)));
        let links = match (fresh || of_pages, &self.download.credentials) {
            (true, _) if of_pages => {
                "links: each page of the results is a file, of which the head is asked for beforehand, to find the next"
            }
            (true, _) => "links: asked for anew at each try, and kept nowhere",
            (false, Credentials::Yes) => {
                "links: kept, as they open nothing without the connection's credentials"
            }
            (false, _) => {
                "links: those that need no credentials are read anew from the list, and kept nowhere"
            }
        };
        let sizes = self.files.iter().any(|files| files.size.is_some());
        let sums = self.files.iter().any(|files| files.sha256.is_some());
        let whole = match (sizes, sums) {
            (_, true) => "files are held against the source's SHA-256",
            (true, false) => "files are held against the source's size",
            (false, false) => {
                "the source tells no size and no checksum: that a file is whole shows only its download"
            }
        };
        let rows = match &self.poll.rows {
            Some(Rows::Of(_) | Rows::Files) => "rows are held against the source's count",
            None => "rows: the source counts none",
        };
        let after = match (&self.after.landed, &self.after.cancel) {
            (Some(_), Some(_)) => "jobs can be cancelled, and the source is told when all has landed",
            (Some(_), None) => "the source is told when all has landed; jobs cannot be cancelled",
            (None, Some(_)) => "jobs can be cancelled",
            (None, None) => "jobs cannot be cancelled",
        };
        let resume = "downloads go on within a file where the server names its version (ETag), and begin anew otherwise";
        vec![
            lost,
            increments.to_owned(),
            links.to_owned(),
            whole.to_owned(),
            rows.to_owned(),
            resume.to_owned(),
            after.to_owned(),
        ]
    }
}
