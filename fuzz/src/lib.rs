//! What strangers send, in every form that a fuzzer finds, and what must hold of it: no panic, no hang, memory within
//! a bound, and the promises that each function's documentation names.
//!
//! One function a target; `run.sh` runs them.

mod answers;
mod archive;
mod events;
mod http_edges;
mod memory;
mod redactor;
mod rows;
mod script;
mod store;
mod structured;
mod text;

pub use answers::answers;
pub use archive::{archive, directory};
pub use events::events;
pub use http_edges::http_edges;
pub use redactor::redactor;
pub use rows::rows;
pub use structured::archive_structured;
