//! The systems that jobs run in, as the crash matrix knows them.

use bytes::Bytes;
use landfall_store::Condition;
use serde_json::{Value, json};
use simulator::{
    EpmScenario, FhirScenario, FolioScenario, MarketoScenario, MemberSize, NetsuiteScenario, OracleScenario,
    Producer, RestScenario, SalesforceScenario, Scenario, ShopifyScenario, Simulator, SpApiScenario,
    StripeScenario,
};

use crate::World;

/// A system, and a run in it.
#[derive(Debug, Clone, Copy)]
pub struct System {
    /// The kind of its exports.
    pub kind: &'static str,
    /// The connection's name.
    pub connection: &'static str,
    /// The run's event.
    pub event: fn() -> Value,
    /// What the destination's table says besides where it is.
    pub destination: &'static str,
    /// Whether state and landing are in OCI Object Storage, by its own API.
    pub in_oci: bool,
    /// How much an invocation has to do, in bytes, where that is less than usual: a job's files are then large.
    pub divided_at: Option<u64>,
    /// The data of the least run that makes every kind of call.
    pub small: fn() -> Scenario,
    /// What others put into the bucket `uploads` before the run, by key.
    pub uploaded: &'static [(&'static str, &'static [u8])],
    /// How many jobs the system has been made to run.
    pub jobs: fn(&Simulator) -> usize,
    /// What is in the name of calls of which the first reads nothing but the answer's head: its body has no middle.
    pub reads_heads: Option<&'static str>,
    /// What a person who looks for the run's job sees there, where the system itself cannot be asked.
    pub seen_by_a_person: Option<fn(&Simulator) -> Option<String>>,
}

/// Calls a macro with every system, and with one whose content lands in other forms: the name of its tests, and what
/// it is.
#[macro_export]
macro_rules! for_each_system {
    ($then:ident) => {
        $then! {
            fusion_extract: $crate::systems::FUSION_EXTRACT,
            fusion_rest: $crate::systems::FUSION_REST,
            epm_job: $crate::systems::EPM_JOB,
            epm_planning: $crate::systems::EPM_PLANNING,
            folio_export: $crate::systems::FOLIO_EXPORT,
            folio_export_all: $crate::systems::FOLIO_EXPORT_ALL,
            fhir_bulk: $crate::systems::FHIR_BULK,
            sp_api_reports: $crate::systems::SP_API_REPORTS,
            delivery: $crate::systems::DELIVERY,
            salesforce_bulk: $crate::systems::SALESFORCE_BULK,
            stripe_reports: $crate::systems::STRIPE_REPORTS,
            shopify_bulk: $crate::systems::SHOPIFY_BULK,
            marketo_leads: $crate::systems::MARKETO_LEADS,
            netsuite_async: $crate::systems::NETSUITE_ASYNC,
            oracle_extract: $crate::systems::ORACLE_EXTRACT,
            fusion_extract_as_gzip: $crate::systems::FUSION_EXTRACT_AS_GZIP,
            fusion_extract_as_parquet: $crate::systems::FUSION_EXTRACT_AS_PARQUET,
        }
    };
}

macro_rules! all {
    ($($name:ident: $system:expr),+ $(,)?) => {
        /// Every system, and one whose content lands in other forms.
        pub const ALL: &[System] = &[$($system),+];
    };
}

for_each_system!(all);

/// Oracle Fusion Data Extraction.
pub const FUSION_EXTRACT: System = System {
    kind: "fusion_extract",
    connection: "fusion-demo",
    event: crate::run_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_extract,
    uploaded: &[],
    jobs: |simulator| simulator.journal().jobs_submitted(),
    reads_heads: None,
    seen_by_a_person: None,
};

/// The same, landing as gzip, with every value looked at on its way.
pub const FUSION_EXTRACT_AS_GZIP: System = System {
    kind: "fusion_extract as gzip",
    destination: "form = 'gzip'\nobserve_columns = true",
    ..FUSION_EXTRACT
};

