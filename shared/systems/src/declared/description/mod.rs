//! A system as a description has it.

mod input;
mod parse;
mod promises;
mod reader;
mod schema;
mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

pub use self::input::{Input, InputKind};
pub use self::parse::parse;
pub use self::reader::Fault;
pub use self::schema::schema;
use super::call::Call;
use super::table::{Meaning, State, Table};
use super::take::{Answered, Take};
use super::template::Template;

/// A description that has mistakes: all that were found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the description {name} has {} mistake{}: {}", .faults.len(), if .faults.len() == 1 { "" } else { "s" }, lines(.faults))]
pub struct InvalidDescription {
    /// What it is called: its name, or its file's.
    pub name: String,
    /// The mistakes, in the order of the text.
    pub faults: Vec<Fault>,
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}

/// A system.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its name, as exports and connections have it.
    pub name: String,
    /// What it is, for people.
    pub title: String,
    /// Where its API is documented.
    pub docs: Option<String>,
    /// Hosts besides the connection's own that its links lead to: a connection has to allow them.
    pub hosts: Vec<String>,
    /// What an export says in `with`.
    pub inputs: BTreeMap<String, Input>,
    pub(super) window: Option<WindowForm>,
    /// The header that carries a token, where that is not `Authorization`.
    pub(super) token_header: Option<HeaderName>,
    pub(super) submit: Vec<Step>,
    pub(super) find: Find,
    pub(super) poll: Poll,
    pub(super) files: Vec<Files>,
    pub(super) download: DownloadRule,
    pub(super) limits: Option<Limits>,
    pub(super) after: After,
    /// Its text, where it does not come with landfall: it is kept with each job, which a change of it does not meet.
    pub(super) own_text: Option<Arc<str>>,
}

/// How the moments of a window are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WindowForm {
    /// What the time is of: what a manifest calls it.
    pub(super) field: String,
    pub(super) write: TimeForm,
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `2026-11-21T06:00:00Z`
    Rfc3339,
    /// `2026-11-21`
    Date,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

/// A call of a submission.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) call: Call,
    /// Whether this one starts the job.
    pub(super) commits: bool,
    /// Where its answer has the job's id.
    pub(super) id: Option<Take>,
    /// What is kept of its answer.
    pub(super) keep: Vec<Keep>,
    /// Where its answer has a word of its own.
    pub(super) answer: Option<Take>,
    pub(super) answers: Table<Meaning>,
    /// Where its answer says why it was refused.
    pub(super) message: Option<Take>,
}

/// A value that is kept of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keep {
    pub(super) name: String,
    pub(super) take: Take,
    /// What stands for it where nothing was kept: of a job that somebody else submitted.
    pub(super) or: Option<Template>,
}

/// How a run's job is found again.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Find {
    /// By the same call, which the source does once for each key, within this time.
    Repeat { within: Duration },
    /// In a list.
    List(Box<FindInList>),
    /// By a person. The text says where.
    Person { look: String },
}

/// A list of jobs, and how a run's is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FindInList {
    pub(super) call: Call,
    pub(super) each: Take,
    pub(super) id: Take,
    pub(super) pages: Option<Pages>,
    /// What an entry says, and what it must be.
    pub(super) matches: Vec<(Take, Template)>,
}

/// How a list goes on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pages {
    /// By a link.
    Link(Take),
    /// By a value, `{next}` in the same call or in one of its own; with a word that ends the list.
    Token { take: Take, end: Option<String>, call: Option<Box<Call>> },
    /// By how many entries there were, as `{next}`, until a page has none.
    Offset,
}

/// How a job's state is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Poll {
    pub(super) call: Call,
    /// Where the state is; the HTTP status, if not said.
    pub(super) state: Option<Take>,
    pub(super) means: Table<State>,
    pub(super) progress: Option<Take>,
    pub(super) message: Option<Take>,
    pub(super) rows: Option<Rows>,
    /// A job that succeeded is partial if any of these is there.
    pub(super) partial_with: Vec<Take>,
    /// A job that succeeded is empty if none of these is there.
    pub(super) empty_without: Vec<Take>,
    pub(super) pages: Option<Pages>,
    /// What is taken of it for the calls that list files, by name.
    pub(super) values: Vec<(String, Take)>,
}

