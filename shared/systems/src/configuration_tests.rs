//! What people write into the configuration, and what they are told of what is wrong with it.

use std::sync::Arc;

use landfall::Result;
use landfall::clock::SystemClock;
use landfall::config::{Config, ConfigProvider};
use landfall_http::auth::oci::PrincipalKind;
use landfall_store::Dialect;

use crate::SYSTEMS;
use crate::fusion::FusionConnection;

const FILE: &str = r#"
    [work]
    bucket = "work"

    [connections.pod]
    type = "fusion"
    base_url = "https://pod.example.com"
    scopes = { batch = "urn:batch" }
    auth = { grant = "client_credentials", token_url = "https://id.example.com/t", client_id = "c", client_secret = "hush-hush" }

    [destinations.lake]
    type = "s3"
    bucket = "lake"
"#;

fn config(text: &str) -> Result<Config> {
    Ok(Config::new(ConfigProvider::from_toml(text, "landfall.toml")?, Arc::new(SystemClock)))
}

async fn refusal(text: String) -> String {
    let read = async {
        let config = config(&text)?;
        let pod = config.connection(&"pod".parse().unwrap()).await?;
        SYSTEMS.connection_type(&pod)?;
        pod.settings::<FusionConnection>()?;
        config.destination(&"lake".parse().unwrap()).await.map(|_| ())
    };
    let error = read.await.unwrap_err();
    assert_eq!(error.error_type().name(), "InvalidConfig");
    error.line()
}

/// A complete file reads, with the documented defaults.
#[tokio::test]
async fn a_file_gives_connections_and_destinations_by_name() {
    let config = config(FILE).unwrap();
    let connection = config.connection(&"pod".parse().unwrap()).await.unwrap();
    let pod: FusionConnection = connection.settings().unwrap();
    let job = &pod.job;
    assert_eq!((job.poll_seconds, job.settle_seconds, job.listing_lag_seconds), (30, 300, 60));
    // Oracle's own limit for a job: `timeoutThreshold` of the documented request.
    assert_eq!(job.timeout_seconds, 36_000);
    assert!(pod.client_request_uuid);
    assert_eq!(config.destination(&"lake".parse().unwrap()).await.unwrap().bucket, "lake");
    assert_eq!(config.work().await.unwrap().bucket, "work");
}

const OCI: &str = "type = 'oci'
    namespace = 'axexample'
    region = 'us-phoenix-1'
    access_key_id = 'id'
    secret_access_key = 'hush-hush'
    form = 'zstd'";

fn with_oci(table: &str) -> String {
    FILE.replace("type = \"s3\"", table)
}

/// Oracle: "Amazon S3 Compatibility API", the endpoint's pattern; the region signs, and buckets are addressed by
/// path.
#[tokio::test]
async fn an_oci_bucket_is_reached_by_what_follows_from_namespace_and_region() {
    let lake = config(&with_oci(OCI)).unwrap().destination(&"lake".parse().unwrap()).await.unwrap();
    let store = &lake.store;
    let endpoint = store.endpoint.as_ref().unwrap().as_str();
    assert_eq!(endpoint, "https://axexample.compat.objectstorage.us-phoenix-1.oci.customer-oci.com/");
    assert_eq!((store.region.as_deref(), store.path_style), (Some("us-phoenix-1"), Some(true)));
    assert_eq!((store.dialect, lake.bucket.as_str()), (Dialect::Oci, "lake"));
    assert_eq!(lake.form, landfall::form::LandedForm::Zstd);
    assert!(!format!("{lake:?}").contains("hush-hush"));

    let elsewhere = format!("{OCI}\nendpoint = 'http://127.0.0.1:9000'");
    let lake = config(&with_oci(&elsewhere)).unwrap().destination(&"lake".parse().unwrap()).await.unwrap();
    assert_eq!(lake.store.endpoint.unwrap().as_str(), "http://127.0.0.1:9000/");
    assert_eq!(lake.store.dialect, Dialect::Oci);
}