/// The same, landing as Parquet.
pub const FUSION_EXTRACT_AS_PARQUET: System =
    System { kind: "fusion_extract as parquet", destination: "form = 'parquet'", ..FUSION_EXTRACT };

/// The same, with state and landing in OCI Object Storage.
pub const FUSION_EXTRACT_IN_OCI: System =
    System { kind: "fusion_extract in OCI", in_oci: true, ..FUSION_EXTRACT };

/// The same, with files that are so large that each is fetched by a call of its own, and most are unpacked while others come.
pub const FUSION_EXTRACT_FETCHED_EACH: System = System {
    kind: "fusion_extract, each file fetched by a call of its own",
    divided_at: Some(300_000),
    small: || Scenario {
        chunks_per_view: 5,
        member_size: MemberSize::Bytes(100_000),
        producers: vec![Producer::Stored],
        ..small_extract()
    },
    ..FUSION_EXTRACT
};

/// Fusion REST resources, an increment of one with children. Nothing runs at the source.
pub const FUSION_REST: System = System {
    kind: "fusion_rest",
    connection: "fusion-demo",
    event: rest_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_rest,
    uploaded: &[],
    jobs: |_| 1,
    reads_heads: None,
    seen_by_a_person: None,
};

fn rest_event() -> Value {
    json!({
        "connection": "fusion-demo",
        "export": {
            "kind": "fusion_rest", "resource": "invoices", "expand": ["invoiceLines"], "incremental": {},
            "pages_per_file": 1,
        },
        "destination": "lake",
        "run_key": "invoices-2026-11-21T06",
    })
}

fn small_rest() -> Scenario {
    let rest = RestScenario { rows: 700, ..RestScenario::default() };
    Scenario { rest, ..Scenario::default() }
}

/// Oracle EPM Data Integration.
pub const EPM_JOB: System = System {
    kind: "epm_job",
    connection: "epm-demo",
    event: epm_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_epm,
    uploaded: &[],
    jobs: |simulator| simulator.epm_jobs().len(),
    reads_heads: None,
    seen_by_a_person: Some(|simulator| simulator.epm_jobs().first().map(|job| job.job_request_id.clone())),
};

fn epm_event() -> Value {
    json!({
        "connection": "epm-demo",
        "export": {
            "kind": "epm_job", "job_type": "INTEGRATION", "job_name": "BESSAPP",
            "parameters": { "periodName": "{Jan-06}", "importMode": "Replace", "exportMode": "Merge" }
        },
        "destination": "lake",
        "run_key": "bessapp-2026-11-21T06"
    })
}

/// A job of a Planning application.
pub const EPM_PLANNING: System = System { kind: "epm_job of Planning", event: planning_event, ..EPM_JOB };

fn planning_event() -> Value {
    json!({
        "connection": "epm-demo",
        "export": {
            "kind": "epm_job", "application": "Vision", "job_type": "EXPORT_DATA", "job_name": "Daily balances",
            "parameters": { "exportFileName": "balances.zip" }
        },
        "destination": "lake",
        "run_key": "balances-2026-11-21T06"
    })
}

fn small_epm() -> Scenario {
    let epm = EpmScenario { rows: 20, ..EpmScenario::default() };
    Scenario { epm, ..Scenario::default() }
}

/// FOLIO's data export.
pub const FOLIO_EXPORT: System = System {
    kind: "folio_export",
    connection: "folio-demo",
    event: folio_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_folio,
    uploaded: &[],
    jobs: |simulator| usize::try_from(simulator.folio_starts()).unwrap_or(usize::MAX),
    reads_heads: None,
    seen_by_a_person: None,
};

