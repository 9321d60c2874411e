//! What the template deploys, as far as it shows without deploying: who may call what, and who is told what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use embedded_store::{Before, Call, Intercept, Options};
use landfall::clock::Deadline;
use landfall::event::parse;
use landfall::failure::{self, About};
use landfall::job::JobRef;
use landfall::{Error, ErrorType, Step};
use landfall_http::scripted::{Reply, Scripted};
use landfall_store::Condition;
use landfall_tests::systems::{self, System};
use landfall_tests::{Setup, World, land_noting, toml_text};
use serde_json::{Value, json};
use simulator::credentials;
use verify::VerifyEvent;

pub(crate) fn template() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    std::fs::read_to_string(path).unwrap()
}

/// The lines of a resource.
fn resource(name: &str) -> Vec<String> {
    let template = template();
    let lines = template.lines().skip_while(|line| *line != format!("  {name}:")).skip(1);
    let is_within = |line: &&str| line.is_empty() || line.starts_with("   ") || line.starts_with("  #");
    let lines: Vec<_> = lines.take_while(is_within).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{name}");
    lines
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The entries of the list behind a key, one a line.
fn entries(lines: &[String], key: &str) -> BTreeSet<String> {
    let at = lines.iter().position(|line| line.trim().trim_start_matches("- ") == key);
    let at = at.unwrap_or_else(|| panic!("no {key}"));
    let rest = lines.iter().skip(at + 1).map(|line| line.trim());
    rest.map_while(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
}

/// A redrive is proposed where the error table says that continuing helps, and nowhere else; every failure is told by
/// one of the rules.
#[test]
fn a_redrive_is_proposed_where_it_helps() {
    let redriven = entries(&resource("Failures"), "error:");
    for error in ErrorType::ALL {
        assert_eq!(redriven.contains(error.name()), error.continues(), "{}", error.name());
    }
    let mut others = entries(&resource("FailuresToCorrect"), "anything-but:");
    assert!(others.remove("JobsFailed"), "the sweep has told of these itself");
    assert!(others.remove("NotAsLanded"), "the verification has told of these itself");
    assert_eq!(others, redriven);
    let proposes = |rule: &str| resource(rule).iter().any(|line| line.contains("redrive-execution"));
    assert!(proposes("Failures") && proposes("Stopped") && !proposes("FailuresToCorrect"));
}

/// Promise 3: an archive that is refused leaves nothing. What unpacks ahead of the call that counts is not called again by
/// Lambda, once the run that would clear up behind it has failed.
#[test]
fn lambda_repeats_no_call_that_unpacks_ahead() {
    let function = resource("UnpackUploadFunction");
    let value = |key: &str| {
        let mut values = function.iter().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        values.next().map(|value| value.parse::<u32>().unwrap())
    };
    assert_eq!(value("MaximumRetryAttempts"), Some(0));
    assert_eq!(value("MaximumEventAgeInSeconds"), value("Timeout"));
}

/// Promise 5: whatever a cause says, also with quotes in it, the mail is sent: a value from outside stands in the
/// template as a JSON value of its own, never inside of a text.
#[test]
fn no_cause_breaks_a_mail() {
    for rule in ["Failures", "FailuresToCorrect", "Stopped"] {
        let lines = resource(rule);
        let at = lines.iter().position(|line| line.contains("InputTemplate")).unwrap();
        let template: Vec<&str> = lines.iter().skip(at + 1).map(|line| line.trim()).collect();
        let end = template.iter().position(|line| *line == "}").unwrap();
        let mut shown = template[..=end].join("\n");
        for (variable, value) in
            [("region", "eu-central-1"), ("name", "n-1"), ("execution", "arn:aws:states:x")]
        {
            shown = shown.replace(&format!(": <{variable}>"), &format!(": \"{value}\""));
            shown = shown.replace(&format!("<{variable}>"), value);
        }
        for variable in ["error", "cause", "status", "input"] {
            let value = json!("\"quoted\" \\ and\nbroken").to_string();
            shown = shown.replace(&format!(": <{variable}>"), &format!(": {value}"));
        }
        let told: Value =
            serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{rule}: {error}\n{shown}"));
        assert!(!shown.contains('<'), "{rule}: {shown}");
        assert_eq!(told["more"], "docs/operating.md");
    }
}

/// What a role's statement allows.
#[derive(Debug, Clone)]
struct Grant {
    sid: String,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// Statements stand at this indentation, in every role.
const STATEMENT: usize = 14;

/// The statements of a role that are about the buckets.
fn grants(role: &str) -> Vec<Grant> {
    let template = template();
    let lines: Vec<String> = template.lines().map(str::to_owned).collect();
    let mut shared = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some(name) = line.trim().strip_prefix("- &").filter(|_| indentation(line) == STATEMENT) {
            shared.insert(name.to_owned(), statement(&lines, at));
        }
    }
    let mut own = resource(role);
    let delivered = resource("FromBucketPolicy");
    if delivered.iter().any(|line| line.contains(&format!("!Ref {role}"))) {
        own.extend(delivered);
    }
    let mut grants = Vec::new();
    for (at, line) in own.iter().enumerate().filter(|(_, line)| indentation(line) == STATEMENT) {
        match line.trim().strip_prefix("- ") {
            Some(item) if item.starts_with('*') => grants.push(shared[item.trim_start_matches('*')].clone()),
            Some(_) => grants.push(statement(&own, at)),
            None => {}
        }
    }
    grants.retain(|grant| grant.actions.iter().all(|action| action.starts_with("s3:")));
    assert!(!grants.is_empty(), "{role}");
    grants
}

/// The statement that begins at this line.
fn statement(lines: &[String], at: usize) -> Grant {
    let rest = lines.iter().skip(at + 1).take_while(|line| indentation(line) > STATEMENT);
    let lines: Vec<String> = lines.iter().skip(at).take(1).chain(rest).cloned().collect();
    let value = |key: &str| -> Vec<String> {
        let field = |line: &String| line.trim().trim_start_matches("- ").starts_with(&format!("{key}:"));
        let Some(at) = lines.iter().position(field) else { return Vec::new() };
        let (_, inline) = lines[at].split_once(':').unwrap();
        let inline = inline.trim();
        match inline.strip_prefix('[') {
            Some(list) => list.trim_end_matches(']').split(", ").map(str::to_owned).collect(),
            None if !inline.is_empty() => vec![inline.to_owned()],
            None => {
                let entries = lines.iter().skip(at + 1).map(|line| line.trim());
                entries.map_while(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
            }
        }
    };
    let place = |resource: &String| {
        if resource.trim_start_matches(['&', '*']).starts_with("landing") {
            return "landing".to_owned();
        }
        if let Some((place, _)) =
            resource.strip_prefix("!Sub [\"${Landing}").and_then(|place| place.split_once('"'))
        {
            return format!("landing{place}");
        }
        let place = resource.trim_start_matches("!Sub ").trim_start_matches("!GetAtt ");
        let place = place.replace("${", "").replace('}', "");
        let place = place.replace("WorkBucket.Arn", "work");
        place.replace("arn:AWS::Partition:s3:::FromBucket", "uploads")
    };
    Grant {
        sid: value("Sid").join(""),
        actions: value("Action"),
        resources: value("Resource").iter().map(place).collect(),
    }
}

/// Whether a text is of a pattern, in which `*` stands for anything.
pub(crate) fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|text| {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| is_like(rest, &text[at..]))
        }),
    }
}

