use super::{Error, KdcError, KrbErrorCode};

/// What went wrong with a logon by certificate (PKINIT, RFC 4556).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkinitError {
    /// The KDC's methods of pre-authentication do not include PA-PK-AS-REQ.
    #[error(
        "it offers no logon by certificate: give the KDC a certificate (Windows: template Kerberos Authentication; MIT: \
         pkinit_identity), or ask another KDC of the realm"
    )]
    NotOffered,
    /// Nothing says which authorities vouch for KDCs.
    #[error(
        "nothing says whose certificates prove a KDC, and without that anybody could be one: give PkinitOptions the \
         authority's certificate as an anchor"
    )]
    NoAnchors,
    /// The KDC refuses the client's certificate or signature.
    #[error("it refuses the certificate: {0}")]
    CertificateRefused(KrbErrorCode),
    /// KDC_ERR_PREAUTH_FAILED for a certificate.
    #[error(
        "KDC_ERR_PREAUTH_FAILED (24): it takes the certificate for nobody's or for another account's: compare the names in \
         the certificate with the account's, and read the KDC's log"
    )]
    PreAuthenticationFailed,
    /// The certificate does not prove a KDC of the realm.
    #[error("its certificate does not prove it: {0}")]
    KdcCertificate(#[from] KdcCertificateProblem),
    /// The KDC's signature does not verify, or covers something else.
    #[error(
        "its signature does not verify: somebody stands in for it, or its key is not its certificate's"
    )]
    WrongSignature,
    /// The KDC signs in a way that is not accepted: with SHA-1, say.
    #[error(
        "it signs by an algorithm that is not accepted: RSA with PKCS #1 v1.5 or ECDSA, with SHA-256 or more, is"
    )]
    UnsupportedSignature,
    /// There is no group for Diffie-Hellman that both ends accept.
    #[error(
        "there is no common group for Diffie-Hellman: allow groups 14 and 16 (2048 and 4096 bits) on both ends"
    )]
    NoCommonGroup,
    /// A public value of the KDC's that would give the key away.
    #[error(
        "its public value for Diffie-Hellman is 0, 1, p-1 or not below p: somebody stands in for it"
    )]
    UnfitPublicValue,
    /// The key was encrypted to the client's, which was not asked for.
    #[error("it answers by encryption to the client's key, which was not asked for")]
    EncryptedKey,
    /// The KDC derives the key in a way that was not offered.
    #[error("it derives the key in a way that was not offered")]
    UnofferedKeyDerivation,
    /// The key that was agreed on does not open the answer.
    #[error("the key that was agreed on does not open its answer: somebody changed one of them")]
    WrongReplyKey,
    /// The key cannot sign in any of the ways that are allowed.
    #[error(
        "the key can sign in none of the ways that PkinitOptions::schemes allows: SHA-1 is not among them unless it is named"
    )]
    NoCommonScheme,
    /// The key did not sign.
    #[error("the logon was not signed: {0}")]
    Sign(#[from] SignError),
}

impl From<PkinitError> for Error {
    fn from(error: PkinitError) -> Self {
        KdcError::from(error).into()
    }
}

/// Why a certificate does not prove a KDC (RFC 4556, section 3.2.4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KdcCertificateProblem {
    /// The answer does not hold the certificate of its signer.
    #[error("it did not come along")]
    Missing,
    /// It is malformed.
    #[error("it is malformed: have another one issued")]
    Malformed,
    /// It, or one above it, is no longer valid.
    #[error("it or one above it has expired: renew it, or set this computer's clock right")]
    Expired,
    /// It, or one above it, is not valid yet.
    #[error("it or one above it is not valid yet: set this computer's clock right")]
    NotYetValid,
    /// No chain leads to an anchor.
    #[error(
        "no chain leads from it to an anchor: add its authority to the anchors if that is the realm's"
    )]
    UnknownIssuer,
    /// It, or one above it, is signed in a way that is not accepted.
    #[error(
        "it or one above it is signed by an algorithm that is not accepted, such as one with SHA-1: have it issued with SHA-256"
    )]
    UnsupportedSignature,
    /// A revocation list has it.
    #[error("it or one above it is revoked: give the KDC another one")]
    Revoked,
    /// Its extended key usage does not say that it is a KDC's.
    #[error(
        "its extended key usage is not a KDC's (1.3.6.1.5.2.3.5): have one issued for it (Windows: template Kerberos \
         Authentication), or allow the purpose that it has by PkinitOptions::kdc_purpose"
    )]
    WrongPurpose,
    /// Its key usage does not allow signatures.
    #[error("its key usage does not allow digital signatures: have another one issued")]
    WrongKeyUsage,
    /// It names neither the realm nor a host that is known as its KDC.
    #[error(
        "it names neither krbtgt/{realm} nor a host of PkinitOptions::kdc_hosts: have one issued that names the realm, or \
         add the name to kdc_hosts if this is its KDC; it names {}", told(.names)
    )]
    OtherName {
        /// The realm.
        realm: Box<str>,
        /// What it names, at most eight of them.
        names: Vec<Box<str>>,
    },
    /// Something else, as the library says it.
    #[error("{0}")]
    Other(Box<str>),
}

fn told(names: &[Box<str>]) -> String {
    if names.is_empty() {
        "nothing".into()
    } else {
        names.join(", ")
    }
}

/// Why a key did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The card was pulled out, or its reader is gone.
    #[error("the card is gone: put it back, and log on anew")]
    Removed,
    /// The key wants a PIN that was not given, or the card has forgotten that it was.
    #[error("the card wants its PIN anew: log on anew")]
    NotLoggedIn,
    /// It cannot sign in the way that is asked for.
    #[error("the key cannot sign in this way: choose another scheme")]
    UnsupportedScheme,
    /// Anything else.
    #[error("{0}")]
    Other(Box<str>),
}
