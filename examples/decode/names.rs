//! What numbers and object identifiers are called.

use credssp::kerberos::asn1::ErrorCode;
use credssp::kerberos::crypto::EncryptionType;
use credssp::mechanism::Oid;

/// An object identifier with dots, from its contents octets.
pub(crate) fn dotted(contents: &[u8]) -> String {
    let mut arcs: Vec<u128> = Vec::new();
    let mut arc = 0_u128;
    for octet in contents {
        // Beyond 128 bits it is no identifier that anybody has.
        arc = arc.wrapping_shl(7) | u128::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc -= first * 40;
            }
            arcs.push(arc);
            arc = 0;
        }
    }
    let arcs: Vec<_> = arcs.iter().map(u128::to_string).collect();
    arcs.join(".")
}

pub(crate) fn oid(contents: &[u8]) -> Option<&'static str> {
    let known = [
        (Oid::KERBEROS, "Kerberos 5"),
        (Oid::KERBEROS_USER_TO_USER, "Kerberos 5 user-to-user"),
        (Oid::MS_KERBEROS, "Kerberos 5, as Windows spells it"),
        (Oid::NEGOEX, "NEGOEX"),
        (Oid::NTLMSSP, "NTLM"),
        (Oid::SPNEGO, "SPNEGO"),
    ];
    let found = known.iter().find(|(oid, _)| oid.contents() == contents);
    found.map(|(_, name)| *name)
}

