use super::{Family, Notation, codes};
use crate::error::NtStatus;

/// NTSTATUS (MS-ERREF, section 2.3).
pub const NT_STATUS: Family = Family {
    title: "NTSTATUS",
    place: "what a CredSSP server says in `TSRequest.errorCode`, and Windows in its Security log (events 4625 and 4776)",
    notation: Notation::Hexadecimal,
    entries: ENTRIES,
};

codes! {
    NtStatus::from_u32;
    INVALID_PARAMETER = 0xc000_000d "STATUS_INVALID_PARAMETER",
        "a message was malformed",
        "update the older of the two ends, and look for what changes the bytes on their way";
    ACCESS_DENIED = 0xc000_0022 "STATUS_ACCESS_DENIED",
        "the account may not log on here",
        "give it the right to, by the group Remote Desktop Users or Remote Management Users there, and look whether a rule denies it";
    NO_LOGON_SERVERS = 0xc000_005e "STATUS_NO_LOGON_SERVERS",
        "the server could not look the account up",
        "try again later; if it stays so, see that the server reaches a domain controller: its DNS, its network, `nltest /sc_query:DOMAIN` there";
    NO_SUCH_USER = 0xc000_0064 "STATUS_NO_SUCH_USER",
        "there is no such account",
        "check the user name, and whether the domain before it is the right one: a local account is HOST\\user";
    WRONG_PASSWORD = 0xc000_006a "STATUS_WRONG_PASSWORD",
        "the password is wrong",
        "type it anew, with regard to the keyboard's layout; do not try often, for that locks accounts";
    LOGON_FAILURE = 0xc000_006d "STATUS_LOGON_FAILURE",
        "the user name or password is wrong",
        "check both, and the domain before the name; if they are right, read the server's Security log, event 4625, for the sub status";
    ACCOUNT_RESTRICTION = 0xc000_006e "STATUS_ACCOUNT_RESTRICTION",
        "a restriction of the account forbids this logon, such as a blank password",
        "give the account a password; if it is among the Protected Users, who cannot use NTLM, connect by the host's name so that Kerberos is used; for Restricted Admin mode, see that the server allows it";
    INVALID_LOGON_HOURS = 0xc000_006f "STATUS_INVALID_LOGON_HOURS",
        "the account may not log on at this time of day",
        "wait, or have the account's logon hours widened";
    INVALID_WORKSTATION = 0xc000_0070 "STATUS_INVALID_WORKSTATION",
        "the account may not log on from this computer",
        "add the client's name to the account's list of workstations, or log on from one that is on it";
    PASSWORD_EXPIRED = 0xc000_0071 "STATUS_PASSWORD_EXPIRED",
        "the password has expired",
        "change it by other means first, at the console or by an administrator: CredSSP cannot";
    ACCOUNT_DISABLED = 0xc000_0072 "STATUS_ACCOUNT_DISABLED",
        "the account is disabled",
        "have it enabled, or use another one";
    NOT_SUPPORTED = 0xc000_00bb "STATUS_NOT_SUPPORTED",
        "the CredSSP version, or the kind of logon, is not accepted",
        "update the older of the two ends (CVE-2018-0886), and compare the mechanisms of both";
    TIME_DIFFERENCE_AT_DC = 0xc000_0133 "STATUS_TIME_DIFFERENCE_AT_DC",
        "the clocks differ too much",
        "set the clocks of client, server and domain controller by the same source; Kerberos tolerates five minutes";
    LOGON_TYPE_NOT_GRANTED = 0xc000_015b "STATUS_LOGON_TYPE_NOT_GRANTED",
        "the account has not been granted this type of logon",
        "add it to the group Remote Desktop Users on the server, and see that no policy `Deny log on …` names it";
    TRUSTED_DOMAIN_FAILURE = 0xc000_018c "STATUS_TRUSTED_DOMAIN_FAILURE",
        "the trust between the server's domain and the account's is broken",
        "have both domains' administrators verify the trust, `netdom trust` with `/verify`";
    TRUSTED_RELATIONSHIP_FAILURE = 0xc000_018d "STATUS_TRUSTED_RELATIONSHIP_FAILURE",
        "the trust between the server and its domain is broken",
        "repair the server's account in the domain: `Test-ComputerSecureChannel -Repair` there, as a local administrator";
    ACCOUNT_EXPIRED = 0xc000_0193 "STATUS_ACCOUNT_EXPIRED",
        "the account has expired",
        "have its end postponed, or use another one";
    PASSWORD_MUST_CHANGE = 0xc000_0224 "STATUS_PASSWORD_MUST_CHANGE",
        "the password must be changed before the first logon",
        "change it by other means first, at the console or by an administrator: CredSSP cannot";
    ACCOUNT_LOCKED_OUT = 0xc000_0234 "STATUS_ACCOUNT_LOCKED_OUT",
        "the account is locked out after too many wrong passwords",
        "wait until the lock ends or have it taken away, and find the program that still has an old password";
    MUTUAL_AUTHENTICATION_FAILED = 0xc000_02c3 "STATUS_MUTUAL_AUTHENTICATION_FAILED",
        "the server could not prove itself, or its clock is far off the domain controller's",
        "compare the clocks, and see that the service principal name belongs to the server's account alone: `setspn -Q SPN`";
    PKINIT_NAME_MISMATCH = 0xc000_02f9 "STATUS_PKINIT_NAME_MISMATCH",
        "the card's certificate belongs to another account",
        "compare the UPN in the certificate with the account's, and the account's altSecurityIdentities";
    SMARTCARD_LOGON_REQUIRED = 0xc000_02fa "STATUS_SMARTCARD_LOGON_REQUIRED",
        "the account may log on with a smart card only",
        "use the card, or have the account's flag for it taken away";
    SMARTCARD_WRONG_PIN = 0xc000_0380 "STATUS_SMARTCARD_WRONG_PIN",
        "the card's PIN is wrong",
        "type it anew: after a few wrong ones the card blocks itself";
    SMARTCARD_CARD_BLOCKED = 0xc000_0381 "STATUS_SMARTCARD_CARD_BLOCKED",
        "the smart card is blocked",
        "have its issuer unblock it by the PUK or the administrator's key";
    SMARTCARD_NO_CARD = 0xc000_0383 "STATUS_SMARTCARD_NO_CARD",
        "there is no card in the reader",
        "insert the card, and check which reader was named";
    SMARTCARD_NO_KEY_CONTAINER = 0xc000_0384 "STATUS_SMARTCARD_NO_KEY_CONTAINER",
        "the card does not have the key container that was named",
        "compare the container's name with those on the card, `certutil -scinfo`";
    DOWNGRADE_DETECTED = 0xc000_0388 "STATUS_DOWNGRADE_DETECTED",
        "the server cannot reach its domain safely, or somebody weakens the authentication",
        "try again later; if it stays so, see that the server reaches a domain controller, and by which network";
    SMARTCARD_CERT_REVOKED = 0xc000_0389 "STATUS_SMARTCARD_CERT_REVOKED",
        "the card's certificate is revoked",
        "have another one issued";
    ISSUING_CA_UNTRUSTED = 0xc000_038a "STATUS_ISSUING_CA_UNTRUSTED",
        "the authority that issued the card's certificate is not trusted",
        "publish the authority in the domain's NTAuth store, and its root on server and domain controllers";
    PKINIT_CLIENT_FAILURE = 0xc000_038c "STATUS_PKINIT_CLIENT_FAILURE",
        "the card's certificate is not valid for the logon",
        "see that it has not expired, is meant for smart card logon, and that its revocation list can be had";
    SMARTCARD_CERT_EXPIRED = 0xc000_038d "STATUS_SMARTCARD_CERT_EXPIRED",
        "the card's certificate has expired",
        "have it renewed";
    KDC_CERT_EXPIRED = 0xc000_040e "STATUS_KDC_CERT_EXPIRED",
        "the domain controller's certificate has expired",
        "have it renewed on the domain controller";
    KDC_CERT_REVOKED = 0xc000_040f "STATUS_KDC_CERT_REVOKED",
        "the domain controller's certificate is revoked",
        "have another one issued to the domain controller, and ask why";
    AUTHENTICATION_FIREWALL_FAILED = 0xc000_0413 "STATUS_AUTHENTICATION_FIREWALL_FAILED",
        "the server does not accept accounts of this domain",
        "where the trust is selective, give the account `Allowed to Authenticate` on the server's account";
    NTLM_BLOCKED = 0xc000_0418 "STATUS_NTLM_BLOCKED",
        "NTLM is switched off there",
        "use Kerberos: connect by the host's name, and see that its service principal name is registered";
}
