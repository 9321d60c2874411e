//! A description's text, read as a whole: every mistake is found at once.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, Method};
use toml::de::DeTable;

use super::reader::{Fields, Node, Reader};
use super::scope::Scope;
use super::{
    After, AfterCall, Credentials, Description, DownloadRule, FileKind, Files, Find, FindInList, Input,
    InputKind, InvalidDescription, Keep, Limits, Link, LinkCall, Pages, Poll, Rows, Step, TimeForm,
    WindowForm,
};
use crate::declared::call::{Body, Call};
use crate::declared::table::{LIMITS, MEANINGS, Meaning, STATES, State, Table, is_status};
use crate::declared::take::{Place, Take};
use crate::declared::template::{JsonTemplate, Template, is_name};

/// The names that are a description's own in every place.
const RESERVED: [&str; 10] =
    ["id", "run_key", "mark", "from", "until", "called_at", "file", "next", "ordinal", "system"];
pub(super) const METHODS: [(&str, Method); 5] = [
    ("get", Method::GET),
    ("post", Method::POST),
    ("put", Method::PUT),
    ("patch", Method::PATCH),
    ("delete", Method::DELETE),
];
/// Headers that are the client's own affair.
const OWN_HEADERS: [&str; 6] =
    ["authorization", "host", "cookie", "content-length", "transfer-encoding", "content-type"];
pub(super) const KINDS: [(&str, InputKind); 7] = [
    ("text", InputKind::Text),
    ("path", InputKind::Path),
    ("list", InputKind::List),
    ("time", InputKind::Time),
    ("number", InputKind::Number),
    ("flag", InputKind::Flag),
    ("table", InputKind::Table),
];
pub(super) const TIMES: [(&str, TimeForm); 4] = [
    ("rfc3339", TimeForm::Rfc3339),
    ("date", TimeForm::Date),
    ("seconds", TimeForm::Seconds),
    ("milliseconds", TimeForm::Milliseconds),
];
pub(super) const FILE_KINDS: [(&str, FileKind); 3] =
    [("data", FileKind::Data), ("error", FileKind::Error), ("deleted", FileKind::Deleted)];
/// How long a source is taken to know a key, where its description does not say.
const KEY_HOURS: u64 = 24;
const MAX_TEXT: usize = 512 << 10;
/// What `each` says where each page of a call is a file.
pub(super) const PAGE: &str = "page";

/// Reads a description. `called` is what it is called in errors, until its name is known.
pub fn parse(called: &str, text: &str) -> Result<Description, InvalidDescription> {
    let reader = Reader::new(text);
    if text.len() > MAX_TEXT {
        reader.fault(0..0, "", format!("it is longer than {MAX_TEXT} bytes"));
        return Err(InvalidDescription { name: called.to_owned(), faults: reader.into_faults() });
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reader.fault(error.span().unwrap_or_default(), "", error.message());
    }
    let read = errors.is_empty().then(|| {
        let fields = Fields::of(&reader, String::new(), 0..0, document.get_ref());
        let read = description(&fields);
        fields.finish();
        read
    });
    let faults = reader.into_faults();
    match read.flatten() {
        Some(description) if faults.is_empty() => Ok(description),
        _ => Err(InvalidDescription { name: called.to_owned(), faults }),
    }
}

