//! OCI Object Storage as a destination: runs land in a store that refuses what OCI refuses or does not document, in
//! every form, whole and cut; what is there is not replaced by something else, though no write has a condition.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use embedded_store::{Before, Call, Credentials, EmbeddedStore, Handle, Intercept, Options};
use landfall::ErrorType;
use landfall::check::{BucketUse, Found, bucket};
use landfall::context::Context;
use landfall::form::LandedForm;
use landfall_store::{ChecksumSetting, Condition, Dialect, OCI_PART_BYTES, Store, StoreError, Written};
use landfall_tests::elsewhere::At;
use landfall_tests::matrix::beginning;
use landfall_tests::proxy::Proxy;
use landfall_tests::staged::{publish_for, stage, unpack};
use landfall_tests::{Buckets, Setup, World, assert_holds, assert_landed, land, run_event};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

const FORMS: [LandedForm; 3] = [LandedForm::Raw, LandedForm::Gzip, LandedForm::Zstd];
const REGION: &str = "us-phoenix-1";
const MIB: usize = 1 << 20;

/// What the destination is asked.
#[derive(Default)]
struct Asked(Mutex<Vec<Call>>);

impl Asked {
    fn of(&self, operation: &str) -> Vec<Call> {
        self.0.lock().unwrap().iter().filter(|call| call.operation == operation).cloned().collect()
    }
}

impl Intercept for Asked {
    fn before(&self, call: &Call) -> Before {
        self.0.lock().unwrap().push(call.clone());
        Before::Proceed
    }
}

/// A store that is as strict as OCI's, and one beside it for the pipeline's own state.
struct Tenancy {
    _folder: TempDir,
    oci: Handle,
    work: Handle,
    asked: Arc<Asked>,
    buckets: Buckets,
}

async fn serve(store: EmbeddedStore, bucket: &str, oci_region: Option<&str>) -> (Handle, At) {
    store.ensure_bucket(bucket).unwrap();
    let key = Credentials::random();
    let handle = store.serve(0, &key).await.unwrap();
    let at = At {
        bucket: bucket.to_owned(),
        endpoint: handle.endpoint(),
        access_key_id: key.access_key_id.clone(),
        secret_access_key: key.secret_access_key.expose_secret().to_owned(),
        oci_region: oci_region.map(str::to_owned),
        profile: None,
    };
    (handle, at)
}

impl Tenancy {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let asked = Arc::new(Asked::default());
        let intercept = Some(Arc::clone(&asked) as Arc<dyn Intercept>);
        let oci =
            EmbeddedStore::open(folder.path().join("oci"), Options { fsync: false, intercept }).unwrap();
        let options = Options { fsync: false, ..Options::default() };
        let work = EmbeddedStore::open(folder.path().join("s3"), options).unwrap();
        let (oci, landing) = serve(oci.strict_as_oci(REGION), "lake", Some(REGION)).await;
        let (work_handle, work) = serve(work, "work", None).await;
        Self { _folder: folder, oci, work: work_handle, asked, buckets: Buckets { work, landing } }
    }

    fn setup(&self, form: LandedForm) -> Setup {
        let form = serde_json::to_value(form).unwrap();
        Setup {
            buckets: Some(self.buckets.clone()),
            destination: format!("form = {form}"),
            at: Some(beginning()),
            ..Setup::default()
        }
    }

    async fn store(&self) -> Store {
        Store::open("lake", &self.buckets.landing.settings()).await
    }

    async fn end(self) {
        self.oci.shutdown().await;
        self.work.shutdown().await;
    }
}

/// Rows that hardly compress.
fn rows(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut noise = vec![0; bytes];
    random.fill(&mut noise);
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789,\n";
    noise.iter_mut().for_each(|byte| *byte = letters[usize::from(*byte % 64)]);
    noise
}

