//! TLS: which cryptography clients use, and whom they trust.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;

use crate::auth::InvalidSetting;
use crate::error::NoAuthorities;

/// The machine's own authorities: a few hundred certificates, which are read once a process and not once a client.
static MACHINE: LazyLock<Machine> = LazyLock::new(|| Machine::of(rustls_native_certs::load_native_certs()));

/// Whom this machine trusts.
struct Machine {
    roots: RootCertStore,
    config: ClientConfig,
    lack: Option<NoAuthorities>,
}

impl Machine {
    fn of(found: CertificateResult) -> Self {
        let mut roots = RootCertStore::empty();
        // One that is damaged is no reason to trust none.
        roots.add_parsable_certificates(found.certs);
        let lack = roots.is_empty().then(|| {
            let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            NoAuthorities(if errors.is_empty() { "none was found".to_owned() } else { errors.join("; ") })
        });
        Self { config: trusting(roots.clone()), roots, lack }
    }
}

/// The builder of an HTTP client that trusts the machine's authorities: those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name,
/// where one of them is set. It is the same for all clients of a process.
///
/// One of reqwest's own would have no cryptography, and panic.
pub fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(MACHINE.config.clone())
}

/// An error where the machine trusts nobody: calls over TLS cannot succeed then, those on this machine can.
pub fn check_authorities() -> Result<(), NoAuthorities> {
    MACHINE.lack.clone().map_or(Ok(()), Err)
}

/// Trusts the authorities of a file besides the machine's.
pub(crate) fn trusting_also(file: &Path) -> Result<ClientConfig, InvalidSetting> {
    let invalid = |reason: &str| InvalidSetting::new(format!("http.ca_file {} {reason}", file.display()));
    let pem = std::fs::read(file).map_err(|error| invalid(&format!("cannot be read: {error}")))?;
    let authorities: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let authorities = authorities.map_err(|error| invalid(&format!("is no PEM: {error}")))?;
    if authorities.is_empty() {
        return Err(invalid("holds no certificate in PEM"));
    }
    let mut roots = MACHINE.roots.clone();
    for authority in authorities {
        let added = roots.add(authority);
        added.map_err(|error| invalid(&format!("holds what is no certificate: {error}")))?;
    }
    Ok(trusting(roots))
}

#[expect(clippy::expect_used, reason = "ring has the versions of TLS that rustls has")]
fn trusting(roots: RootCertStore) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // What reqwest asks for by itself, but not in the place of a configuration that it is given.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine without authorities says what to do, and why there are none; one bad file among good ones does no harm.
    #[test]
    fn a_machine_that_trusts_nobody_says_so() {
        let none = Machine::of(CertificateResult::default());
        let said = none.lack.unwrap().to_string();
        assert!(said.contains("(none was found)") && said.contains("SSL_CERT_FILE"), "{said}");

        let missing = rustls_native_certs::load_certs_from_paths(Some(Path::new("/nowhere/ca.pem")), None);
        let said = Machine::of(missing).lack.unwrap().to_string();
        assert!(said.contains("/nowhere/ca.pem"), "{said}");

        let mut some = rustls_native_certs::load_certs_from_paths(Some(Path::new("/nowhere/ca.pem")), None);
        let authority = include_bytes!("client/test_tls/authority.pem");
        some.certs.push(CertificateDer::from_pem_slice(authority).unwrap());
        some.certs.push(CertificateDer::from(vec![0; 8]));
        let some = Machine::of(some);
        assert_eq!((some.roots.len(), some.lack), (1, None));
    }
}