fn description(fields: &Fields<'_>) -> Option<Description> {
    let system = fields.need("system").and_then(|node| node.fields());
    let (name, title, docs, hosts, token_header) = system.map(system_of).unwrap_or_default();
    let window_at = fields.get("window");
    let window = window_at.as_ref().and_then(Node::fields).map(window);
    let inputs_at = fields.get("inputs").and_then(|node| node.fields());
    let inputs = inputs_at.map(|fields| inputs(&fields, window.is_some())).unwrap_or_default();
    let mut scope = Scope::default();
    for (name, input) in &inputs {
        scope = scope.and(name, input.is_required || input.default.is_some());
    }
    if window.is_some() {
        scope = scope.and("from", false).and("until", false);
    }
    let run = scope.and("run_key", true).and("mark", true);
    let submit: Vec<Step> = match fields.need("submit") {
        Some(node) => steps(&node, run.clone()),
        None => Vec::new(),
    };
    let has_moment = |step: &Step| step.call.names().iter().any(|name| matches!(*name, "from" | "until"));
    let is_used = submit.iter().any(has_moment) || inputs.values().any(|input| input.has_window);
    if let Some(node) = window_at.filter(|_| !is_used && !submit.is_empty()) {
        node.fault(
            "no call of the submission has {from} or {until}, and no input has window = true: increments would be all there is",
        );
    }
    let mut job = scope.and("id", true);
    for keep in submit.iter().flat_map(|step| &step.keep) {
        job = job.and(&keep.name, true);
    }
    // What the steps before the one that commits have given is known, whatever became of that one.
    let mut lost = run;
    for step in submit.iter().filter(|step| !step.commits) {
        lost = step.keep.iter().fold(lost, |lost, keep| lost.and(&keep.name, true));
        if step.id.is_some() {
            lost = lost.and("id", true);
        }
    }
    let find = fields.need("find").and_then(|node| node.fields()).map(|fields| find(fields, &lost, &submit));
    let poll = fields.need("poll").and_then(|node| node.fields()).map(|fields| poll(fields, &job));
    let of_poll = poll.iter().flatten().flat_map(|poll| &poll.values);
    let list = of_poll.fold(job.clone(), |scope, (name, _)| scope.and(name, true));
    let after = fields.get("after").and_then(|node| node.fields()).map(|fields| after(fields, &job));
    let files = fields.need("files");
    let files: Vec<Option<Files>> = files
        .map(|node| node.several())
        .unwrap_or_default()
        .iter()
        .map(|node| files_of(node.fields()?, &job, &list))
        .collect();
    let download = fields.get("download").and_then(|node| node.fields()).map(download).unwrap_or_default();
    let limits = fields.get("limits").and_then(|node| node.fields()).map(limits);
    let find = find??;
    let poll = poll??;
    let files = files.into_iter().collect::<Option<Vec<_>>>()?;
    Some(Description {
        name,
        title,
        docs,
        hosts,
        inputs,
        window,
        token_header,
        submit,
        find,
        poll,
        files,
        download,
        limits: limits.flatten(),
        after: after.unwrap_or_default(),
        own_text: None,
    })
}

impl Default for DownloadRule {
    fn default() -> Self {
        Self { credentials: Credentials::Yes, refuse_types: Vec::new(), refuse_starts: Vec::new() }
    }
}

type SystemFields = (String, String, Option<String>, Vec<String>, Option<HeaderName>);

fn system_of(fields: Fields<'_>) -> SystemFields {
    let text = |node: Option<Node<'_>>| node.and_then(|node| node.text().map(str::to_owned));
    let name_at = fields.need("name");
    let name = text(name_at.clone()).unwrap_or_default();
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(node) = name_at.filter(|_| name.is_empty() || name.len() > 64 || !name.chars().all(is_fine)) {
        node.fault("a name has small letters, digits and hyphens");
    }
    let title = text(fields.need("title")).unwrap_or_default();
    let docs = text(fields.get("docs"));
    let hosts = fields.get("hosts").map(|node| node.texts()).unwrap_or_default();
    let token_header = fields.get("token_header").and_then(|node| header_name(&node, node.text()?));
    fields.finish();
    (name, title, docs, hosts, token_header)
}

fn header_name(node: &Node<'_>, name: &str) -> Option<HeaderName> {
    let parsed = name.parse::<HeaderName>();
    if parsed.is_err() {
        node.fault(format!("{name:?} is not a header's name"));
    }
    parsed.ok()
}

fn inputs(fields: &Fields<'_>, may_have_window: bool) -> BTreeMap<String, Input> {
    let mut inputs = BTreeMap::new();
    for (name, node) in fields.entries() {
        if !is_name(name.text) || RESERVED.contains(&name.text) {
            name.fault(format!(
                "an input's name has small letters, digits and underscores, and is none of: {}",
                RESERVED.join(", ")
            ));
        }
        let Some(fields) = node.fields() else { continue };
        let kind = fields.get("kind").map_or(Some(InputKind::Text), |node| node.word(&KINDS));
        let about = fields.need("about").and_then(|node| node.text().map(str::to_owned)).unwrap_or_default();
        let is_required = fields.get("required").and_then(|node| node.flag()).unwrap_or_default();
        let one_of = fields.get("one_of").map(|node| node.texts()).unwrap_or_default();
        let has_window = fields.get("window").is_some_and(|node| {
            if !may_have_window {
                node.fault("there is no [window] that it could be of");
            }
            node.flag().unwrap_or_default()
        });
        let kind = kind.unwrap_or(InputKind::Text);
        let input = Input { kind, about, is_required, default: None, one_of, has_window };
        let default = fields.get("default").map(|node| (node.json(), node));
        if let Some((value, node)) = &default {
            if let Err(reason) = input.check(value) {
                node.fault(reason);
            }
            if is_required {
                node.fault("what is required has no default");
            }
        }
        fields.finish();
        inputs.insert(name.text.to_owned(), Input { default: default.map(|(value, _)| value), ..input });
    }
    inputs
}

