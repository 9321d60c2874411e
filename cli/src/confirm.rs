//! Asking a person before anything is done that cannot be undone.

use std::io::{self, IsTerminal as _};

use landfall::{Error, Result};

use crate::progress::Progress;

/// Asks whoever sits at the terminal; nobody is asked where the answer was given with the command.
pub(crate) async fn confirm(progress: &Progress, question: &str, is_answered: bool) -> Result<()> {
    if is_answered {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Error::invalid_event(format!(
            "there is nobody to ask ({question}): add --yes, or look first with --dry-run"
        )));
    }
    progress.say(&format!("{question} [y/N]"));
    // A signal ends the command all the same.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    match read.await {
        Ok(Ok(answer)) if is_yes(&answer) => Ok(()),
        _ => Err(Error::invalid_event("nothing is done: the answer was no")),
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing but a clear yes is one.
    #[test]
    fn only_a_yes_is_one() {
        for (answer, yes) in
            [("y\n", true), ("Yes\r\n", true), ("", false), ("\n", false), ("no", false), ("ye", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