/// Where it is said how many rows a job has put out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rows {
    /// In the poll's answer.
    Of(Take),
    /// With each file.
    Files,
}

/// What is called when a job is over, or is to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct After {
    /// Tells the source that all of a job has landed.
    pub(super) landed: Option<AfterCall>,
    /// Cancels a job.
    pub(super) cancel: Option<AfterCall>,
}

/// Such a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AfterCall {
    pub(super) call: Call,
    /// Where its answer has a word of its own.
    pub(super) answer: Option<Take>,
    pub(super) answers: Table<Meaning>,
    /// Where its answer says why.
    pub(super) message: Option<Take>,
}

/// A list of files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Files {
    /// The call; the poll's answer, if there is none.
    pub(super) call: Option<Call>,
    pub(super) pages: Option<Pages>,
    pub(super) each: Take,
    /// Where it is said how many entries it has: fewer are an error.
    pub(super) count: Option<Take>,
    /// Whether an answer without it is an error.
    pub(super) is_required: bool,
    pub(super) kind: FileKind,
    /// What the file's name is made of, besides.
    pub(super) values: Vec<(String, Take)>,
    pub(super) name: Template,
    pub(super) size: Option<Take>,
    pub(super) sha256: Option<Take>,
    pub(super) rows: Option<Take>,
    pub(super) link: Link,
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Data.
    Data,
    /// What went wrong.
    Error,
    /// What has been deleted: data, too.
    Deleted,
}

/// How a file is reached.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Link {
    /// By a link in its entry.
    Entry(Take),
    /// By the call itself: each of its pages is a file.
    Page,
    /// By a call that follows from the entry.
    Path(Box<Call>),
    /// By a link that is asked for anew at each try.
    Call(Box<LinkCall>),
}

/// A call for a link.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinkCall {
    /// What the file is known by: `{file}`.
    pub(super) file: Take,
    pub(super) call: Call,
    pub(super) url: Take,
    /// What a word of the answer puts behind the file's name.
    pub(super) ending: Option<(Take, Vec<(String, String)>)>,
}

/// How files are downloaded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DownloadRule {
    pub(super) credentials: Credentials,
    /// Media types of what is an error, and no file.
    pub(super) refuse_types: Vec<String>,
    /// How what is an error begins, blanks left out.
    pub(super) refuse_starts: Vec<String>,
}

/// Whether a download carries the connection's credentials.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Credentials {
    /// Always.
    Yes,
    /// Never.
    No,
    /// Where the list says so.
    When(Take),
}

/// What any call is answered where no more are answered for now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits {
    /// Where an answer has a word of its own.
    pub(super) answer: Option<Take>,
    /// `wait`, `quota` and `login`, and nothing else.
    pub(super) answers: Table<Meaning>,
}

impl Limits {
    /// Whether an answer says that a limit is reached, and which.
    pub(super) fn reached(&self, answered: &Answered) -> Option<Meaning> {
        self.answers.of_answer(self.answer.as_ref(), answered)
    }
}

impl DownloadRule {
    /// Whether what an answer has links to is fetched with credentials.
    pub(super) fn is_with_credentials(&self, answered: &Answered) -> bool {
        match &self.credentials {
            Credentials::Yes => true,
            Credentials::No => false,
            Credentials::When(take) => {
                take.text(answered).is_some_and(|said| said.eq_ignore_ascii_case("true"))
            }
        }
    }
}

impl Description {
    /// The step that starts the job.
    pub(super) fn committing(&self) -> Option<&Step> {
        self.submit.iter().find(|step| step.commits)
    }

    /// Whether its window is for what exports say, and for no call of its own.
    pub(super) fn has_window_by_inputs(&self) -> bool {
        let names = |step: &Step| step.call.names().iter().any(|name| matches!(*name, "from" | "until"));
        self.window.is_some() && !self.submit.iter().any(names)
    }

    /// Everything that is kept of a submission.
    pub(super) fn kept(&self) -> impl Iterator<Item = &Keep> {
        self.submit.iter().flat_map(|step| &step.keep)
    }
}