fn window(fields: Fields<'_>) -> WindowForm {
    let field = fields.need("field").and_then(|node| node.text().map(str::to_owned)).unwrap_or_default();
    let write = fields.get("write").and_then(|node| node.word(&TIMES)).unwrap_or(TimeForm::Rfc3339);
    fields.finish();
    WindowForm { field, write }
}

fn steps(node: &Node<'_>, mut scope: Scope) -> Vec<Step> {
    let nodes = node.several();
    let mut steps: Vec<Step> = Vec::new();
    for node in &nodes {
        let Some(fields) = node.fields() else { continue };
        let Some(step) = step(fields, &scope) else { continue };
        if steps.iter().any(|step| step.commits) {
            node.fault("nothing may follow the step that commits");
        }
        for keep in &step.keep {
            if scope.has(&keep.name) {
                node.fault(format!("{} is kept twice, or is the name of something else", keep.name));
            }
            scope = scope.and(&keep.name, true);
        }
        if step.id.is_some() {
            scope = scope.and("id", true);
        }
        steps.push(step);
    }
    match steps.iter().filter(|step| step.commits).count() {
        1 => {}
        _ => node.fault("exactly one step has commits = true: the call that starts the job"),
    }
    match steps.iter().filter(|step| step.id.is_some()).count() {
        1 => {}
        _ => node.fault("exactly one step says where the job's id is"),
    }
    steps
}

fn step(fields: Fields<'_>, scope: &Scope) -> Option<Step> {
    let call = fields.need("call").and_then(|node| call(&node, scope));
    let commits = fields.get("commits").and_then(|node| node.flag()).unwrap_or_default();
    let id = fields.get("id").and_then(|node| take(&node));
    let keep = fields
        .get("keep")
        .and_then(|node| node.fields())
        .map(|fields| keep(&fields, scope))
        .unwrap_or_default();
    let answer = fields.get("answer").and_then(|node| take(&node));
    let answers = fields.get("answers").and_then(|node| table(&node, &MEANINGS, answer.is_some()));
    let answers = answers.unwrap_or_else(|| {
        Table(vec![("2xx".to_owned(), Meaning::Ok), ("4xx".to_owned(), Meaning::Refused)])
    });
    let message = fields.get("message").and_then(|node| take(&node));
    let is_sure = |(key, meaning): &(String, Meaning)| {
        key.starts_with('5') && is_status(key) && !matches!(meaning, Meaning::Ok | Meaning::Already)
    };
    if commits && answers.0.iter().any(is_sure) {
        fields.fault("behind a 5xx the job may have been started: leave it out, and it is in doubt");
    }
    fields.finish();
    Some(Step { call: call?, commits, id, keep, answer, answers, message })
}

fn keep(fields: &Fields<'_>, scope: &Scope) -> Vec<Keep> {
    let scope = scope.and("id", true);
    let keep = |(name, node): (super::reader::Name<'_>, Node<'_>)| {
        if !is_name(name.text) || RESERVED.contains(&name.text) {
            name.fault(
                "what is kept has a name of small letters, digits and underscores, and none that is taken",
            );
        }
        let (take, or) = match node.is_table() {
            true => {
                let fields = node.fields()?;
                let taken = fields.need("take").and_then(|node| take(&node));
                let or = fields.get("or").and_then(|node| scope.template(&node, false));
                fields.finish();
                (taken?, or)
            }
            false => (take(&node)?, None),
        };
        Some(Keep { name: name.text.to_owned(), take, or })
    };
    fields.entries().into_iter().filter_map(keep).collect()
}

fn find(fields: Fields<'_>, run: &Scope, submit: &[Step]) -> Option<Find> {
    let by = fields
        .need("by")
        .and_then(|node| node.word(&[("repeat", 0_u8), ("list", 1), ("person", 2)]).map(|by| (by, node)));
    let found = match by {
        None => None,
        Some((0, node)) => {
            let hours = fields.get("within_hours").and_then(|node| whole(&node)).unwrap_or(KEY_HOURS);
            let committing = submit.iter().find(|step| step.commits);
            let has_key = committing
                .is_some_and(|step| step.call.names().iter().any(|name| matches!(*name, "mark" | "run_key")));
            if !has_key {
                node.fault("the call that commits has neither {mark} nor {run_key}: repeated, it would start a second job");
            }
            Some(Find::Repeat { within: Duration::from_secs(hours.saturating_mul(3600)) })
        }
        Some((1, _)) => find_in_list(&fields, run),
        Some(_) => {
            let look = fields.need("look").and_then(|node| node.text().map(str::to_owned))?;
            Some(Find::Person { look })
        }
    };
    fields.finish();
    found
}

