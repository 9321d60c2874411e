//! What goes wrong with data extraction, endpoint by endpoint.

use serde::{Deserialize, Serialize};

use crate::switches::{Outage, Times};

/// How a `Location` header is written. All forms but `Missing` name the created resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocationForm {
    /// The absolute URL of the resource.
    #[default]
    Absolute,
    /// Absolute, https and with `:443`, as in the documentation's BOSS examples.
    ExplicitPort,
    /// The path alone.
    Relative,
    /// Absolute, with `jobScheduler` and `dataexport` in another case.
    OtherCase,
    /// Absolute, with a slash at the end.
    TrailingSlash,
    /// Absolute, with a query.
    WithQuery,
    /// No such header.
    Missing,
    /// A `Location` whose last segment is no id.
    NotAnId,
    /// Absolute, and in `Content-Location` alone.
    ContentLocation,
}

/// Switches of export definitions and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BossFaults {
    /// How a name that exists is refused.
    pub duplicate: DuplicateAnswer,
    /// The resource is created, then the connection is closed without an answer. Counted over all.
    pub create_then_drop: Times,
    /// How the `Location` of a created resource is written.
    pub location: LocationForm,
    /// A `$filter` is ignored: the whole collection is answered, in pages.
    pub ignore_filter: bool,
    /// A definition or group is missing from so many searches that would find it, after it was created.
    pub lag_calls: u32,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// The status of the refusal of a duplicate name. Both have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateAnswer {
    /// 400 Bad Request.
    #[default]
    BadRequest,
    /// 409 Conflict.
    Conflict,
}

/// Switches of job submission. Counted over all submissions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubmitFaults {
    /// The job is accepted, then the connection is closed without an answer.
    pub accept_then_drop: Times,
    /// The job is accepted, then a gateway answers 504.
    pub accept_then_gateway_timeout: Times,
    /// The job is accepted, then a load balancer answers 503, as it does for an instance that goes away.
    pub accept_then_unavailable: Times,
    /// The job is accepted, then a gateway answers 302 and leads to its login page.
    pub accept_then_redirect: Times,
    /// A `clientRequestUuid` that a job has is refused with 409. Otherwise it may be used again.
    pub unique_client_request_uuid: bool,
    /// How the `Location` of the job is written.
    pub location: LocationForm,
    /// Unknown fields of the request (`clientRequestUuid` among them) are refused with 400. Otherwise
    /// they are accepted.
    pub strict: bool,
    /// The extract must be a known definition or group, else 400. Otherwise any name runs, as extracts
    /// are also made in the vendor's own screens.
    pub require_definition: bool,
    /// Every submission is refused with 400 and this detail.
    pub reject: Option<String>,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// Switches of a job's course and how it is told. Counted by job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatusFaults {
    /// How many polls see each status before the next one.
    pub polls_per_status: u32,
    /// The statuses before the last one.
    pub progression: Vec<String>,
    /// The last status. `SUCCEEDED`, `SUCCESSFUL`, `COMPLETED`, `FINISHED` and `WARNING` (in any case)
    /// come with output; anything else, known or not, without.
    pub final_status: String,
    /// The message beside the last status, instead of the usual one.
    pub final_message: Option<String>,
    /// The job is not final at all: it stays in the last status of the progression.
    pub never_ends: bool,
    /// So many polls see the last status while `completed` is still false.
    pub completed_lags: u32,
    /// The service runs the job a second time by itself: after the progression it is enqueued again, with
    /// `jobRetryNumber` 1.
    pub service_retry: bool,
    /// The shape of the answer.
    pub shape: StatusShape,
    /// So many polls of a job that was accepted get 404.
    pub not_found: Times,
    /// The job ends as `FAILED`, and as it should once somebody has started it again at the source, under its id
    /// ([`Simulator::start_again`](crate::Simulator::start_again)).
    pub fails_first: bool,
    /// Which occurrence (from 1) of a recurring request ends as `FAILED`.
    pub failed_occurrence: Option<u32>,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

impl Default for StatusFaults {
    fn default() -> Self {
        Self {
            polls_per_status: 1,
            progression: ["ENQUEUED", "IN_PROGRESS", "RUNNING"].map(String::from).to_vec(),
            final_status: "SUCCEEDED".to_owned(),
            final_message: None,
            never_ends: false,
            completed_lags: 0,
            service_retry: false,
            shape: StatusShape::default(),
            not_found: Times::default(),
            fails_first: false,
            failed_occurrence: None,
            outage: Outage::default(),
        }
    }
}

