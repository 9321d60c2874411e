//! The documentation says what the code does: its tables, its links and the tests that it names.
//!
//! Tables that follow from the code alone are written anew by `LANDFALL_WRITE_DOCS=1`; the others are written by people,
//! and compared here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use landfall::ErrorType;
use landfall::clock::SystemClock;
use landfall::config::{Config, ConfigProvider};
use landfall::context::Context;
use landfall::event::RunEvent;
use landfall::step::{RetryPolicy, Step};
use landfall_systems::SYSTEMS;
use landfall_systems::declared::description::{self, Form, TableForm};
use serde_json::{Map, Value, json};

/// Writes the generated tables anew.
const WRITE: &str = "LANDFALL_WRITE_DOCS=1 cargo test --workspace --test whole docs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a folder whose names end so, by their paths from the root; no builds, and nothing hidden.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let is_source = !name.starts_with('.') && name != "target" && name != "landfall-data";
            match entry.file_type().unwrap().is_dir() {
                true if is_source => folders.push(path),
                false if name.ends_with(ending) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The pages that a reader is given.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    pages.extend(files("docs", ".md"));
    pages
}

/// Holds a generated part of a page, between `<!-- name -->` and `<!-- /name -->`, against what the code says.
fn holds(page: &str, name: &str, table: &str) {
    let text = read(page);
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no {begin}"));
    let (kept, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{page} has no {end}"));
    if std::env::var_os("LANDFALL_WRITE_DOCS").is_some() {
        std::fs::write(root().join(page), format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(kept, table, "{page} is not what the code says: {WRITE}");
}

/// What stands in backticks in the first cell of each row of the tables behind `<!-- kind: name -->`, by name.
fn first_cells(text: &str, kind: &str) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    for part in text.split(&format!("<!-- {kind}: ")).skip(1) {
        let (name, rest) = part.split_once(" -->\n").unwrap();
        let rows = rest.lines().take_while(|line| line.starts_with('|')).skip(2);
        let cells = rows.filter_map(|row| row.split('|').nth(1)).flat_map(in_backticks);
        assert!(tables.insert(name.to_owned(), cells.collect()).is_none(), "{name} is there twice");
    }
    tables
}

fn in_backticks(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a page names all that there is, and nothing else.
fn assert_alike<T: Ord + std::fmt::Debug>(what: &str, documented: &BTreeSet<T>, there_are: &BTreeSet<T>) {
    let missing: Vec<&T> = there_are.difference(documented).collect();
    let wrong: Vec<&T> = documented.difference(there_are).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "{what}: the page lacks {missing:?}, and names {wrong:?}, which there is not"
    );
}

/// Whoever describes a system finds every key that there is, what it takes and what it is for.
#[test]
fn the_guide_has_every_key_of_a_description() {
    let mut table = "| key | what it takes | what it is for |\n|---|---|---|\n".to_owned();
    add_keys(&mut table, "", &description::FORM, &mut BTreeSet::new());
    holds("docs/guide/describe-a-system.md", "keys", &table);
}

/// The rows of a table's keys, and of the tables in it that have no rows yet.
fn add_keys(rows: &mut String, path: &str, table: &TableForm, told: &mut BTreeSet<&'static str>) {
    for key in table.keys {
        let chosen = if matches!(key.form, Form::Entries(_)) { ".NAME" } else { "" };
        let path = format!("{path}{}", key.name());
        let needed = if key.is_needed() { ", needed" } else { "" };
        let (takes, tables) = takes(&key.form);
        writeln!(rows, "| `{path}` | {takes}{needed} | {} |", key.about.trim().replace('|', "\\|")).unwrap();
        for table in tables {
            if told.insert(table.name) {
                add_keys(rows, &format!("{path}{chosen}."), table, told);
            }
        }
    }
}

/// What a form takes, in words, and the tables in it.
fn takes(form: &Form) -> (String, Vec<&'static TableForm>) {
    let plain = |words: &str| (words.to_owned(), Vec::new());
    match form {
        Form::Text => plain("text"),
        Form::Flag => plain("`true` or `false`"),
        Form::Number => plain("number"),
        Form::Any => plain("anything"),
        Form::Called(name, ..) => plain(name),
        Form::Words(words) => {
            plain(&words().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
        }
        Form::Several(Form::Text) => plain("texts"),
        Form::Several(one) => (format!("one or several: {}", takes(one).0), takes(one).1),
        Form::Entries(one) => (format!("by name: {}", takes(one).0), takes(one).1),
        Form::Table(table) => {
            (table.name.strip_suffix("Keys").unwrap_or("table").to_lowercase(), vec![table])
        }
        Form::OneOf(forms) => {
            let all: Vec<_> = forms.iter().map(takes).collect();
            let words: BTreeSet<&str> = all.iter().map(|(words, _)| words.as_str()).collect();
            let words = words.into_iter().collect::<Vec<_>>().join(", or ");
            (words, all.into_iter().flat_map(|(_, tables)| tables).collect())
        }
    }
}

/// Who is called at night finds each name, and what to do.
#[test]
fn the_operating_guide_has_every_error() {
    let mut table = "| name | what it means | retried | what to do |\n|---|---|---|---|\n".to_owned();
    for error in ErrorType::ALL {
        let retried = if error.retryable() { "yes" } else { "no" };
        let (name, meaning, remedy) = (error.name(), error.meaning(), error.remedy());
        writeln!(table, "| `{name}` | {meaning} | {retried} | {remedy} |").unwrap();
    }
    holds("docs/operating.md", "errors", &table);
}

/// Whoever looks for a system, or writes an event for it, is led to its page.
#[test]
fn every_system_has_a_page() {
    let texts: Vec<(String, String)> = pages().into_iter().map(|page| (read(&page), page)).collect();
    let mut systems = "| system | `export.kind` | |\n|---|---|---|\n".to_owned();
    let mut kinds = "| `export.kind` | fields |\n|---|---|\n".to_owned();
    // Where nobody signs in there is no system that an event could name.
    for kind in SYSTEMS.kinds().map(|kind| kind.capabilities()).filter(|kind| !kind.auth.is_empty()) {
        let kind = kind.kind;
        let has_fields = |(text, _): &&(String, String)| first_cells(text, "fields").contains_key(kind);
        let (text, page) = texts.iter().find(has_fields).unwrap_or_else(|| panic!("no page has {kind}"));
        let title = text.lines().next().unwrap().trim_start_matches("# ");
        writeln!(systems, "| {title} | `{kind}` | [roles, settings, traps]({page}) |").unwrap();
        let page = page.trim_start_matches("docs/");
        writeln!(kinds, "| `{kind}` | [{title}](../{page}) |").unwrap();
    }
    holds("README.md", "systems", &systems);
    holds("docs/guide/events.md", "kinds", &kinds);
}

/// What a state machine does again, and how long that takes, is what its definition says.
#[test]
fn the_retries_are_those_of_the_definitions() {
    let mut table =
        "| errors | steps | retries | first wait | longest wait | waits in all, at most |\n|---|---|---:|---:|---:|---:|\n"
            .to_owned();
    for (retry, steps) in policies() {
        let [attempts, first, rate, longest] = retry.figures;
        let waits = (0..attempts).map(|retry| {
            longest.min(first.saturating_mul(rate.saturating_pow(u32::try_from(retry).unwrap())))
        });
        let errors: Vec<String> = retry.errors.iter().map(|error| format!("`{error}`")).collect();
        let (errors, steps) = (errors.join(", "), steps.into_iter().collect::<Vec<_>>().join(", "));
        let (longest, all) = (waits.clone().max().unwrap(), waits.sum::<u64>());
        writeln!(table, "| {errors} | {steps} | {attempts} | {first} s | {longest} s | {all} s |").unwrap();
    }
    holds("docs/retries.md", "retries", &table);
}

/// One machine and many try a step again alike: the definitions say what the steps' own policy says.
#[test]
fn the_definitions_retry_as_the_steps_say() {
    let mut steps = BTreeSet::new();
    for path in files("statemachine", ".asl.json") {
        for_each_state(&serde_json::from_str(&read(&path)).unwrap(), &mut |name, state| {
            let Some(function) = state["Arguments"]["FunctionName"].as_str() else { return };
            let function = function.replace("FunctionArn}", "").replace("${", "");
            let step =
                Step::ALL.into_iter().find(|step| step.name().replace('-', "") == function.to_lowercase());
            let step = step.unwrap_or_else(|| panic!("{name} calls {function}, which is no step"));
            steps.insert(step);
            if is_not_waited_for(state) {
                assert_eq!(state["Catch"][0]["ErrorEquals"], json!(["States.ALL"]), "{name}");
                assert_eq!(state["Catch"][0]["Next"], state["Next"], "{name}");
                return;
            }
            for error in ErrorType::ALL {
                assert_eq!(retry_policy(state, error.name()), step.retry(*error), "{name}: {}", error.name());
            }
        });
    }
    assert_eq!(steps, BTreeSet::from(Step::ALL), "every step is in a definition");
}

/// Promise 2: an invocation that finds no place, as the function's own or the account's are taken, is waited for as long
/// as the execution may last; and an execution that may have only so many does not call for more at once.
#[test]
fn throttled_invocations_are_waited_for() {
    const A_DAY: u64 = 86_400;
    for path in files("statemachine", ".asl.json") {
        let definition: Value = serde_json::from_str(&read(&path)).unwrap();
        assert!(definition["TimeoutSeconds"].as_u64().unwrap() <= A_DAY, "{path}");
        for_each_state(&definition, &mut |name, state| {
            if state["Arguments"]["FunctionName"].is_string() && !is_not_waited_for(state) {
                let policy = retry_policy(state, "Lambda.TooManyRequestsException").unwrap();
                let longest: u64 = (1..=policy.retries).map(|retry| policy.wait(retry).as_secs()).sum();
                // Full jitter: half of it on average.
                assert!(longest / 2 >= A_DAY, "{name} waits for {longest} s at most");
            }
            if state["Type"] == "Map" && name.starts_with("Unpack") && state["QueryLanguage"] == "JSONata" {
                let at_once = state["MaxConcurrency"].as_str().unwrap();
                assert!(at_once.contains("${UnpackConcurrency}"), "{name}: {at_once}");
            }
        });
    }
    assert!(read("template.yaml").contains("UnpackConcurrency: !Ref UnpackConcurrency"));
}

/// Whether a state only begins what another one sees to the end of: nothing that becomes of it is the job's.
fn is_not_waited_for(state: &Value) -> bool {
    state["Arguments"]["InvocationType"] == "Event"
}

/// How a state is tried again after an error of this name.
fn retry_policy(state: &Value, error: &str) -> Option<RetryPolicy> {
    let retries = state["Retry"].as_array()?;
    let retry =
        retries.iter().find(|retry| retry["ErrorEquals"].as_array().unwrap().contains(&json!(error)))?;
    let number = |key: &str| retry[key].as_u64().unwrap_or_else(|| panic!("{retry} has no {key}"));
    Some(RetryPolicy {
        retries: number("MaxAttempts").try_into().unwrap(),
        first_wait: Duration::from_secs(number("IntervalSeconds")),
        factor: number("BackoffRate").try_into().unwrap(),
        max_wait: Duration::from_secs(number("MaxDelaySeconds")),
    })
}

/// An entry of a `Retry`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Retry {
    errors: Vec<String>,
    /// Retries, seconds before the first, what each further wait is multiplied by, and the longest wait.
    figures: [u64; 4],
}

/// Every entry of a `Retry` of the definitions, and the states that have it.
fn policies() -> BTreeMap<Retry, BTreeSet<String>> {
    let mut policies = BTreeMap::new();
    for path in files("statemachine", ".asl.json") {
        let definition: Value = serde_json::from_str(&read(&path)).unwrap();
        collect_policies(&definition, &mut policies);
    }
    policies
}

fn collect_policies(definition: &Value, policies: &mut BTreeMap<Retry, BTreeSet<String>>) {
    for_each_state(definition, &mut |name, state| {
        for retry in state.get("Retry").and_then(Value::as_array).into_iter().flatten() {
            assert_eq!(retry["JitterStrategy"], "FULL", "{name}: the page speaks of full jitter");
            let number = |key: &str, default: u64| retry.get(key).map_or(default, |n| n.as_u64().unwrap());
            let errors = retry["ErrorEquals"].as_array().unwrap();
            let retry = Retry {
                errors: errors.iter().map(|error| error.as_str().unwrap().to_owned()).collect(),
                figures: [
                    number("MaxAttempts", 3),
                    number("IntervalSeconds", 1),
                    number("BackoffRate", 2),
                    number("MaxDelaySeconds", u64::MAX),
                ],
            };
            policies.entry(retry).or_default().insert(name.to_owned());
        }
    });
}

/// Every state of a definition, however deep, with its name.
fn for_each_state(value: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    let states = value.get("States").and_then(Value::as_object);
    for (name, state) in states.into_iter().flatten() {
        visit(name, state);
    }
    let within: Box<dyn Iterator<Item = &Value>> = match value {
        Value::Object(object) => Box::new(object.values()),
        Value::Array(array) => Box::new(array.iter()),
        _ => Box::new(std::iter::empty()),
    };
    within.for_each(|value| for_each_state(value, visit));
}

/// Whoever configures finds each key that there is, and none that there is not.
#[tokio::test]
async fn the_configuration_guide_has_every_key() {
    // A system's keys may stand on its own page.
    let page: BTreeMap<_, _> = pages().iter().flat_map(|page| first_cells(&read(page), "keys")).collect();
    let compare = |name: &str, there_are: BTreeSet<String>| {
        assert_alike(name, &with_tables(&page, name), &there_are);
    };
    compare("catalog", keys("catalogs/x", json!({}), &[]).await);
    for document in ["work", "lineage", "notify"] {
        compare(document, keys(document, json!({}), &[]).await);
    }
    for connection in types("connections/x").await {
        let there_are = keys("connections/x", json!({ "type": connection }), &[]).await;
        // A type that refuses no key is configured by nobody: its files are on the machine already.
        if there_are != BTreeSet::from([String::new()]) {
            compare(&connection, there_are);
        }
    }
    for destination in types("destinations/x").await {
        if destination == "oci" {
            oci_has_each_of(&page["oci"]).await;
        } else {
            compare(&destination, keys("destinations/x", json!({ "type": destination }), &[]).await);
        }
    }
}

/// A table's keys; one that is the name of a table stands for that table's.
fn with_tables(page: &BTreeMap<String, Vec<String>>, name: &str) -> BTreeSet<String> {
    let rows = page.get(name).unwrap_or_else(|| panic!("no page has the keys of {name}"));
    let keys = rows.iter().flat_map(|key| match page.get(key) {
        Some(table) => table.iter().map(|inner| format!("{key}.{inner}")).collect(),
        None => vec![key.clone()],
    });
    keys.collect()
}

/// A key that no table has.
const PROBE: &str = "no-such-key";

/// What the configuration, and the system behind a connection, say of a document at this path that they cannot read.
async fn refusal(path: &str, document: Value) -> Option<String> {
    let is_work = path == "work";
    let made = ConfigProvider::made("the test", move |asked| match asked {
        "work" if !is_work => Some(json!({ "bucket": "work", "store": { "region": "us-east-1" } })),
        "destinations/x/notify" => Some(json!([document])),
        _ => Some(document.clone()),
    });
    let clock = Arc::new(SystemClock);
    let outcome = match path.split_once('/') {
        Some(("connections", name)) => {
            Context::new(made, clock, &SYSTEMS).source(&name.parse().unwrap()).await.map(drop)
        }
        Some(("destinations", name)) => {
            Config::new(made, clock).destination(&name.parse().unwrap()).await.map(drop)
        }
        Some(("catalogs", name)) => Config::new(made, clock).catalog(name).await.map(drop),
        _ if path == "lineage" => Config::new(made, clock).lineage().await.map(drop),
        _ if path == "notify" => {
            Config::new(made, clock).notify_of_destination(&"x".parse().unwrap()).await.map(drop)
        }
        _ => Config::new(made, clock).work().await.map(drop),
    };
    outcome.err().map(|error| error.line())
}

/// The types of a connection or a destination, which an unknown one is refused with.
async fn types(path: &str) -> Vec<String> {
    let said = refusal(path, json!({ "type": PROBE })).await.unwrap();
    let (_, types) = said.split_once("is not one of: ").unwrap_or_else(|| panic!("{said}"));
    types.split(", ").map(|name| name.trim().to_owned()).collect()
}

/// The keys below a table, all the way down: a table refuses a key that it has not with those that it has.
async fn keys(path: &str, document: Value, table: &[String]) -> BTreeSet<String> {
    let mut probed = document.clone();
    let mut at = &mut probed;
    for key in table {
        at = at.as_object_mut().unwrap().entry(key).or_insert_with(|| json!({}));
    }
    at[PROBE] = json!(1);
    let said = refusal(path, probed).await.unwrap();
    let Some((_, expected)) = said.split_once(&format!("unknown field `{PROBE}`, expected ")) else {
        return BTreeSet::from([table.join(".")]);
    };
    let mut found = BTreeSet::new();
    for key in in_backticks(expected) {
        found.extend(Box::pin(keys(path, document.clone(), &[table, &[key]].concat())).await);
    }
    found
}

/// An OCI bucket's keys are taken out of its table before the rest is read as that of any destination.
async fn oci_has_each_of(documented: &[String]) {
    let mut needed = Map::from_iter([("type".to_owned(), json!("oci")), ("api".to_owned(), json!("s3"))]);
    loop {
        let said = refusal("destinations/x", Value::Object(needed.clone())).await.unwrap();
        let Some((_, key)) = said.split_once("missing field `") else { panic!("{said}") };
        let key = key.split('`').next().unwrap();
        if key == "bucket" {
            break;
        }
        assert!(documented.iter().any(|documented| documented == key), "the page lacks {key}");
        needed.insert(key.to_owned(), json!("x"));
    }
    for key in documented {
        let mut document = needed.clone();
        document.insert(key.clone(), json!({ PROBE: 1 }));
        let said = refusal("destinations/x", Value::Object(document)).await.unwrap();
        let is_known = said.contains(&format!("destinations.x.{key} ")) && !said.contains("unknown field");
        assert!(is_known, "the code knows no {key}: {said}");
    }
}

/// Whoever writes an event finds each field that there is, and none that there is not.
#[test]
fn every_field_of_an_event_is_on_its_page() {
    let mut tables = BTreeMap::new();
    for page in pages() {
        tables.extend(first_cells(&read(&page), "fields"));
    }
    for event in ["submit.event", "sweep.event", "verify.event"] {
        let schema: Value = serde_json::from_str(&read(&format!("schemas/{event}.json"))).unwrap();
        has_fields(&mut tables, event, &schema["properties"]);
    }
    let submit: Value = serde_json::from_str(&read("schemas/submit.event.json")).unwrap();
    let exports = submit["$defs"]["Export"]["oneOf"].as_array().unwrap();
    const OF_EVERY: [&str; 2] = ["columns", "on_schema_change"];
    for (export, is_first) in exports.iter().zip([true].into_iter().chain(std::iter::repeat(false))) {
        let mut fields = export["properties"].as_object().unwrap().clone();
        let of_every = OF_EVERY.map(|field| (field.to_owned(), fields.remove(field).unwrap()));
        if is_first {
            has_fields(&mut tables, "every export", &Value::Object(of_every.into_iter().collect()));
        }
        let kind = fields["kind"]["const"].as_str().unwrap().to_owned();
        has_fields(&mut tables, &kind, &Value::Object(fields));
    }
    assert!(tables.is_empty(), "no event has these: {:?}", tables.keys());
}

fn has_fields(tables: &mut BTreeMap<String, Vec<String>>, name: &str, properties: &Value) {
    let rows = tables.remove(name).unwrap_or_else(|| panic!("no page has the fields of {name}"));
    // A row may be of a field's own field: `records.ids`.
    let documented: BTreeSet<&str> = rows.iter().map(|row| row.split('.').next().unwrap()).collect();
    let fields = properties.as_object().unwrap().keys().map(String::as_str);
    let there_are: BTreeSet<&str> = fields.filter(|field| *field != "kind").collect();
    assert_alike(name, &documented, &there_are);
}

/// What a page shows as an event or a configuration is read as one.
#[tokio::test]
async fn the_examples_are_read() {
    let (mut events, mut tables) = (0, 0);
    for page in pages() {
        for (language, code) in code_blocks(&read(&page)) {
            match language {
                "json" => {
                    let read: Value =
                        serde_json::from_str(&code).unwrap_or_else(|error| panic!("{page}: {error}"));
                    if read.get("type").is_some() {
                        assert_eq!(refusal("connections/x", read).await, None, "{page}");
                    } else {
                        let run = landfall::event::parse::<RunEvent>(read);
                        let spec = run.and_then(|run| SYSTEMS.spec(&run.export));
                        spec.unwrap_or_else(|error| panic!("{page}: {}", error.line()));
                    }
                    events += 1;
                }
                "toml" => tables += read_tables(&page, &code).await,
                _ => {}
            }
        }
    }
    assert!(events > 3 && tables > 5, "{events} events and {tables} tables are too few: they were not seen");
}

/// Reads every connection and destination of a configuration; how many there are.
async fn read_tables(page: &str, toml: &str) -> usize {
    // Their secrets are in the environment, or so the examples say.
    let toml = toml.replace("${", "{");
    let provider = ConfigProvider::from_toml(&toml, page).unwrap();
    let work = ConfigProvider::made("the test", |path| {
        (path == "work").then(|| json!({ "bucket": "work", "store": { "region": "us-east-1" } }))
    });
    let context = Context::new(work.or(provider), Arc::new(SystemClock), &SYSTEMS);
    let config = Config::new(ConfigProvider::from_toml(&toml, page).unwrap(), Arc::new(SystemClock));
    let names = toml.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']')?.split_once('.'));
    let mut tables = 0;
    for (table, name) in names.filter(|(_, name)| !name.contains('.')) {
        let outcome = match table {
            "connections" => context.source(&name.parse().unwrap()).await.map(drop),
            _ => config.destination(&name.parse().unwrap()).await.map(drop),
        };
        outcome.unwrap_or_else(|error| panic!("{page}: {}", error.line()));
        tables += 1;
    }
    tables
}