fn find_in_list(fields: &Fields<'_>, run: &Scope) -> Option<Find> {
    let scope = run.and("called_at", true).and("next", false);
    let call = fields.need("call").and_then(|node| call(&node, &scope));
    let each = fields.need("each").and_then(|node| take(&node));
    let id = fields.need("id").and_then(|node| take(&node));
    let pages = fields.get("pages").and_then(|node| pages(&node, &scope));
    let mut matches = Vec::new();
    if let Some(node) = fields.need("match") {
        for node in node.several() {
            let Some(fields) = node.fields() else { continue };
            let taken = fields.need("take").and_then(|node| take(&node));
            let is = fields.need("is").and_then(|node| scope.template(&node, true));
            fields.finish();
            matches.extend(taken.zip(is));
        }
        if matches.is_empty() {
            node.fault("a run's job is known by something: name at least one take, and what it is");
        }
    }
    Some(Find::List(Box::new(FindInList { call: call?, each: each?, id: id?, pages, matches })))
}

fn whole(node: &Node<'_>) -> Option<u64> {
    let found = node.json().as_u64();
    if found.is_none() {
        node.fault("a whole number is wanted here");
    }
    found
}

fn poll(fields: Fields<'_>, job: &Scope) -> Option<Poll> {
    let call = fields.need("call").and_then(|node| call(&node, job));
    let state = fields.get("state").and_then(|node| take(&node));
    let means_at = fields.need("means");
    let means = means_at.as_ref().and_then(|node| table(node, &STATES, state.is_some()));
    if let (Some(node), Some(Table(means))) = (&means_at, &means) {
        let lands = |state: &State| !matches!(state, State::Is(state) if !state.lands());
        if !means.iter().any(|(_, state)| lands(state)) {
            node.fault("no status means that the job has succeeded");
        }
    }
    let progress = fields.get("progress").and_then(|node| take(&node));
    let message = fields.get("message").and_then(|node| take(&node));
    let rows = fields.get("rows").and_then(|node| match node.text() {
        Some("of the files") => Some(Rows::Files),
        _ => take(&node).map(Rows::Of),
    });
    let takes = |key: &'static str| {
        let nodes = fields.get(key).map(|node| node.several()).unwrap_or_default();
        nodes.iter().filter_map(take).collect::<Vec<_>>()
    };
    let (partial_with, empty_without) = (takes("partial_with"), takes("empty_without"));
    let pages = fields.get("pages").and_then(|node| {
        let found = pages(&node, job);
        if !matches!(found, None | Some(Pages::Link(_))) {
            node.fault("the pages of a poll's answer lead on by a link");
        }
        found
    });
    let values = values(&fields, &mut job.clone(), take);
    fields.finish();
    let (call, means) = (call?, means?);
    Some(Poll { call, state, means, progress, message, rows, partial_with, empty_without, pages, values })
}

/// What is taken by names of the author's own, which stand for something from here on.
fn values(
    fields: &Fields<'_>,
    scope: &mut Scope,
    take: impl Fn(&Node<'_>) -> Option<Take>,
) -> Vec<(String, Take)> {
    let mut values = Vec::new();
    for (name, node) in
        fields.get("values").and_then(|node| node.fields()).map(|fields| fields.entries()).unwrap_or_default()
    {
        if !is_name(name.text) || scope.has(name.text) || RESERVED.contains(&name.text) {
            name.fault("a value has a name of small letters, digits and underscores, and none that is taken");
        }
        if let Some(take) = take(&node) {
            *scope = scope.and(name.text, true);
            values.push((name.text.to_owned(), take));
        }
    }
    values
}

fn after(fields: Fields<'_>, job: &Scope) -> After {
    let after_call = |key: &'static str| {
        let fields = fields.get(key).and_then(|node| node.fields())?;
        let call = fields.need("call").and_then(|node| call(&node, job));
        let answer = fields.get("answer").and_then(|node| take(&node));
        let answers = fields.get("answers").and_then(|node| table(&node, &MEANINGS, answer.is_some()));
        let message = fields.get("message").and_then(|node| take(&node));
        fields.finish();
        let usual = || {
            let usual = [("2xx", Meaning::Ok), ("404", Meaning::Absent), ("410", Meaning::Absent)];
            Table(usual.map(|(status, meaning)| (status.to_owned(), meaning)).to_vec())
        };
        Some(AfterCall { call: call?, answer, answers: answers.unwrap_or_else(usual), message })
    };
    let after = After { landed: after_call("landed"), cancel: after_call("cancel") };
    fields.finish();
    after
}

