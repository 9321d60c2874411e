//! Whole runs, and what of the contract is seen only from outside: one program, as each links all that landfall is made
//! of. What looks at its whole process (its memory, its log) is a program of its own, and so is what counts requests: on
//! a busy machine some are repeated.

mod advice;
mod after;
mod archives;
mod concurrency;
mod conformance;
mod corpora;
mod crash_matrix;
mod deadlines;
mod declared;
mod delivery;
mod deployer;
mod described;
mod docs;
mod documents;
mod downloads;
mod epm_job;
mod epm_planning;
mod export_schema;
mod failures;
mod fan_out;
mod fetch_each;
mod folio;
mod folio_direct;
mod forms;
mod fusion_extract;
mod fusion_rest;
mod gone;
mod house;
mod limits;
mod local;
mod many_members;
mod notify;
mod oci;
mod oci_native;
mod oci_principals;
mod parquet;
mod report;
mod requests;
mod run_keys;
mod schemas;
mod stack;
mod stores;
mod sweep;
mod verify;