/// The fenced code of a page, by language.
fn code_blocks(text: &str) -> Vec<(&str, String)> {
    let parts = text.split("\n```").skip(1).step_by(2);
    parts
        .filter_map(|part| part.split_once('\n').map(|(language, code)| (language, code.to_owned())))
        .collect()
}

/// Whoever deploys finds each parameter, and none that there is not.
#[test]
fn every_parameter_of_the_stack_is_on_its_page() {
    let template = read("template.yaml");
    let (_, parameters) = template.split_once("\nParameters:\n").unwrap();
    let there_are: BTreeSet<&str> = parameters
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| !name.starts_with(' '))
        .collect();
    let page = read("docs/guide/deployment.md");
    let documented = unnamed_table(&page, "parameters");
    assert_alike("template.yaml", &documented.iter().map(String::as_str).collect(), &there_are);
}

/// The environment variables of landfall's own, as the code that is deployed reads them.
#[test]
fn every_environment_variable_is_on_its_page() {
    let documented: BTreeSet<String> =
        unnamed_table(&read("docs/guide/configuration.md"), "environment").into_iter().collect();
    let mut there_are = BTreeSet::new();
    for path in
        ["shared", "functions", "container/src", "cli/src"].iter().flat_map(|folder| files(folder, ".rs"))
    {
        let text = read(&path);
        let names = text.split('"').filter(|text| {
            text.strip_prefix("LANDFALL_").is_some_and(|name| {
                !name.starts_with("TEST_")
                    && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            })
        });
        there_are.extend(names.map(str::to_owned));
    }
    assert_alike("the environment", &documented, &there_are);
}