impl Grant {
    /// The parts that allow a call.
    fn allowing<'a>(
        &'a self,
        action: &str,
        resource: &str,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        let is_allowed = self.actions.iter().any(|allowed| allowed == action);
        let found = self.resources.iter().find(|allowed| is_allowed && is_like(allowed, resource));
        let action = self.actions.iter().find(|allowed| *allowed == action);
        found
            .zip(action)
            .map(|(resource, action)| (self.sid.as_str(), action.as_str(), resource.as_str()))
            .into_iter()
    }
}

/// What IAM is asked for a call to S3 (Service authorization reference, Amazon S3): of a key that is not there, S3 says so
/// only to who may list.
fn asked(call: &Call) -> Vec<(&'static str, String)> {
    let bucket = call.bucket.clone().unwrap_or_default();
    let object = format!("{bucket}/{}", call.key.clone().unwrap_or_default());
    match call.operation {
        "GetObject" | "HeadObject" => vec![("s3:GetObject", object), ("s3:ListBucket", bucket)],
        "PutObject"
        | "CopyObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => vec![("s3:PutObject", object)],
        "DeleteObject" => vec![("s3:DeleteObject", object)],
        "AbortMultipartUpload" => vec![("s3:AbortMultipartUpload", object)],
        "ListParts" => vec![("s3:ListMultipartUploadParts", object)],
        "ListMultipartUploads" => vec![("s3:ListBucketMultipartUploads", bucket)],
        "ListObjectsV2" => vec![("s3:ListBucket", bucket)],
        other => panic!("{other} is called, and no role says anything of it"),
    }
}

