use super::{Entry, Family, Notation, codes};
use crate::error::NegotiationFailure;

/// RDP_NEG_FAILURE (MS-RDPBCGR, section 2.2.1.2.2).
pub const RDP_NEGOTIATION: Family = Family {
    title: "RDP_NEG_FAILURE",
    place: "what a Remote Desktop server says before TLS",
    notation: Notation::Decimal,
    entries: ENTRIES,
};

/// The Early User Authorization Result (MS-RDPBCGR, section 2.2.10.2) where it is a refusal.
pub const EARLY_USER_AUTHORIZATION: Family = Family {
    title: "Early User Authorization Result",
    place: "what a Remote Desktop server says right behind CredSSP",
    notation: Notation::Decimal,
    entries: &[AUTHZ_ACCESS_DENIED],
};

pub(in crate::error) const AUTHZ_ACCESS_DENIED: Entry = Entry {
    code: 5,
    name: "AUTHZ_ACCESS_DENIED",
    meaning: "the user proved itself, but may not log on there by Remote Desktop",
    remedy: "add it to the group Remote Desktop Users there, and see that no policy `Deny log on …` names it",
};

codes! {
    NegotiationFailure::from_u32;
    SSL_REQUIRED_BY_SERVER = 1 "SSL_REQUIRED_BY_SERVER",
        "the server takes TLS only, without CredSSP",
        "switch Network Level Authentication on there; this crate has no use for TLS alone";
    SSL_NOT_ALLOWED_BY_SERVER = 2 "SSL_NOT_ALLOWED_BY_SERVER",
        "the server takes standard RDP security only, which this crate does not speak",
        "set the server's security layer to Negotiate or TLS, and switch Network Level Authentication on";
    SSL_CERT_NOT_ON_SERVER = 3 "SSL_CERT_NOT_ON_SERVER",
        "the server has no certificate for TLS",
        "give it one, and see that NETWORK SERVICE may read its private key";
    INCONSISTENT_FLAGS = 4 "INCONSISTENT_FLAGS",
        "the protocols asked for do not fit the connection that CredSSP has already secured",
        "ask for PROTOCOL_HYBRID where CredSSP came first";
    HYBRID_REQUIRED_BY_SERVER = 5 "HYBRID_REQUIRED_BY_SERVER",
        "the server wants CredSSP (Network Level Authentication), which was not asked for",
        "ask for PROTOCOL_HYBRID";
    SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER = 6 "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
        "the server wants TLS with a certificate of the client's",
        "this crate has none to give: have the server accept Network Level Authentication";
}
