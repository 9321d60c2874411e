//! A system as a description has it. What each key is, and is for, its table here says: the reader goes by it, and so does
//! the schema for editors.

mod check;
mod input;
mod promises;
mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, Method};

pub use self::check::parse;
pub use self::input::{Input, InputKind};
use super::call::Call;
use super::table::{Limit, Meaning, State, Table, is_status};
use super::take::{Answered, Take};
use super::template::Template;
pub use crate::tables::form::{Form, KeyForm, TableForm};
pub use crate::tables::reader::Fault;
use crate::tables::{Fields, Keys, Name, Node, Read, Words, keys, table};

/// What `each` says where each page of a call is a file.
const PAGE: &str = "page";
/// What `rows` says where they are counted with each file.
const OF_THE_FILES: &str = "of the files";
/// How long a source is taken to know a key, where its description does not say.
const KEY_HOURS: u64 = 24;

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

/// The form of a description: its keys. What is wrong with names, and between keys, `parse` finds alone.
pub const FORM: TableForm = Written::TABLE;

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

keys! {
    /// A system that landfall runs.
    struct Written {
        /// What it is.
        system: needed System,
        /// What an export says in `with`, by name.
        inputs: or BTreeMap<String, Input> = BTreeMap::new(),
        /// What exports of a time, and increments, are of.
        window: maybe WindowForm,
        /// The calls that start the job, in their order.
        submit: needed Vec<Step>,
        /// How the job of a lost submission is found.
        find: needed Find,
        /// How a job's state is asked for.
        poll: needed Poll,
        /// The lists of files.
        files: needed Vec<Files>,
        /// How files are fetched.
        download: or DownloadRule = DownloadRule::default(),
        /// What any call is answered that was not let in.
        limits: maybe Limits,
        /// What is called when a job is over, or is to be.
        after: or After = After::default(),
    }
}

table! {
    /// What a system is.
    struct System {
        /// Its name, as exports and connections have it: small letters, digits, hyphens.
        name: needed String,
        /// What it is, for people.
        title: needed String,
        /// Where its API is documented.
        docs: maybe String,
        /// Other hosts that links lead to, which a connection has to allow.
        hosts: or Vec<String> = Vec::new(),
        /// Where a token goes, if not into `Authorization`.
        token_header: maybe HeaderName,
    }
    |system, fields| check_name(system, fields)
}

table! {
    /// How the moments of a window are written.
    pub(super) struct WindowForm {
        /// What the time is of.
        field: needed String,
        /// How a moment is written; `rfc3339`, if not said.
        write: or TimeForm = TimeForm::default(),
    }
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// `2026-11-21T06:00:00Z`
    #[default]
    Rfc3339,
    /// `2026-11-21`
    Date,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

impl Words for TimeForm {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("rfc3339", Self::Rfc3339),
        ("date", Self::Date),
        ("seconds", Self::Seconds),
        ("milliseconds", Self::Milliseconds),
    ];
}

table! {
    /// A call of the submission. The last one commits.
    pub(super) struct Step {
        /// The call.
        call: needed Call,
        /// Whether this one starts the job.
        commits: or bool = false,
        /// Where the answer has the job's id.
        id: maybe Take,
        /// What is kept of the answer, by name.
        keep: or Vec<(String, Keep)> = Vec::new(),
        /// Where the answer has a word of its own.
        answer: maybe Take,
        /// What a status, or that word, means; 2xx is ok, and 4xx refused, if not said.
        answers: or Table<Meaning> = Table::usual(),
        /// Where a refusal says why.
        message: maybe Take,
    }
    |step, fields| check_step(step, fields)
}

keys! {
    /// A value that is kept of an answer.
    pub(super) struct Keep {
        /// Where it is.
        take: needed Take,
        /// What stands for it where nothing was kept: of a job that somebody else submitted.
        or: maybe Template,
    }
}

