use super::{Family, Notation, codes};

/// TLS alerts (RFC 8446, section 6), as the servers of Windows use them for CredSSP too (MS-RDPBCGR, section 5.4.5.2.2).
pub const TLS_ALERT: Family = Family {
    title: "TLS alerts",
    place: "what the other end of a TLS connection says before it closes; Windows logs them as Schannel's events 36887 and 36888",
    notation: Notation::Decimal,
    entries: ENTRIES,
};

codes! {
    10 "unexpected_message",
        "a message had no place where it came",
        "see that the other end expects TLS here: a Remote Desktop server wants its own negotiation first";
    20 "bad_record_mac",
        "a record does not verify",
        "look for what changes the bytes between the two ends";
    21 "decryption_failed",
        "a record does not decrypt",
        "look for what changes the bytes between the two ends";
    22 "record_overflow",
        "a record is too long",
        "see that the other end speaks TLS here";
    40 "handshake_failure",
        "the two ends share no TLS version or cipher suite, or no kind of key",
        "update the older of them: this TLS library speaks TLS 1.2 and 1.3 with ECDHE and AEAD cipher suites only, which Windows Server 2012 R2 and older mostly do not offer";
    42 "bad_certificate",
        "the other end does not accept the certificate",
        "give the server another one: RSA of 2048 bits or more, or P-256, signed with SHA-256";
    43 "unsupported_certificate",
        "the certificate is of a kind that the other end does not know",
        "give the server another one: RSA of 2048 bits or more, or P-256, signed with SHA-256";
    44 "certificate_revoked",
        "the certificate is revoked",
        "have another one issued";
    45 "certificate_expired",
        "the certificate has expired, by the other end's clock",
        "renew it, and compare the clocks";
    46 "certificate_unknown",
        "the other end does not accept the certificate, and does not say why",
        "read the other end's log";
    47 "illegal_parameter",
        "a field of a message is out of range",
        "update the older of the two ends";
    48 "unknown_ca",
        "the other end does not trust the certificate's authority",
        "trust its root there, or give the server a certificate of an authority that is trusted there";
    49 "access_denied",
        "the peer refused the logon: the user name or password is wrong, or the account may not log on there",
        "check both, and the domain before the name; then the server's Security log, event 4625";
    50 "decode_error",
        "a message could not be read",
        "see that the other end speaks TLS here, and look for what changes the bytes between the two";
    51 "decrypt_error",
        "a signature or a key exchange does not verify",
        "see that the server's certificate and private key belong together";
    70 "protocol_version",
        "the two ends share no TLS version or cipher suite",
        "update the older of them: this TLS library speaks TLS 1.2 and 1.3 only, which Windows Server 2012 R2 and older do not always have enabled";
    71 "insufficient_security",
        "the other end wants stronger cipher suites than the two share",
        "update the older of them: this TLS library speaks TLS 1.2 and 1.3 with ECDHE and AEAD cipher suites only, which Windows Server 2012 R2 and older mostly do not offer";
    80 "internal_error",
        "the other end failed; Windows servers send this alert for any failure, a wrong pubKeyAuth or refused credentials among them",
        "check user name, domain and password, then read the server's System and Security logs of that minute";
    86 "inappropriate_fallback",
        "the client claims less than it can, and the server more",
        "let both ends speak their best version of TLS";
    90 "user_canceled",
        "the other end gave up",
        "ask who stopped it";
    109 "missing_extension",
        "an extension is missing that the other end needs",
        "update the older of the two ends";
    110 "unsupported_extension",
        "an extension came that was not asked for",
        "update the older of the two ends";
    112 "unrecognized_name",
        "the server does not know the name that it was asked for",
        "connect by a name that the server is set up for";
    116 "certificate_required",
        "the server wants a certificate of the client's",
        "this crate has none to give: have the server accept clients without";
    120 "no_application_protocol",
        "the two ends share no protocol above TLS",
        "see that this is the right port";
}
