//! The source systems, faithful down to their warts, with faults on demand.
//!
//! [`Simulator`] serves a Fusion pod (data extraction and REST resources), an EPM environment, FOLIO, a FHIR server,
//! Amazon's reports, and the identity domain that issues tokens for them, on one port of the loopback interface, over
//! plain HTTP. [`SYSTEMS`] lists them; each has a folder of its own, and all of these have one shape:
//!
//! | in a system's folder | |
//! |---|---|
//! | `README.md` | what of the real API is simulated, what is not, the switches, the sources of the facts |
//! | `api/` | the endpoints, as the documented API has them |
//! | `faults.rs` | what can be made to go wrong |
//! | `scenario.rs` | what it holds when nothing is wrong |
//! | `state.rs` | what it remembers, over a restart too |
//! | `inspect.rs` | what tests ask of it, past the API |
//!
//! A further system is such a folder, its `mod` line below, and its line in `registry.rs`.
//!
//! It knows nothing of landfall: it is an independent judge of what a client did, by its [`Journal`], and of
//! what should have landed, by [`Simulator::expected_files`].
//!
//! What is wrong with it is said by [`Faults`], what it holds by [`Scenario`], and who may use it by
//! [`credentials`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), simulator::Error> {
//! use simulator::{Faults, Simulator};
//!
//! let mut faults = Faults::default();
//! faults.submit.accept_then_drop = simulator::Times::First(1);
//! let simulator = Simulator::builder().faults(faults).start(0).await?;
//! assert!(simulator.base_url().starts_with("http://127.0.0.1:"));
//! assert_eq!(simulator.journal().jobs_submitted(), 0);
//! simulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod clock;
mod context;
pub mod credentials;
mod endpoints;
pub mod epm;
mod error;
pub mod faults;
pub mod fhir_bulk;
pub mod folio;
pub mod fusion_extract;
mod fusion_pod;
pub mod fusion_rest;
pub mod identity;
mod journal;
pub mod marketo;
pub mod netsuite;
mod operation;
pub mod oracle_extract;
mod registry;
mod response;
pub mod salesforce;
mod scenario;
mod server;
pub mod shopify;
mod simulator;
pub mod sp_api;
mod state;
mod store;
pub mod stripe;
mod switches;
mod system;
mod systems;
mod zip_writer;

pub use builder::Builder;
pub use clock::{Clock, ManualClock, SystemClock};
pub use endpoints::Endpoints;
pub use epm::faults::{
    EpmDownloadFaults, EpmFaults, EpmHref, EpmListFaults, EpmStatusFaults, EpmSubmitFaults, EpmUploadFaults,
    EpmVersionFaults, FailedBody, LogText, SignIn, StatusForm,
};
pub use epm::inspect::{EpmOutput, EpmSubmitted};
pub use epm::scenario::{EpmFormat, EpmScenario, PlantedFile};
pub use error::Error;
pub use faults::{Faults, Times};
pub use fhir_bulk::faults::{
    FhirDeleteFaults, FhirFaults, FhirFileFaults, FhirKickOffFaults, FhirStatusFaults,
};
pub use fhir_bulk::inspect::{FhirFile, FhirJob};
pub use fhir_bulk::scenario::FhirScenario;
pub use folio::faults::{
    Damage, Dialect, FolioArchive, FolioFaults, FolioLoginFaults, FolioOutputFaults, FolioStorageFaults,
    Platform,
};
pub use folio::inspect::{FolioFile, FolioJob, FolioMember};
pub use folio::scenario::{FolioProfile, FolioScenario};
pub use fusion_extract::inspect::SubmittedJob;
pub use fusion_extract::output::{ExpectedFile, ExpectedMember, Landing, MemberReader, write_archive};
pub use fusion_rest::faults::{Churn, RestFaults};
pub use fusion_rest::inspect::RestRow;
pub use fusion_rest::scenario::RestScenario;
pub use fusion_rest::state::Fate;
pub use journal::{Entry, JOURNAL_FILE, Journal};
pub use marketo::faults::MarketoFaults;
pub use marketo::inspect::MarketoJob;
pub use marketo::scenario::MarketoScenario;
pub use netsuite::faults::NetsuiteFaults;
pub use netsuite::inspect::NetsuiteJob;
pub use netsuite::scenario::NetsuiteScenario;
pub use operation::Operation;
pub use oracle_extract::faults::OracleFaults;
pub use oracle_extract::inspect::OracleJob;
pub use oracle_extract::scenario::OracleScenario;
pub use salesforce::faults::SalesforceFaults;
pub use salesforce::inspect::SalesforceJob;
pub use salesforce::scenario::SalesforceScenario;
pub use scenario::{Format, MemberSize, PlantedJob, Producer, Scenario};
pub use shopify::faults::ShopifyFaults;
pub use shopify::inspect::ShopifyJob;
pub use shopify::scenario::ShopifyScenario;
pub use simulator::Simulator;
pub use sp_api::faults::SpApiFaults;
pub use sp_api::inspect::SpApiJob;
pub use sp_api::scenario::SpApiScenario;
pub use stripe::faults::StripeFaults;
pub use stripe::inspect::StripeJob;
pub use stripe::scenario::StripeScenario;
pub use system::System;
pub use systems::SYSTEMS;