impl Read for Keep {
    const FORM: Form = Form::OneOf(&[Take::FORM, Form::Table(&Self::TABLE)]);

    fn read(node: &Node<'_>) -> Option<Self> {
        match node.is_table() {
            true => node.fields().map(Self::of),
            false => Some(Self { take: Take::read(node)?, or: None }),
        }
    }
}

/// How a run's job is found again.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Find {
    /// By the same call, which the source does once for each key.
    Repeat(Repeat),
    /// In a list.
    List(Box<FindInList>),
    /// By a person.
    Person(Person),
}

impl Default for Find {
    fn default() -> Self {
        Self::Person(Person::default())
    }
}

impl Read for Find {
    const FORM: Form = Form::OneOf(&[
        Form::Table(&Repeat::TABLE),
        Form::Table(&FindInList::TABLE),
        Form::Table(&Person::TABLE),
    ]);

    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.fields()?;
        match fields.by()? {
            By::Repeat => Some(Self::Repeat(Repeat::of(fields))),
            By::List => Some(Self::List(Box::new(FindInList::of(fields)))),
            By::Person => Some(Self::Person(Person::of(fields))),
        }
    }
}

/// The ways of finding it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum By {
    #[default]
    Repeat,
    List,
    Person,
}

impl Words for By {
    const WORDS: &'static [(&'static str, Self)] =
        &[("repeat", Self::Repeat), ("list", Self::List), ("person", Self::Person)];
}

keys! {
    /// By the same call, which the source does once for each key.
    pub(super) struct Repeat {
        /// `repeat`: by the same call.
        by: needed By,
        /// How long the source knows a key; 24, if not said.
        within_hours: or u64 = KEY_HOURS,
    }
}

keys! {
    /// In a list of jobs.
    pub(super) struct FindInList {
        /// `list`: in a list of jobs.
        by: needed By,
        /// The call for the list.
        call: needed Call,
        /// Where the list is.
        each: needed Take,
        /// Where an entry has the job's id.
        id: needed Take,
        /// How the list goes on.
        pages: maybe Pages,
        /// What an entry says, and what it must be, of the run's job.
        r#match: needed Vec<Wanted>,
    }
    |_list, fields| check_matches(fields)
}

table! {
    /// What an entry must say.
    pub(super) struct Wanted {
        /// Where it says so.
        take: needed Take,
        /// What it must be.
        is: needed Template,
    }
}

keys! {
    /// By a person.
    pub(super) struct Person {
        /// `person`: by a person.
        by: needed By,
        /// Where a person looks.
        look: needed String,
    }
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

keys! {
    /// How a list goes on: by one of link, token and offset.
    struct PagesKeys {
        /// Where the link to the next page is.
        link: maybe Take,
        /// Where the token of the next page is: `{next}`.
        token: maybe Take,
        /// The token that ends the list; without it, none does.
        end: maybe String,
        /// The call for further pages, where it is another.
        call: maybe Call,
        /// Whether `{next}` is how many entries there were.
        offset: or bool = false,
    }
}

impl Read for Pages {
    const FORM: Form = Form::Table(&PagesKeys::TABLE);

    fn read(node: &Node<'_>) -> Option<Self> {
        let PagesKeys { link, token, end, call, offset } = PagesKeys::of(node.fields()?);
        if token.is_none() && (call.is_some() || end.is_some()) {
            node.fault("call and end are for pages that a token leads to");
        }
        match (link, token, offset) {
            (Some(take), None, false) => Some(Self::Link(take)),
            (None, Some(take), false) => Some(Self::Token { take, end, call: call.map(Box::new) }),
            (None, None, true) => Some(Self::Offset),
            _ => {
                node.fault("pages lead on by one of: link, token, offset = true");
                None
            }
        }
    }
}

table! {
    /// How a job's state is asked for.
    pub(super) struct Poll {
        /// The call.
        call: needed Call,
        /// Where the state is; the HTTP status, if not said.
        state: maybe Take,
        /// What a state means. What is not named is unknown, and never success.
        means: needed Table<State>,
        /// Where it is said how far the job is.
        progress: maybe Take,
        /// Where it is said why.
        message: maybe Take,
        /// Where the rows are counted, or "of the files".
        rows: maybe Rows,
        /// Any of which makes a success partial.
        partial_with: or Vec<Take> = Vec::new(),
        /// None of which makes a success empty.
        empty_without: or Vec<Take> = Vec::new(),
        /// How the answer goes on: by a link.
        pages: maybe Pages,
        /// What is taken of it for the calls that list files, by name.
        values: or Vec<(String, Take)> = Vec::new(),
    }
    |poll, fields| check_poll(poll, fields)
}

/// Where it is said how many rows a job has put out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rows {
    /// In the poll's answer.
    Of(Take),
    /// With each file.
    Files,
}

