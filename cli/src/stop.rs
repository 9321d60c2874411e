//! Ctrl-C and SIGTERM: whatever is under way is dropped, which every step survives.

use std::io;

use landfall::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, Signal};

/// Does the work, unless a signal comes first.
pub(crate) async fn unless_stopped<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let stopped = next_signal().map_err(|error| {
        Failure::from(Error::invalid_config("this process cannot listen for signals").because(error))
    })?;
    tokio::select! {
        outcome = work => outcome,
        signal = stopped => Err(Failure::Stopped(signal)),
    }
}

/// Waits for a signal. From this call on, not from the first poll, signals do not end the process by themselves.
pub(crate) fn next_signal() -> io::Result<impl Future<Output = Signal>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Signal::Interrupt,
            _ = terminate.recv() => Signal::Terminate,
        }
    })
}
