//! The columns of an export, as the work bucket knows them.

use serde_json::{Value, json};

use crate::machine::{Machine, pod, run_event, text};

/// Lands two files of one export, of which the second has a column more and wider amounts.
async fn landed(machine: &Machine) {
    for (folder, rows) in [("one", "ID,AMOUNT\n1,10.50\n2,\n"), ("two", "ID,AMOUNT,NOTE\n3,0.0001,x\n4,1,\n")]
    {
        std::fs::create_dir(machine.path(folder)).unwrap();
        let file = machine.file(&format!("{folder}/orders.csv"), rows);
        assert_eq!(machine.landfall(&["unpack", text(&file), "--columns"]).await.code, 0);
    }
}

/// Promise 5: what has changed, and by which job, can be looked up, by people and by programs.
#[tokio::test]
async fn versions_and_their_differences_are_shown() {
    let machine = Machine::new();
    let unknown = machine.landfall(&["schema", "local", "orders", "--json"]).await;
    assert_eq!(unknown.error(), (1, "NotFound".to_owned()));
    landed(&machine).await;

    let lines = machine.landfall(&["schema", "local", "orders", "--json"]).await.lines();
    let numbers: Vec<_> = lines.iter().map(|version| version["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2]);
    let (first, second) = (lines[0]["made_by"].as_str().unwrap(), lines[1]["made_by"].as_str().unwrap());
    let shown = machine.landfall(&["schema", "local", "orders"]).await.out;
    let expected = format!(
        "orders on local: version 2, made by job {second}\n\
         \n\
         table 1\n\
         \u{20} COLUMN  TYPE           LACKED BY   KNOWN FROM\n\
         \u{20} ID      BIGINT         none        observed\n\
         \u{20} AMOUNT  DECIMAL(20,4)  rows        observed\n\
         \u{20} NOTE    VARCHAR        whole jobs  observed\n\
         \n\
         version 2, made by job {second}\n\
         \u{20} column \"AMOUNT\" was DECIMAL(18,2) and now takes DECIMAL(20,4), first in row 1 of \
         \"local/orders/{second}/orders.csv\"\n\
         \u{20} column \"NOTE\" is new, a VARCHAR\n\
         \n\
         version 1, made by job {first}\n\
         \u{20} the first\n"
    );
    assert_eq!(shown, expected);
    let shown = machine.landfall(&["schema", "local", "orders", "--number", "1"]).await.out;
    assert!(shown.contains("AMOUNT  DECIMAL(18,2)") && !shown.contains("NOTE    "), "{shown}");
    let beyond = machine.landfall(&["schema", "local", "orders", "--number", "3", "--json"]).await;
    assert_eq!(beyond.error(), (1, "NotFound".to_owned()));
}

/// Statements are made for each reader, with its own words for the types, of all jobs or of one. DuckDB runs them, and
/// others' are parsed, in `.ci/tables.py`.
#[tokio::test]
async fn statements_name_the_tables_and_where_they_are() {
    let machine = Machine::new();
    landed(&machine).await;
    let job = machine.landfall(&["schema", "local", "orders", "--json"]).await.lines()[1]["made_by"].clone();
    for (dialect, parts) in [
        (
            "duckdb",
            &[
                "CREATE TABLE \"orders\"",
                "\"AMOUNT\" DECIMAL(20,4)",
                "'s3://landing/local/orders/*/_manifest.json'",
            ][..],
        ),
        (
            "spark",
            &["CREATE TABLE `orders`", "`ID` BIGINT", "'s3://landing/local/orders/JOB/'", "`NOTE` STRING"],
        ),
        ("iceberg", &["USING iceberg", "`ID` BIGINT"]),
        ("athena", &["`ID` string", "OpenCSVSerde", "CAST(NULLIF(\"amount\", '') AS DECIMAL(20,4))"]),
        ("snowflake", &["\"ID\" NUMBER(18,0)", "COPY INTO \"orders\"", "TYPE = CSV"]),
    ] {
        let said = machine.landfall(&["schema", "local", "orders", "--sql", dialect]).await.out;
        for part in parts {
            assert!(said.contains(part), "{dialect}: {part} is not in\n{said}");
        }
    }
    let job = job.as_str().unwrap();
    let of_job = machine.landfall(&["schema", "local", "orders", "--sql", "duckdb", "--job", job]).await.out;
    assert!(of_job.contains(&format!("'s3://landing/local/orders/{job}/_manifest.json'")), "{of_job}");
}

/// Parquet files are read as such, and cast from their own types to the schema's.
#[tokio::test]
async fn parquet_files_are_read_as_such() {
    let machine = Machine::new();
    let file = machine.file("orders.csv", "ID,AMOUNT,Name\n1,10.50,x\n2,,y\n");
    assert_eq!(machine.landfall(&["unpack", text(&file), "--form", "parquet"]).await.code, 0);
    let line = machine.landfall(&["schema", "local", "orders", "--json"]).await.line();
    let job = line["made_by"].as_str().unwrap();
    for of_job in [&[][..], &["--job", job]] {
        for (dialect, parts) in [
            (
                "duckdb",
                &[
                    "\"AMOUNT\" DECIMAL(18,2)",
                    "CAST(NULLIF(CAST(\"AMOUNT\" AS VARCHAR), '') AS DECIMAL(18,2)) AS \"AMOUNT\"",
                    "FROM read_parquet(getvariable('objects'), union_by_name = true)",
                ][..],
            ),
            ("spark", &["USING parquet", "CAST(`AMOUNT` AS DECIMAL(18,2)) AS `AMOUNT`"]),
            ("iceberg", &["USING iceberg", "USING parquet"]),
            ("athena", &["`AMOUNT` decimal(18,2)", "`Name` string", "STORED AS PARQUET"]),
            ("snowflake", &["$1:\"AMOUNT\"::NUMBER(18,2)", "TYPE = PARQUET", "PATTERN = '.*[.]parquet'"]),
        ] {
            let arguments = [&["schema", "local", "orders", "--sql", dialect], of_job].concat();
            let said = machine.landfall(&arguments).await.out;
            for part in parts {
                assert!(said.contains(part), "{dialect}: {part} is not in\n{said}");
            }
            assert!(!said.contains("read_csv") && !said.contains("header"), "{dialect}:\n{said}");
        }
    }
}

/// Promise 5: a job that its export's declaration keeps back is refused by name, and goes on by what the error proposes.
#[tokio::test]
async fn a_job_that_does_not_fit_goes_on_by_what_is_proposed() {
    let machine = Machine::new();
    let (simulator, config) = pod(&machine, 36_000).await;
    let mut event: Value = serde_json::from_slice(&run_event("pod")).unwrap();
    event["export"]["columns"] = json!([{ "name": "NO SUCH COLUMN", "type": "DATE" }]);
    event["destination"] = json!("landing");
    let event = machine.file("event.json", event.to_string());
    let refused = machine.landfall(&["run", text(&event), "--config", text(&config), "--json"]).await;
    assert_eq!(refused.error(), (3, "SchemaChanged".to_owned()), "{}", refused.out);
    let id = refused.line()["job_request_id"].as_str().unwrap().to_owned();
    let message = refused.line()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&format!("`landfall resume pod {id} --on-schema-change widen`")), "{message}");
    let resume = ["resume", "pod", &id, "--on-schema-change", "widen", "--config", text(&config), "--json"];
    let landed = machine.landfall(&resume).await;
    assert_eq!(landed.code, 0, "{}", landed.out);
    assert!(!landed.line()["manifest"]["schema_changes"].as_array().unwrap().is_empty());
    drop(simulator);
}