/// An archive, and its content by name.
struct Large {
    archive: Vec<u8>,
    members: Vec<(&'static str, Vec<u8>)>,
}

/// Members of two and three parts, of less than one, and without a byte.
fn large() -> &'static Large {
    static LARGE: OnceLock<Large> = OnceLock::new();
    LARGE.get_or_init(|| {
        let members = vec![
            ("deflated.csv", CompressionMethod::Deflated, rows(36 * MIB)),
            ("stored.csv", CompressionMethod::Stored, rows(36 * MIB)),
            ("small.csv", CompressionMethod::Deflated, rows(10_000)),
            ("empty.csv", CompressionMethod::Stored, Vec::new()),
        ];
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, method, bytes) in &members {
            let options = SimpleFileOptions::default().compression_method(*method);
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let members = members.into_iter().map(|(name, _, bytes)| (name, bytes)).collect();
        Large { archive: zip.finish().unwrap().into_inner(), members }
    })
}

/// What has landed of the archive, held against its content.
async fn assert_landed_whole(world: &World, form: LandedForm) -> BTreeMap<String, Vec<u8>> {
    let landed = world.landed().await;
    let (_, manifest) = world.manifests().await.pop_first().unwrap();
    let members = &large().members;
    assert_eq!((manifest.objects.len(), landed.len()), (members.len(), members.len() + 1), "{form:?}");
    for (object, (name, content)) in std::iter::zip(&manifest.objects, members) {
        assert_eq!(object.key, format!("forms/1/large/{name}{}", form.suffix()));
        assert_holds(object, &landed[&object.key], content, &format!("{form:?}"));
    }
    assert_eq!(world.unfinished_uploads().await, 0, "{form:?}");
    landed
}

/// Promise 4: nothing that landfall sends is refused, in any form, and parts are as large as OCI wants them.
#[tokio::test]
async fn large_archives_land_in_every_form() {
    for form in FORMS {
        let tenancy = Tenancy::new().await;
        let world = World::new(tenancy.setup(form)).await;
        stage(&world.context, &[("large.zip", &large().archive)]).await;
        assert!(unpack(&world.context, 0).await.unwrap().complete, "{form:?}");
        publish_for(&world.context, "1").await.unwrap();
        assert_landed_whole(&world, form).await;

        let mut parts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for part in tenancy.asked.of("UploadPart") {
            parts.entry(part.key.unwrap()).or_default().push(part.body_bytes);
        }
        assert_eq!(parts.len(), 2, "{form:?}: objects of parts");
        for (key, mut sizes) in parts {
            sizes.sort_unstable();
            assert!(sizes.len() >= 2, "{key}: {sizes:?}");
            assert!(sizes[1..].iter().all(|size| *size == OCI_PART_BYTES as u64), "{key}: {sizes:?}");
        }
        for operation in ["ListObjectsV2", "CopyObject", "UploadPartCopy", "Other"] {
            assert_eq!(tenancy.asked.of(operation), [], "{form:?}: {operation}");
        }
        world.end().await;
        tenancy.end().await;
    }
}

/// The smallest function has room for one part of OCI's: members wait for each other, and land.
#[tokio::test]
async fn what_may_wait_in_memory_may_be_a_single_part() {
    let tenancy = Tenancy::new().await;
    let world = World::new(tenancy.setup(LandedForm::Zstd)).await;
    stage(&world.context, &[("large.zip", &large().archive)]).await;
    let context: Context = world.anew().within_memory(128 * MIB);
    assert_eq!(context.budget().kibibytes(), 16 << 10);
    assert!(unpack(&context, 0).await.unwrap().complete);
    publish_for(&context, "1").await.unwrap();
    assert_landed_whole(&world, LandedForm::Zstd).await;
    world.end().await;
    tenancy.end().await;
}

