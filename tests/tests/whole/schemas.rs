//! The contract as JSON Schema: `schemas/` is what the types say, and the sample events are what the steps take.

use std::path::{Path, PathBuf};

use landfall::ErrorType;
use landfall::event::{FileEvent, JobEvent, RunEvent, parse};
use landfall::registered::Registered;
use landfall_systems::SYSTEMS;
use landfall_systems::declared::builtin;
use landfall_systems::declared::description::{self, Form, KeyForm, TableForm};
use schemars::{JsonSchema, SchemaGenerator, schema_for};
use serde_json::{Map, Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The schema of a type. Where it has an export in it, that is one of the kinds that the systems register.
fn schema<T: JsonSchema>() -> String {
    let mut schema = schema_for!(T);
    if schema.pointer("/$defs/Export").is_some() {
        let mut generator = SchemaGenerator::default();
        let export = SYSTEMS.export_schema(&mut generator);
        schema = generator.into_root_schema_for::<T>();
        *schema.pointer_mut("/$defs/Export").unwrap() = export.to_value();
    }
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

/// The schema of descriptions, for editors.
fn description_schema() -> Value {
    let mut named = Map::new();
    let mut schema = schema_of_table(&description::FORM, &mut named);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Description");
    schema["$defs"] = Value::Object(named);
    schema
}

/// The schema of a table: it has its keys and no others.
fn schema_of_table(table: &TableForm, named: &mut Map<String, Value>) -> Value {
    let mut property = |key: &KeyForm| {
        let mut schema = schema_of(&key.form, named);
        schema["description"] = json!(key.about.trim());
        (key.name().to_owned(), schema)
    };
    let properties: Map<String, Value> = table.keys.iter().map(&mut property).collect();
    let needed = table.keys.iter().filter(|key| key.is_needed()).map(KeyForm::name);
    json!({
        "type": "object", "description": table.about.trim(), "properties": properties,
        "required": needed.collect::<Vec<_>>(), "additionalProperties": false,
    })
}

fn schema_of(form: &Form, named: &mut Map<String, Value>) -> Value {
    match form {
        Form::Text => json!({ "type": "string" }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Number => json!({ "type": "integer", "minimum": 0 }),
        Form::Any => json!({}),
        Form::Words(words) => json!({ "enum": words() }),
        Form::Several(one) => {
            let one = schema_of(one, named);
            json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
        }
        Form::Entries(one) => json!({ "type": "object", "additionalProperties": schema_of(one, named) }),
        Form::Called(name, about, form) => {
            let mut schema = schema_of(form, named);
            schema["description"] = json!(about);
            refer_to(name, schema, named)
        }
        Form::Table(table) => {
            let schema = schema_of_table(table, named);
            refer_to(table.name, schema, named)
        }
        Form::OneOf(forms) => {
            json!({ "anyOf": forms.iter().map(|form| schema_of(form, named)).collect::<Vec<_>>() })
        }
    }
}

fn refer_to(name: &str, schema: Value, named: &mut Map<String, Value>) -> Value {
    named.insert(name.to_owned(), schema);
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn contract() -> [(&'static str, String); 18] {
    [
        ("submit.event", schema::<RunEvent>()),
        ("submit.result", schema::<submit::Submitted>()),
        ("poll-status.event", schema::<JobEvent>()),
        ("poll-status.result", schema::<poll_status::Polled>()),
        ("fetch-files.event", schema::<fetch_files::FetchEvent>()),
        ("fetch-files.result", schema::<fetch_files::FetchedFiles>()),
        ("unpack-upload.event", schema::<unpack_upload::UnpackEvent>()),
        ("unpack-upload.result", schema::<unpack_upload::Unpacked>()),
        ("publish.event", schema::<JobEvent>()),
        ("publish.result", schema::<publish::Published>()),
        ("register-table.event", schema::<JobEvent>()),
        ("register-table.result", schema::<Registered>()),
        ("sweep.event", schema::<sweep::SweepEvent>()),
        ("sweep.result", schema::<sweep::Swept>()),
        ("verify.event", schema::<verify::VerifyEvent>()),
        ("verify.result", schema::<verify::Verified>()),
        ("manifest", schema::<publish::Manifest>()),
        ("notification", schema::<landfall::notify::Notification>()),
    ]
}

/// What is published of the contract is what the code does. `LANDFALL_WRITE_SCHEMAS=1` writes the files anew.
#[test]
fn the_schemas_are_those_of_the_types() {
    let folder = root().join("schemas");
    let write = std::env::var_os("LANDFALL_WRITE_SCHEMAS").is_some();
    let errors = serde_json::to_string_pretty(&schema_for!(ErrorType)).unwrap() + "\n";
    let descriptions = serde_json::to_string_pretty(&description_schema()).unwrap() + "\n";
    for (name, schema) in
        contract().into_iter().chain([("error-type", errors), ("description", descriptions)])
    {
        let path = folder.join(format!("{name}.json"));
        if write {
            std::fs::write(&path, &schema).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            kept, schema,
            "schemas/{name}.json is not what the types say: LANDFALL_WRITE_SCHEMAS=1 cargo test --workspace --test whole schemas"
        );
    }
}

/// What an editor holds against the schema of descriptions: those that hold are of it, and words that are none are not.
#[test]
fn descriptions_are_of_their_schema() {
    let validator = jsonschema::validator_for(&description_schema()).unwrap();
    let of_text = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    let mut texts: Vec<String> =
        builtin::all().map(|known| builtin::text(&known.name).unwrap().to_owned()).collect();
    for file in root().join("docs/guide/descriptions").read_dir().unwrap() {
        texts.push(std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    assert!(texts.len() >= 9, "{}", texts.len());
    for text in &texts {
        let wrong: Vec<String> = validator
            .iter_errors(&of_text(text))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{text}: {wrong:#?}");
    }
    for (from, to) in [
        ("means =", "meens ="),
        ("\"succeeded\"", "\"suceeded\""),
        ("[poll]", "[pole]"),
        ("each =", "eech ="),
    ] {
        let bent = texts[0].replace(from, to);
        assert_ne!(bent, texts[0], "{from}");
        assert!(!validator.is_valid(&of_text(&bent)), "{to}");
    }
}

/// Every sample event is one that its function takes, and every file in `events/` is known here.
#[test]
fn the_sample_events_are_events() {
    for entry in std::fs::read_dir(root().join("events")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let event: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let refused = match name.as_str() {
            run if run.starts_with("run-") || run == "submit" => {
                parse::<RunEvent>(event).and_then(|run| SYSTEMS.spec(&run.export)).err()
            }
            "poll-status" | "publish" => parse::<JobEvent>(event).err(),
            "fetch-files" => parse::<fetch_files::FetchEvent>(event).err(),
            "sweep" => parse::<sweep::SweepEvent>(event).err(),
            "verify" => parse::<verify::VerifyEvent>(event).err(),
            "unpack-upload" => parse::<FileEvent>(event).err(),
            "unpack-upload-s3" => parse::<unpack_upload::UnpackEvent>(event).err(),
            other => panic!("events/{other}.json is not known to this test"),
        };
        assert!(refused.is_none(), "{name}: {}", refused.unwrap().line());
    }
}
