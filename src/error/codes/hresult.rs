use super::{Family, Notation, codes};
use crate::error::NtStatus;

/// HRESULTs (MS-ERREF, section 2.1) of SSPI and of smart cards, and the general ones that stand for a failed logon.
pub const HRESULT: Family = Family {
    title: "SSPI and smart card HRESULTs",
    place: "what Windows' own dialogs and logs show, and some servers say in `TSRequest.errorCode` in place of an NTSTATUS",
    notation: Notation::Hexadecimal,
    entries: ENTRIES,
};

codes! {
    NtStatus::from_u32;
    SEC_E_UNSUPPORTED_FUNCTION = 0x8009_0302 "SEC_E_UNSUPPORTED_FUNCTION",
        "the peer does not support what was asked of it; on Windows, mostly that the other end's CredSSP is from before CVE-2018-0886",
        "update the older of the two ends; do not weaken `Encryption Oracle Remediation`";
    SEC_E_TARGET_UNKNOWN = 0x8009_0303 "SEC_E_TARGET_UNKNOWN",
        "no domain controller knows the service principal name, or two accounts have it",
        "register it once: `setspn -Q SPN` finds it, `setspn -X` the doubles, `setspn -S SPN ACCOUNT` registers it";
    SEC_E_INTERNAL_ERROR = 0x8009_0304 "SEC_E_INTERNAL_ERROR",
        "the Local Security Authority cannot be contacted, or failed; on Remote Desktop servers often because the certificate's private key cannot be read",
        "give NETWORK SERVICE the right to read the key, look whether the password has expired, and read the server's System log for Schannel's event 36870";
    SEC_E_SECPKG_NOT_FOUND = 0x8009_0305 "SEC_E_SECPKG_NOT_FOUND",
        "the peer does not know the mechanism",
        "compare both ends' lists of mechanisms (Negotiate, Kerberos, NTLM), and see that CredSSP is enabled there";
    SEC_E_INVALID_TOKEN = 0x8009_0308 "SEC_E_INVALID_TOKEN",
        "the peer could not read a token",
        "see that both ends speak the same mechanism, and that nothing changes the bytes between them; for Kerberos, look for a double service principal name";
    SEC_E_LOGON_DENIED = 0x8009_030c "SEC_E_LOGON_DENIED",
        "the user name or password is wrong",
        "check both, and the domain before the name; newer Windows servers also say so of a wrong mechListMIC";
    SEC_E_UNKNOWN_CREDENTIALS = 0x8009_030d "SEC_E_UNKNOWN_CREDENTIALS",
        "the credentials were not recognised by the security package",
        "name user, domain and password explicitly; on a Remote Desktop server, see that its certificate's private key can be read";
    SEC_E_NO_CREDENTIALS = 0x8009_030e "SEC_E_NO_CREDENTIALS",
        "the peer has no credentials to answer with; on a second hop, nothing was delegated to it",
        "log on explicitly, or allow the delegation to the first host by CredSSP or, better, by Kerberos' constrained delegation";
    SEC_E_MESSAGE_ALTERED = 0x8009_030f "SEC_E_MESSAGE_ALTERED",
        "a message was changed on its way, or pubKeyAuth does not cover the TLS key",
        "look for somebody between the two ends: a TLS-inspecting proxy or gateway cannot carry CredSSP";
    SEC_E_OUT_OF_SEQUENCE = 0x8009_0310 "SEC_E_OUT_OF_SEQUENCE",
        "a message came out of sequence",
        "update the older of the two ends, and look for what repeats or drops messages between them";
    SEC_E_NO_AUTHENTICATING_AUTHORITY = 0x8009_0311 "SEC_E_NO_AUTHENTICATING_AUTHORITY",
        "the peer reaches no domain controller",
        "see that DNS finds one, `nltest /dsgetdc:DOMAIN`, and that port 88 is open to it";
    SEC_E_WRONG_PRINCIPAL = 0x8009_0322 "SEC_E_WRONG_PRINCIPAL",
        "the service principal name belongs to another account",
        "find out whose it is by `setspn -Q SPN`, move it to the account that the service runs as, and look for old DNS records";
    SEC_E_TIME_SKEW = 0x8009_0324 "SEC_E_TIME_SKEW",
        "the clocks differ too much",
        "set the clocks of client, server and domain controller by the same source; Kerberos tolerates five minutes";
    SEC_E_UNTRUSTED_ROOT = 0x8009_0325 "SEC_E_UNTRUSTED_ROOT",
        "the certificate chains to no trusted root",
        "give the server a certificate of a trusted authority, or trust its root on the other end";
    SEC_E_CERT_EXPIRED = 0x8009_0328 "SEC_E_CERT_EXPIRED",
        "a certificate has expired",
        "renew it, and compare the clocks";
    SEC_E_DECRYPT_FAILURE = 0x8009_0330 "SEC_E_DECRYPT_FAILURE",
        "a message does not decrypt",
        "see that nothing changes the bytes between the two ends, and update the older of them";
    SEC_E_PKINIT_NAME_MISMATCH = 0x8009_033d "SEC_E_PKINIT_NAME_MISMATCH",
        "the card's certificate belongs to another account",
        "compare the UPN in the certificate with the account's, and the account's altSecurityIdentities";
    SEC_E_SMARTCARD_LOGON_REQUIRED = 0x8009_033e "SEC_E_SMARTCARD_LOGON_REQUIRED",
        "the account may log on with a smart card only",
        "use the card, or have the account's flag for it taken away";
    SEC_E_KDC_UNKNOWN_ETYPE = 0x8009_0342 "SEC_E_KDC_UNKNOWN_ETYPE",
        "the domain controller shares no encryption type with the client or the service",
        "allow AES for the account, msDS-SupportedEncryptionTypes, and set its password anew so that it has AES keys";
    SEC_E_DELEGATION_REQUIRED = 0x8009_0345 "SEC_E_DELEGATION_REQUIRED",
        "what was asked needs delegation, and the account or the server may not delegate",
        "allow the server delegation, best constrained, and see that the account is not marked as sensitive";
    SEC_E_BAD_BINDINGS = 0x8009_0346 "SEC_E_BAD_BINDINGS",
        "the channel bindings are missing or wrong",
        "take proxies that end TLS out of the way, and update a client that sends none";
    SEC_E_NO_KERB_KEY = 0x8009_0348 "SEC_E_NO_KERB_KEY",
        "the service has no Kerberos key, for it runs as an account that has none",
        "run it as a domain account or as the computer, and register the service principal name for that";
    SEC_E_DOWNGRADE_DETECTED = 0x8009_0350 "SEC_E_DOWNGRADE_DETECTED",
        "no domain controller can be reached safely, or somebody weakens the authentication",
        "try again later; if it stays so, see which domain controller is asked, and by which network";
    SEC_E_SMARTCARD_CERT_REVOKED = 0x8009_0351 "SEC_E_SMARTCARD_CERT_REVOKED",
        "the card's certificate is revoked",
        "have another one issued";
    SEC_E_ISSUING_CA_UNTRUSTED = 0x8009_0352 "SEC_E_ISSUING_CA_UNTRUSTED",
        "the authority that issued the card's certificate is not trusted",
        "publish the authority in the domain's NTAuth store, and its root on server and domain controllers";
    SEC_E_PKINIT_CLIENT_FAILURE = 0x8009_0354 "SEC_E_PKINIT_CLIENT_FAILURE",
        "the card's certificate is not valid for the logon",
        "see that it has not expired, is meant for smart card logon, and that its revocation list can be had";
    SEC_E_SMARTCARD_CERT_EXPIRED = 0x8009_0355 "SEC_E_SMARTCARD_CERT_EXPIRED",
        "the card's certificate has expired",
        "have it renewed";
    SEC_E_ISSUING_CA_UNTRUSTED_KDC = 0x8009_0359 "SEC_E_ISSUING_CA_UNTRUSTED_KDC",
        "the authority that issued the domain controller's certificate is not trusted",
        "trust its root on the client, and have it in the domain's NTAuth store";
    SEC_E_KDC_CERT_EXPIRED = 0x8009_035a "SEC_E_KDC_CERT_EXPIRED",
        "the domain controller's certificate has expired",
        "have it renewed on the domain controller";
    SEC_E_KDC_CERT_REVOKED = 0x8009_035b "SEC_E_KDC_CERT_REVOKED",
        "the domain controller's certificate is revoked",
        "have another one issued to the domain controller, and ask why";
    SEC_E_DELEGATION_POLICY = 0x8009_035e "SEC_E_DELEGATION_POLICY",
        "policy does not allow delegating to this target",
        "add its service principal name to AllowFreshCredentials on the client, as single and exact as may be";
    SEC_E_POLICY_NLTM_ONLY = 0x8009_035f "SEC_E_POLICY_NLTM_ONLY",
        "policy does not allow delegating to a target that is proved by NTLM only",
        "give the server a trusted certificate that names it, or see that Kerberos works, or, if need be, add it to AllowFreshCredentialsWhenNTLMOnly";
    SEC_E_MUTUAL_AUTH_FAILED = 0x8009_0363 "SEC_E_MUTUAL_AUTH_FAILED",
        "the server could not prove itself",
        "see that the service principal name belongs to the server's account alone, `setspn -Q SPN`, and compare the clocks";
    SCARD_E_NO_SMARTCARD = 0x8010_000c "SCARD_E_NO_SMARTCARD",
        "there is no card in the reader",
        "insert the card, and check which reader was named";
    SCARD_E_NO_SERVICE = 0x8010_001d "SCARD_E_NO_SERVICE",
        "the service for smart cards does not run",
        "start it: `SCardSvr` on Windows, `pcscd` elsewhere; on a Remote Desktop server, see that readers are redirected";
    SCARD_E_NO_READERS_AVAILABLE = 0x8010_002e "SCARD_E_NO_READERS_AVAILABLE",
        "there is no card reader",
        "connect one, and install its driver";
    SCARD_E_NO_KEY_CONTAINER = 0x8010_0030 "SCARD_E_NO_KEY_CONTAINER",
        "the card does not have the key container that was named",
        "compare the container's name with those on the card, `certutil -scinfo`";
    SCARD_W_WRONG_CHV = 0x8010_006b "SCARD_W_WRONG_CHV",
        "the card's PIN is wrong",
        "type it anew: after a few wrong ones the card blocks itself";
    SCARD_W_CHV_BLOCKED = 0x8010_006c "SCARD_W_CHV_BLOCKED",
        "the smart card is blocked after too many wrong PINs",
        "have its issuer unblock it by the PUK or the administrator's key";
    E_FAIL = 0x8000_4005 "E_FAIL",
        "a failure that nobody has named",
        "look for what the logs of the same minute say, on both ends: System (Schannel, LsaSrv), Security, and TerminalServices";
    E_ACCESSDENIED = 0x8007_0005 "E_ACCESSDENIED",
        "access is denied; on a second hop, because nothing was delegated to the first host",
        "delegate by CredSSP or, better, by Kerberos' constrained delegation; on the first hop, see which group may use WinRM there";
    NOT_SUPPORTED_BY_PEER = 0x8007_0032 "ERROR_NOT_SUPPORTED",
        "the request is not supported; of a CredSSP logon, mostly that the other end is from before CVE-2018-0886",
        "update the older of the two ends; do not weaken `Encryption Oracle Remediation`";
}
