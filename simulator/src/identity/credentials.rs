//! The one confidential application and the one user that the simulated identity domain knows.

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
/// The public half of [`PRIVATE_KEY_PEM`] (PKCS #1, DER), which the identity domain checks them with.
pub const PUBLIC_KEY_DER: &[u8] = include_bytes!("keys/client.pub.der");
/// What an assertion's `aud` names.
pub const AUDIENCE: &str = "https://identity.oraclecloud.com/";
/// The SAML assertion that the identity domain accepts for the user.
pub const SAML_ASSERTION: &str = "<saml2:Assertion>integration.user@example.com</saml2:Assertion>";
