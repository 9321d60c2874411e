//! A description's text, read as a whole: every mistake is found at once.

use toml::de::DeTable;

use super::scope::Scope;
use super::{Description, Files, Find, InvalidDescription, Pages, Step, System, Written, fault, names};
use crate::declared::call::Call;
use crate::declared::template::{Template, is_name};
use crate::tables::{Fields, Keys as _, Node, Reader};

/// The names that are a description's own in every place.
const RESERVED: [&str; 10] =
    ["id", "run_key", "mark", "from", "until", "called_at", "file", "next", "ordinal", "system"];
const MAX_TEXT: usize = 512 << 10;

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
    let is_toml = errors.is_empty();
    let root = || Fields::of(&reader, String::new(), 0..0, document.get_ref());
    let written = is_toml.then(|| Written::of(root()));
    written.iter().for_each(|written| check(written, &root()));
    let faults = reader.into_faults();
    match written {
        Some(written) if faults.is_empty() => Ok(written.into()),
        _ => Err(InvalidDescription { name: called.to_owned(), faults }),
    }
}

impl From<Written> for Description {
    fn from(written: Written) -> Self {
        let Written { system, inputs, window, submit, find, poll, files, download, limits, after } = written;
        let System { name, title, docs, hosts, token_header } = system;
        let own_text = None;
        Self {
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
            limits,
            after,
            own_text,
        }
    }
}

/// Looks at what stands in one place and is about another: names, and what must be said once.
fn check(written: &Written, fields: &Fields<'_>) {
    let Written { inputs, window, submit, find, poll, files, after, .. } = written;
    let reader = fields.reader;
    check_inputs(written, fields);
    let mut scope = Scope::default();
    for (name, input) in inputs {
        scope = scope.and(name, input.required || input.default.is_some());
    }
    if window.is_some() {
        scope = scope.and("from", false).and("until", false);
    }
    let run = scope.and("run_key", true).and("mark", true);
    steps(submit, fields, &run);
    let job = scope.and("id", true).and_all(submit.iter().flat_map(|step| &step.keep).map(|(name, _)| name));
    find_by(find, submit, fields, &run);
    job.call(reader, &poll.call);
    [&after.landed, &after.cancel].into_iter().flatten().for_each(|asked| job.call(reader, &asked.call));
    check_values(fields.at(&["poll", "values"]), &job);
    let list = job.and_all(poll.values.iter().map(|(name, _)| name));
    for (files, fields) in files.iter().zip(fields.tables("files")) {
        names_of_files(files, &fields, &job, &list);
    }
}

fn check_inputs(written: &Written, fields: &Fields<'_>) {
    for name in names(fields.at(&["inputs"])) {
        if !is_name(name.text) || RESERVED.contains(&name.text) {
            name.fault(format!(
                "an input's name has small letters, digits and underscores, and is none of: {}",
                RESERVED.join(", ")
            ));
        }
    }
    let Written { inputs, window, submit, .. } = written;
    for (name, _) in inputs.iter().filter(|(_, input)| input.window && window.is_none()) {
        let node = fields.at(&["inputs", name, "window"]);
        fault(node, "there is no [window] that it could be of");
    }
    let is_used =
        submit.iter().any(|step| step.call.has_moment()) || inputs.values().any(|input| input.window);
    if window.is_some() && !submit.is_empty() && !is_used {
        fault(
            fields.node("window"),
            "no call of the submission has {from} or {until}, and no input has window = true: increments would be all there is",
        );
    }
}

fn steps(steps: &[Step], root: &Fields<'_>, run: &Scope) {
    let (Some(node), reader) = (root.node("submit"), root.reader) else { return };
    let mut scope = run.clone();
    let mut has_committed = false;
    for (step, fields) in steps.iter().zip(root.tables("submit")) {
        if has_committed {
            fields.fault("nothing may follow the step that commits");
        }
        has_committed |= step.commits;
        scope.call(reader, &step.call);
        let answered = scope.and("id", true);
        for name in names(fields.node("keep")) {
            if !is_name(name.text) || RESERVED.contains(&name.text) {
                name.fault(
                    "what is kept has a name of small letters, digits and underscores, and none that is taken",
                );
            } else if scope.has(name.text) {
                fields.fault(format!("{} is kept twice, or is the name of something else", name.text));
            }
        }
        step.keep
            .iter()
            .filter_map(|(_, keep)| keep.or.as_ref())
            .for_each(|or| answered.template(reader, or, false));
        scope = if fields.node("id").is_some() { answered } else { scope };
        scope = scope.and_all(step.keep.iter().map(|(name, _)| name));
    }
    if steps.iter().filter(|step| step.commits).count() != 1 {
        node.fault("exactly one step has commits = true: the call that starts the job");
    }
    if root.tables("submit").iter().filter(|fields| fields.node("id").is_some()).count() != 1 {
        node.fault("exactly one step says where the job's id is");
    }
}

