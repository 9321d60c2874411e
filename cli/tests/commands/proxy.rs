//! Machines of companies have proxies in their environment. What is on the machine itself is not called through one, and a
//! source only where its connection says so.

use std::net::TcpListener;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::machine::Machine;

/// A proxy that counts who comes to it, and serves nobody.
struct Proxy {
    address: String,
    calls: Arc<AtomicUsize>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, calls }
    }

    /// Runs `landfall` with this proxy in its environment.
    fn landfall(&self, machine: &Machine, words: &[&str]) -> Output {
        let mut command = machine.program(words);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            command.env(name, &self.address);
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap()
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// One command lands on one machine, whatever the machine's environment says of proxies.
#[test]
fn a_store_on_this_machine_is_not_called_through_a_proxy() {
    let (machine, proxy) = (Machine::new(), Proxy::start());
    machine.file("a.csv", "H\n1\n");
    let done = proxy.landfall(&machine, &["unpack", "a.csv", "--data", "data"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(proxy.calls(), 0);
}

/// Promise 7: a proxy would look up the names that a server's answers lead to, and no address could be refused. So it is
/// a person who says that there is one.
#[test]
fn a_source_is_called_through_a_proxy_only_where_its_connection_says_so() {
    for (setting, is_used) in [("", false), ("proxy = \"none\",", false), ("proxy = \"environment\",", true)]
    {
        let (machine, proxy) = (Machine::new(), Proxy::start());
        let connection = format!(
            "[connections.epm]\ntype = \"epm\"\nbase_url = \"https://epm.invalid\"\n\
             basic = {{ username = \"u\", password = \"hush-hush\" }}\nhttp = {{ {setting} attempts = 1 }}\n"
        );
        machine.file("landfall.toml", connection);
        let done = proxy.landfall(&machine, &["check", "epm", "--config", "landfall.toml", "--data", "data"]);
        assert!(!done.status.success());
        assert_eq!(proxy.calls() > 0, is_used, "{setting}: {}", String::from_utf8_lossy(&done.stdout));
    }
}