/// The first cells of the table behind `<!-- name -->`.
fn unnamed_table(page: &str, name: &str) -> Vec<String> {
    let (_, table) = page.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|')).skip(2);
    rows.filter_map(|row| row.split('|').nth(1)).flat_map(in_backticks).collect()
}

/// A link leads to a file that is there, and to a heading of it.
#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        for link in links(&read(&page)) {
            let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(p, a)| (p, Some(a)));
            let folder = Path::new(&page).parent().unwrap();
            let target = if path.is_empty() { PathBuf::from(&page) } else { folder.join(path) };
            let there = root().join(&target);
            let is_heading = |anchor: &str| {
                let text = std::fs::read_to_string(&there).unwrap_or_default();
                anchors(&text).contains(anchor)
            };
            if !there.exists() || anchor.is_some_and(|anchor| !is_heading(anchor)) {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The lines of a page that are not code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What a page links to within the repository.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap();
            if !target.contains("://") {
                links.push(target.to_owned());
            }
        }
    }
    links
}

/// What a page's headings are linked to by: in lower case, without punctuation, spaces as hyphens.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        anchors.insert(kept.collect::<String>().replace(' ', "-"));
    }
    anchors
}

/// Each page can be found from the README, by links.
#[test]
fn every_page_is_found_from_the_readme() {
    let mut found = BTreeSet::from(["README.md".to_owned()]);
    let mut unread = vec!["README.md".to_owned()];
    while let Some(page) = unread.pop() {
        for link in links(&read(&page)) {
            let path = link.split('#').next().unwrap();
            let Some(target) = normal(&Path::new(&page).parent().unwrap().join(path)) else { continue };
            if target.ends_with(".md") && found.insert(target.clone()) {
                unread.push(target);
            }
        }
    }
    let lost: Vec<String> = pages().into_iter().filter(|page| !found.contains(page)).collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
}

