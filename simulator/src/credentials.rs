//! The one confidential application and the one user that the simulated identity domain knows.
//!
//! All of it is public: it opens nothing but a simulator.

/// The pod's name, as scopes have it.
pub const POD: &str = "simulated-test";
/// The application's client id.
pub const CLIENT_ID: &str = "simulated-client-id";
/// The application's client secret. It has characters that a form and a Basic header treat differently.
pub const CLIENT_SECRET: &str = "simulated-client-secret-&+%=:";
/// The user's name.
pub const USERNAME: &str = "integration.user@example.com";
/// The user's password.
pub const PASSWORD: &str = "simulated-password-&+%=: é";
/// The id of the application's key, for the `kid` of its assertions.
pub const KEY_ID: &str = "simulated-key";
/// The application's private key (RSA, PKCS #8, PEM), with which it signs assertions.
pub const PRIVATE_KEY_PEM: &str = include_str!("keys/client.pem");
/// The public half of [`PRIVATE_KEY_PEM`] (SPKI, PEM), which the identity domain checks them with.
pub const PUBLIC_KEY_PEM: &str = include_str!("keys/client.pub.pem");
/// What an assertion's `aud` names.
pub const AUDIENCE: &str = "https://identity.oraclecloud.com/";
/// The scope of the BOSS API.
pub const BOSS_SCOPE: &str = "urn:opc:resource:fusion:simulated-test:boss/";
/// The scope of the saas-batch API.
pub const BATCH_SCOPE: &str = "urn:opc:resource:fusion:simulated-test:saas-batch/";
/// The identity domain that the EPM environment belongs to: what leads its users' names.
pub const IDENTITY_DOMAIN: &str = "simulateddomain";
/// The scope of the EPM environment.
pub const EPM_SCOPE: &str = "urn:opc:serviceInstanceID=simulated-test:epm";

/// The one tenant of the simulated FOLIO.
pub const FOLIO_TENANT: &str = "diku";
/// The tenant's user that may export.
pub const FOLIO_USERNAME: &str = "integration_user";
/// That user's password.
pub const FOLIO_PASSWORD: &str = "simulated-folio-password-&+%=: é";
/// The scope of REST resources.
pub const REST_SCOPE: &str = "urn:opc:resource:consumer::all";
/// The SAML assertion that the identity domain accepts for the user.
pub const SAML_ASSERTION: &str = "<saml2:Assertion>integration.user@example.com</saml2:Assertion>";