/// Promises 2 and 4: cut anywhere on the way to the destination, and gone on with, the same bytes land.
#[tokio::test]
async fn cut_on_the_way_to_the_destination_the_same_bytes_land() {
    const CUTS: u64 = 3;
    for form in FORMS {
        let mut expected = None;
        for cut in 0..=CUTS {
            let mut tenancy = Tenancy::new().await;
            let wire = Proxy::to(&tenancy.buckets.landing.endpoint).await;
            tenancy.buckets.landing.endpoint = wire.endpoint();
            let world = World::new(tenancy.setup(form)).await;
            stage(&world.context, &[("large.zip", &large().archive)]).await;
            wire.mend(expected.as_ref().map(|(_, passed)| passed * cut / (CUTS + 1)));
            let landing = async {
                assert!(unpack(&world.context, 0).await.unwrap().complete, "{form:?}");
                publish_for(&world.context, "1").await.unwrap();
            };
            let is_cut = tokio::select! {
                biased;
                () = wire.is_cut() => true,
                () = landing => false,
            };
            assert_eq!(is_cut, cut > 0, "{form:?}, cut {cut}");
            let passed = wire.passed();
            wire.mend(None);
            let context = world.anew();
            assert!(unpack(&context, 0).await.unwrap().complete, "{form:?}, cut {cut}");
            publish_for(&context, "1").await.unwrap();
            let landed = assert_landed_whole(&world, form).await;
            let expected = expected.get_or_insert((landed.clone(), passed));
            assert!(landed == expected.0, "{form:?}, cut {cut}: other bytes");
            world.end().await;
            tenancy.end().await;
        }
    }
}

/// What the tests beside this one pass is a store that bites: as S3 is spoken to, it refuses every call, and an object
/// of parts that are legal there.
#[tokio::test]
async fn a_store_as_strict_as_ocis_refuses_what_s3_takes() {
    let tenancy = Tenancy::new().await;
    let lake = tenancy.store().await;
    lake.put("a.csv", Bytes::from_static(b"1"), Condition::Always).await.unwrap();
    let mut settings = tenancy.buckets.landing.settings();
    settings.dialect = Dialect::S3;
    // Left alone, it would be found out that the store takes MD5.
    settings.checksum = ChecksumSetting::Crc64nvme;
    let as_s3 = Store::open("lake", &settings).await;
    let said = |error: StoreError| landfall::Error::from(error).line();
    let put = as_s3.put("b.csv", Bytes::from_static(b"1"), Condition::Absent).await;
    assert!(said(put.unwrap_err()).contains("conditions of writes are not documented"));
    let put = as_s3.put("b.csv", Bytes::from_static(b"1"), Condition::Always).await;
    assert!(said(put.unwrap_err()).contains("checksums but Content-MD5 are not documented"));
    let listed = futures::TryStreamExt::try_collect::<Vec<_>>(as_s3.list("")).await;
    assert!(said(listed.unwrap_err()).contains("ListObjectsV2 is not documented"));
    let begun = as_s3.create_upload("b.csv").await;
    assert!(said(begun.unwrap_err()).contains("checksums but Content-MD5 are not documented"));

    let upload = lake.create_upload("b.csv").await.unwrap();
    let mut parts = Vec::new();
    for number in [1, 2] {
        let bytes = Bytes::from(vec![b'x'; 10 * MIB]);
        parts.push(lake.upload_part("b.csv", &upload, number, bytes).await.unwrap());
    }
    let completed = lake.complete("b.csv", &upload, &parts, Condition::Always).await;
    assert!(said(completed.unwrap_err()).contains("EntityTooSmall"));
    tenancy.end().await;
}

/// The main job, from submission to manifest; and once more, which finds it.
#[tokio::test]
async fn the_main_job_lands_and_is_found_again() {
    for form in FORMS {
        let tenancy = Tenancy::new().await;
        let world = World::new(tenancy.setup(form)).await;
        let published = land(&world.context, run_event()).await.unwrap();
        let job = published.manifest_key.rsplit('/').nth(1).unwrap().parse().unwrap();
        assert_landed(&world, job, &format!("{form:?}")).await;
        world.pass(Duration::from_secs(3600));
        assert!(land(&world.anew(), run_event()).await.unwrap().already_published);
        world.end().await;
        tenancy.end().await;
    }
}

