//! Sealing and opening messages with an established NTLM context.

use bytes::BytesMut;
use credssp::environment::Environment;
use credssp::gss::{
    AcceptorRequest, AcceptorStep, InitiatorRequest, InitiatorStep, MechanismProvider,
    SecurityContext,
};
use credssp::ntlm::Ntlm;
use credssp::{Account, AccountName, Credentials, ServicePrincipalName};

const DOMAIN: &str = "CORP";
const USER: &str = "alice";
const PASSWORD: &str = "correct horse";

/// The client's end.
pub(crate) struct Client(Box<dyn SecurityContext>);

impl Client {
    /// `message` grows to the token.
    pub(crate) fn wrap(&mut self, message: &mut BytesMut) {
        self.0.wrap_in_place(message).expect("a token");
    }
}

/// The server's end.
pub(crate) struct Server(Box<dyn SecurityContext>);

impl Server {
    pub(crate) fn unwrap<'a>(&mut self, token: &'a mut [u8]) -> &'a [u8] {
        self.0.unwrap_in_place(token).expect("a message")
    }
}

/// Two ends of one context.
pub(crate) fn established() -> (Client, Server) {
    let environment = Environment::default();
    let target = ServicePrincipalName::termsrv("server.example.com").expect("a service");
    let credentials = Credentials::password(AccountName::new(DOMAIN, USER), PASSWORD);
    let initiator = Ntlm::default()
        .initiator(InitiatorRequest::new(&target, &credentials, &environment))
        .expect("credentials that fit");
    let acceptor = Ntlm::default().acceptor(AcceptorRequest::new(&environment));

    let Ok(InitiatorStep::NeedsToken { token, next }) = initiator.step(None) else {
        panic!("no NEGOTIATE_MESSAGE");
    };
    let Ok(AcceptorStep::NeedsToken {
        token,
        next: acceptor,
    }) = acceptor.step(&token)
    else {
        panic!("no CHALLENGE_MESSAGE");
    };
    let Ok(InitiatorStep::Established {
        token: Some(token),
        context: client,
    }) = next.step(Some(&token))
    else {
        panic!("no AUTHENTICATE_MESSAGE");
    };
    let Ok(AcceptorStep::NeedsAccount { next, .. }) = acceptor.step(&token) else {
        panic!("no account");
    };
    let Ok(AcceptorStep::Established {
        context: server, ..
    }) = next.step(Some(Account::password(PASSWORD)))
    else {
        panic!("no context");
    };
    (Client(client), Server(server))
}

#[cfg(feature = "sspi")]
pub(crate) mod sspi_peer {
    use sspi::builders::{AcquireCredentialsHandle, WithoutCredentialUse};
    use sspi::credssp::SspiContext;
    use sspi::ntlm::NtlmConfig;
    use sspi::{
        AuthIdentity, BufferType, ClientRequestFlags, CredentialUse, Credentials,
        DataRepresentation, EncryptionFlags, Ntlm, SecurityBuffer, SecurityBufferRef,
        SecurityStatus, ServerRequestFlags, Sspi, SspiEx, SspiImpl, Username,
    };

    use super::{DOMAIN, PASSWORD, USER};

    /// The client's end.
    pub(crate) struct Client(SspiContext);

    impl Client {
        /// `message` is encrypted in place, beside its signature.
        pub(crate) fn wrap(&mut self, message: &mut [u8], signature: &mut [u8; 16]) {
            let mut buffers = [
                SecurityBufferRef::token_buf(signature),
                SecurityBufferRef::data_buf(message),
            ];
            self.0
                .encrypt_message(EncryptionFlags::empty(), &mut buffers)
                .expect("a token");
        }
    }

    /// The server's end.
    pub(crate) struct Server(SspiContext);

    impl Server {
        pub(crate) fn unwrap(&mut self, message: &mut [u8], signature: &mut [u8; 16]) {
            let mut buffers = [
                SecurityBufferRef::data_buf(message),
                SecurityBufferRef::token_buf(signature),
            ];
            self.0.decrypt_message(&mut buffers).expect("a message");
        }
    }

    /// Two ends of one context.
    pub(crate) fn established() -> (Client, Server) {
        let account = Credentials::AuthIdentity(AuthIdentity {
            username: Username::new(USER, Some(DOMAIN)).expect("a user name"),
            password: PASSWORD.to_owned().into(),
        });
        let config = NtlmConfig::new("WORKSTATION".to_owned());
        let mut client = SspiContext::Ntlm(Ntlm::with_config(config.clone()));
        let mut server = SspiContext::Ntlm(Ntlm::with_config(config));
        let mut client_handle = AcquireCredentialsHandle::<'_, _, _, WithoutCredentialUse>::new()
            .with_auth_data(&account)
            .with_credential_use(CredentialUse::Outbound)
            .execute(&mut client)
            .expect("the client's credentials")
            .credentials_handle;
        let mut server_handle = None;

        let mut input = vec![token_buffer()];
        loop {
            let mut output = vec![token_buffer()];
            let mut step = client
                .initialize_security_context()
                .with_credentials_handle(&mut client_handle)
                .with_context_requirements(
                    ClientRequestFlags::CONFIDENTIALITY | ClientRequestFlags::INTEGRITY,
                )
                .with_target_data_representation(DataRepresentation::Native)
                .with_input(&mut input)
                .with_output(&mut output);
            let status = client
                .initialize_security_context_impl(&mut step)
                .and_then(|mut step| step.resolve_to_result())
                .expect("the client's step")
                .status;

            let mut reply = vec![token_buffer()];
            let step = server
                .accept_security_context()
                .with_credentials_handle(&mut server_handle)
                .with_context_requirements(ServerRequestFlags::empty())
                .with_target_data_representation(DataRepresentation::Native)
                .with_input(&mut output)
                .with_output(&mut reply);
            server
                .accept_security_context_impl(step)
                .and_then(|mut step| step.resolve_to_result())
                .expect("the server's step");
            input = reply;
            if status == SecurityStatus::Ok {
                break;
            }
        }
        server
            .custom_set_auth_identity(account)
            .expect("the account");
        server.complete_auth_token(&mut []).expect("a proof");
        (Client(client), Server(server))
    }

    fn token_buffer() -> SecurityBuffer {
        SecurityBuffer::new(Vec::new(), BufferType::Token)
    }
}
