//! `landfall init`: a configuration and an event of a system, to be filled in.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use landfall::{Error, Result};

use crate::arguments::Init;

const STORES: &str = include_str!("init/stores.toml");
const CONFIGURATION: &str = "landfall.toml";
const EVENT: &str = "event.json";

/// What an export of a system begins with.
#[derive(Debug, Clone, Copy)]
struct Beginning {
    /// As the command names it: an export's kind, or a described system.
    system: &'static str,
    /// The connection's configuration.
    connection: &'static str,
    /// An event, as the simulator takes it too.
    event: &'static str,
}

macro_rules! beginning {
    ($system:literal, $connection:literal, $event:literal) => {
        Beginning {
            system: $system,
            connection: include_str!(concat!("init/", $connection)),
            event: include_str!(concat!("../../events/", $event)),
        }
    };
}

const BEGINNINGS: [Beginning; 13] = [
    beginning!("fusion_extract", "fusion.toml", "run-fusion-extract.json"),
    beginning!("fusion_rest", "fusion_rest.toml", "run-fusion-rest.json"),
    beginning!("epm_job", "epm.toml", "run-epm-job.json"),
    beginning!("folio_export", "folio.toml", "run-folio-export.json"),
    beginning!("delivery", "delivery.toml", "run-delivery.json"),
    beginning!("fhir-bulk", "declared.toml", "run-fhir-bulk.json"),
    beginning!("marketo-leads", "declared.toml", "run-marketo-leads.json"),
    beginning!("netsuite-async", "declared.toml", "run-netsuite-async.json"),
    beginning!("oracle-extract", "declared.toml", "run-oracle-extract.json"),
    beginning!("salesforce-bulk", "declared.toml", "run-salesforce-bulk.json"),
    beginning!("shopify-bulk", "declared.toml", "run-shopify-bulk.json"),
    beginning!("sp-api-reports", "declared.toml", "run-sp-api-reports.json"),
    beginning!("stripe-reports", "declared.toml", "run-stripe-reports.json"),
];

/// The systems that there is a beginning of.
pub(crate) fn systems() -> [&'static str; 13] {
    BEGINNINGS.map(|beginning| beginning.system)
}

impl Beginning {
    /// The connection that the event names.
    fn connection_name(&self) -> Option<&'static str> {
        self.event.split("\"connection\": \"").nth(1)?.split('"').next()
    }

    fn configuration(&self) -> String {
        let name = self.connection_name().unwrap_or("source");
        let connection =
            self.connection.replace("CONNECTION", name).replace("\"SYSTEM\"", &format!("{:?}", self.system));
        connection + STORES
    }

    /// The environment variables that the configuration reads.
    fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.connection.split("${").skip(1).filter_map(|rest| rest.split('}').next())
    }

    /// What is to be done with the files.
    fn next(&self, folder: &Path) -> String {
        let file = |name: &str| crate::arguments::as_word(&folder.join(name).display().to_string());
        let (configuration, event) = (file(CONFIGURATION), file(EVENT));
        let connection = self.connection_name().unwrap_or("source");
        let variables: String = self.variables().map(|name| format!(", and set {name}")).collect();
        format!(
            "wrote {configuration}: fill in what it marks with FILL IN{variables}\n\
             wrote {event}: what to export; its run_key names it, and one run key is exported once\n\
             to try it without a source: landfall run {event} --simulate\n\
             to check the connection:    landfall check {connection} --config {configuration}\n\
             to land it:                 landfall run {event} --config {configuration}\n"
        )
    }
}

/// Writes both files, and says what to do with them. What is there already is left as it is, and is an error.
pub(crate) fn init(arguments: &Init) -> Result<String> {
    let unknown = || Error::invalid_event(format!("there is no system {:?}", arguments.system));
    let beginning =
        BEGINNINGS.iter().find(|beginning| beginning.system == arguments.system).ok_or_else(unknown)?;
    let Init { folder, .. } = arguments;
    std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, error))?;
    for name in [CONFIGURATION, EVENT] {
        if folder.join(name).exists() {
            return Err(is_there(&folder.join(name)));
        }
    }
    write(&folder.join(CONFIGURATION), &beginning.configuration())?;
    write(&folder.join(EVENT), beginning.event)?;
    Ok(beginning.next(folder))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => cannot_write(path, error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| cannot_write(path, error))
}

fn is_there(path: &Path) -> Error {
    Error::invalid_event(format!(
        "{} is there already, and stays as it is: name another folder with --folder",
        path.display()
    ))
}

fn cannot_write(path: &Path, error: std::io::Error) -> Error {
    Error::invalid_event(format!("{} cannot be written", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall::clock::SystemClock;
    use landfall::config::ConfigProvider;
    use landfall::context::Context;
    use landfall::event::{RunEvent, parse};
    use landfall_systems::SYSTEMS;
    use landfall_systems::declared::builtin;

    use super::*;

    /// The configuration, with what it proposes for stores.
    fn with_stores(configuration: &str) -> String {
        let proposed = ["# [", "# bucket", "# type", "# form"];
        let line = |line: &str| match proposed.iter().any(|begin| line.starts_with(begin)) {
            true => line.trim_start_matches("# ").to_owned() + "\n",
            false => line.to_owned() + "\n",
        };
        configuration.lines().map(line).collect()
    }

    /// What is written is a configuration once its blanks are filled in, its event is one, and its connection runs the
    /// event's export; and so is what it proposes for stores.
    #[tokio::test]
    async fn what_is_written_is_what_landfall_reads() {
        for beginning in BEGINNINGS {
            let filled = with_stores(&beginning.configuration());
            let filled = beginning
                .variables()
                .fold(filled, |text, name| text.replace(&format!("${{{name}}}"), "a secret"));
            let provider = ConfigProvider::from_toml(&filled, "what init wrote").unwrap();
            let context = Context::new(provider, Arc::new(SystemClock), &SYSTEMS);
            let event: RunEvent = parse(serde_json::from_str(beginning.event).unwrap()).unwrap();
            let source =
                context.source(&event.connection).await.unwrap_or_else(|error| panic!("{}", error.line()));
            context.landing(&event.destination).await.unwrap_or_else(|error| panic!("{}", error.line()));
            source.accepts(&event.export).unwrap_or_else(|error| panic!("{}", error.line()));
            assert!(!filled.contains("CONNECTION") && !filled.contains("SYSTEM\""), "{filled}");
        }
    }

    /// Every kind of export that a source runs, and every description that comes with landfall, has a beginning.
    #[test]
    fn every_system_has_a_beginning() {
        let kinds = SYSTEMS.kinds().map(|kind| kind.capabilities());
        let kinds =
            kinds.filter(|kind| !matches!(kind.kind, "declared" | "file")).map(|kind| kind.kind.to_owned());
        for system in kinds.chain(builtin::all().map(|system| system.name.clone())) {
            assert!(systems().contains(&system.as_str()), "{system}");
        }
    }
}
