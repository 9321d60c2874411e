//! What the command line says of itself: help with where the documentation is, completions, man pages.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Command, CommandFactory as _, FromArgMatches as _};
use landfall::{Error, Result};

use crate::Arguments;
use crate::arguments::{Completions, Man};

/// The page that each command is told on; all others are on the first.
const PAGE: &str = "docs/guide/command-line.md";
const PAGES: [(&str, &str); 11] = [
    ("init", "docs/guide/configuration.md"),
    ("run", "docs/guide/events.md"),
    ("serve", "docs/guide/events.md"),
    ("sweep", "docs/guide/events.md"),
    ("unpack", "docs/systems/local.md"),
    ("status", "docs/operating.md"),
    ("verify", "docs/operating.md"),
    ("report", "docs/operating.md"),
    ("dashboard", "docs/operating.md"),
    ("systems", "docs/systems/declared.md"),
    ("schema", "docs/guide/landed-forms.md"),
];

/// The command line, with what its help says beyond the arguments.
pub(crate) fn command() -> Command {
    let command = Arguments::command();
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = with_pages(command, &[PAGE]);
    names.into_iter().fold(command, |command, name| {
        let own = PAGES.iter().find(|(of, _)| *of == name).map(|(_, page)| *page);
        let pages: Vec<&str> = [PAGE].into_iter().chain(own).collect();
        command.mut_subcommand(name, |command| with_pages(command, &pages))
    })
}

fn with_pages(command: Command, pages: &[&str]) -> Command {
    let before = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_help(format!("{before}\n\nDocumentation: {}", pages.join(", ")))
}

/// Reads the arguments of a process, the program's own name first.
pub(crate) fn parse(arguments: Vec<OsString>) -> clap::error::Result<Arguments> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The completions of a shell.
pub(crate) fn completions(arguments: &Completions, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "landfall", &mut script);
    out.write_all(&script)
}

/// The man page of the program, or of one of its commands.
pub(crate) fn man(arguments: &Man) -> Result<Vec<u8>> {
    let mut command = command();
    // Names what the pages of commands are called by.
    command.build();
    let page = match &arguments.command {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).cloned();
            let found = found.ok_or_else(|| Error::invalid_event(format!("there is no command {name}")))?;
            found.display_name(format!("landfall-{name}"))
        }
    };
    let mut roff = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut roff);
    rendered.map(|()| roff).map_err(|error| Error::invalid_event("the page cannot be made").because(error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use clap_complete::Shell;

    use super::*;

    fn names() -> BTreeSet<String> {
        command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
    }

    /// Whoever asks for help is told where more is: a page that is there, and says something of the command.
    #[test]
    fn every_help_names_pages_that_tell_of_the_command() {
        let names = names();
        for (name, _) in PAGES {
            assert!(names.contains(name), "{name}");
        }
        for command in command().get_subcommands() {
            let help = command.get_after_help().unwrap().to_string();
            let (examples, pages) = help.split_once("\n\nDocumentation: ").unwrap();
            assert!(examples.contains("landfall "), "{help}");
            for page in pages.split(", ") {
                let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
                let text = std::fs::read_to_string(text).unwrap();
                let name = command.get_name();
                assert!(
                    text.contains(&format!("landfall {name}")) || text.contains(&format!("`{name}`")),
                    "{page} says nothing of {name}"
                );
            }
        }
    }

    /// Each shell completes each command.
    #[test]
    fn completions_know_every_command() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let mut script = Vec::new();
            completions(&Completions { shell }, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            for name in names() {
                assert!(script.contains(&name), "{shell}: {name}");
            }
        }
    }

    /// Each command has a man page, with its options and an example.
    #[test]
    fn man_knows_every_command() {
        let of = |name: Option<&str>| {
            let page = man(&Man { command: name.map(str::to_owned) }).unwrap();
            String::from_utf8(page).unwrap().replace("\\-", "-")
        };
        let whole = of(None);
        for name in names() {
            assert!(whole.contains(&format!("landfall-{name}(1)")), "{name}: {whole}");
            let page = of(Some(&name));
            assert!(page.contains(&format!(".TH landfall-{name} 1")), "{page}");
            assert!(page.contains("--help") && page.contains(&format!("landfall {name}")), "{page}");
        }
        assert_eq!(
            man(&Man { command: Some("nothing".to_owned()) }).unwrap_err().error_type().name(),
            "InvalidEvent"
        );
    }
}