impl Read for Rows {
    const FORM: Form = Take::FORM;

    fn read(node: &Node<'_>) -> Option<Self> {
        match node.says(OF_THE_FILES) {
            true => Some(Self::Files),
            false => Take::read(node).map(Self::Of),
        }
    }
}

table! {
    /// A list of files.
    pub(super) struct Files {
        /// Where the list is; or "page", where each page of the call is a file.
        each: needed Each,
        /// The call for the list; without, it is in the poll's answer.
        call: maybe Call,
        /// How the list goes on.
        pages: maybe Pages,
        /// Where it is said how many entries the list of a call has: fewer are an error.
        count: maybe Take,
        /// Whether an answer without it is an error; it is, if not said.
        required: or bool = true,
        /// What is in the files; data, if not said.
        kind: or FileKind = FileKind::default(),
        /// What is taken of each entry, by name.
        values: or Vec<(String, Take)> = Vec::new(),
        /// The file's name.
        name: needed Template,
        /// Where its size is.
        size: maybe Take,
        /// Where its SHA-256 is.
        sha256: maybe Take,
        /// Where its rows are counted.
        rows: maybe Take,
        /// Where its link is.
        url: maybe Take,
        /// Its path.
        get: maybe Template,
        /// A call for its link, which is made anew at each try.
        link: maybe LinkCall,
    }
    |files, fields| check_files(files, fields)
}

/// Where a list is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Each {
    /// Each page of the call is a file.
    #[default]
    Page,
    /// In an answer.
    In(Take),
}

impl Read for Each {
    const FORM: Form = Take::FORM;

    fn read(node: &Node<'_>) -> Option<Self> {
        match node.says(PAGE) {
            true => Some(Self::Page),
            false => Take::read(node).map(Self::In),
        }
    }
}

/// What is in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Data.
    #[default]
    Data,
    /// What went wrong.
    Error,
    /// What has been deleted: data, too.
    Deleted,
}

impl Words for FileKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("data", Self::Data), ("error", Self::Error), ("deleted", Self::Deleted)];
}

