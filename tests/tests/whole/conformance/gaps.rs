//! What a store that others wrote does not give, and what landfall does about it. None is the embedded store's.

/// A check that a store fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    store: &'static str,
    check: &'static str,
    /// Whether it fails only if several calls happen to meet.
    pub(crate) sometimes: bool,
    /// What landfall does about it.
    pub(crate) about: &'static str,
}

const SEAWEEDFS: &str = "SeaweedFS";
const MINISTACK: &str = "ministack";

const GAPS: &[Gap] = &[
    Gap {
        store: SEAWEEDFS,
        check: "If-None-Match on completion: of 4 at once one wins",
        sometimes: true,
        about: "claims and records are single PUTs, of which one wins; who completes one object at once completes the \
                same bytes",
    },
    gap(
        SEAWEEDFS,
        "multipart: a part that is sent again is listed once",
        "a download is gone on with behind that part, in whichever version is listed first: both have the same bytes of \
         the same version of the file",
    ),
    gap(
        SEAWEEDFS,
        "keys: // within",
        "no key has an empty name within: an archive and a layout that have one are refused",
    ),
    gap(
        SEAWEEDFS,
        "keys: 1,024 bytes, in one name",
        "a member with such a name does not land: the call fails, and with it the file, by name; limits.name_bytes = \
         255 refuses it before anything lands",
    ),
    gap(
        SEAWEEDFS,
        "keys: one that leads others, as a file leads no files",
        "it takes a folder for an object that is there: a member whose name leads another's does not land if it comes \
         second, and the file ends as StoreUnavailable, saying so; nothing is replaced, and there is no manifest",
    ),
    gap(
        SEAWEEDFS,
        "listing: in the order of the keys' bytes",
        "listings are read to their end, and need a prefix's keys in one piece, which they are",
    ),
    gap(
        MINISTACK,
        "multipart: a part that is too small is refused",
        "no part but the last is ever smaller than 5 MiB",
    ),
    gap(
        MINISTACK,
        "multipart: parts that are out of order at completion are refused",
        "parts are named in their order",
    ),
    gap(
        MINISTACK,
        "multipart: a completion that names no part is refused",
        "an upload is begun by its first part, and completed with it",
    ),
    gap(
        MINISTACK,
        "a wrong signature is refused",
        "nothing: it is for tests of deployments, and no place for data",
    ),
    gap(
        MINISTACK,
        "copy: by ranges, between parts that are uploaded",
        "it does not say what it has copied, so everything is uploaded",
    ),
    gap(
        MINISTACK,
        "checksum: the CRC-64/NVME of an object of parts is told",
        "it makes a checksum of the parts' checksums and says so when an upload is begun: landfall sends no checksum of \
         the whole then, names every part's, and reads an object that is there to know its bytes",
    ),
];

/// Checks that make S3's own calls, or ask for what OCI's own API does not have: of a store that is called by that API
/// they are not asked. What that API answers in their place, `embedded-store/tests/native` holds.
const OF_S3: &[&str] = &[
    "If-Match on completion: by the ETag that is there, and by no other",
    "GET: a range behind the end is refused",
    "DELETE: 1,000 in one call, and nothing beside them",
    "multipart: ListParts by pages of 2",
    "multipart: a wrong ETag at completion is refused",
    "multipart: a part that is too small is refused",
    "multipart: parts that are out of order at completion are refused",
    "multipart: a completion that names no part is refused",
    "multipart: unfinished uploads are listed by pages of 2",
    "copy: an object, to another bucket, if it has not changed",
    "copy: an object that has changed is not copied",
    "copy: by ranges, between parts that are uploaded",
    "copy: by ranges, of an object that has changed, is refused",
    "checksum: a wrong CRC-64/NVME of an object is refused",
    "checksum: a wrong CRC-64/NVME of a part is refused",
    "checksum: a wrong CRC-64/NVME of the whole is refused at completion",
    "checksum: a wrong SHA-256 is refused",
    "checksum: a wrong MD5 is refused, of an object and of a part",
    "checksum: the CRC-64/NVME of an object is told",
    "checksum: the CRC-64/NVME of an object of parts is told",
    "keys: control characters, listed as URL text",
    "listing: ListObjects by markers, as stores without the second have it",
];

/// Whether a check is made on a store.
pub(crate) fn is_asked(store: &str, check: &str) -> bool {
    store != crate::conformance::OCI || !OF_S3.contains(&check)
}

const fn gap(store: &'static str, check: &'static str, about: &'static str) -> Gap {
    Gap { store, check, sometimes: false, about }
}

/// What is known of a store's failing a check.
pub(crate) fn of(store: &str, check: &str) -> Option<Gap> {
    GAPS.iter().copied().find(|gap| gap.store == store && gap.check == check)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gap is of a store that others wrote, and of a check that there is.
    #[test]
    fn every_gap_is_named_by_a_check() {
        let checks: Vec<_> = crate::conformance::checks().iter().map(|check| check.name).collect();
        for gap in GAPS {
            assert!(checks.contains(&gap.check), "{}", gap.check);
            assert_ne!(
                gap.store,
                crate::conformance::EMBEDDED,
                "{}: a gap of our own is closed, not named",
                gap.check
            );
        }
        for check in OF_S3 {
            assert!(checks.contains(check), "{check}");
        }
        let once: std::collections::BTreeSet<_> = checks.iter().collect();
        assert_eq!(once.len(), checks.len(), "two checks have one name");
    }
}