fn find_by(find: &Find, submit: &[Step], fields: &Fields<'_>, run: &Scope) {
    let reader = fields.reader;
    match find {
        Find::Person(_) => {}
        Find::Repeat(_) => {
            let has_key = |step: &Step| step.call.names().any(|name| matches!(name, "mark" | "run_key"));
            let lacks_key =
                |step: &Step| step.commits && step.call.target != Template::default() && !has_key(step);
            if submit.iter().any(lacks_key) {
                fault(
                    fields.at(&["find", "by"]),
                    "the call that commits has neither {mark} nor {run_key}: repeated, it would start a second job",
                );
            }
        }
        Find::List(list) => {
            // What the steps before the one that commits have given is known, whatever became of that one.
            let before = || submit.iter().filter(|step| !step.commits);
            let mut scope = run.and_all(before().flat_map(|step| &step.keep).map(|(name, _)| name));
            if before().any(|step| step.id.is_some()) {
                scope = scope.and("id", true);
            }
            scope = scope.and("called_at", true).and("next", false);
            scope.call(reader, &list.call);
            further(list.pages.as_ref(), &list.call, fields.at(&["find", "pages"]), reader, &scope);
            list.r#match.iter().for_each(|wanted| scope.template(reader, &wanted.is, true));
        }
    }
}

/// Looks at the call for further pages: one that does not say which would bring the same each time.
fn further(pages: Option<&Pages>, first: &Call, node: Option<Node<'_>>, reader: &Reader<'_>, scope: &Scope) {
    let call = match pages {
        None | Some(Pages::Link(_)) => return,
        Some(Pages::Token { call: Some(call), .. }) => {
            scope.and("next", true).call(reader, call);
            call
        }
        Some(Pages::Token { .. } | Pages::Offset) => first,
    };
    if !call.names().any(|name| name == "next") {
        fault(node, "the call for further pages has no {next}: it would bring the same page each time");
    }
}

/// Looks at the names of values that are taken, none of which may stand for something already.
fn check_values(node: Option<Node<'_>>, scope: &Scope) {
    for name in names(node) {
        if !is_name(name.text) || scope.has(name.text) || RESERVED.contains(&name.text) {
            name.fault("a value has a name of small letters, digits and underscores, and none that is taken");
        }
    }
}

fn names_of_files(files: &Files, fields: &Fields<'_>, job: &Scope, list: &Scope) {
    let (reader, listing) = (fields.reader, list.and("next", false));
    files.call.iter().for_each(|call| listing.call(reader, call));
    if let Some(call) = &files.call {
        further(files.pages.as_ref(), call, fields.node("pages"), reader, &listing);
    }
    let mut scope = job.and("ordinal", true);
    check_values(fields.node("values"), &scope);
    scope = names(fields.node("values")).iter().fold(scope, |scope, name| scope.and(name.text, true));
    if let Some(link) = &files.link {
        scope = scope.and("file", true);
        job.and("file", true).call(reader, &link.call);
    }
    files.get.iter().chain([&files.name]).for_each(|template| scope.template(reader, template, false));
}

#[cfg(test)]
mod tests {
    use super::super::{By, Link, Repeat};
    use super::*;
    use crate::tables::reader::Fault;

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

    /// What a description says is what is done.
    #[test]
    fn a_description_is_read() {
        let read = parse("test", WHOLE).unwrap();
        assert_eq!(
            (read.name.as_str(), read.inputs.len(), read.submit.len(), read.files.len()),
            ("things", 2, 1, 1)
        );
        assert_eq!(read.find, Find::Repeat(Repeat { by: By::Repeat, within_hours: 24 }));
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

    /// One mistake is told once: what follows from it is none of its own.
    #[test]
    fn a_mistake_brings_no_others() {
        for (from, to) in [
            ("{ DONE = \"succeeded\", RUNNING = \"running\" }", "[\"succeeded\"]"),
            ("id = \"json /id\"", "id = \"id\""),
            ("[find]\nby = \"repeat\"\n", ""),
            ("by = \"repeat\"", "by = \"repeated\""),
            ("url = \"json /url\"", "url = \"url\""),
            ("\"things/{id}\"", "\"things/${id}\""),
            ("{ label = \"json /label\" }", "{ label = \"label\" }"),
        ] {
            let said = faults(&WHOLE.replace(from, to));
            assert_eq!(said.len(), 1, "{to}: {said:#?}");
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
        assert!(read.files[0].link() == Link::Page && read.files[0].call.as_ref().unwrap().is_for_its_head);
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
            ("state = \"json /state\"", "state = []", "name one place at least"),
            ("by = \"repeat\"", "", "by is missing"),
            ("\"things/{id}\"", "\"things/${id}\"", "braces are enough"),
            ("\"{label}.csv\"", "\"{{label}}.csv\"", "write {label}"),
            ("\"things/{id}\"", "\"https://h.example/things/{id}\"", "the host is the connection's"),
            ("\"things/{id}\"", "\"things/{id}?all=1\"", "say parameters with query"),
            (
                "each = \"json /files\"",
                "each = \"json /files\"\ncall = { get = \"x\" }\npages = { offset = true }",
                "it would bring the same page each time",
            ),
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