/// Three records, of which FOLIO does not have one: an archive of two slices, and a log.
fn folio_event() -> Value {
    let ids: Vec<String> = (1..=3).map(folio_id).collect();
    json!({
        "connection": "folio-demo",
        "export": {
            "kind": "folio_export", "profile": "Default instances export job profile", "records": { "ids": ids },
        },
        "destination": "lake",
        "run_key": "instances-2026-11-21T06",
    })
}

/// An export of all records, whose call tells no job: after a lost answer nothing but a person can.
pub const FOLIO_EXPORT_ALL: System = System {
    kind: "folio_export of all records",
    event: folio_all_event,
    seen_by_a_person: Some(|simulator| {
        simulator.folio_jobs().into_iter().find(|job| job.starts > 0).map(|job| job.id)
    }),
    ..FOLIO_EXPORT
};

fn folio_all_event() -> Value {
    json!({
        "connection": "folio-demo",
        "export": { "kind": "folio_export", "profile": "Default instances export job profile", "records": "all" },
        "destination": "lake",
        "run_key": "all-2026-11-21T06",
    })
}

fn folio_id(number: u32) -> String {
    format!("6f7f3cd7-9f24-42eb-ae91-{number:012}")
}

fn small_folio() -> Scenario {
    let folio = FolioScenario { slice_size: 1, unknown_ids: vec![folio_id(2)], ..FolioScenario::default() };
    Scenario { folio, ..Scenario::default() }
}

/// FHIR Bulk Data, by its description.
pub const FHIR_BULK: System = System {
    kind: "declared",
    connection: "fhir-demo",
    event: fhir_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_fhir,
    uploaded: &[],
    jobs: |simulator| simulator.fhir_jobs().len(),
    reads_heads: None,
    seen_by_a_person: Some(|simulator| simulator.fhir_jobs().first().map(|job| job.id.to_string())),
};

fn fhir_event() -> Value {
    json!({
        "connection": "fhir-demo",
        "export": { "kind": "declared", "system": "fhir-bulk", "incremental": {} },
        "destination": "lake",
        "run_key": "patients-2026-11-21T06",
    })
}

/// Three files on two pages of a manifest, of which one tells what went wrong.
fn small_fhir() -> Scenario {
    let types = vec!["Patient".to_owned()];
    let fhir =
        FhirScenario { types, resources: 5, error_files: 1, files_per_page: 2, ..FhirScenario::default() };
    Scenario { fhir, ..Scenario::default() }
}

/// Amazon SP-API reports, by its description.
pub const SP_API_REPORTS: System = System {
    kind: "declared: sp-api-reports",
    connection: "sp-api-demo",
    event: sp_api_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_sp_api,
    uploaded: &[],
    jobs: |simulator| simulator.sp_api_jobs().len(),
    reads_heads: None,
    seen_by_a_person: None,
};

