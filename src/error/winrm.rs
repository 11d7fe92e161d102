/// What stands between a WinRM client and its service, outside CredSSP's own messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WinRmError {
    /// CredSSP is switched off on the client.
    #[error(
        "this client has CredSSP switched off, as it is unless told otherwise: enable it by Connector::enable_credssp, \
         or by the machine's settings (on Windows `Enable-WSManCredSSP -Role Client -DelegateComputer HOST`), and allow the \
         delegation by a policy for WSMAN/HOST"
    )]
    ClientDisabled,
    /// CredSSP is switched off in the service.
    #[error(
        "this service has CredSSP switched off, as it is unless told otherwise: enable it by Acceptor::enable_credssp, \
         or by the machine's settings (on Windows `Enable-WSManCredSSP -Role Server`)"
    )]
    ServiceDisabled,
    /// The service asks for authentication, but not by CredSSP.
    #[error(
        "the service does not offer CredSSP: enable it there, on Windows by `Enable-WSManCredSSP -Role Server`"
    )]
    NotOffered,
    /// Status 401 without a token, where TLS's handshake was under way.
    #[error(
        "the service broke off TLS by status 401: mostly because the two ends share no TLS version or cipher suite, or the \
         service cannot use the key of its certificate"
    )]
    TlsRefused,
    /// Status 401 without a token, where the client had not delegated its credentials yet.
    #[error(
        "the service refused the logon by status 401, without saying why: mostly the user name or password is wrong, or \
         somebody stands between the two ends"
    )]
    LogonRefused,
    /// Status 401 after the credentials were delegated.
    #[error(
        "the service took the logon, but refused the credentials by status 401: they are wrong, or their user may not log \
         on there"
    )]
    CredentialsRefused,
    /// A status that is neither 401 nor, at the end, a success.
    #[error(
        "the service answered by status {0} where its part of the authentication was due: check the address and its path, \
         and what stands between the two ends"
    )]
    UnexpectedStatus(u16),
    /// An earlier failure, or a body that was left unfinished, has put the two ends out of step.
    #[error(
        "the session is closed, for an earlier body failed or was left unfinished: authenticate anew on a new connection"
    )]
    SessionClosed,
    /// No certificate has the thumbprint that was configured.
    #[error(
        "no certificate has the thumbprint that the listener is configured with: correct the thumbprint, or add the \
         certificate"
    )]
    NoSuchCertificate,
    /// The configured certificate's private key is not there.
    #[error(
        "the private key of the certificate that the listener is configured with cannot be read: give the service's \
         account access to it"
    )]
    UnreadableKey,
}