/// Promise 7: nothing in a namespace or a region leads to another host. What lacks or is too much is named.
#[tokio::test]
async fn what_is_wrong_with_an_oci_bucket_is_named() {
    for (change, named) in [
        (("namespace = 'axexample'", ""), "missing field `namespace`"),
        (("region = 'us-phoenix-1'", ""), "missing field `region`"),
        (("secret_access_key = 'hush-hush'", ""), "missing field `secret_access_key`"),
        (("'axexample'", "'evil.example.com/'"), "namespace \"evil.example.com/\" takes letters"),
        (("'us-phoenix-1'", "'us-phoenix-1.evil.example.com/x'"), "region"),
        (("form = 'zstd'", "shape = 'zstd'"), "unknown field `shape`"),
        (("form = 'zstd'", "store = { region = 'x' }"), "takes no `store`"),
    ] {
        let said = refusal(with_oci(&OCI.replace(change.0, change.1))).await;
        assert!(said.contains("destinations.lake") && said.contains(named), "{said}");
        assert!(!said.contains("hush-hush"), "{said}");
    }
}

const NATIVE: &str = "type = 'oci'
    auth = 'instance_principal'
    region = 'us-phoenix-1'
    form = 'zstd'";

/// An OCI bucket without a customer secret key is called by OCI's own API, as whatever principal is here; nothing but its
/// name is needed.
#[tokio::test]
async fn an_oci_bucket_is_called_by_its_own_api_unless_a_secret_key_is_given() {
    let named = |table: &str| config(&with_oci(table)).unwrap();
    let lake = "lake".parse().unwrap();
    let store = named(NATIVE).destination(&lake).await.unwrap().store;
    let oci = store.oci.unwrap();
    assert_eq!(oci.principal.kind, Some(PrincipalKind::InstancePrincipal));
    assert_eq!((oci.namespace, oci.region.as_deref()), (None, Some("us-phoenix-1")));
    let bare = named("type = 'oci'").destination(&lake).await.unwrap().store.oci.unwrap();
    assert_eq!((bare.principal.kind, bare.region, bare.endpoint), (None, None, None));
    let profile = named("type = 'oci'\nprofile = 'WORK'\nconfig_file = '/etc/oci/config'\nnamespace = 'n'");
    let profile = profile.destination(&lake).await.unwrap().store.oci.unwrap();
    assert_eq!(
        (profile.principal.profile.as_deref(), profile.namespace.as_deref()),
        (Some("WORK"), Some("n"))
    );

    let with_key = named(OCI).destination(&lake).await.unwrap().store;
    assert!(with_key.oci.is_none() && with_key.dialect == Dialect::Oci);
    let explicit = OCI.replace("type = 'oci'", "type = 'oci'\napi = 's3'");
    assert!(named(&explicit).destination(&lake).await.unwrap().store.oci.is_none());
    for (table, said) in [
        (NATIVE.replace("us-phoenix-1", "mars"), "region \"mars\""),
        (NATIVE.replace("instance_principal", "somebody"), "destinations.lake.auth"),
        (format!("{NATIVE}\nsecret_access_key = 'hush-hush'"), "`auth` is a key of the other API: api is s3"),
        (format!("{OCI}\napi = 'native'"), "`access_key_id` is a key of the other API: api is native"),
        ("type = 'oci'\napi = 's3'".to_owned(), "missing field `namespace`"),
        ("type = 'oci'\nnamespace = 'a/b'".to_owned(), "namespace \"a/b\" takes letters"),
    ] {
        let error = refusal(with_oci(&table)).await;
        assert!(error.contains("destinations.lake") && error.contains(said), "{said}: {error}");
        assert!(!error.contains("hush-hush"), "{error}");
    }
}

/// State may be kept in OCI by its own API, which has conditional writes.
#[tokio::test]
async fn the_work_bucket_may_be_ocis_by_its_own_api() {
    let work = "type = \"oci\"\nbucket = \"state\"\nprofile = \"WORK\"";
    let work = config(&FILE.replace("bucket = \"work\"", work)).unwrap().work().await.unwrap();
    assert_eq!(
        (work.bucket.as_str(), work.store.oci.unwrap().principal.profile.as_deref()),
        ("state", Some("WORK"))
    );
    for (table, said) in
        [("", "missing field `bucket`"), ("bucket = 'w'\nprefix = 'x'", "unknown field `prefix`")]
    {
        let table = format!("type = \"oci\"\n{table}");
        let error = config(&FILE.replace("bucket = \"work\"", &table)).unwrap().work().await.unwrap_err();
        assert!(error.line().contains(said), "{}", error.line());
    }
}