/// How a file is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Link<'f> {
    /// By a link in its entry.
    Entry(&'f Take),
    /// By the call itself: each of its pages is a file.
    Page,
    /// By a path that follows from the entry.
    Path(&'f Template),
    /// By a link that is asked for anew at each try.
    Call(&'f LinkCall),
}

impl Files {
    pub(super) fn link(&self) -> Link<'_> {
        match (&self.url, &self.get, &self.link) {
            (Some(take), ..) => Link::Entry(take),
            (_, Some(path), _) => Link::Path(path),
            (.., Some(call)) => Link::Call(call),
            (None, None, None) => Link::Page,
        }
    }
}

table! {
    /// A call for a link, made anew at each try.
    pub(super) struct LinkCall {
        /// What the file is known by: `{file}`.
        file: needed Take,
        /// The call.
        call: needed Call,
        /// Where the answer has the link.
        url: needed Take,
        /// What a word of the answer puts behind the file's name.
        ending: maybe Ending,
    }
    |link, fields| check_in_entry(&link.file, fields.node("file"))
}

table! {
    /// What a word of the answer puts behind the file's name.
    pub(super) struct Ending {
        /// Where the word is.
        take: needed Take,
        /// What it puts there, by word.
        endings: needed Vec<(String, String)>,
    }
}

table! {
    /// How files are fetched.
    pub(super) struct DownloadRule {
        /// Whether credentials go along: true, false, or a take that says true.
        credentials: or Credentials = Credentials::default(),
        /// Media types of what is an error and no file.
        refuse_types: or Vec<String> = Vec::new(),
        /// Beginnings, without blanks, of what is an error and no file.
        refuse_starts: or Vec<String> = Vec::new(),
    }
    |rule, _fields| rule.refuse_types.iter_mut().for_each(|kind| kind.make_ascii_lowercase())
}

/// Whether a download carries the connection's credentials.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Credentials {
    /// Always.
    #[default]
    Yes,
    /// Never.
    No,
    /// Where the list says so.
    When(Take),
}

impl Read for Credentials {
    const FORM: Form = Form::OneOf(&[Form::Flag, Take::FORM]);

    fn read(node: &Node<'_>) -> Option<Self> {
        match node.is_flag() {
            true => node.flag().map(|yes| if yes { Self::Yes } else { Self::No }),
            false => Take::read(node).map(Self::When),
        }
    }
}

table! {
    /// What any call is answered that was not let in.
    pub(super) struct Limits {
        /// Where an answer has a word of its own.
        answer: maybe Take,
        /// What a status or a word means.
        answers: needed Table<Limit>,
    }
    |_limits, fields| check_statuses(fields, "answers", fields.node("answer").is_some())
}

table! {
    /// What is called when a job is over, or is to be.
    pub(super) struct After {
        /// Tells the source that all of a job has landed.
        landed: maybe AfterCall,
        /// Cancels a job.
        cancel: maybe AfterCall,
    }
}

table! {
    /// A call about a job, besides its files.
    pub(super) struct AfterCall {
        /// The call.
        call: needed Call,
        /// Where its answer has a word of its own.
        answer: maybe Take,
        /// What a status, or that word, means; 2xx is ok, 404 and 410 absent, if not said.
        answers: or Table<Meaning> = Table::usual_of_jobs(),
        /// Where its answer says why.
        message: maybe Take,
    }
    |_asked, fields| check_statuses(fields, "answers", fields.node("answer").is_some())
}

impl Limits {
    /// Whether an answer says that a limit is reached, and which.
    pub(super) fn reached(&self, answered: &Answered) -> Option<Meaning> {
        self.answers.of_answer(self.answer.as_ref(), answered).map(|Limit(meaning)| meaning)
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
        self.window.is_some() && !self.submit.iter().any(|step| step.call.has_moment())
    }

    /// Everything that is kept of a submission, by name.
    pub(super) fn kept(&self) -> impl Iterator<Item = &(String, Keep)> {
        self.submit.iter().flat_map(|step| &step.keep)
    }
}

fn fault(node: Option<Node<'_>>, reason: &str) {
    if let Some(node) = node {
        node.fault(reason);
    }
}

/// The keys of a table whose keys the author chooses.
fn names<'r>(node: Option<Node<'r>>) -> Vec<Name<'r>> {
    let entries = node.filter(Node::is_table).and_then(|node| node.fields()).map(|fields| fields.entries());
    entries.unwrap_or_default().into_iter().map(|(name, _)| name).collect()
}

fn check_name(system: &System, fields: &Fields<'_>) {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &system.name;
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_fine) {
        fault(fields.node("name"), "a name has small letters, digits and hyphens");
    }
}