/// What each step has asked of the buckets.
#[derive(Default)]
struct Asked {
    step: Mutex<Option<&'static str>>,
    calls: Mutex<BTreeSet<(&'static str, &'static str, String)>>,
}

impl Asked {
    fn at(&self, step: Option<&'static str>) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }
}

impl Intercept for Asked {
    fn before(&self, call: &Call) -> Before {
        if let Some(step) = *self.step.lock().unwrap_or_else(PoisonError::into_inner) {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.extend(asked(call).into_iter().map(|(action, resource)| (step, action, resource)));
        }
        Before::Proceed
    }
}

async fn world(setup: Setup, asked: &Arc<Asked>) -> World {
    asked.at(None);
    let intercept = Some(Arc::clone(asked) as Arc<dyn Intercept>);
    World::with_store(setup, Options { fsync: false, intercept }).await
}

/// Lands an event's job, step by step.
async fn lands(world: &World, event: Value, asked: &Arc<Asked>) {
    land_noting(&world.context, event, &|step| asked.at(Some(step))).await.unwrap();
    asked.at(None);
}

async fn sweeps(world: &World, event: Value, asked: &Arc<Asked>) -> sweep::Swept {
    let deadline = Deadline::none(world.clock.clone());
    asked.at(Some("sweep"));
    let token = world.simulator.refresh_token(credentials::BATCH_SCOPE).unwrap();
    let context = world.configured_anew(|config| config.replace("THE TOKEN", &token));
    let swept = sweep::sweep(&context, parse(event).unwrap(), &deadline).await.unwrap();
    asked.at(None);
    swept
}

async fn verifies(world: &World, asked: &Arc<Asked>) -> verify::Verified {
    let deadline = Deadline::none(world.clock.clone());
    asked.at(Some("verify"));
    let verified = verify::verify(&world.anew(), VerifyEvent::default(), &deadline).await.unwrap();
    asked.at(None);
    verified
}

/// A connection that shares a refresh token among its processes, of a pod in which jobs were started by others.
fn with_refresh_token() -> Setup {
    let auth = format!(
        "[connections.fusion-demo.auth]\ntoken_url = \"{{token_url}}\"\nclient_id = '{}'\nclient_secret = {}\n\
         grant = 'refresh_token'\nrefresh_token = 'THE TOKEN'",
        credentials::CLIENT_ID,
        toml_text(credentials::CLIENT_SECRET)
    );
    let scopes = Some(format!("batch = '{}'", credentials::BATCH_SCOPE));
    Setup { auth: Some(auth), scopes, ..Setup::default() }
}

/// Everything that a step can be made to ask of the buckets without damage, by every system and option.
async fn everything(asked: &Arc<Asked>) {
    for system in systems::ALL {
        let System { event, destination, small, .. } = system;
        let setup = Setup {
            scenario: Some(small()),
            destination: (*destination).to_owned(),
            epm: None,
            ..Setup::default()
        };
        let world = world(setup, asked).await;
        system.upload(&world).await;
        lands(&world, event(), asked).await;
        if destination.contains("parquet") {
            // The next job is written by the schema that the first has made.
            let mut next = event();
            next["run_key"] = json!("the-next");
            lands(&world, next, asked).await;
        }
        assert_eq!(verifies(&world, asked).await.findings, 0, "{}", system.kind);
        if let Some(manifest) = world.manifests().await.into_keys().next() {
            world.landing().await.delete(&manifest).await.unwrap();
        }
        assert_eq!(verifies(&world, asked).await.findings, 1, "{}", system.kind);
        world.end().await;
    }
    with_tokens(asked).await;
    with_deliveries(asked).await;
    with_somebody_to_tell(asked).await;
    by_a_description_in_the_bucket(asked).await;
    let inbox = world(Setup::default(), asked).await;
    inbox.work().await.put("inbox/a.csv", "ID\n1\n".into(), Condition::Always).await.unwrap();
    let object = json!({ "bucket": "work", "key": "inbox/a.csv" });
    let event = json!({
        "connection": "inbox", "export": { "kind": "file", "object": object }, "destination": "lake", "run_key": "inbox",
    });
    lands(&inbox, event, asked).await;
    inbox.end().await;
}

/// A sweep that is the first to see what others have put into a bucket.
async fn with_deliveries(asked: &Arc<Asked>) {
    let world = world(Setup::default(), asked).await;
    systems::DELIVERY.upload(&world).await;
    let event = json!({ "connection": "deliveries", "exports": ["*"], "destination": "lake" });
    assert_eq!(sweeps(&world, event, asked).await.jobs.len(), 1);
    world.end().await;
}

/// Runs of which somebody is told, by each step that can fail.
async fn with_somebody_to_tell(asked: &Arc<Asked>) {
    let world = world(Setup::default(), asked).await;
    let receiver = Scripted::replies(vec![Reply::status(200)]).await;
    let notify = format!("[[destinations.lake.notify]]\nwebhook = '{}'\n[lineage]", receiver.url("/hook"));
    let context = world.configured_anew(|config| format!("{config}\n{notify}"));
    let refused = Error::integrity("too few rows");
    let run = About::event(&landfall_tests::run_event());
    asked.at(Some(Step::Submit.name()));
    failure::note(&context, Step::Submit, &run, &refused).await;
    asked.at(None);
    land_noting(&context, landfall_tests::run_event(), &|step| asked.at(Some(step))).await.unwrap();
    let id = world.simulator.jobs()[0].id.to_string();
    let job = JobRef { connection: "fusion-demo".parse().unwrap(), job_request_id: id.parse().unwrap() };
    for step in [Step::PollStatus, Step::FetchFiles, Step::UnpackUpload, Step::Publish] {
        asked.at(Some(step.name()));
        failure::note(&context, step, &About::job(&job), &refused).await;
    }
    asked.at(None);
    assert_eq!(receiver.count(), 6);
    world.end().await;
}

async fn by_a_description_in_the_bucket(asked: &Arc<Asked>) {
    let world = world(Setup::default(), asked).await;
    let text = landfall_systems::declared::builtin::text("fhir-bulk").unwrap();
    let object = "systems/fhir-bulk.toml";
    world.work().await.put(object, text.into(), Condition::Always).await.unwrap();
    let known = simulator::SYSTEMS.iter().find(|system| system.connection_name == "fhir-demo").unwrap();
    let mut connection = known.connection(world.simulator.endpoints());
    connection["description_object"] = json!("fhir-bulk.toml");
    let table = toml::to_string(&json!({ "connections": { "fhir-demo": connection } })).unwrap();
    let context = world.configured_anew(|config| format!("{config}\n{table}"));
    let event = systems::FHIR_BULK.event;
    land_noting(&context, event(), &|step| asked.at(Some(step))).await.unwrap();
    asked.at(Some("sweep"));
    let event = json!({ "connection": "fhir-demo", "exports": ["*"], "destination": "lake" });
    let deadline = Deadline::none(world.clock.clone());
    let error = sweep::sweep(&context, parse(event).unwrap(), &deadline).await.unwrap_err();
    assert!(error.line().contains("lists no jobs"), "{}", error.line());
    asked.at(None);
    world.end().await;
}

async fn with_tokens(asked: &Arc<Asked>) {
    let world = world(with_refresh_token(), asked).await;
    let token = world.simulator.refresh_token(credentials::BATCH_SCOPE).unwrap();
    let context = world.configured_anew(|config| config.replace("THE TOKEN", &token));
    let noted = |step: &'static str| asked.at(Some(step));
    land_noting(&context, landfall_tests::run_event(), &noted).await.unwrap();
    let id = world.simulator.jobs()[0].id.to_string();
    let job = JobRef { connection: "fusion-demo".parse().unwrap(), job_request_id: id.parse().unwrap() };
    for (step, error) in [
        (Step::FetchFiles, Error::not_found("expired")),
        (Step::UnpackUpload, Error::unsafe_archive("leaves its prefix")),
        (Step::Publish, Error::integrity("too few rows")),
    ] {
        asked.at(Some(step.name()));
        failure::note(&context, step, &About::job(&job), &error).await;
    }
    let event = json!({
        "connection": "fusion-demo", "exports": ["*"], "destination": "lake", "allow_empty": true,
        "told": [{ "job_request_id": "1", "status": "ERROR" }],
    });
    let swept = sweeps(&world, event, asked).await;
    assert!(!swept.jobs.is_empty() && swept.landed == 1, "{swept:?}");
    world.end().await;
}

/// What is granted, and asked for only where something goes wrong or is of another size.
const RARE: &[(&str, &str, &str)] = &[
    // Uploads of invocations that have died, staged objects of other bytes, large files.
    ("FetchFilesRole", "s3:AbortMultipartUpload", "work/jobs/*/staged/*"),
    ("FetchFilesRole", "s3:DeleteObject", "work/jobs/*/staged/*"),
    ("FetchFilesRole", "s3:DeleteObject", "work/jobs/*/checkpoints/fetch/*"),
    // What is gone in the middle of a job, and jobs that were named wrongly.
    ("FetchFilesRole", "s3:GetObject", "work/jobs/*/receipts/*"),
    ("UnpackUploadRole", "s3:DeleteObject", "work/jobs/*/receipts/*"),
    ("SubmitRole", "s3:DeleteObject", "work/jobs/*/job.json"),
    ("FetchFilesRole", "s3:ListMultipartUploadParts", "work/jobs/*/staged/*"),
    ("FetchFilesRole", "s3:PutObject", "work/jobs/*/checkpoints/fetch/*"),
    // Files that were damaged on their way.
    ("FetchFilesRole", "s3:GetObject", "work/jobs/*/checkpoints/damaged/*"),
    ("FetchFilesRole", "s3:PutObject", "work/jobs/*/checkpoints/damaged/*"),
    ("UnpackUploadRole", "s3:PutObject", "work/jobs/*/checkpoints/damaged/*"),
    // A process keeps a token, and what it has taken of a budget: here all steps are one, and the first of them asks.
    ("FetchFilesRole", "s3:GetObject", "work/budgets/*"),
    ("FetchFilesRole", "s3:PutObject", "work/budgets/*"),
    ("FetchFilesRole", "s3:GetObject", "work/tokens/*"),
    ("FetchFilesRole", "s3:PutObject", "work/tokens/*"),
    ("PollStatusRole", "s3:GetObject", "work/budgets/*"),
    ("PollStatusRole", "s3:PutObject", "work/budgets/*"),
    ("PollStatusRole", "s3:GetObject", "work/tokens/*"),
    ("PollStatusRole", "s3:PutObject", "work/tokens/*"),
    // A job that somebody else submitted is recorded by the step that sees it first.
    ("FetchFilesRole", "s3:PutObject", "work/jobs/*/outcome.json"),
    // All steps may list both buckets.
    ("PollStatusRole", "s3:ListBucket", "landing"),
    // Lists of records, and files to upload.
    ("SubmitRole", "s3:GetObject", "work/inputs/*"),
    // Archives of wrong bytes, large ones, and those of very many members.
    ("PublishRole", "s3:AbortMultipartUpload", "landing/*/_manifest.json"),
    ("UnpackUploadRole", "s3:AbortMultipartUpload", "landing/*"),
    ("UnpackUploadRole", "s3:AbortMultipartUpload", "work/jobs/*/receipts/*"),
    ("UnpackUploadRole", "s3:DeleteObject", "landing/*"),
    ("UnpackUploadRole", "s3:ListBucketMultipartUploads", "landing"),
    ("UnpackUploadRole", "s3:PutObject", "work/jobs/*/checkpoints/unpack/*"),
];

/// Each step may do what it does, whatever the system and the options; and of what it may do, nothing is left that it
/// does not do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_allows_what_its_step_does_and_nothing_else() {
    let asked = Arc::new(Asked::default());
    everything(&asked).await;
    let calls = asked.calls.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (mut refused, mut unused) = (BTreeSet::new(), BTreeSet::new());
    for (step, role) in [
        (Step::Submit, "SubmitRole"),
        (Step::PollStatus, "PollStatusRole"),
        (Step::FetchFiles, "FetchFilesRole"),
        (Step::UnpackUpload, "UnpackUploadRole"),
        (Step::Publish, "PublishRole"),
        (Step::Sweep, "SweepRole"),
        (Step::Verify, "VerifyRole"),
    ] {
        let grants = grants(role);
        let mut used = BTreeSet::new();
        for (_, action, place) in calls.iter().filter(|(caller, _, _)| *caller == step.name()) {
            let allowing: Vec<_> = grants.iter().flat_map(|grant| grant.allowing(action, place)).collect();
            if allowing.is_empty() {
                refused.insert((role, *action, place.clone()));
            }
            used.extend(allowing);
        }
        for grant in &grants {
            for (action, place) in grant
                .actions
                .iter()
                .flat_map(|action| grant.resources.iter().map(move |place| (action, place)))
            {
                if !used.contains(&(grant.sid.as_str(), action.as_str(), place.as_str())) {
                    unused.insert((role, action.clone(), place.clone()));
                }
            }
        }
    }
    assert!(refused.is_empty(), "these may not be called: {refused:#?}");
    let rare: BTreeSet<_> =
        RARE.iter().map(|(role, action, place)| (*role, (*action).to_owned(), (*place).to_owned())).collect();
    assert_eq!(unused, rare, "granted, and not called");
}
