//! A store that has nothing and forgets what it is given: enough for a source to go on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;

use landfall::state::WorkState;
use landfall_store::{Store, StoreSettings};

/// The state of a pipeline that has just begun.
pub(crate) async fn work() -> WorkState {
    static ENDPOINT: LazyLock<String> = LazyLock::new(serve);
    let settings = serde_json::json!({
        "endpoint": *ENDPOINT,
        "region": "us-east-1",
        "access_key_id": "key",
        "secret_access_key": "key",
    });
    let settings: StoreSettings = serde_json::from_value(settings).expect("the settings hold");
    WorkState::new(Store::open("work", &settings).await)
}

fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&stream));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        let head = if first.starts_with("PUT") { "200 OK\r\nETag: \"1\"" } else { "404 Not Found" };
        // In one piece: the rest would wait for the first one's acknowledgement.
        stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    }
}