fn files_of(fields: Fields<'_>, job: &Scope, list: &Scope) -> Option<Files> {
    let call_scope = list.and("next", false);
    let call = fields.get("call").map(|node| call(&node, &call_scope));
    let pages = fields.get("pages").and_then(|node| {
        if call.is_none() {
            node.fault("these files are in the poll's answer, whose pages are said with the poll");
        }
        pages(&node, &call_scope)
    });
    let each_at = fields.need("each");
    let is_page = each_at.as_ref().is_some_and(|node| node.is_text() && node.text() == Some(PAGE));
    let each = match is_page {
        true => Some(Take::default()),
        false => each_at.as_ref().and_then(take),
    };
    let of_entry = |node: &Node<'_>| if is_page { take_in_head(node) } else { take_in_entry(node) };
    let is_required = fields.get("required").and_then(|node| node.flag()).unwrap_or(true);
    let kind = fields.get("kind").and_then(|node| node.word(&FILE_KINDS)).unwrap_or(FileKind::Data);
    let mut scope = job.and("ordinal", true);
    let values = values(&fields, &mut scope, of_entry);
    let count = fields.get("count").and_then(|node| {
        if call.is_none() {
            node.fault("what is counted is the list of a call");
        }
        take(&node)
    });
    let optional = |key: &'static str| fields.get(key).and_then(|node| of_entry(&node));
    let (size, sha256, rows, url) = (optional("size"), optional("sha256"), optional("rows"), optional("url"));
    let link = fields.get("link").and_then(|node| node.fields()).map(|fields| link(fields, job));
    if matches!(&link, Some(Some(_))) {
        scope = scope.and("file", true);
    }
    let name = fields.need("name").and_then(|node| scope.template(&node, false));
    let path = fields.get("get").map(|node| scope.template(&node, false).map(Call::get));
    let link = match (url, path, link) {
        (None, None, None) if is_page => Some(Link::Page),
        (..) if is_page => {
            fields.fault("each page is a file: it has no url, get or link besides");
            None
        }
        (Some(take), None, None) => Some(Link::Entry(take)),
        (None, Some(call), None) => call.map(|call| Link::Path(Box::new(call))),
        (None, None, Some(call)) => call.map(|call| Link::Call(Box::new(call))),
        _ => {
            fields.fault("a file is reached by url, the link in its entry, by get, a path, or by link, a call for one: say one of them");
            None
        }
    };
    let mut call = match call {
        Some(None) => return None,
        Some(call) => call,
        None => None,
    };
    if is_page {
        let is_in_head = |take: &Take| !take.reads_json();
        let leads_on = match &pages {
            None => true,
            Some(Pages::Link(take) | Pages::Token { take, call: None, .. }) => is_in_head(take),
            Some(_) => false,
        };
        if !leads_on {
            fields.fault("pages that are files lead on by a link or a token in a header");
        }
        match (&mut call, &each_at) {
            (Some(call), _) if call.method == Method::GET && call.headers.is_empty() => {
                call.is_for_its_head = true;
            }
            (_, Some(node)) => node.fault("pages that are files are those of a call: a GET without headers"),
            (_, None) => {}
        }
    }
    fields.finish();
    Some(Files {
        call,
        pages,
        each: each?,
        count,
        is_required,
        kind,
        values,
        name: name?,
        size,
        sha256,
        rows,
        link: link?,
    })
}

fn link(fields: Fields<'_>, job: &Scope) -> Option<LinkCall> {
    let file = fields.need("file").and_then(|node| take_in_entry(&node));
    let call = fields.need("call").and_then(|node| call(&node, &job.and("file", true)));
    let url = fields.need("url").and_then(|node| take(&node));
    let ending = fields.get("ending").and_then(|node| {
        let fields = node.fields()?;
        let taken = fields.need("take").and_then(|node| take(&node));
        let endings = fields.need("endings").and_then(|node| node.fields());
        let endings = endings.map(|fields| {
            let ending = |(word, node): (super::reader::Name<'_>, Node<'_>)| {
                Some((word.text.to_owned(), node.text()?.to_owned()))
            };
            fields.entries().into_iter().filter_map(ending).collect::<Vec<_>>()
        });
        fields.finish();
        taken.zip(endings)
    });
    fields.finish();
    Some(LinkCall { file: file?, call: call?, url: url?, ending })
}