/// Promise 4 without conditional writes: the same bytes are found to be there, others are not overwritten.
#[tokio::test]
async fn what_is_there_is_not_replaced_by_something_else() {
    let tenancy = Tenancy::new().await;
    let world = World::new(tenancy.setup(LandedForm::Raw)).await;
    let files: [(&str, &[u8]); 2] = [("a.csv", b"id\n1\n"), ("b.csv", b"id\n2\n")];
    stage(&world.context, &files).await;
    let lake = tenancy.store().await;
    lake.put("forms/1/a.csv", Bytes::from_static(b"id\n1\n"), Condition::Always).await.unwrap();
    lake.put("forms/1/b.csv", Bytes::from_static(b"id\n7\n"), Condition::Always).await.unwrap();
    assert!(unpack(&world.context, 0).await.unwrap().complete);
    let error = unpack(&world.context, 1).await.unwrap_err();
    assert_eq!(error.error_type(), ErrorType::Conflict, "{}", error.line());
    assert_eq!(lake.read("forms/1/b.csv", 10).await.unwrap().unwrap().bytes, b"id\n7\n"[..]);

    let again = lake.put("forms/1/a.csv", Bytes::from_static(b"id\n3\n"), Condition::Absent).await.unwrap();
    assert_eq!(again, Written::NotWritten);
    let upload = lake.create_upload("forms/1/a.csv").await.unwrap();
    let part = lake.upload_part("forms/1/a.csv", &upload, 1, Bytes::from_static(b"id\n3\n")).await.unwrap();
    let completed = lake.complete("forms/1/a.csv", &upload, &[part], Condition::Absent).await.unwrap();
    assert_eq!(completed, Written::NotWritten);
    lake.abort_upload("forms/1/a.csv", &upload).await.unwrap();
    assert_eq!(lake.read("forms/1/a.csv", 10).await.unwrap().unwrap().bytes, b"id\n1\n"[..]);
    let changed = lake.put("forms/1/a.csv", Bytes::new(), Condition::Unchanged("\"e\"")).await;
    assert!(matches!(changed, Err(StoreError::NoConditionalChange { .. })), "{changed:?}");
    world.end().await;
    tenancy.end().await;
}

/// Promise 5: what is listed is listed to its end, though the first listing of S3 tells no token.
#[tokio::test]
async fn a_listing_of_many_pages_comes_to_its_end() {
    let tenancy = Tenancy::new().await;
    let lake = tenancy.store().await;
    let keys: Vec<String> = (0..2003).map(|number| format!("a/{number:05} ü+.csv")).collect();
    for key in &keys {
        lake.put(key, Bytes::from_static(b"1"), Condition::Always).await.unwrap();
    }
    let listed: Vec<_> = futures::TryStreamExt::try_collect::<Vec<_>>(lake.list("a/")).await.unwrap();
    assert!(listed.iter().map(|object| &object.key).eq(&keys));
    assert!(listed.iter().all(|object| object.size == 1));
    assert_eq!(tenancy.asked.of("ListObjects").len(), 3);
    tenancy.end().await;
}

/// The pre-flight says that all is well, or what is missing by its name in Oracle's policies, and leaves nothing behind.
#[tokio::test]
async fn the_pre_flight_names_what_is_missing() {
    let tenancy = Tenancy::new().await;
    let lake = tenancy.store().await;
    for finding in bucket("lake", &lake, "fusion/", BucketUse::Destination).await {
        assert!(matches!(finding.found, Found::Well(_)), "{}: {:?}", finding.what, finding.found);
    }
    assert!(futures::TryStreamExt::try_collect::<Vec<_>>(lake.list("")).await.unwrap().is_empty());

    let settings = tenancy.buckets.landing.settings();
    let elsewhere =
        landfall_store::StoreSettings { region: Some("eu-frankfurt-1".to_owned()), ..settings.clone() };
    for (store, error_type, said) in [
        (Store::open("pond", &settings).await, ErrorType::NotFound, "there is no such bucket"),
        (Store::open("lake", &elsewhere).await, ErrorType::AuthRejected, "region"),
    ] {
        let findings = bucket("lake", &store, "", BucketUse::Destination).await;
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        let Found::Broken(error) = &finding.found else { panic!("{finding:?}") };
        assert_eq!((finding.what.as_str(), error.error_type()), ("lake: write", error_type));
        let line = error.line();
        assert!(line.contains("OBJECT_CREATE") && line.contains(said), "{line}");
    }
    tenancy.end().await;
}
