use super::{Family, Notation, codes};

/// The faults of WS-Management that have to do with CredSSP, and those that stand in its way.
pub const WSMAN: Family = Family {
    title: "WSMan faults",
    place: "what WinRM and PowerShell remoting show, as `WSManFault` or behind `Error code`",
    notation: Notation::Hexadecimal,
    entries: ENTRIES,
};

codes! {
    0x8033_8012 "ERROR_WSMAN_DESTINATION_UNREACHABLE",
        "nothing at that address and port speaks WinRM",
        "run `winrm quickconfig` there, and see that a firewall lets port 5985 or 5986 through";
    0x8033_8029 "ERROR_WSMAN_OPERATION_TIMEDOUT",
        "the server did not answer in time",
        "see that it runs and is reached, then raise the time";
    0x8033_8036 "ERROR_WSMAN_FAILED_AUTHENTICATION",
        "the user name or password is wrong",
        "check both, and the domain before the name";
    0x8033_8082 "ERROR_WSMAN_CERT_NOT_FOUND",
        "the certificate with this thumbprint is not in the computer's store",
        "compare the thumbprint with `Get-ChildItem Cert:\\LocalMachine\\My`, without the invisible character that the certificate dialog copies before it";
    0x8033_80de "ERROR_WSMAN_CLIENT_UNENCRYPTED_DISABLED",
        "the client sends nothing unencrypted, and this authentication does not encrypt over HTTP",
        "use CredSSP, Kerberos or Negotiate, which encrypt, or HTTPS; leave AllowUnencrypted off";
    0x8033_80e1 "ERROR_WSMAN_CLIENT_NEGOTIATE_AUTHENTICATION_DISABLED",
        "Negotiate is switched off in the client's configuration",
        "`winrm set winrm/config/client/auth @{Negotiate=\"true\"}`";
    0x8033_80e2 "ERROR_WSMAN_CLIENT_KERBEROS_AUTHENTICATION_DISABLED",
        "Kerberos is switched off in the client's configuration",
        "`winrm set winrm/config/client/auth @{Kerberos=\"true\"}`";
    0x8033_80e4 "ERROR_WSMAN_SERVER_NOT_TRUSTED",
        "without Kerberos the client does not trust this server",
        "connect by its name so that Kerberos is used, or over HTTPS, or add it to the client's TrustedHosts";
    0x8033_80e9 "ERROR_WSMAN_CONFIG_CERT_CN_DOES_NOT_MATCH_HOSTNAME",
        "the certificate names another host than the listener",
        "use a certificate with the listener's name";
    0x8033_810b "ERROR_WSMAN_KERBEROS_IPADDRESS",
        "Kerberos cannot be used with an IP address",
        "connect by the host's name, or choose another authentication";
    0x8033_810c "ERROR_WSMAN_CLIENT_WORKGROUP_NO_KERBEROS",
        "the client is not in a domain, and so has no Kerberos",
        "choose another authentication, and prove the server by its certificate";
    0x8033_8113 "ERROR_WSMAN_HTTP_NOT_FOUND_STATUS",
        "the server answers, but has no WinRM under this URL",
        "check port and path: 5985 or 5986, and /wsman";
    0x8033_8115 "ERROR_WSMAN_QUICK_CONFIG_FAILED_CERT_REQUIRED",
        "HTTPS needs a certificate for server authentication that is not self-signed, valid, and names this host",
        "install one, then run `winrm quickconfig -transport:https` anew";
    0x8033_8126 "ERROR_WSMAN_NETWORK_TIMEDOUT",
        "the host could not be reached, or its WinRM does not answer",
        "check the name, see that the host runs, and that a firewall lets WinRM through for this network's profile";
    0x8033_81a1 "ERROR_WSMAN_CREDSSP_USERNAME_PASSWORD_NEEDED",
        "CredSSP in WinRM does not use the credentials of the logon session",
        "give user name and password, such as `-Credential (Get-Credential)`";
    0x8033_81a2 "ERROR_WSMAN_CLIENT_CREDSSP_AUTHENTICATION_DISABLED",
        "CredSSP is switched off in the client's configuration",
        "on the client `Enable-WSManCredSSP -Role Client -DelegateComputer HOST`, on the server `Enable-WSManCredSSP -Role Server`";
    0x8033_81a3 "ERROR_WSMAN_CLIENT_ALLOWFRESHCREDENTIALS",
        "policy on the client does not allow delegating to this host",
        "add WSMAN/HOST to AllowFreshCredentials, by `Enable-WSManCredSSP -Role Client -DelegateComputer HOST` or the group policy, with the very name that is connected to";
    0x8033_81a4 "ERROR_WSMAN_CLIENT_ALLOWFRESHCREDENTIALS_NTLMONLY",
        "policy on the client does not allow delegating to a host that is proved by NTLM only",
        "register WSMAN/HOST so that Kerberos works, or give WinRM's service a trusted certificate by its CertificateThumbprint, or, if need be, add WSMAN/HOST to AllowFreshCredentialsWhenNTLMOnly";
    0x8033_81b3 "ERROR_WSMAN_CANNOT_USE_PROXY_SETTINGS_FOR_CREDSSP",
        "WinRM does not use CredSSP through a proxy",
        "connect without the proxy, `-SessionOption (New-PSSessionOption -ProxyAccessType NoProxyServer)`";
    0x8033_81bb "ERROR_WSMAN_DEFAULTAUTH_IPADDRESS",
        "with an IP address, the default authentication needs HTTPS or TrustedHosts, and explicit credentials",
        "connect by the host's name";
}
