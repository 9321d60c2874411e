//! What a request to OCI's own API is about, by its path and query.

use std::collections::BTreeMap;

use http::{Method, Uri};
use percent_encoding::percent_decode_str;

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) namespace: Option<String>,
    pub(crate) bucket: Option<String>,
    pub(super) part: Part,
    /// The object's name, where it is about one.
    pub(crate) object: Option<String>,
    pub(super) query: BTreeMap<String, String>,
}

/// What of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The bucket itself, or the namespace.
    Itself,
    /// `/o`
    Objects,
    /// `/u`
    Uploads,
    /// `/retentionRules`
    RetentionRules,
    /// What this store does not have.
    Other,
}

impl Target {
    /// Whether a path is one of OCI's own API: no bucket of S3 has a name of one letter.
    pub(crate) fn is_native(uri: &Uri) -> bool {
        uri.path() == "/n" || uri.path().starts_with("/n/")
    }

    /// Reads a path and its query.
    pub(crate) fn of(uri: &Uri) -> Self {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let named = |text: &str| (!text.is_empty()).then(|| decoded(text));
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query = pairs.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))));
        let path = uri.path().strip_prefix("/n").unwrap_or_default().trim_start_matches('/');
        let mut pieces = path.splitn(5, '/');
        let mut next = || pieces.next().unwrap_or_default();
        let (namespace, b, bucket, part, object) = (next(), next(), next(), next(), next());
        let part = match (b, part) {
            ("" | "b", "") => Part::Itself,
            ("b", "o") => Part::Objects,
            ("b", "u") => Part::Uploads,
            ("b", "retentionRules") => Part::RetentionRules,
            _ => Part::Other,
        };
        Self {
            namespace: named(namespace),
            bucket: named(bucket),
            part,
            object: named(object),
            query: query.collect(),
        }
    }

    /// What S3 calls the operation: calls are counted and cut by one name, whichever API they come by.
    pub(crate) fn operation(&self, method: &Method) -> &'static str {
        match (self.part, self.object.is_some(), method.as_str()) {
            (Part::Objects, true, "GET") => "GetObject",
            (Part::Objects, true, "HEAD") => "HeadObject",
            (Part::Objects, true, "PUT") => "PutObject",
            (Part::Objects, true, "DELETE") => "DeleteObject",
            (Part::Objects, false, "GET") => "ListObjects",
            (Part::Uploads, true, "PUT") => "UploadPart",
            (Part::Uploads, true, "POST") => "CompleteMultipartUpload",
            (Part::Uploads, true, "DELETE") => "AbortMultipartUpload",
            (Part::Uploads, true, "GET") => "ListParts",
            (Part::Uploads, false, "POST") => "CreateMultipartUpload",
            (Part::Uploads, false, "GET") => "ListMultipartUploads",
            (Part::Itself, false, "HEAD") if self.bucket.is_some() => "HeadBucket",
            (Part::Itself, false, "POST") => "CreateBucket",
            _ => "Other",
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call is what its path says, with names as they are, however their slashes are written.
    #[test]
    fn paths_are_read_as_oracles_client_writes_them() {
        for (method, uri, operation, object) in [
            ("GET", "/n/", "Other", None),
            ("GET", "/n/ns/b/lake/o?prefix=a%2Fb&limit=2", "ListObjects", None),
            ("PUT", "/n/ns/b/lake/o/a/b%20c", "PutObject", Some("a/b c")),
            ("HEAD", "/n/ns/b/lake/o/a%2Fb", "HeadObject", Some("a/b")),
            ("POST", "/n/ns/b/lake/u", "CreateMultipartUpload", None),
            ("PUT", "/n/ns/b/lake/u/a?uploadId=x&uploadPartNum=1", "UploadPart", Some("a")),
            ("POST", "/n/ns/b/lake/u/a//b?uploadId=x", "CompleteMultipartUpload", Some("a//b")),
            ("HEAD", "/n/ns/b/lake", "HeadBucket", None),
            ("POST", "/n/ns/b", "CreateBucket", None),
            ("POST", "/n/ns/b/lake/actions/copyObject", "Other", Some("copyObject")),
        ] {
            let uri = uri.parse().unwrap();
            let target = Target::of(&uri);
            assert!(Target::is_native(&uri));
            assert_eq!(target.operation(&method.parse().unwrap()), operation, "{uri}");
            assert_eq!(target.object.as_deref(), object, "{uri}");
        }
        let listed = Target::of(&"/n/ns/b/lake/o?prefix=a%2Fb+c&limit=2".parse().unwrap());
        assert_eq!(
            (listed.get("prefix"), listed.get("limit"), listed.get("start")),
            (Some("a/b c"), Some("2"), None)
        );
        assert!(!Target::is_native(&"/ns/n/o".parse().unwrap()));
    }
}
