//! A described system that lists very many files: the program itself takes no more memory than for any other source.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use landfall_tests::say;
use serde_json::{Value, json};

use crate::machine::Machine;

/// What landing anything may take.
const MAX_MEMORY: u64 = 128 << 20;
const FILES: usize = 100_000;
/// By then the list is frozen, and files are fetched by it.
const FETCHED: usize = 100;

/// Its links open files by themselves, so that the list is what they are found by.
const DESCRIPTION: &str = r#"
[system]
name = "lists"
title = "Lists"

[[submit]]
call = { post = "jobs", headers = { Idempotency-Key = "{mark}" }, json = {} }
commits = true
id = "json /id"

[find]
by = "repeat"

[poll]
call = { get = "jobs/{id}" }
state = "json /state"
means = { DONE = "succeeded" }

[[files]]
call = { get = "jobs/{id}/files", query = { page = "{next}" } }
pages = { token = "json /next" }
each = "json /files"
url = "json /url"
size = "json /bytes"
values = { label = "json /label" }
name = "{label}.csv"
"#;

/// A source of so many entries on each page.
struct Source {
    per_page: usize,
    fetched: AtomicUsize,
}

impl Source {
    fn start(per_page: usize) -> (Arc<Self>, String) {
        let source = Arc::new(Self { per_page, fetched: AtomicUsize::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/", listener.local_addr().unwrap());
        let served = Arc::clone(&source);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let source = Arc::clone(&served);
                // Whoever is killed asks for nothing more.
                std::thread::spawn(move || source.answer(stream.unwrap()).unwrap_or_default());
            }
        });
        (source, base_url)
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
        for line in head.to_ascii_lowercase().lines() {
            length = line.strip_prefix("content-length: ").map_or(length, |said| said.parse().unwrap());
        }
        reader.read_exact(&mut vec![0; length])?;
        let target = head.split(' ').nth(1).unwrap_or_default();
        let mut out = BufWriter::new(stream);
        write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\nDate: Sat, 21 Nov 2026 06:00:00 GMT\r\n")?;
        if target.starts_with("/files/") {
            self.fetched.fetch_add(1, Ordering::SeqCst);
            return write!(out, "Content-Type: text/csv\r\nContent-Length: 4\r\n\r\nH\n1\n");
        }
        write!(out, "Content-Type: application/json\r\n\r\n")?;
        match target.split_once("/files?page=").or_else(|| target.split_once("/files")) {
            None => write!(out, "{}", json!({ "id": "job-1", "state": "DONE" })),
            Some((_, page)) => self.list(&mut out, page.parse().unwrap_or_default()),
        }
    }

    /// A page, which is written as it is made.
    fn list(&self, out: &mut impl Write, page: usize) -> std::io::Result<()> {
        write!(out, "{{\"files\":[")?;
        let from = page * self.per_page;
        let to = (from + self.per_page).min(FILES);
        for number in from..to {
            let comma = if number > from { "," } else { "" };
            // A link such as storage signs them.
            let signed = "X-Signature=0123456789abcdef0123456789abcdef0123456789abcdef&X-Expires=3600";
            let url = format!("/files/part-{number:06}.csv?{signed}");
            write!(
                out,
                "{comma}{}",
                json!({ "url": url, "bytes": 4, "label": format!("part-{number:06}") })
            )?;
        }
        let next = if to < FILES { json!((page + 1).to_string()) } else { Value::Null };
        write!(out, "],\"next\":{next}}}")
    }
}

/// The most memory that a run takes until so many of its files are fetched, and the files that it has listed.
fn listed(per_page: usize) -> (u64, usize) {
    let machine = Machine::new();
    let (source, base_url) = Source::start(per_page);
    machine.file("lists.toml", DESCRIPTION);
    let config = format!(
        "[connections.lists]\ntype = \"declared\"\nsystem = \"lists\"\nbase_url = \"{base_url}\"\n\
         description_file = \"lists.toml\"\n"
    );
    machine.file("landfall.toml", config);
    let event = json!({
        "connection": "lists", "export": { "kind": "declared", "system": "lists" }, "destination": "lake",
        "run_key": "once",
    });
    machine.file("event.json", event.to_string());
    let said = machine.path("said");
    let mut command =
        machine.program(&["run", "event.json", "--json", "--data", "data", "--config", "landfall.toml"]);
    let process =
        command.stdout(File::create(&said).unwrap()).stderr(File::create(machine.path("stderr")).unwrap());
    let mut process = process.spawn().unwrap();
    while source.fetched.load(Ordering::SeqCst) < FETCHED {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "it has ended: {}", std::fs::read_to_string(&said).unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
    // Not what `wait4` tells: that has what the tests' own process had when it started this one.
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    let peak = peak.parse::<u64>().unwrap() << 10;
    process.kill().unwrap();
    process.wait().unwrap();
    let list = machine.files("data/work/jobs").into_iter().find(|(path, _)| path.ends_with("files.json"));
    let list: Value = serde_json::from_slice(&std::fs::read(list.unwrap().0).unwrap()).unwrap();
    (peak, list["files"].as_array().unwrap().len())
}

/// Promise 6: the memory that listing and fetching take is that of other sources, be the list of 100,000 files one answer or
/// a hundred.
#[test]
fn a_list_of_very_many_files_takes_little_memory() {
    for (case, per_page) in [("one page", FILES), ("100 pages", FILES / 100)] {
        let (peak, files) = listed(per_page);
        say(&format!(
            "{FILES} files listed on {case}, and {FETCHED} of them fetched: peak memory {} MiB",
            peak >> 20
        ));
        assert_eq!(files, FILES, "{case}");
        assert!(peak < MAX_MEMORY, "{case}: peak memory {peak} bytes");
    }
}