fn download(fields: Fields<'_>) -> DownloadRule {
    let credentials = fields.get("credentials").and_then(|node| match node.is_flag() {
        true => node.flag().map(|yes| if yes { Credentials::Yes } else { Credentials::No }),
        false => take(&node).map(Credentials::When),
    });
    let texts = |key: &'static str| fields.get(key).map(|node| node.texts()).unwrap_or_default();
    let rule = DownloadRule {
        credentials: credentials.unwrap_or(Credentials::Yes),
        refuse_types: texts("refuse_types").iter().map(|kind| kind.to_ascii_lowercase()).collect(),
        refuse_starts: texts("refuse_starts"),
    };
    fields.finish();
    rule
}

fn limits(fields: Fields<'_>) -> Option<Limits> {
    let answer = fields.get("answer").and_then(|node| take(&node));
    let answers = fields.need("answers").and_then(|node| table(&node, &LIMITS, answer.is_some()));
    fields.finish();
    Some(Limits { answer, answers: answers? })
}

fn take(node: &Node<'_>) -> Option<Take> {
    let places = node.several();
    let count = places.len();
    let parsed: Vec<Place> = places
        .iter()
        .filter_map(|node| {
            let parsed = Place::parse(node.text()?);
            parsed.map_err(|reason| node.fault(reason)).ok()
        })
        .collect();
    (count > 0 && parsed.len() == count).then_some(Take(parsed))
}

fn take_in_entry(node: &Node<'_>) -> Option<Take> {
    let take = take(node)?;
    if !take.reads_only_json() {
        node.fault("an entry of a list is JSON: json /pointer, or json $.path");
    }
    Some(take)
}

fn take_in_head(node: &Node<'_>) -> Option<Take> {
    let take = take(node)?;
    if take.reads_json() {
        node.fault("of a page that is a file, only the head is read: header NAME, or status");
    }
    Some(take)
}

fn pages(node: &Node<'_>, scope: &Scope) -> Option<Pages> {
    let fields = node.fields()?;
    let further = fields.get("call").map(|node| call(&node, &scope.and("next", true)));
    let link = fields.get("link").and_then(|node| take(&node));
    let token = fields.get("token").and_then(|node| take(&node));
    let offset = fields.get("offset").and_then(|node| node.flag()).unwrap_or_default();
    let end = fields.get("end").and_then(|node| node.text().map(str::to_owned));
    fields.finish();
    if let (None, Some(_)) = (&token, &further) {
        node.fault("a call of its own is for pages that a token leads to");
    }
    match (link, token, offset) {
        (Some(take), None, false) => Some(Pages::Link(take)),
        (None, Some(take), false) => match further {
            Some(None) => None,
            Some(call) => Some(Pages::Token { take, end, call: call.map(Box::new) }),
            None => Some(Pages::Token { take, end, call: None }),
        },
        (None, None, true) => Some(Pages::Offset),
        _ => {
            node.fault("pages lead on by one of: link, token, offset = true");
            None
        }
    }
}

fn table<T: Copy>(node: &Node<'_>, words: &[(&'static str, T)], has_value: bool) -> Option<Table<T>> {
    let mut entries = Vec::new();
    for (key, node) in node.fields()?.entries() {
        if !has_value && !is_status(key.text) {
            key.fault("without a place that the word is taken from, a key is an HTTP status, or a class such as 4xx");
        }
        entries.extend(node.word(words).map(|meaning| (key.text.to_owned(), meaning)));
    }
    Some(Table(entries))
}

fn call(node: &Node<'_>, scope: &Scope) -> Option<Call> {
    let fields = node.fields()?;
    let mut methods = Vec::new();
    for (key, method) in METHODS {
        methods.extend(fields.get(key).map(|node| (method, node)));
    }
    let target = match methods.as_slice() {
        [(method, node)] => scope.template(node, false).map(|target| (method.clone(), target)),
        _ => {
            fields.fault("a call has one of: get, post, put, patch, delete, with its path");
            None
        }
    };
    let pairs = |key: &'static str| -> Vec<(String, Template)> {
        let entries = fields.get(key).and_then(|node| node.fields()).map(|fields| fields.entries());
        let pair = |(name, node): (super::reader::Name<'_>, Node<'_>)| {
            Some((name.text.to_owned(), scope.template(&node, true)?))
        };
        entries.unwrap_or_default().into_iter().filter_map(pair).collect()
    };
    let query = pairs("query");
    let headers = headers(&fields, scope);
    let json = fields.get("json").map(|node| (Body::Json(json(&node, scope)), node));
    let form = fields.get("form").map(|node| (Body::Form(pairs("form")), node));
    let xml = fields.get("xml").and_then(|node| Some((Body::Xml(scope.template(&node, false)?), node)));
    let mut bodies: Vec<_> = [json, form, xml].into_iter().flatten().collect();
    if let [_, (_, second), ..] = bodies.as_slice() {
        second.fault("a call has one body: json, form or xml");
    }
    fields.finish();
    let (method, target) = target?;
    let body = match bodies.pop() {
        Some((_, node)) if method == Method::GET => {
            node.fault("a GET has no body");
            return None;
        }
        Some((body, _)) => body,
        None => Body::Nothing,
    };
    Some(Call { method, target, query, headers, body, is_for_its_head: false })
}

