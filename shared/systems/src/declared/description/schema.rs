//! The form of a description as JSON Schema, for editors. What is wrong with names, and between fields, `check` finds alone.

use serde_json::{Map, Value, json};

use super::parse::{FILE_KINDS, KINDS, METHODS, PAGE, TIMES};
use crate::declared::table::{LIMITS, MEANINGS, STATES};

/// The schema.
pub fn schema() -> Value {
    let mut schema = table(
        "A system that landfall runs.",
        &[
            ("system!", system()),
            ("inputs", map("What an export says in `with`, by name.", &reference("input"))),
            (
                "window",
                table(
                    "What exports of a time, and increments, are of.",
                    &[
                        ("field!", text("What the time is of.")),
                        ("write", one_of("How a moment is written.", &TIMES)),
                    ],
                ),
            ),
            ("submit!", one_or_several(&reference("step"))),
            ("find!", find()),
            ("poll!", poll()),
            ("files!", one_or_several(&files())),
            ("download", download()),
            (
                "limits",
                table(
                    "What any call is answered that was not let in.",
                    &[
                        ("answer", reference("take")),
                        ("answers!", words("What a status or a word means.", &LIMITS)),
                    ],
                ),
            ),
            ("after", after()),
        ],
    );
    let take = "Where a value is taken from: status, header NAME, last-segment of …, json /pointer, json $.path; or the first of several.";
    let definitions = json!({
        "take": describe(take, one_or_several(&json!({ "type": "string" }))),
        "template": text("A text in which {name} stands for a value."),
        "json": { "description": "JSON in which texts are templates." },
        "templates": map("Templates by name.", &reference("template")),
        "call": call(),
        "pages": pages(),
        "input": input(),
        "step": step(),
    });
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        fields.insert("title".to_owned(), json!("Description"));
        fields.insert("$defs".to_owned(), definitions);
    }
    schema
}

