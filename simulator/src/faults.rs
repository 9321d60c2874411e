//! The switches: what the simulated systems do wrong, and how often.
//!
//! [`Faults`] is one value for the library and for a JSON file. Every switch is off by default, so `{}` is
//! a pod on its best behaviour. Where the documentation is silent on what a pod does, a switch holds each
//! of the possible behaviours: a client has to survive all of them. What each switch does is said in its system's
//! folder.

use serde::{Deserialize, Serialize};

pub use crate::fusion_extract::faults::*;
pub use crate::identity::faults::{Grant, TokenFaults};
use crate::registry::for_each_system;
pub use crate::switches::{Outage, Throttle, Times};

macro_rules! define_faults {
    ($($(#[$doc:meta])* $key:ident: $folder:ident { $faults:ident, $scenario:ident, $state:ident },)*) => {
        /// Every switch, by the endpoint or the system that it acts on.
        ///
        /// Those of data extraction stand at the top, where files of faults have had them from the beginning.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Faults {
            /// The identity domain's token endpoint.
            pub token: TokenFaults,
            /// Creating and finding export definitions and groups.
            pub boss: BossFaults,
            /// `POST jobRequests`.
            pub submit: SubmitFaults,
            /// `GET jobRequests/{id}` and its `/jobStatus`.
            pub status: StatusFaults,
            /// `GET jobRequests`.
            pub listing: ListingFaults,
            /// `GET jobRequests/{id}/outputFiles`.
            pub output_files: OutputFileFaults,
            /// `GET .../outputFiles/{name}/content`.
            pub content: ContentFaults,
            /// What is wrong with one of the archives. Acts when a job's output is made, so on jobs that have not
            /// finished yet.
            pub archive: ArchiveFaults,
            $($(#[$doc])* pub $key: crate::$folder::faults::$faults,)*
        }
    };
}
for_each_system!(define_faults);

#[cfg(test)]
mod tests {
    use super::*;

    /// `{}` in a file of faults is a pod on its best behaviour, and equals the library's default.
    #[test]
    fn an_empty_object_is_the_default() {
        assert_eq!(serde_json::from_str::<Faults>("{}").unwrap(), Faults::default());
    }

    /// A misspelt switch must not silently do nothing.
    #[test]
    fn an_unknown_switch_is_refused_by_name() {
        let error = serde_json::from_str::<Faults>(r#"{"submit": {"acept_then_drop": 1}}"#).unwrap_err();
        assert!(error.to_string().contains("acept_then_drop"), "{error}");
    }

    /// The file's form and the library's are one: what is written is read back the same.
    #[test]
    fn faults_survive_a_round_trip() {
        let faults: Faults = serde_json::from_str(
            r#"{"submit": {"accept_then_drop": 2, "location": "relative"},
                "content": {"cut": {"times": "always", "after_bytes": 10}, "etag": "weak"},
                "archive": {"kind": "zip_slip", "file": 3}}"#,
        )
        .unwrap();
        assert_eq!(faults.submit.accept_then_drop, Times::First(2));
        assert_eq!(faults.content.cut.times, Times::Always);
        let written = serde_json::to_string(&faults).unwrap();
        assert_eq!(serde_json::from_str::<Faults>(&written).unwrap(), faults);
    }
}