fn headers(fields: &Fields<'_>, scope: &Scope) -> Vec<(HeaderName, Template)> {
    let mut headers = Vec::new();
    let entries = fields.get("headers").and_then(|node| node.fields()).map(|fields| fields.entries());
    for (name, node) in entries.unwrap_or_default() {
        let Some(parsed) = header_name(&node, name.text) else { continue };
        if OWN_HEADERS.contains(&parsed.as_str()) {
            name.fault("this header follows from the connection and the body");
        }
        headers.extend(scope.template(&node, true).map(|template| (parsed, template)));
    }
    headers
}

fn json(node: &Node<'_>, scope: &Scope) -> JsonTemplate {
    if node.is_text() {
        return scope
            .template(node, true)
            .map_or(JsonTemplate::Literal(serde_json::Value::Null), JsonTemplate::Text);
    }
    if node.is_list() {
        return JsonTemplate::List(node.several().iter().map(|node| json(node, scope)).collect());
    }
    if node.is_table() {
        let entries = node.fields().map(|fields| fields.entries()).unwrap_or_default();
        let field =
            |(name, node): &(super::reader::Name<'_>, Node<'_>)| (name.text.to_owned(), json(node, scope));
        return JsonTemplate::Object(entries.iter().map(field).collect());
    }
    JsonTemplate::Literal(node.json())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
[system]
name = "things"
title = "Things"

[inputs.kind]
about = "What kind."
required = true

[inputs.since]
about = "From when."
kind = "time"

[[submit]]
call = { post = "things", headers = { Idempotency-Key = "{mark}" }, json = { kind = "{kind}", since = "{since}" } }
commits = true
id = "json /id"
answers = { 201 = "ok", 409 = "already", 4xx = "refused" }

[find]
by = "repeat"

[poll]
call = { get = "things/{id}" }
state = "json /state"
means = { DONE = "succeeded", RUNNING = "running" }

[[files]]
each = "json /files"
url = "json /url"
values = { label = "json /label" }
name = "{label}.csv"
"#;

    fn faults(text: &str) -> Vec<String> {
        parse("test", text).unwrap_err().faults.iter().map(Fault::to_string).collect()
    }

    use super::super::reader::Fault;

    /// What a description says is what is done.
    #[test]
    fn a_description_is_read() {
        let read = parse("test", WHOLE).unwrap();
        assert_eq!(
            (read.name.as_str(), read.inputs.len(), read.submit.len(), read.files.len()),
            ("things", 2, 1, 1)
        );
        assert_eq!(read.find, Find::Repeat { within: Duration::from_secs(86_400) });
    }

    /// Bad input: all mistakes at once, each with its place and what was meant.
    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = WHOLE
            .replace("title = ", "titel = ")
            .replace("{label}.csv", "{lable}.csv")
            .replace("\"succeeded\"", "\"suceeded\"")
            .replace("things/{id}", "things/{since}")
            .replace("\"json /state\"", "\"body /state\"")
            .replace("409 = \"already\"", "done = \"already\"");
        let said = faults(&text);
        for (place, reason) in [
            ("line 2, column 1: system", "title is missing"),
            ("line 4, column 1: system.titel", "did you mean title?"),
            ("line 18, column 25: submit[0].answers.done", "a key is an HTTP status"),
            ("line 24, column 16: poll.call.get", "{since} may stand for nothing"),
            ("line 25, column 9: poll.state", "does not say where to take it"),
            ("line 26, column 18: poll.means.DONE", "did you mean succeeded?"),
            ("line 32, column 8: files[0].name", "did you mean label?"),
        ] {
            assert!(
                said.iter().any(|fault| fault.starts_with(place) && fault.contains(reason)),
                "{place} {reason}: {said:#?}"
            );
        }
    }

    /// Promise 1: a call that would be repeated must have something by which its source knows it again.
    #[test]
    fn a_repeated_call_needs_a_key() {
        let said = faults(&WHOLE.replace("\"{mark}\"", "\"{kind}\""));
        assert!(said.len() == 1 && said[0].contains("a second job"), "{said:?}");
    }

    /// What is not TOML is said with its place, too.
    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        let said = faults("[system]\nname = \"a\nx\n");
        assert!(said[0].starts_with("line 2"), "{said:?}");
        assert!(faults(&format!("{WHOLE}\n[system]\n")).len() == 1);
    }

    /// Pages that are files are read by their heads alone: whatever would need more is refused, as a list would end early.
    #[test]
    fn pages_that_are_files_are_read_by_their_heads() {
        let (before, _) = WHOLE.split_once("[[files]]").unwrap();
        let page = "[[files]]\neach = \"page\"\nname = \"{ordinal}.csv\"\n";
        let call = "call = { get = \"things/{id}/results\", query = { at = \"{next}\" } }\n";
        let token = "pages = { token = \"header X-Next\", end = \"null\" }\n";
        let read = parse("test", &format!("{before}{page}{call}{token}")).unwrap();
        assert!(read.files[0].link == Link::Page && read.files[0].call.as_ref().unwrap().is_for_its_head);
        for (more, said) in [
            ("", "are those of a call"),
            ("call = { post = \"things/{id}/results\" }\n", "a GET without headers"),
            ("call = { get = \"x\", headers = { Accept = \"text/csv\" } }\n", "a GET without headers"),
            (&format!("{call}pages = {{ token = \"json /next\" }}\n"), "in a header"),
            (&format!("{call}pages = {{ offset = true }}\n"), "in a header"),
            (&format!("{call}rows = \"json /count\"\n"), "only the head is read"),
            (&format!("{call}url = \"header Location\"\n"), "has no url, get or link"),
        ] {
            let found = faults(&format!("{before}{page}{more}"));
            assert!(found.iter().any(|fault| fault.contains(said)), "{more}: {found:#?}");
        }
    }

    /// What would not hold is refused before anything is called.
    #[test]
    fn what_cannot_be_is_named() {
        for (from, to, said) in [
            ("commits = true", "commits = false", "exactly one step has commits"),
            ("id = \"json /id\"", "", "exactly one step says where the job's id is"),
            ("4xx = \"refused\"", "503 = \"wait\"", "the job may have been started"),
            ("by = \"repeat\"", "by = \"person\"", "look is missing"),
            ("by = \"repeat\"", "by = \"list\"\nid = \"json /id\"", "match is missing"),
            ("{ get = \"things/{id}\" }", "{ get = \"things/{id}\", json = {} }", "a GET has no body"),
            ("{ get = \"things/{id}\" }", "{ get = \"a\", post = \"b\" }", "a call has one of"),
            ("url = \"json /url\"", "", "a file is reached by"),
            ("url = \"json /url\"", "url = \"header Location\"", "an entry of a list is JSON"),
            ("DONE = \"succeeded\", ", "", "no status means that the job has succeeded"),
            ("Idempotency-Key", "Authorization", "follows from the connection"),
            ("[inputs.kind]", "[inputs.id]", "is none of"),
            ("[poll]", "[window]\nfield = \"at\"\n[poll]", "increments would be all there is"),
            ("required = true", "window = true", "there is no [window]"),
            (
                "[poll]",
                "[limits]\nanswers = { 429 = \"refused\" }\n[poll]",
                "is not one of: wait, quota, login",
            ),
            ("[poll]", "[limits]\nanswers = { SPENT = \"quota\" }\n[poll]", "a key is an HTTP status"),
            ("required = true", "required = 1", "true or false is wanted"),
            ("[poll]", "[after]\nlanded = { call = { delete = \"x/{run_key}\" } }\n[poll]", "{run_key}"),
            ("[poll]", "[after]\ncancel = { answers = { 200 = \"ok\" } }\n[poll]", "call is missing"),
            ("[poll]", "[poll]\nvalues = { kind = \"json /x\" }", "none that is taken"),
            ("url = \"json /url\"", "url = \"json /url\"\ncount = \"json /n\"", "the list of a call"),
            (
                "each = \"json /files\"",
                "each = \"json /files\"\npages = { token = \"json /t\" }",
                "are said with the poll",
            ),
        ] {
            let text = WHOLE.replace(from, to);
            assert_ne!(text, WHOLE, "{from}");
            let found = faults(&text);
            assert!(found.iter().any(|fault| fault.contains(said)), "{to}: {found:#?}");
        }
    }
}