/// A table with these keys and no others; a `!` behind one says that it must be there.
fn table(about: &str, keys: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = keys.iter().filter_map(|(key, _)| key.strip_suffix('!')).collect();
    let properties: Map<String, Value> =
        keys.iter().map(|(key, value)| (key.trim_end_matches('!').to_owned(), value.clone())).collect();
    json!({
        "type": "object", "description": about, "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn map(about: &str, value: &Value) -> Value {
    json!({ "type": "object", "description": about, "additionalProperties": value })
}

fn one_or_several(value: &Value) -> Value {
    json!({ "anyOf": [value, { "type": "array", "items": value, "minItems": 1 }] })
}

fn describe(about: &str, mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.insert("description".to_owned(), json!(about));
    }
    value
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn about(about: &str, name: &str) -> Value {
    describe(about, reference(name))
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn flag(about: &str) -> Value {
    json!({ "type": "boolean", "description": about })
}

fn texts(about: &str) -> Value {
    describe(about, one_or_several(&json!({ "type": "string" })))
}

fn one_of<T>(about: &str, known: &[(&str, T)]) -> Value {
    let known: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    json!({ "description": about, "enum": known })
}

/// A table of meaning: from what comes to one of these words.
fn words<T>(about: &str, known: &[(&str, T)]) -> Value {
    map(about, &one_of("What it means.", known))
}

fn system() -> Value {
    table(
        "What it is.",
        &[
            ("name!", text("Its name, as exports and connections have it: small letters, digits, hyphens.")),
            ("title!", text("What it is, for people.")),
            ("docs", text("Where its API is documented.")),
            ("hosts", texts("Other hosts that links lead to, which a connection has to allow.")),
            ("token_header", text("Where a token goes, if not into Authorization.")),
        ],
    )
}

fn input() -> Value {
    table(
        "Something that an export says.",
        &[
            ("kind", one_of("What it is; a text, if not said.", &KINDS)),
            ("about!", text("What it is for.")),
            ("required", flag("Whether it must be said.")),
            ("default", json!({ "description": "What it is where it is not said." })),
            ("one_of", texts("What it may be.")),
            ("window", flag("Whether {from} and {until} in it are the moments of the export's window.")),
        ],
    )
}

fn call() -> Value {
    let path = || {
        about(
            "The method, and the path: below base_url, or with a slash before it, below its host.",
            "template",
        )
    };
    let mut keys: Vec<(&str, Value)> = METHODS.iter().map(|(method, _)| (*method, path())).collect();
    keys.extend([
        (
            "query",
            about(
                "The parameters. One that is a name alone and stands for nothing is left out.",
                "templates",
            ),
        ),
        ("headers", about("The headers besides those of credentials and body.", "templates")),
        ("json", about("The body as JSON.", "json")),
        (
            "form",
            about(
                "The body as a form; a list in a field whose name ends in [] is the field several times.",
                "templates",
            ),
        ),
        ("xml", about("The body as XML.", "template")),
    ]);
    table("A call.", &keys)
}

fn pages() -> Value {
    table(
        "How a list goes on: by one of link, token and offset.",
        &[
            ("link", about("Where the link to the next page is.", "take")),
            ("token", about("Where the token of the next page is: {next}.", "take")),
            ("end", text("The token that ends the list; without it, none does.")),
            ("call", about("The call for further pages, where it is another.", "call")),
            ("offset", flag("Whether {next} is how many entries there were.")),
        ],
    )
}

fn step() -> Value {
    let keep = table(
        "A value that is kept.",
        &[
            ("take!", reference("take")),
            ("or", about("What stands for it where nothing was kept.", "template")),
        ],
    );
    table(
        "A call of the submission. The last one commits.",
        &[
            ("call!", reference("call")),
            ("commits", flag("Whether this one starts the job.")),
            ("id", about("Where the answer has the job's id.", "take")),
            (
                "keep",
                map("What is kept of the answer, by name.", &json!({ "anyOf": [reference("take"), keep] })),
            ),
            ("answer", about("Where the answer has a word of its own.", "take")),
            ("answers", words("What a status, or that word, means.", &MEANINGS)),
            ("message", about("Where a refusal says why.", "take")),
        ],
    )
}

fn find() -> Value {
    let by: [(&str, ()); 3] = [("repeat", ()), ("list", ()), ("person", ())];
    let wanted =
        table("What an entry must say.", &[("take!", reference("take")), ("is!", reference("template"))]);
    table(
        "How the job of a lost submission is found.",
        &[
            ("by!", one_of("By the same call, in a list, or by a person.", &by)),
            (
                "within_hours",
                json!({ "type": "integer", "minimum": 0, "description": "How long the source knows a key." }),
            ),
            ("call", about("The call for the list.", "call")),
            ("each", about("Where the list is.", "take")),
            ("id", about("Where an entry has the job's id.", "take")),
            ("pages", reference("pages")),
            ("match", one_or_several(&wanted)),
            ("look", text("Where a person looks.")),
        ],
    )
}

fn poll() -> Value {
    let several = |text: &str| describe(text, one_or_several(&reference("take")));
    table(
        "How a job's state is asked for.",
        &[
            ("call!", reference("call")),
            ("state", about("Where the state is; the HTTP status, if not said.", "take")),
            (
                "means!",
                words("What a state means. What is not named is unknown, and never success.", &STATES),
            ),
            ("progress", about("Where it is said how far the job is.", "take")),
            ("message", about("Where it is said why.", "take")),
            ("rows", about("Where the rows are counted, or \"of the files\".", "take")),
            ("partial_with", several("Any of which makes a success partial.")),
            ("empty_without", several("None of which makes a success empty.")),
            ("pages", reference("pages")),
            ("values", map("What is taken of it for the calls that list files.", &reference("take"))),
        ],
    )
}

fn after() -> Value {
    let call = |about: &str| {
        table(
            about,
            &[
                ("call!", reference("call")),
                ("answer", describe("Where the answer has a word of its own.", reference("take"))),
                ("answers", words("What a status, or that word, means.", &MEANINGS)),
                ("message", describe("Where it says why.", reference("take"))),
            ],
        )
    };
    table(
        "What is called when a job is over, or is to be.",
        &[
            ("landed", call("Tells the source that all of the job has landed.")),
            ("cancel", call("Cancels the job.")),
        ],
    )
}

fn files() -> Value {
    let ending = table(
        "What a word of the answer puts behind the file's name.",
        &[("take!", reference("take")), ("endings!", map("By word.", &json!({ "type": "string" })))],
    );
    let link = table(
        "A call for a link, made anew at each try.",
        &[
            ("file!", about("What the file is known by: {file}.", "take")),
            ("call!", reference("call")),
            ("url!", about("Where the answer has the link.", "take")),
            ("ending", ending),
        ],
    );
    table(
        "A list of files.",
        &[
            (
                "each!",
                about(
                    &format!("Where the list is; or {PAGE:?}, where each page of the call is a file."),
                    "take",
                ),
            ),
            ("call", about("The call for the list; without, it is in the poll's answer.", "call")),
            ("pages", reference("pages")),
            ("count", about("Where it is said how many entries it has: fewer are an error.", "take")),
            ("required", flag("Whether an answer without it is an error; it is, if not said.")),
            ("kind", one_of("What is in the files.", &FILE_KINDS)),
            ("values", map("What is taken of each entry, by name.", &reference("take"))),
            ("name!", about("The file's name.", "template")),
            ("size", about("Where its size is.", "take")),
            ("sha256", about("Where its SHA-256 is.", "take")),
            ("rows", about("Where its rows are counted.", "take")),
            ("url", about("Where its link is.", "take")),
            ("get", about("Its path.", "template")),
            ("link", link),
        ],
    )
}

fn download() -> Value {
    table(
        "How files are fetched.",
        &[
            (
                "credentials",
                describe(
                    "Whether credentials go along: true, false, or a take that says true.",
                    json!({
                        "anyOf": [{ "type": "boolean" }, reference("take")]
                    }),
                ),
            ),
            ("refuse_types", texts("Media types of what is an error and no file.")),
            ("refuse_starts", texts("Beginnings, without blanks, of what is an error and no file.")),
        ],
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::declared::description::parse;

    /// A description that says everything in one of its ways, with a key in each table that is none.
    const EVERYTHING: &str = r#"
zzz = 1
[system]
zzz = 1
name = "things"
[inputs.kind]
zzz = 1
[window]
zzz = 1
[submit]
zzz = 1
call = { zzz = 1 }
keep = { a = { zzz = 1 } }
[find]
zzz = 1
by = "list"
match = [{ zzz = 1 }]
pages = { zzz = 1 }
[poll]
zzz = 1
[files]
zzz = 1
link = { zzz = 1, ending = { zzz = 1 } }
[download]
zzz = 1
[limits]
zzz = 1
[after]
zzz = 1
landed = { zzz = 1 }
cancel = { zzz = 1 }
"#;

    fn resolved<'s>(schema: &'s Value, at: &'s Value) -> &'s Value {
        match at["$ref"].as_str() {
            Some(reference) => &schema["$defs"][reference.trim_start_matches("#/$defs/")],
            None => at,
        }
    }

    /// The keys of the table at a place of a description.
    fn keys(schema: &Value, path: &str) -> BTreeSet<String> {
        let mut at = schema;
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let name = step.split('[').next().unwrap();
            at = resolved(schema, at);
            at = at["properties"].get(name).unwrap_or(&at["additionalProperties"]);
            at = resolved(schema, at);
            if let Some(ways) = at["anyOf"].as_array() {
                let is_table = |way: &&Value| resolved(schema, way)["type"] == "object";
                at = ways.iter().find(is_table).unwrap();
            }
        }
        let properties = resolved(schema, at)["properties"].as_object();
        properties.unwrap_or_else(|| panic!("{path} is no table")).keys().cloned().collect()
    }

    /// What the schema lets an author write is what is read, in each table.
    #[test]
    fn each_table_has_the_keys_that_are_read() {
        let faults = parse("test", EVERYTHING).unwrap_err().faults;
        let schema = schema();
        let mut tables = 0;
        for fault in faults.iter().filter(|fault| fault.reason.starts_with("unknown key")) {
            let read = fault.reason.split("(keys: ").nth(1).unwrap().trim_end_matches(')');
            let read: BTreeSet<String> = read.split(", ").map(str::to_owned).collect();
            let path = fault.key.trim_end_matches("zzz").trim_end_matches('.');
            // How a job is found has keys of its own in each way.
            let known = keys(&schema, path);
            match path {
                "find" => assert!(known.is_superset(&read) && read.contains("match"), "{read:?}"),
                _ => assert_eq!(known, read, "{path}"),
            }
            tables += 1;
        }
        assert_eq!(tables, 19, "{faults:#?}");
    }
}