fn sp_api_event() -> Value {
    let with = json!({ "report": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaces": ["ATVPDKIKX0DER"] });
    json!({
        "connection": "sp-api-demo",
        "export": { "kind": "declared", "system": "sp-api-reports", "with": with },
        "destination": "lake",
        "run_key": "listings-2026-11-21T06",
    })
}

fn small_sp_api() -> Scenario {
    let sp_api = SpApiScenario { rows: 5, gzip: true, ..SpApiScenario::default() };
    Scenario { sp_api, ..Scenario::default() }
}

/// Files that others have put into a bucket with a manifest, of which one is known by its SHA-256, one by its MD5 and one
/// by nothing but its size.
pub const DELIVERY: System = System {
    kind: "delivery",
    connection: "deliveries",
    event: delivery_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: Scenario::default,
    uploaded: &[
        ("daily/a.csv", b"ID\n1\n2\n"),
        ("daily/more/b.csv", b"ID\n3\n"),
        ("daily/c.zip", ARCHIVE),
        ("daily/MANIFEST-1.MF", DELIVERED.as_bytes()),
    ],
    jobs: |_| 1,
    reads_heads: None,
    seen_by_a_person: None,
};

/// The same, with its bucket, its state and what lands of it in OCI Object Storage.
pub const DELIVERY_IN_OCI: System = System { kind: "delivery in OCI", in_oci: true, ..DELIVERY };

/// An archive of one member, `c.csv`, which has one row.
pub const ARCHIVE: &[u8] = b"\
    PK\x03\x04\x14\x00\x00\x00\x00\x00\x000u]p\x9d\xdf\xd1\x05\x00\x00\x00\x05\x00\x00\x00\x05\x00\
    \x00\x00c.csvID\x0a4\x0aPK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00\x000u]p\x9d\xdf\xd1\x05\x00\
    \x00\x00\x05\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00\x00\x00\
    c.csvPK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x003\x00\x00\x00(\x00\x00\x00\x00\x00";

/// What lists the files of that delivery, with their checksums by `sha256sum` and `md5sum`.
const DELIVERED: &str = "PLV_KEY=FUSION_10_0\n\
    a.csv;9526;1c74145692cfe6a4242ae6841228d0bf60912b7df85abc50f6a9a43f320067f2\n\
    more/b.csv;9527;9c4fef57149da64ab09f7285323b62be\n\
    c;;\n";

fn delivery_event() -> Value {
    json!({
        "connection": "deliveries",
        "export": { "kind": "delivery", "manifest": "daily/MANIFEST-1.MF" },
        "destination": "lake",
        "run_key": "daily-1",
    })
}

/// A query of Salesforce's Bulk API 2.0, by its description.
pub const SALESFORCE_BULK: System = System {
    kind: "declared: salesforce-bulk",
    connection: "salesforce-demo",
    event: salesforce_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_salesforce,
    uploaded: &[],
    jobs: |simulator| simulator.salesforce_jobs().len(),
    reads_heads: Some("/results"),
    seen_by_a_person: Some(|simulator| simulator.salesforce_jobs().first().map(|job| job.id.clone())),
};

fn salesforce_event() -> Value {
    json!({
        "connection": "salesforce-demo",
        "export": {
            "kind": "declared", "system": "salesforce-bulk",
            "with": { "soql": "SELECT Id, Name, Description FROM Account" },
        },
        "destination": "lake",
        "run_key": "accounts-2026-11-21T06",
    })
}

/// Three pages of results.
fn small_salesforce() -> Scenario {
    let salesforce = SalesforceScenario { records: 5, records_per_page: 2 };
    Scenario { salesforce, ..Scenario::default() }
}

/// A report run of Stripe, by its description.
pub const STRIPE_REPORTS: System = System {
    kind: "declared: stripe-reports",
    connection: "stripe-demo",
    event: stripe_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_stripe,
    uploaded: &[],
    jobs: |simulator| simulator.stripe_jobs().len(),
    reads_heads: None,
    seen_by_a_person: None,
};

fn stripe_event() -> Value {
    let with = json!({ "report": "balance_change_from_activity.itemized.3", "columns": ["created", "net"] });
    json!({
        "connection": "stripe-demo",
        "export": { "kind": "declared", "system": "stripe-reports", "with": with },
        "destination": "lake",
        "run_key": "balance-2026-11-21T06",
    })
}

fn small_stripe() -> Scenario {
    Scenario { stripe: StripeScenario { rows: 5 }, ..Scenario::default() }
}

/// A bulk operation of Shopify, by its description.
pub const SHOPIFY_BULK: System = System {
    kind: "declared: shopify-bulk",
    connection: "shopify-demo",
    event: shopify_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_shopify,
    uploaded: &[],
    jobs: |simulator| simulator.shopify_jobs().len(),
    reads_heads: None,
    seen_by_a_person: None,
};

fn shopify_event() -> Value {
    let with = json!({ "query": "{ products { edges { node { id title } } } }" });
    json!({
        "connection": "shopify-demo",
        "export": { "kind": "declared", "system": "shopify-bulk", "with": with },
        "destination": "lake",
        "run_key": "products-2026-11-21T06",
    })
}

fn small_shopify() -> Scenario {
    let shopify = ShopifyScenario { objects: 5, ..ShopifyScenario::default() };
    Scenario { shopify, ..Scenario::default() }
}

/// A bulk extract of Marketo, which takes two calls, by its description.
pub const MARKETO_LEADS: System = System {
    kind: "declared: marketo-leads",
    connection: "marketo-demo",
    event: marketo_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_marketo,
    uploaded: &[],
    jobs: |simulator| simulator.marketo_jobs().len(),
    reads_heads: None,
    seen_by_a_person: None,
};

fn marketo_event() -> Value {
    let filter =
        json!({ "createdAt": { "startAt": "2026-11-01T00:00:00Z", "endAt": "2026-11-21T00:00:00Z" } });
    json!({
        "connection": "marketo-demo",
        "export": {
            "kind": "declared", "system": "marketo-leads",
            "with": { "fields": ["id", "firstName", "email"], "filter": filter },
        },
        "destination": "lake",
        "run_key": "leads-2026-11-21T06",
    })
}

fn small_marketo() -> Scenario {
    Scenario { marketo: MarketoScenario { leads: 5, gives_ids_back: true }, ..Scenario::default() }
}

/// An asynchronous request of `NetSuite`, by its description.
pub const NETSUITE_ASYNC: System = System {
    kind: "declared: netsuite-async",
    connection: "netsuite-demo",
    event: netsuite_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_netsuite,
    uploaded: &[],
    jobs: |simulator| simulator.netsuite_jobs().len(),
    reads_heads: None,
    seen_by_a_person: None,
};

fn netsuite_event() -> Value {
    json!({
        "connection": "netsuite-demo",
        "export": { "kind": "declared", "system": "netsuite-async", "with": { "resource": "record/v1/customer" } },
        "destination": "lake",
        "run_key": "customers-2026-11-21T06",
    })
}

fn small_netsuite() -> Scenario {
    Scenario { netsuite: NetsuiteScenario { records: 5, tasks: 2 }, ..Scenario::default() }
}

/// An extract definition of Oracle Fusion that is run by `runExtract`, by its description.
pub const ORACLE_EXTRACT: System = System {
    kind: "declared: oracle-extract",
    connection: "oracle-demo",
    event: oracle_event,
    destination: "",
    in_oci: false,
    divided_at: None,
    small: small_oracle,
    uploaded: &[],
    jobs: |simulator| simulator.oracle_jobs().len(),
    reads_heads: None,
    seen_by_a_person: Some(|simulator| simulator.oracle_jobs().first().map(|job| job.id.to_string())),
};

fn oracle_event() -> Value {
    json!({
        "connection": "oracle-demo",
        "export": { "kind": "declared", "system": "oracle-extract", "with": { "definition": "SalesExtract" } },
        "destination": "lake",
        "run_key": "sales-2026-11-21T06",
    })
}

fn small_oracle() -> Scenario {
    Scenario { oracle: OracleScenario { rows: 5, ..OracleScenario::default() }, ..Scenario::default() }
}

/// The least job with all that a job has: two archives, two members of one name, a metadata file.
fn small_extract() -> Scenario {
    Scenario {
        views: vec!["carriersExtract".to_owned()],
        chunks_per_view: 2,
        member_size: MemberSize::Rows(5),
        ..Scenario::default()
    }
}

impl System {
    /// Puts into the bucket `uploads` what others put there.
    pub async fn upload(&self, world: &World) {
        let uploads = world.uploads().await;
        for (key, bytes) in self.uploaded {
            uploads.put(key, Bytes::from_static(bytes), Condition::Always).await.expect("an upload");
        }
    }

    /// The event that goes on with a job of this system.
    pub fn job_event(&self, id: &str) -> Value {
        json!({ "connection": self.connection, "job_request_id": id })
    }
}
