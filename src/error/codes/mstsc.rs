use super::{Family, Notation, codes};

/// The reasons why Windows' Remote Desktop client disconnects, as `IMsTscAxEvents::OnDisconnected` has them.
pub const MSTSC: Family = Family {
    title: "Disconnect codes of Windows' Remote Desktop client",
    place: "what mstsc shows as its error code, and writes into the log TerminalServices-RDPClient/Operational (event 1026)",
    notation: Notation::Both,
    entries: ENTRIES,
};

codes! {
    260 "disconnectReasonDNSLookupFailed",
        "the host's name has no address",
        "check the name, and the client's DNS";
    264 "disconnectReasonConnectionTimedOut",
        "the host did not answer in time",
        "see that it runs, that Remote Desktop is enabled there, and that a firewall lets port 3389 through";
    516 "disconnectReasonSocketConnectFailed",
        "no connection could be made",
        "see that Remote Desktop is enabled there, which port it listens on, and that a firewall lets it through";
    1798 "disconnectReasonServerCertificateUnpackErr",
        "the server's certificate could not be read",
        "have the server make another one: delete the one in its Remote Desktop store and restart TermService, or give it one of an authority";
    2055 "SSL_ERR_LOGON_FAILURE",
        "the user name or password is wrong",
        "check both, and the domain before the name";
    2308 "disconnectReasonAtClientWinsockFDCLOSE",
        "the server closed the connection without a word",
        "read the server's log: mostly TLS failed (Schannel, events 36870 to 36888), the certificate's key cannot be read, or something between the two cut the line";
    2567 "SSL_ERR_NO_SUCH_USER",
        "there is no such account",
        "check the user name, and the domain before it";
    2823 "SSL_ERR_ACCOUNT_DISABLED",
        "the account is disabled",
        "have it enabled, or use another one";
    2825 "(no name)",
        "the server wants Network Level Authentication, which the client does not offer",
        "enable CredSSP in the client (`enablecredsspsupport:i:1` in the .rdp file), or update it";
    3079 "SSL_ERR_ACCOUNT_RESTRICTION",
        "a restriction of the account forbids this logon: a blank password, hours, workstations, or NTLM for one of the Protected Users",
        "connect by the host's name so that Kerberos is used, give the account a password, and look at its restrictions";
    3335 "SSL_ERR_ACCOUNT_LOCKED_OUT",
        "the account is locked out after too many wrong passwords",
        "wait until the lock ends or have it taken away, and find the program that still has an old password";
    3591 "SSL_ERR_ACCOUNT_EXPIRED",
        "the account has expired",
        "have its end postponed, or use another one";
    3847 "SSL_ERR_PASSWORD_EXPIRED",
        "the password has expired",
        "change it by other means first: Network Level Authentication cannot";
    4615 "SSL_ERR_PASSWORD_MUST_CHANGE",
        "the password must be changed before the first logon",
        "change it by other means first: Network Level Authentication cannot";
    5639 "SSL_ERR_DELEGATION_POLICY",
        "policy on the client does not allow delegating to this host",
        "add TERMSRV/HOST to AllowFreshCredentials, for stored passwords to AllowSavedCredentials, below Credentials Delegation";
    5895 "SSL_ERR_POLICY_NTLM_ONLY",
        "policy on the client does not allow delegating to a host that is proved by NTLM only",
        "give the host a trusted certificate that names it, or connect by its name so that Kerberos is used, or, if need be, add it to AllowFreshCredentialsWhenNTLMOnly";
    6151 "SSL_ERR_NO_AUTHENTICATING_AUTHORITY",
        "no domain controller can be reached",
        "see that DNS finds one, `nltest /dsgetdc:DOMAIN`, and that port 88 is open to it";
    6919 "SSL_ERR_CERT_EXPIRED",
        "a certificate has expired",
        "renew it, and compare the clocks";
    7175 "SSL_ERR_SMARTCARD_WRONG_PIN",
        "the card's PIN is wrong",
        "type it anew: after a few wrong ones the card blocks itself";
    8455 "SSL_ERR_FRESH_CRED_REQUIRED_BY_SERVER",
        "the server takes no stored or default credentials",
        "type the password anew for this logon";
    8711 "SSL_ERR_SMARTCARD_CARD_BLOCKED",
        "the smart card is blocked",
        "have its issuer unblock it by the PUK or the administrator's key";
}