/// The shapes in which a job's status has been documented or seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusShape {
    /// All below `jobDetails`; whole at the first poll, abridged after it.
    #[default]
    Documented,
    /// `jobStatus` and `jobProgress` at the top.
    Flat,
    /// `jobDetails` is an array of one.
    Array,
    /// `jobProgress` at the top and no `jobStatus` anywhere.
    ProgressOnly,
    /// `jobDetails.jobStatus` and nothing else.
    StatusOnly,
    /// A JSON object without any status.
    Nothing,
}

/// Switches of the list of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListingFaults {
    /// A job is missing from so many lists after it was accepted.
    pub lag_calls: u32,
    /// Around every job stand older ones, finished, of the same extract, with descriptions and
    /// `clientRequestUuid`s that resemble its own. On by default: a pod has a history.
    pub look_alikes: bool,
    /// The server pages by itself: so many items an answer, `hasMore`, `$offset` or `offset` honoured.
    pub page_size: Option<usize>,
    /// The newest job comes first.
    pub newest_first: bool,
    /// Items are wrapped in `jobDetails`, as they are in a poll's answer.
    pub wrapped: bool,
    /// `clientRequestUuid` is accepted at submission, and forgotten.
    pub forgets_client_request_uuid: bool,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

impl Default for ListingFaults {
    fn default() -> Self {
        Self {
            lag_calls: 0,
            look_alikes: true,
            page_size: None,
            newest_first: false,
            wrapped: false,
            forgets_client_request_uuid: false,
            outage: Outage::default(),
        }
    }
}

/// Switches of the list of output files. Counted by job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputFileFaults {
    /// The `checksum` of the last file (`right` for all others).
    pub checksum: ChecksumForm,
    /// In so many lists the `checksum` of the last file is of something else.
    pub wrong_checksum_calls: u32,
    /// `totalItems`.
    pub total_items: TotalItems,
    /// The `fileSize` of the last file (`right` for all others).
    pub file_size: FileSizeForm,
    /// The list is empty in so many calls after the job has succeeded.
    pub empty_calls: u32,
    /// The last file is missing from so many calls.
    pub late_calls: u32,
    /// The same, and `totalItems` knows nothing of it: the list looks whole, and grows.
    pub growing_calls: u32,
    /// The last file is listed in so many calls, and then no more.
    pub lost_after: Option<u32>,
    /// The server pages by itself: so many items an answer, `offset` (or `$offset`) honoured.
    pub page_size: Option<usize>,
    /// `totalItems` is the number of a page's items, and `hasMore` is false, whatever follows.
    pub counts_are_of_the_page: bool,
    /// With `page_size`: the offset is ignored, every answer is the first page.
    pub ignore_offset: bool,
    /// The order is reversed in every second call.
    pub unstable_order: bool,
    /// With `page_size`: in the first so many lists the order is another one from the second page on.
    pub unstable_pages: Times,
    /// One more item with the first file's name.
    pub duplicate_name: DuplicateName,
    /// The name of the first file. Acts when a job's output is made.
    pub name: NameForm,
    /// Where the last file's `enclosure` points.
    pub href: HrefForm,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// How a file's checksum is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumForm {
    /// `sha-256=<64 hex>`, of the file.
    #[default]
    Right,
    /// In the same form, of something else.
    Wrong,
    /// No such field.
    Absent,
    /// Right, with upper-case hex digits.
    UpperCase,
    /// In the form of an algorithm that no document names.
    UnknownAlgorithm,
}

/// How the number of files is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TotalItems {
    /// The number of the job's files.
    #[default]
    Honest,
    /// One more than there are, as in the documentation's own example.
    Larger,
    /// No such field.
    Absent,
}

/// How a file's size is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSizeForm {
    /// A number: the bytes of the file.
    #[default]
    Right,
    /// One byte more.
    Wrong,
    /// None, as of a file that is still being written.
    Zero,
    /// No such field.
    Absent,
    /// Right, as a string.
    Text,
}

/// A second item of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateName {
    /// None.
    #[default]
    No,
    /// The same item again: same link, same bytes.
    SameFile,
    /// The second file under the name of the first, with a link of its own: file names are unique by
    /// execution, not by request.
    OtherContent,
}

/// What a file is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameForm {
    /// As documented.
    #[default]
    Documented,
    /// `../../` before it.
    Traversal,
    /// `/` before it.
    Absolute,
    /// Spaces in it.
    Spaces,
    /// A `%2F` and a lone `%` in it.
    Percent,
    /// Letters beyond ASCII in it.
    Unicode,
    /// `result_<id>.json`, though the body is an archive.
    Json,
    /// 300 characters.
    Long,
}

