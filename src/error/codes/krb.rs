use super::{Family, Notation, codes};
use crate::error::KrbErrorCode;

/// KRB-ERROR (RFC 4120, section 7.5.9; RFC 4556, section 3.1.3; RFC 6113, section 9.3; RFC 8636, section 6).
pub const KRB_ERROR: Family = Family {
    title: "Kerberos' KRB-ERROR",
    place: "what a KDC says in its answer, and a server in a Kerberos token; nothing authenticates it",
    notation: Notation::Decimal,
    entries: ENTRIES,
};

codes! {
    KrbErrorCode::from_number;
    NONE = 0 "KDC_ERR_NONE",
        "no error",
        "report it: an answer that is none should not say so";
    NAME_EXP = 1 "KDC_ERR_NAME_EXP",
        "the account has expired",
        "have its end postponed, or use another one";
    SERVICE_EXP = 2 "KDC_ERR_SERVICE_EXP",
        "the service's account has expired",
        "have its end postponed";
    BAD_PVNO = 3 "KDC_ERR_BAD_PVNO",
        "the KDC does not speak Kerberos 5",
        "ask a KDC of Kerberos 5";
    C_OLD_MAST_KVNO = 4 "KDC_ERR_C_OLD_MAST_KVNO",
        "the client's key is stored under an old master key of the KDC's",
        "have the KDC's administrator convert its database, or set the password anew";
    S_OLD_MAST_KVNO = 5 "KDC_ERR_S_OLD_MAST_KVNO",
        "the service's key is stored under an old master key of the KDC's",
        "have the KDC's administrator convert its database, or set the service's key anew";
    C_PRINCIPAL_UNKNOWN = 6 "KDC_ERR_C_PRINCIPAL_UNKNOWN",
        "the KDC does not know the client",
        "check the user name, and the realm that was asked: it is what stands behind the @ or before the backslash, unless told otherwise";
    S_PRINCIPAL_UNKNOWN = 7 "KDC_ERR_S_PRINCIPAL_UNKNOWN",
        "the KDC does not know the service",
        "compare the service principal name with what is registered, `setspn -Q SPN` or `kvno SPN`, and connect by the host's full name";
    PRINCIPAL_NOT_UNIQUE = 8 "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
        "two accounts have the name",
        "find them, `setspn -X`, and leave it to one";
    NULL_KEY = 9 "KDC_ERR_NULL_KEY",
        "the client or the service has no key",
        "set its password or key anew";
    CANNOT_POSTDATE = 10 "KDC_ERR_CANNOT_POSTDATE",
        "the ticket may not be postdated",
        "ask for one that is valid now";
    NEVER_VALID = 11 "KDC_ERR_NEVER_VALID",
        "the ticket would end before it begins",
        "compare the client's clock with the KDC's";
    POLICY = 12 "KDC_ERR_POLICY",
        "a policy of the KDC forbids it: logon hours, workstations, an authentication policy",
        "ask the domain's administrator what the KDC's log says; an account in the Protected Users may not use weak encryption or delegation";
    BADOPTION = 13 "KDC_ERR_BADOPTION",
        "the KDC does not grant an option that was asked for, or the ticket's renewal is over",
        "log on anew; for delegation, look at what the account is allowed to delegate to";
    ETYPE_NOSUPP = 14 "KDC_ERR_ETYPE_NOSUPP",
        "there is no encryption type in common",
        "compare both ends' lists; where the account has old keys only, allow it AES and set its password anew";
    SUMTYPE_NOSUPP = 15 "KDC_ERR_SUMTYPE_NOSUPP",
        "the KDC does not know the type of a checksum",
        "update the KDC, or allow it the encryption types that the client uses";
    PADATA_TYPE_NOSUPP = 16 "KDC_ERR_PADATA_TYPE_NOSUPP",
        "the KDC does not know this pre-authentication; for smart cards, it has no certificate for it",
        "give the domain controller a certificate for Kerberos (KDC Authentication), or log on by password";
    TRTYPE_NOSUPP = 17 "KDC_ERR_TRTYPE_NOSUPP",
        "the KDC does not know how the realms on the way are written",
        "compare the realms' KDCs, and update the older one";
    CLIENT_REVOKED = 18 "KDC_ERR_CLIENT_REVOKED",
        "the account is disabled, expired or locked out",
        "have it enabled or unlocked, and find the program that still has an old password";
    SERVICE_REVOKED = 19 "KDC_ERR_SERVICE_REVOKED",
        "the service's account is disabled, expired or locked out",
        "have it enabled or unlocked";
    TGT_REVOKED = 20 "KDC_ERR_TGT_REVOKED",
        "the ticket-granting ticket is revoked",
        "log on anew";
    CLIENT_NOTYET = 21 "KDC_ERR_CLIENT_NOTYET",
        "the account is not valid yet",
        "wait for its beginning, or compare the clocks";
    SERVICE_NOTYET = 22 "KDC_ERR_SERVICE_NOTYET",
        "the service's account is not valid yet",
        "wait for its beginning, or compare the clocks";
    KEY_EXPIRED = 23 "KDC_ERR_KEY_EXPIRED",
        "the password has expired, or must be changed first",
        "change it by other means, such as `kpasswd` or at the console: CredSSP cannot";
    PREAUTH_FAILED = 24 "KDC_ERR_PREAUTH_FAILED",
        "the password or key is wrong",
        "type it anew, or export the keytab anew; do not try often, for that locks accounts";
    PREAUTH_REQUIRED = 25 "KDC_ERR_PREAUTH_REQUIRED",
        "the KDC wants a pre-authentication that was not given",
        "if it stays so: allow the account a password's timestamp, and encryption types that both ends have";
    SERVER_NOMATCH = 26 "KDC_ERR_SERVER_NOMATCH",
        "in user-to-user, the ticket that came along is another principal's than the service",
        "see that the service principal name belongs to the account that the server runs as";
    MUST_USE_USER2USER = 27 "KDC_ERR_MUST_USE_USER2USER",
        "there are tickets for this service in user-to-user only, as for ordinary accounts",
        "register the service principal name for the computer's account, or use user-to-user";
    KDC_PATH_NOT_ACCEPTED = 28 "KDC_ERR_PATH_NOT_ACCEPTED",
        "the KDC does not accept the realms that the ticket came through",
        "have the trusts between the realms reviewed: capaths, or a transitive trust";
    SVC_UNAVAILABLE = 29 "KDC_ERR_SVC_UNAVAILABLE",
        "the KDC cannot answer at present",
        "ask another one, or try again later";
    BAD_INTEGRITY = 31 "KRB_AP_ERR_BAD_INTEGRITY",
        "what was encrypted does not open, for its key is another one",
        "export the service's keytab anew; if it is right, two accounts have the name, or the password has just been changed";
    TKT_EXPIRED = 32 "KRB_AP_ERR_TKT_EXPIRED",
        "the ticket has expired",
        "log on anew; if the ticket is new, compare the clocks";
    TKT_NYV = 33 "KRB_AP_ERR_TKT_NYV",
        "the ticket is not valid yet",
        "compare the server's clock with the KDC's";
    REPEAT = 34 "KRB_AP_ERR_REPEAT",
        "the message came a second time",
        "try anew; if it stays so, something repeats what the client sends, or two servers share a replay cache";
    NOT_US = 35 "KRB_AP_ERR_NOT_US",
        "the ticket is another server's",
        "compare the name that the client asks for with those in the server's keytab, `klist -k`";
    BADMATCH = 36 "KRB_AP_ERR_BADMATCH",
        "the ticket and the authenticator do not match",
        "clear the client's tickets and log on anew";
    SKEW = 37 "KRB_AP_ERR_SKEW",
        "the clocks are too far apart",
        "set the clocks of client, server and KDC by the same source: five minutes are tolerated as a rule";
    BADADDR = 38 "KRB_AP_ERR_BADADDR",
        "the ticket is for another address of the client's",
        "ask for tickets without addresses";
    BADVERSION = 39 "KRB_AP_ERR_BADVERSION",
        "the other end speaks another version of the protocol",
        "update the older of the two ends";
    MSG_TYPE = 40 "KRB_AP_ERR_MSG_TYPE",
        "a message of another type is due",
        "see that both ends are at the same step: something between them drops or adds messages";
    MODIFIED = 41 "KRB_AP_ERR_MODIFIED",
        "the message was changed, or its key is another one",
        "see that the service principal name belongs to one account alone, the one that the service runs as: `setspn -X`; look for old DNS records too";
    BADORDER = 42 "KRB_AP_ERR_BADORDER",
        "a message came out of order",
        "look for what reorders messages between the two ends";
    BADKEYVER = 44 "KRB_AP_ERR_BADKEYVER",
        "the server has the ticket's key in another version",
        "export its keytab anew, and get new tickets";
    NOKEY = 45 "KRB_AP_ERR_NOKEY",
        "the server has no key for the ticket",
        "add the service's name to its keytab, `klist -k`, with the encryption types that the KDC uses";
    MUT_FAIL = 46 "KRB_AP_ERR_MUT_FAIL",
        "mutual authentication failed",
        "see that the service principal name belongs to the server's account alone";
    BADDIRECTION = 47 "KRB_AP_ERR_BADDIRECTION",
        "a message came back to its sender",
        "look for what reflects messages between the two ends";
    METHOD = 48 "KRB_AP_ERR_METHOD",
        "another way of authentication is wanted",
        "ask the server's administrator which one";
    BADSEQ = 49 "KRB_AP_ERR_BADSEQ",
        "a sequence number is wrong",
        "look for what repeats or drops messages between the two ends";
    INAPP_CKSUM = 50 "KRB_AP_ERR_INAPP_CKSUM",
        "the checksum is of another type than is wanted",
        "update the older of the two ends, or allow it the other's encryption types";
    PATH_NOT_ACCEPTED = 51 "KRB_AP_PATH_NOT_ACCEPTED",
        "the realms that the ticket came through are not trusted",
        "have the trusts between the realms reviewed, and the server's list of realms";
    RESPONSE_TOO_BIG = 52 "KRB_ERR_RESPONSE_TOO_BIG",
        "the answer does not fit into a datagram",
        "ask over TCP, and see that a firewall lets port 88 through for it";
    GENERIC = 60 "KRB_ERR_GENERIC",
        "an error that has no code of its own",
        "read the KDC's or the server's log of that moment";
    FIELD_TOOLONG = 61 "KRB_ERR_FIELD_TOOLONG",
        "a field is too long for the other end",
        "ask over TCP; if it stays so, the account is in too many groups";
    CLIENT_NOT_TRUSTED = 62 "KDC_ERR_CLIENT_NOT_TRUSTED",
        "the KDC does not trust the client's certificate",
        "publish the authority in the domain's NTAuth store, or in pkinit_anchors of the KDC";
    KDC_NOT_TRUSTED = 63 "KDC_ERR_KDC_NOT_TRUSTED",
        "the KDC has no certificate from an authority that the client trusts",
        "trust the KDC's authority on the client, or give the KDC a certificate of one that is trusted";
    INVALID_SIG = 64 "KDC_ERR_INVALID_SIG",
        "the client's signature does not verify",
        "see that certificate and private key belong together, and which algorithms the KDC allows";
    DH_KEY_PARAMETERS_NOT_ACCEPTED = 65 "KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED",
        "the KDC does not accept the group of the Diffie-Hellman exchange, for it is too small",
        "use a group of 2048 bits or more: pkinit_dh_min_bits says what the KDC wants";
    CERTIFICATE_MISMATCH = 66 "KDC_ERR_CERTIFICATE_MISMATCH",
        "the certificate does not fit the client",
        "compare the name in the certificate with the account's";
    NO_TGT = 67 "KRB_AP_ERR_NO_TGT",
        "the server has no ticket-granting ticket for user-to-user",
        "have the server log on to its KDC and renew that in time, or use its service's name without user-to-user";
    WRONG_REALM = 68 "KDC_ERR_WRONG_REALM",
        "the client or the service belongs to another realm",
        "name that realm: user@REALM, or a mapping of the host's domain to its realm";
    USER_TO_USER_REQUIRED = 69 "KRB_AP_ERR_USER_TO_USER_REQUIRED",
        "the server takes user-to-user only",
        "use user-to-user, or give the server a keytab";
    CANT_VERIFY_CERTIFICATE = 70 "KDC_ERR_CANT_VERIFY_CERTIFICATE",
        "the KDC finds no chain from the client's certificate to an authority that it trusts",
        "send the intermediate certificates along, and trust the root on the KDC";
    INVALID_CERTIFICATE = 71 "KDC_ERR_INVALID_CERTIFICATE",
        "a certificate in the client's chain is invalid",
        "see that none has expired, and that each one's signature verifies";
    REVOKED_CERTIFICATE = 72 "KDC_ERR_REVOKED_CERTIFICATE",
        "a certificate in the client's chain is revoked",
        "have another one issued";
    REVOCATION_STATUS_UNKNOWN = 73 "KDC_ERR_REVOCATION_STATUS_UNKNOWN",
        "the KDC cannot find out whether a certificate is revoked",
        "see that the KDC reaches the authority's revocation list or OCSP server";
    REVOCATION_STATUS_UNAVAILABLE = 74 "KDC_ERR_REVOCATION_STATUS_UNAVAILABLE",
        "the server that knows whether a certificate is revoked does not answer",
        "see that the KDC reaches the authority's revocation list or OCSP server";
    CLIENT_NAME_MISMATCH = 75 "KDC_ERR_CLIENT_NAME_MISMATCH",
        "the client's certificate belongs to another account",
        "compare the UPN or principal in the certificate with the account's, and the account's mappings";
    KDC_NAME_MISMATCH = 76 "KDC_ERR_KDC_NAME_MISMATCH",
        "the KDC's certificate does not name the KDC or its realm",
        "give the KDC a certificate that names it";
    INCONSISTENT_KEY_PURPOSE = 77 "KDC_ERR_INCONSISTENT_KEY_PURPOSE",
        "the client's certificate is not meant for this: its extended key usage lacks smart card logon or PKINIT",
        "have one issued by a template for smart card logon";
    DIGEST_IN_CERT_NOT_ACCEPTED = 78 "KDC_ERR_DIGEST_IN_CERT_NOT_ACCEPTED",
        "the KDC does not accept the digest by which a certificate is signed",
        "have it issued with SHA-256";
    PA_CHECKSUM_MUST_BE_INCLUDED = 79 "KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED",
        "the client sent no checksum over its request",
        "update the client";
    DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED = 80 "KDC_ERR_DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED",
        "the KDC does not accept the digest that the client signed by",
        "compare the digests that both ends allow: SHA-256 is common ground";
    PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED = 81 "KDC_ERR_PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED",
        "the KDC does not have PKINIT's encryption by public key",
        "use its Diffie-Hellman exchange";
    PREAUTH_EXPIRED = 90 "KDC_ERR_PREAUTH_EXPIRED",
        "pre-authentication took too long",
        "begin anew";
    MORE_PREAUTH_DATA_REQUIRED = 91 "KDC_ERR_MORE_PREAUTH_DATA_REQUIRED",
        "the KDC wants another round of pre-authentication",
        "if it stays so: allow the account a pre-authentication that the client has";
    PREAUTH_BAD_AUTHENTICATION_SET = 92 "KDC_ERR_PREAUTH_BAD_AUTHENTICATION_SET",
        "the KDC did not offer this set of pre-authentications",
        "begin anew, and see that the same KDC answers all along";
    UNKNOWN_CRITICAL_FAST_OPTIONS = 93 "KDC_ERR_UNKNOWN_CRITICAL_FAST_OPTIONS",
        "the KDC does not know an option of FAST that it must obey",
        "update the KDC, or do without that option";
    NO_ACCEPTABLE_KDF = 100 "KDC_ERR_NO_ACCEPTABLE_KDF",
        "the KDC accepts none of the client's key derivations",
        "compare the digests that both ends allow for PKINIT: SHA-256 is common ground";
}