/// A path without `..`.
fn normal(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.iter() {
        match part.to_str()? {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A promise that says which test holds it is held by that test.
#[test]
fn every_promise_is_held_by_tests_that_exist() {
    let semantics = read("docs/semantics.md");
    let tests: Vec<(String, String)> = files("", ".rs").into_iter().map(|path| (read(&path), path)).collect();
    let mut missing = Vec::new();
    for name in prose(&semantics).flat_map(in_backticks) {
        let Some((file, function)) = name.split_once("::") else { continue };
        let is_there =
            tests.iter().any(|(text, path)| path.ends_with(&format!("/{file}")) && has_test(text, function));
        if !is_there {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "docs/semantics.md names tests that are not there: {missing:#?}");
    for promise in
        semantics.split("\n## ").skip(1).filter(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    {
        for row in promise.lines().filter(|line| line.starts_with("| ")).skip(1) {
            assert!(row.contains("::"), "no test holds this: {row}");
        }
    }
}

fn has_test(text: &str, function: &str) -> bool {
    let Some((before, _)) = text.split_once(&format!("fn {function}(")) else { return false };
    let item = before.rsplit("\n\n").next().unwrap_or(before);
    item.contains("#[test]") || item.contains("#[tokio::test")
}

/// The README is read in a few minutes, and its figures are those that were measured.
#[test]
fn the_readme_is_short_and_its_figures_are_measured() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    let (_, table) = readme.split_once("<!-- measured -->\n").unwrap();
    let measured = read("docs/performance.md");
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 3);
    for row in rows {
        assert!(measured.lines().any(|line| line == row), "docs/performance.md has no such row: {row}");
    }
}