/// Promise 1 rests on conditional writes: state is not kept where they are not known to be honoured.
#[tokio::test]
async fn the_work_bucket_is_not_ocis_by_its_s3_api() {
    let host = "https://n.compat.objectstorage.us-phoenix-1.oraclecloud.com";
    for work in [
        "type = \"oci\"\nbucket = \"work\"\nnamespace = 'n'\nregion = 'r'\naccess_key_id = 'i'\nsecret_access_key = 's'"
            .to_owned(),
        format!("bucket = \"work\"\nstore = {{ endpoint = '{host}' }}"),
    ] {
        let config = config(&FILE.replace("bucket = \"work\"", &work)).unwrap();
        let error = config.work().await.unwrap_err();
        assert_eq!(error.error_type().name(), "InvalidConfig");
        assert!(
            error.line().contains("work in landfall.toml: OCI Object Storage cannot"),
            "{}",
            error.line()
        );
    }
    let lake = format!("type = \"s3\"\nstore = {{ endpoint = '{host}' }}");
    let said = refusal(with_oci(&lake)).await;
    assert!(said.contains("set type = \"oci\""), "{said}");
}

/// Promise 7: secrets are redacted by their type.
#[tokio::test]
async fn a_printed_connection_shows_no_secret() {
    let config = config(FILE).unwrap();
    let pod = config.connection(&"pod".parse().unwrap()).await.unwrap();
    assert!(!format!("{pod:?}").contains("hush-hush"));
    assert!(!format!("{:?}", pod.settings::<FusionConnection>().unwrap()).contains("hush-hush"));
    assert!(!format!("{config:?}").contains("hush-hush"));
}

/// What a file leaves out, a process that brings its own stores may add; what the file says counts.
#[tokio::test]
async fn a_provider_behind_another_gives_what_the_first_does_not() {
    let made = ConfigProvider::made("this machine", |path| {
        path.starts_with("destinations/")
            .then(|| serde_json::json!({ "type": "s3", "bucket": path.replace('/', "-") }))
    });
    let provider = ConfigProvider::from_toml(FILE, "landfall.toml").unwrap().or(made);
    let config = Config::new(provider, Arc::new(SystemClock));
    assert_eq!(config.destination(&"lake".parse().unwrap()).await.unwrap().bucket, "lake");
    assert_eq!(config.destination(&"pond".parse().unwrap()).await.unwrap().bucket, "destinations-pond");
    assert!(config.connection(&"other".parse().unwrap()).await.is_err());
}

/// A wrong or missing key is an `InvalidConfig` that names the key and the place, and never the value.
#[tokio::test]
async fn what_is_wrong_is_named_with_its_key_and_place() {
    let missing = refusal(FILE.replace("base_url = \"https://pod.example.com\"", "")).await;
    assert!(missing.contains("connections.pod in landfall.toml: missing field `base_url`"), "{missing}");

    let unknown = refusal(FILE.replace("base_url", "base_uri")).await;
    assert!(unknown.contains("connections.pod") && unknown.contains("`base_uri`"), "{unknown}");

    let wrong = refusal(FILE.replace("\"hush-hush\"", "{ it = \"hush-hush\" }")).await;
    assert!(wrong.contains("connections.pod.auth.client_secret") && !wrong.contains("hush"), "{wrong}");

    let lake = |settings: &str| FILE.replace("bucket = \"lake\"", &format!("bucket = 'l'\n{settings}"));
    for (settings, named) in [
        ("form = 'orc'", "destinations.lake.form"),
        ("form = 'zstd'\nzstd_level = 10", "destinations.lake.zstd_level"),
        ("zstd_level = 3", "form is neither \"zstd\" nor \"parquet\""),
    ] {
        let form = refusal(lake(settings)).await;
        assert!(form.contains(named), "{form}");
    }

    let kind = refusal(FILE.replace("\"fusion\"", "\"sap\"")).await;
    assert!(kind.contains("\"sap\" is not one of: fusion"), "{kind}");

    let name = refusal(FILE.replace("connections.pod", "connections.other")).await;
    assert!(name.contains("connections.pod in landfall.toml: is missing"), "{name}");

    let section = refusal(FILE.replace("[work]", "[works]")).await;
    assert!(section.contains("`works`"), "{section}");

    let variable = refusal(FILE.replace("hush-hush", "${LANDFALL_TEST_UNSET}")).await;
    assert!(
        variable.contains("connections.pod.auth.client_secret") && variable.contains("LANDFALL_TEST_UNSET"),
        "{variable}"
    );
}
