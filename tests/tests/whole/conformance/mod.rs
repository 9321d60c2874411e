//! What landfall needs of a store, tried on the embedded one and on stores that others wrote.
//!
//! One table comes of it, checks by stores. A cell is green, or it is a gap that is named in [`gaps`] with what
//! landfall does about it. A failure that is not named there fails the test, and so does a gap that is not there.
//! The embedded store has no gaps. `.ci/stores.py` starts the other stores, and says where they are.

mod bucket;
mod checksums;
mod conditions;
mod copies;
mod gaps;
mod keys;
mod multipart;
mod objects;
mod runs;
mod table;

use embedded_store::{Credentials, EmbeddedStore, OciUser, Options};
use landfall_tests::elsewhere::{Foreign, foreign};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use bucket::TestBucket;
use table::{Check, Table};

const EMBEDDED: &str = "embedded";
/// The embedded store, called by OCI's own API.
const OCI: &str = "OCI";

/// Every check, in the order of the table.
fn checks() -> Vec<Check> {
    [
        conditions::checks(),
        multipart::checks(),
        objects::checks(),
        copies::checks(),
        keys::checks(),
        checksums::checks(),
        runs::checks(),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_store_gives_what_landfall_needs() {
    let folder = TempDir::new().unwrap();
    let user = OciUser::in_folder(&folder.path().join("user")).unwrap();
    let options = Options { fsync: false, ..Options::default() };
    let embedded = EmbeddedStore::open(folder.path().join("data"), options).unwrap();
    let embedded = embedded.with_oci(user.access.clone());
    let key = Credentials::random();
    let handle = embedded.serve(0, &key).await.unwrap();
    let own = Foreign {
        name: EMBEDDED.to_owned(),
        endpoint: handle.endpoint(),
        access_key_id: key.access_key_id.clone(),
        secret_access_key: key.secret_access_key.expose_secret().to_owned(),
        profile: None,
    };
    let oci = Foreign { name: OCI.to_owned(), profile: Some(user.config_file), ..own.clone() };
    let stores: Vec<Foreign> = [own, oci].into_iter().chain(foreign()).collect();
    let mut table = Table::of(stores.iter().map(|store| store.name.clone()));
    for check in checks() {
        table.fill(&check, stores.iter().map(|store| TestBucket::of(store, check.name))).await;
    }
    let wrong = table.end();
    assert!(wrong.is_empty(), "neither green nor a gap that is named:\n{}", wrong.join("\n"));
    handle.shutdown().await;
}
