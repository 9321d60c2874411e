//! What is wrong with a key.

/// Why a text is no key to sign with. What the text says is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RsaKeyError {
    /// Nothing that is a key.
    #[error(
        "it holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY----- \
         and has its END line"
    )]
    NoKey,
    /// The half that others have.
    #[error("it holds a public key or a certificate: the private key is needed")]
    Public,
    /// A passphrase is needed to read it.
    #[error("it is encrypted: take its passphrase off (openssl pkey -in key.pem -out plain.pem)")]
    Encrypted,
    /// The passphrase is another one's.
    #[error("it cannot be decrypted: the passphrase is wrong")]
    WrongPassphrase,
    /// By which cipher is not known, or not supported.
    #[error("it is encrypted in a way that is not supported: convert it by `openssl pkcs8 -topk8`")]
    OtherCipher,
    /// An elliptic key, or one in the form that `ssh-keygen` writes.
    #[error("it is no RSA key in the form PKCS #8 or PKCS #1 (openssl genpkey -algorithm RSA makes one)")]
    OtherKind,
    /// What is between the lines of dashes is no base64.
    #[error("its base64 is damaged: copy it anew, with all its lines")]
    NotBase64,
    /// Too few or too many bits to sign with.
    #[error("its size is not supported: it must have 2048, 3072 or 4096 bits")]
    Size,
    /// Its numbers do not make a key.
    #[error("it is damaged ({0})")]
    Damaged(&'static str),
    /// It did not sign.
    #[error("the RSA key does not sign")]
    NotSigned,
}
