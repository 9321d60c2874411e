//! What the simulated systems hold when nothing is wrong with them.

use serde::{Deserialize, Serialize};

pub use crate::fusion_extract::scenario::{Format, MemberSize, PlantedJob, Producer};
use crate::registry::for_each_system;

macro_rules! define_scenario {
    ($($(#[$doc:meta])* $key:ident: $folder:ident { $faults:ident, $scenario:ident, $state:ident },)*) => {
        /// The data that jobs yield. The same scenario and the same job id give the same bytes, always.
        ///
        /// What data extraction holds stands at the top, where files of scenarios have had it from the beginning.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Scenario {
            /// Where every row's randomness comes from.
            pub seed: u64,
            /// The business object views of an extract; each is a table of its own. None means a job that
            /// succeeds without output.
            pub views: Vec<String>,
            /// Output files (chunks) a view.
            pub chunks_per_view: u32,
            /// Data members in each chunk. The first is named after the view alone, so it has the same name in
            /// every chunk of the view.
            pub members_per_chunk: u32,
            /// How large a data member is.
            pub member_size: MemberSize,
            /// What a data member holds.
            pub format: Format,
            /// Who writes the archives, in turn from chunk to chunk. None means all of them.
            pub producers: Vec<Producer>,
            /// At most so many occurrences of a recurring request run.
            pub max_occurrences: u32,
            /// Jobs that the pod's list holds from the start, all finished and without output.
            pub planted_jobs: Vec<PlantedJob>,
            $($(#[$doc])* pub $key: crate::$folder::scenario::$scenario,)*
        }

        impl Default for Scenario {
            fn default() -> Self {
                Self {
                    seed: 1,
                    views: ["carriersExtract", "costDistributionExtract"].map(String::from).to_vec(),
                    chunks_per_view: 3,
                    members_per_chunk: 1,
                    member_size: MemberSize::Rows(2_000),
                    format: Format::Csv,
                    producers: Vec::new(),
                    max_occurrences: 3,
                    planted_jobs: Vec::new(),
                    $($key: Default::default(),)*
                }
            }
        }
    };
}
for_each_system!(define_scenario);