/// Where a download link points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HrefForm {
    /// The pod.
    #[default]
    Pod,
    /// The pod, with `jobFileManager` in another case.
    OtherCase,
    /// The path alone.
    Relative,
    /// Another host, over https. Nothing is there: whoever calls it has failed.
    ForeignHost,
    /// The pod's host over plain http, at a port of its own.
    OtherPort,
    /// The link-local address from which clouds hand out credentials.
    MetadataAddress,
    /// The foreign host, written so that a careless comparison of prefixes takes it for the pod.
    UserInfo,
    /// A `file:` URL.
    LocalFile,
    /// No link at all.
    Absent,
}

/// Switches of the download. Counted by file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContentFaults {
    /// Acts on the file of this ordinal (from 1) alone; otherwise on every file.
    pub only_file: Option<u32>,
    /// `Range` is ignored: 200 and the whole file.
    pub ignore_range: bool,
    /// A request with `Range` is refused with 400.
    pub refuse_range: Times,
    /// The `Content-Type`; `application/octet-stream`, if not said.
    pub content_type: Option<String>,
    /// The body is chunked, without `Content-Length`.
    pub no_content_length: bool,
    /// The body is coded gzip, whatever the request accepts, and `Range` is ignored.
    pub gzip: bool,
    /// The connection is closed in the middle of the body.
    pub cut: Cut,
    /// Half of what was asked for, declared as such and complete: a body that a proxy has shortened.
    pub short_answer: Times,
    /// A ranged request is answered with a larger range, from up to 1,000 bytes before to the end.
    pub superset_range: Times,
    /// A ranged request is answered with 206 and a `Content-Range` that starts elsewhere.
    pub shifted_range: Times,
    /// The file is gone.
    pub gone: Gone,
    /// One byte of the file, in its middle, is wrong.
    pub wrong_bytes: Times,
    /// The `ETag`.
    pub etag: EtagForm,
    /// A redirect (302) to this URL.
    pub redirect_to: Option<String>,
    /// What happens before the endpoint looks at the request.
    pub outage: Outage,
}

/// A body that breaks off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cut {
    /// How often.
    pub times: Times,
    /// After how many bytes of the answer.
    pub after_bytes: u64,
    /// If given: after a number of bytes between `after_bytes` and this, drawn anew for each cut from the
    /// scenario's seed.
    pub up_to_bytes: Option<u64>,
}

/// A file that cannot be had any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gone {
    /// How often.
    pub times: Times,
    /// 410 Gone instead of 404 Not Found.
    pub expired: bool,
}

/// How a file's entity tag behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EtagForm {
    /// A strong one that stays.
    #[default]
    Stable,
    /// Another one in every answer, for the same bytes.
    Changing,
    /// A weak one, with which `If-Range` never matches.
    Weak,
    /// None.
    Absent,
}

/// Switches of the archives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveFaults {
    /// What is wrong.
    pub kind: ArchiveKind,
    /// The ordinal (from 1) of the file that it is wrong with; otherwise the first.
    pub file: Option<u32>,
}

/// The archive, or what comes in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveKind {
    /// As its producer writes it.
    #[default]
    Sound,
    /// A member named `../../outside.csv`.
    ZipSlip,
    /// A member named `/etc/outside.csv`.
    AbsolutePath,
    /// A member named `..\outside.csv`.
    BackslashPath,
    /// Two members of one name.
    DuplicateNames,
    /// Entries for directories, which land nothing; otherwise sound.
    DirectoryEntries,
    /// A member of no bytes; otherwise sound.
    ZeroByteMember,
    /// A gibibyte of zeros in a megabyte.
    Bomb,
    /// A member that inflates to far more than it declares.
    UnderstatedSize,
    /// The file ends within the central directory.
    TruncatedCentralDirectory,
    /// Text, though the name ends in `.zip`.
    NotAZip,
    /// A member marked as encrypted.
    Encrypted,
    /// A member that is a symbolic link.
    Symlink,
    /// A gzip file, though the name ends in `.zip`.
    Gzip,
    /// A sound archive whose name ends in `.json`.
    ZipNamedJson,
    /// An archive without entries.
    EmptyArchive,
    /// A file of no bytes.
    EmptyFile,
    /// A member whose CRC-32 is not that of its bytes.
    BadCrc,
    /// Two members that share their bytes.
    Overlapping,
    /// The HTML of a login page, listed with its own size and checksum.
    HtmlPage,
}