fn named(number: i64, names: &[(i64, &'static str)]) -> Option<String> {
    let found = names.iter().find(|(known, _)| *known == number);
    found.map(|(_, name)| (*name).to_owned())
}

/// An encryption type (RFC 3961, section 8, and IANA's registry).
pub(crate) fn encryption_type(number: i64) -> Option<String> {
    let ours = i32::try_from(number)
        .ok()
        .and_then(EncryptionType::from_number);
    let others = [
        (1, "des-cbc-crc"),
        (3, "des-cbc-md5"),
        (16, "des3-cbc-sha1"),
        (23, "arcfour-hmac"),
        (24, "arcfour-hmac-exp"),
        (25, "camellia128-cts-cmac"),
        (26, "camellia256-cts-cmac"),
        (-128, "arcfour-md4"),
        (-133, "arcfour-hmac-old"),
        (-135, "arcfour-hmac-old-exp"),
    ];
    ours.map(|kind| kind.name().to_owned())
        .or_else(|| named(number, &others))
}

pub(crate) fn checksum_type(number: i64) -> Option<String> {
    let names = [
        (7, "rsa-md5"),
        (15, "hmac-sha1-96-aes128"),
        (16, "hmac-sha1-96-aes256"),
        (19, "hmac-sha256-128-aes128"),
        (20, "hmac-sha384-192-aes256"),
        (-138, "hmac-md5"),
        (0x8003, "GSS-API"),
    ];
    named(number, &names)
}

pub(crate) fn name_type(number: i64) -> Option<String> {
    let names = [
        (0, "NT-UNKNOWN"),
        (1, "NT-PRINCIPAL"),
        (2, "NT-SRV-INST"),
        (3, "NT-SRV-HST"),
        (10, "NT-ENTERPRISE"),
        (11, "NT-WELLKNOWN"),
        (-128, "NT-MS-PRINCIPAL"),
        (-130, "NT-ENT-PRINCIPAL-AND-ID"),
    ];
    named(number, &names)
}

pub(crate) fn message_type(number: i64) -> Option<String> {
    let names = [
        (10, "AS-REQ"),
        (11, "AS-REP"),
        (12, "TGS-REQ"),
        (13, "TGS-REP"),
        (14, "AP-REQ"),
        (15, "AP-REP"),
        (16, "KERB-TGT-REQUEST"),
        (17, "KERB-TGT-REPLY"),
        (30, "KRB-ERROR"),
    ];
    named(number, &names)
}

pub(crate) fn kerberos_error(number: i64) -> Option<String> {
    let code = i32::try_from(number).ok()?;
    Some(ErrorCode::from_number(code).to_string())
}

pub(crate) fn padata_type(number: i64) -> Option<String> {
    let names = [
        (1, "PA-TGS-REQ"),
        (2, "PA-ENC-TIMESTAMP"),
        (3, "PA-PW-SALT"),
        (11, "PA-ETYPE-INFO"),
        (14, "PA-PK-AS-REQ_OLD"),
        (16, "PA-PK-AS-REQ"),
        (17, "PA-PK-AS-REP"),
        (19, "PA-ETYPE-INFO2"),
        (20, "PA-SVR-REFERRAL-INFO"),
        (111, "TD-CMS-DIGEST-ALGORITHMS"),
        (128, "PA-PAC-REQUEST"),
        (129, "PA-FOR-USER"),
        (130, "PA-FOR-X509-USER"),
        (133, "PA-FX-COOKIE"),
        (136, "PA-FX-FAST"),
        (137, "PA-FX-ERROR"),
        (138, "PA-ENCRYPTED-CHALLENGE"),
        (147, "PA-PKINIT-KX"),
        (149, "PA-REQ-ENC-PA-REP"),
        (150, "PA-AS-FRESHNESS"),
        (151, "PA-SPAKE"),
        (165, "PA-SUPPORTED-ENCTYPES"),
        (167, "PA-PAC-OPTIONS"),
    ];
    named(number, &names)
}

pub(crate) fn authorization_data_type(number: i64) -> Option<String> {
    let names = [
        (1, "AD-IF-RELEVANT"),
        (4, "AD-KDC-ISSUED"),
        (5, "AD-AND-OR"),
        (8, "AD-MANDATORY-FOR-KDC"),
        (128, "AD-WIN2K-PAC"),
        (129, "GSS-API etype negotiation"),
        (141, "KERB-AUTH-DATA-TOKEN-RESTRICTIONS"),
        (142, "KERB-LOCAL"),
        (143, "KERB-AD-RESTRICTION-ENTRY-AP-OPTIONS"),
        (144, "AD-TARGET-PRINCIPAL"),
    ];
    named(number, &names)
}

/// APOptions (RFC 4120, section 5.5.1).
pub(crate) const AP_OPTIONS: &[(u32, &str)] = &[
    (0x4000_0000, "use-session-key"),
    (0x2000_0000, "mutual-required"),
];

/// KDCOptions (RFC 4120, section 5.4.1).
pub(crate) const KDC_OPTIONS: &[(u32, &str)] = &[
    (0x4000_0000, "forwardable"),
    (0x2000_0000, "forwarded"),
    (0x1000_0000, "proxiable"),
    (0x0800_0000, "proxy"),
    (0x0400_0000, "allow-postdate"),
    (0x0200_0000, "postdated"),
    (0x0080_0000, "renewable"),
    (0x0002_0000, "cname-in-addl-tkt"),
    (0x0001_0000, "canonicalize"),
    (0x0000_8000, "request-anonymous"),
    (0x0000_0020, "disable-transited-check"),
    (0x0000_0010, "renewable-ok"),
    (0x0000_0008, "enc-tkt-in-skey"),
    (0x0000_0002, "renew"),
    (0x0000_0001, "validate"),
];

/// TicketFlags (RFC 4120, section 5.3; RFC 6806, section 11).
pub(crate) const TICKET_FLAGS: &[(u32, &str)] = &[
    (0x4000_0000, "forwardable"),
    (0x2000_0000, "forwarded"),
    (0x1000_0000, "proxiable"),
    (0x0800_0000, "proxy"),
    (0x0400_0000, "may-postdate"),
    (0x0200_0000, "postdated"),
    (0x0100_0000, "invalid"),
    (0x0080_0000, "renewable"),
    (0x0040_0000, "initial"),
    (0x0020_0000, "pre-authent"),
    (0x0010_0000, "hw-authent"),
    (0x0008_0000, "transited-policy-checked"),
    (0x0004_0000, "ok-as-delegate"),
    (0x0001_0000, "enc-pa-rep"),
    (0x0000_8000, "anonymous"),
];

/// The flags of a GSS context in Kerberos' authenticator (RFC 4121, section 4.1.1.1).
pub(crate) const CONTEXT_FLAGS: &[(u32, &str)] = &[
    (0x01, "DELEG"),
    (0x02, "MUTUAL"),
    (0x04, "REPLAY"),
    (0x08, "SEQUENCE"),
    (0x10, "CONF"),
    (0x20, "INTEG"),
    (0x1000, "DCE_STYLE"),
    (0x2000, "IDENTIFY"),
    (0x4000, "EXTENDED_ERROR"),
];

/// NTLM's flags (MS-NLMP, section 2.2.2.5), without the prefix NTLMSSP_.
pub(crate) const NTLM_FLAGS: &[(u32, &str)] = &[
    (0x0000_0001, "NEGOTIATE_UNICODE"),
    (0x0000_0002, "NEGOTIATE_OEM"),
    (0x0000_0004, "REQUEST_TARGET"),
    (0x0000_0010, "NEGOTIATE_SIGN"),
    (0x0000_0020, "NEGOTIATE_SEAL"),
    (0x0000_0040, "NEGOTIATE_DATAGRAM"),
    (0x0000_0080, "NEGOTIATE_LM_KEY"),
    (0x0000_0200, "NEGOTIATE_NTLM"),
    (0x0000_0800, "ANONYMOUS"),
    (0x0000_1000, "NEGOTIATE_OEM_DOMAIN_SUPPLIED"),
    (0x0000_2000, "NEGOTIATE_OEM_WORKSTATION_SUPPLIED"),
    (0x0000_8000, "NEGOTIATE_ALWAYS_SIGN"),
    (0x0001_0000, "TARGET_TYPE_DOMAIN"),
    (0x0002_0000, "TARGET_TYPE_SERVER"),
    (0x0008_0000, "NEGOTIATE_EXTENDED_SESSIONSECURITY"),
    (0x0010_0000, "NEGOTIATE_IDENTIFY"),
    (0x0040_0000, "REQUEST_NON_NT_SESSION_KEY"),
    (0x0080_0000, "NEGOTIATE_TARGET_INFO"),
    (0x0200_0000, "NEGOTIATE_VERSION"),
    (0x2000_0000, "NEGOTIATE_128"),
    (0x4000_0000, "NEGOTIATE_KEY_EXCH"),
    (0x8000_0000, "NEGOTIATE_56"),
];

/// MsvAvFlags (MS-NLMP, section 2.2.2.1).
pub(crate) const AV_FLAGS: &[(u32, &str)] = &[
    (1, "constrained authentication"),
    (2, "the AUTHENTICATE_MESSAGE has a MIC"),
    (4, "the target name is of an untrusted source"),
];

pub(crate) fn av_id(id: u16) -> String {
    let names = [
        "MsvAvEOL",
        "MsvAvNbComputerName",
        "MsvAvNbDomainName",
        "MsvAvDnsComputerName",
        "MsvAvDnsDomainName",
        "MsvAvDnsTreeName",
        "MsvAvFlags",
        "MsvAvTimestamp",
        "MsvAvSingleHost",
        "MsvAvTargetName",
        "MsvAvChannelBindings",
    ];
    match names.get(usize::from(id)) {
        Some(name) => (*name).into(),
        None => format!("AvId {id}"),
    }
}
