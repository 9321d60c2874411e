//! What a process costs: time, CPU, memory and disk, its descendants' included.

use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::Serialize;
use wait4::Wait4 as _;

use crate::failure::{Failure, Result, While as _};

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Usage {
    /// Seconds from its start to its end.
    pub(crate) wall_seconds: f64,
    /// CPU seconds in its own code.
    pub(crate) user_seconds: f64,
    /// CPU seconds in the kernel.
    pub(crate) system_seconds: f64,
    /// The most memory that one process of it held at a time.
    pub(crate) peak_bytes: u64,
    /// Bytes that it gave to a disk's file system.
    pub(crate) disk_bytes: u64,
}

impl Usage {
    /// All of its CPU seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// Runs a command to its end; what it printed, and what it used. One that fails is a failure, in its own last words.
pub(crate) fn run(command: &mut Command) -> Result<(String, Usage)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.while_doing(format_args!("starting {name}"))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let disk_bytes = wait_unreaped(&child).and_then(|()| disk_bytes(child.id()));
    let wall_seconds = began.elapsed().as_secs_f64();
    let ended = child.wait4().while_doing(format_args!("waiting for {name}"))?;
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if !ended.status.success() {
        let said = format!("{stdout}\n{stderr}");
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" / ");
        return Err(Failure::new(format!("{name} ended with {}: {last}", ended.status)));
    }
    let usage = Usage {
        wall_seconds,
        user_seconds: ended.rusage.utime.as_secs_f64(),
        system_seconds: ended.rusage.stime.as_secs_f64(),
        peak_bytes: ended.rusage.maxrss,
        disk_bytes: disk_bytes?,
    };
    Ok((stdout, usage))
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is all that there is to show.
            let _ = pipe.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Waits until the process has ended, and leaves it in the table of processes, where its counters still are.
fn wait_unreaped(child: &Child) -> Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), options).while_doing("waiting for a process").map(|_| ())
}

/// `write_bytes` of proc(5): what was sent to the storage layer, children that were waited for included.
fn disk_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/io");
    let text = std::fs::read_to_string(&path).while_doing(format_args!("reading {path}"))?;
    let bytes = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
    bytes.ok_or_else(|| Failure::new(format!("{path} has no write_bytes")))
}

/// A server of the bench's own, as a process of its own; it ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The port that it listens on.
    pub(crate) port: u16,
}

impl Server {
    /// Starts it, and waits until it has said its port.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = format!("{command:?}");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.while_doing(format_args!("starting {name}"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = std::io::BufReader::new(stdout);
            std::io::BufRead::read_line(&mut stdout, &mut line)
                .while_doing(format_args!("hearing of {name}"))?;
        }
        let port = line.trim().parse().while_doing(format_args!("reading the port of {name}"))?;
        Ok(Self { child, port })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose, and may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "No disk" is a claim: what counts a program's writes must see those of its children too.
    #[test]
    fn bytes_that_a_child_writes_are_counted() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/benches");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("measured");
        let script =
            format!("sh -c 'head -c 4194304 /dev/zero > {0}; sync {0}; rm {0}'; echo done", file.display());
        let (said, usage) = run(Command::new("sh").args(["-c", &script])).unwrap();
        assert_eq!(said, "done\n");
        assert!(usage.disk_bytes >= 4 << 20, "{usage:?}");
        let (_, idle) = run(&mut Command::new("true")).unwrap();
        // A page of a folder's own, for the time of an access, may be written in its name.
        assert!(idle.disk_bytes < 1 << 16, "{idle:?}");
        assert!(idle.peak_bytes > 0 && idle.wall_seconds > 0.0, "{idle:?}");
    }

    /// A contestant that fails has no figures.
    #[test]
    fn a_failure_is_told_in_the_programs_own_words() {
        let failed = run(Command::new("sh").args(["-c", "echo no such bucket >&2; exit 3"])).unwrap_err();
        assert!(failed.line().contains("no such bucket"), "{}", failed.line());
    }
}
