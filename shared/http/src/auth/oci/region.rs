//! Regions of OCI: their identifiers, their keys, and the domain that their services are below.

use super::error::PrincipalError;

/// A region of OCI, by its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    identifier: String,
    /// The realm's domain, where something said it; else it follows from the identifier.
    domain: Option<String>,
}

/// Keys that stand for identifiers: those of `instance/region` of the metadata service, and those that people write.
const KEYS: [(&str, &str); 24] = [
    ("phx", "us-phoenix-1"),
    ("iad", "us-ashburn-1"),
    ("fra", "eu-frankfurt-1"),
    ("lhr", "uk-london-1"),
    ("ams", "eu-amsterdam-1"),
    ("bom", "ap-mumbai-1"),
    ("cdg", "eu-paris-1"),
    ("dxb", "me-dubai-1"),
    ("gru", "sa-saopaulo-1"),
    ("hyd", "ap-hyderabad-1"),
    ("icn", "ap-seoul-1"),
    ("jed", "me-jeddah-1"),
    ("kix", "ap-osaka-1"),
    ("lin", "eu-milan-1"),
    ("mad", "eu-madrid-1"),
    ("mel", "ap-melbourne-1"),
    ("nrt", "ap-tokyo-1"),
    ("ord", "us-chicago-1"),
    ("sin", "ap-singapore-1"),
    ("sjc", "us-sanjose-1"),
    ("syd", "ap-sydney-1"),
    ("yul", "ca-montreal-1"),
    ("yyz", "ca-toronto-1"),
    ("zrh", "eu-zurich-1"),
];

/// Realms other than the first, by how the identifiers of their regions begin, longest first where one begins another.
const REALMS: [(&str, &str); 8] = [
    ("us-langley-", "oraclegovcloud.com"),
    ("us-luke-", "oraclegovcloud.com"),
    ("us-gov-", "oraclegovcloud.com"),
    ("uk-gov-", "oraclegovcloud.uk"),
    ("ap-chiyoda-", "oraclecloud8.com"),
    ("ap-ibaraki-", "oraclecloud8.com"),
    ("eu-madrid-2", "oraclecloud.eu"),
    ("eu-frankfurt-2", "oraclecloud.eu"),
];

impl Region {
    /// A region as it is written: by its identifier, or by its key.
    pub fn parse(written: &str) -> Result<Self, PrincipalError> {
        let written = written.trim().to_ascii_lowercase();
        let identifier = KEYS.iter().find(|(key, _)| *key == written).map(|(_, identifier)| *identifier);
        let identifier = identifier.unwrap_or(&written);
        // It becomes part of a host's name: anything else in it could lead to another host.
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let labels = identifier.split('-').collect::<Vec<_>>();
        match labels.len() >= 3 && identifier.len() <= 63 && labels.into_iter().all(is_label) {
            true => Ok(Self { identifier: identifier.to_owned(), domain: None }),
            false => Err(PrincipalError::Region(written)),
        }
    }

    /// The same region, in a realm with this domain, as the metadata service tells it.
    #[must_use]
    pub(super) fn below(self, domain: Option<String>) -> Self {
        let is_name = |domain: &String| {
            let mut bytes = domain.bytes();
            domain.contains('.')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        };
        Self { domain: domain.filter(is_name), ..self }
    }

    /// Its identifier, such as `us-phoenix-1`.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The host of a service there, such as `objectstorage` or `auth`.
    pub fn host_of(&self, service: &str) -> String {
        format!("{service}.{}.{}", self.identifier, self.domain())
    }

    /// The host of one of the services there that have `oci` before their realm's domain, such as `secrets.vaults`.
    pub fn host_below_oci(&self, service: &str) -> String {
        format!("{service}.{}.oci.{}", self.identifier, self.domain())
    }

    fn domain(&self) -> &str {
        let of_realm = REALMS.iter().find(|(beginning, _)| self.identifier.starts_with(beginning));
        let domain = self.domain.as_deref().or(of_realm.map(|(_, domain)| *domain));
        domain.unwrap_or("oraclecloud.com")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A region's services are where Oracle's own clients look for them, in every realm that is known or told.
    #[test]
    fn a_region_leads_to_the_hosts_of_its_realm() {
        for (written, host) in [
            ("us-phoenix-1", "objectstorage.us-phoenix-1.oraclecloud.com"),
            (" PHX ", "objectstorage.us-phoenix-1.oraclecloud.com"),
            ("us-gov-ashburn-1", "objectstorage.us-gov-ashburn-1.oraclegovcloud.com"),
            ("uk-gov-london-1", "objectstorage.uk-gov-london-1.oraclegovcloud.uk"),
            ("eu-frankfurt-2", "objectstorage.eu-frankfurt-2.oraclecloud.eu"),
            ("eu-frankfurt-1", "objectstorage.eu-frankfurt-1.oraclecloud.com"),
        ] {
            assert_eq!(Region::parse(written).unwrap().host_of("objectstorage"), host);
        }
        let vaults = Region::parse("uk-gov-london-1").unwrap().host_below_oci("secrets.vaults");
        assert_eq!(vaults, "secrets.vaults.uk-gov-london-1.oci.oraclegovcloud.uk");
        let told = Region::parse("xx-new-1").unwrap();
        let host = told.clone().below(Some("oraclecloud99.com".to_owned())).host_of("auth");
        assert_eq!(host, "auth.xx-new-1.oraclecloud99.com");
        let odd = told.below(Some("evil.example/".to_owned())).host_of("auth");
        assert_eq!(odd, "auth.xx-new-1.oraclecloud.com");
    }

    /// Promise 7: what is written as a region cannot lead to another host.
    #[test]
    fn what_cannot_be_a_region_is_refused_by_name() {
        for written in ["", "us-phoenix", "us-phoenix-1.evil.example", "us-phoenix-1/", "a--1", "mars"] {
            let error = Region::parse(written).unwrap_err();
            assert!(error.to_string().contains("us-phoenix-1, or a key"), "{written}: {error}");
        }
    }
}