fn check_step(step: &Step, fields: &Fields<'_>) {
    check_statuses(fields, "answers", fields.node("answer").is_some());
    let is_sure = |(key, meaning): &(String, Meaning)| {
        key.starts_with('5') && is_status(key) && !matches!(meaning, Meaning::Ok | Meaning::Already)
    };
    if step.commits && step.answers.0.iter().any(is_sure) {
        fields.fault("behind a 5xx the job may have been started: leave it out, and it is in doubt");
    }
}

/// Looks at the keys of a table of meaning: statuses, where no word is taken.
fn check_statuses(fields: &Fields<'_>, key: &str, has_word: bool) {
    for name in names(fields.node(key)).iter().filter(|name| !has_word && !is_status(name.text)) {
        name.fault(
            "without a place that the word is taken from, a key is an HTTP status, or a class such as 4xx",
        );
    }
}

fn check_matches(fields: &Fields<'_>) {
    if let Some(node) = fields.node("match").filter(|node| node.several().is_empty()) {
        node.fault("a run's job is known by something: name at least one take, and what it is");
    }
}

fn check_poll(poll: &Poll, fields: &Fields<'_>) {
    check_statuses(fields, "means", fields.node("state").is_some());
    let lands = |state: &State| !matches!(state, State::Is(state) if !state.lands());
    let is_read = names(fields.node("means")).len() == poll.means.0.len();
    let is_table = fields.node("means").is_some_and(|node| node.is_table());
    if is_table && is_read && !poll.means.0.iter().any(|(_, state)| lands(state)) {
        fault(fields.node("means"), "no status means that the job has succeeded");
    }
    if !matches!(poll.pages, None | Some(Pages::Link(_))) {
        fault(fields.node("pages"), "the pages of a poll's answer lead on by a link");
    }
}

fn check_files(files: &mut Files, fields: &Fields<'_>) {
    let is_page = fields.node("each").is_some_and(|node| node.says(PAGE));
    if files.pages.is_some() && fields.node("call").is_none() {
        fault(
            fields.node("pages"),
            "these files are in the poll's answer, whose pages are said with the poll",
        );
    }
    if files.count.is_some() && fields.node("call").is_none() {
        fault(fields.node("count"), "what is counted is the list of a call");
    }
    let of_entry = if is_page { check_in_head } else { check_in_entry };
    for (key, take) in
        [("size", &files.size), ("sha256", &files.sha256), ("rows", &files.rows), ("url", &files.url)]
    {
        take.iter().for_each(|take| of_entry(take, fields.node(key)));
    }
    for (name, take) in &files.values {
        of_entry(take, fields.at(&["values", name]));
    }
    let ways = ["url", "get", "link"].iter().filter(|key| fields.node(key).is_some()).count();
    match (is_page, ways) {
        (true, 0) | (false, 1) => {}
        (true, _) => fields.fault("each page is a file: it has no url, get or link besides"),
        (false, _) => fields.fault("a file is reached by url, the link in its entry, by get, a path, or by link, a call for one: say one of them"),
    }
    if is_page {
        pages_that_are_files(files, fields);
    }
}

fn pages_that_are_files(files: &mut Files, fields: &Fields<'_>) {
    let leads_on = match &files.pages {
        None => true,
        Some(Pages::Link(take) | Pages::Token { take, call: None, .. }) => !take.reads_json(),
        Some(_) => false,
    };
    if !leads_on {
        fields.fault("pages that are files lead on by a link or a token in a header");
    }
    match &mut files.call {
        Some(call) if call.method == Method::GET && call.headers.is_empty() => call.is_for_its_head = true,
        _ => fault(fields.node("each"), "pages that are files are those of a call: a GET without headers"),
    }
}

fn check_in_entry(take: &Take, node: Option<Node<'_>>) {
    if !take.reads_only_json() {
        fault(node, "an entry of a list is JSON: json /pointer, or json $.path");
    }
}

fn check_in_head(take: &Take, node: Option<Node<'_>>) {
    if take.reads_json() {
        fault(node, "of a page that is a file, only the head is read: header NAME, or status");
    }
}
