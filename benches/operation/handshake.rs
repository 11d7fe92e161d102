//! Whole CredSSP exchanges, both ends in memory.

use std::sync::Arc;

use bytes::BytesMut;
use credssp::client::{self, Client, ClientConfig};
use credssp::mechanism::Negotiation;
use credssp::server::{self, Server, ServerConfig};
use credssp::ts_request::ServerPublicKey;
use credssp::{Account, AccountName, Credentials, DelegationPolicy, ServicePrincipalName};

const DOMAIN: &str = "CORP";
const USER: &str = "alice";
const PASSWORD: &str = "correct horse";
const HOST: &str = "server.example.com";

/// Carries a message from one end to the other.
pub(crate) trait Channel {
    /// Appends to `input` what the server reads when the client has written `message`.
    fn to_server(&mut self, message: &[u8], input: &mut BytesMut);

    /// Appends to `input` what the client reads when the server has written `message`.
    fn to_client(&mut self, message: &[u8], input: &mut BytesMut);
}

/// Without TLS.
pub(crate) struct Plain;

impl Channel for Plain {
    fn to_server(&mut self, message: &[u8], input: &mut BytesMut) {
        input.extend_from_slice(message);
    }

    fn to_client(&mut self, message: &[u8], input: &mut BytesMut) {
        input.extend_from_slice(message);
    }
}

/// What the exchanges of one kind share.
pub(crate) struct Setup {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    target: ServicePrincipalName,
    credentials: Credentials,
}

impl Setup {
    pub(crate) fn new(negotiation: Negotiation) -> Self {
        let mut client = ClientConfig::new(DelegationPolicy::permit_everything());
        client.negotiation = negotiation;
        Self {
            client: Arc::new(client),
            server: Arc::new(ServerConfig::default()),
            target: ServicePrincipalName::termsrv(HOST).expect("a service"),
            credentials: Credentials::password(AccountName::new(DOMAIN, USER), PASSWORD),
        }
    }

    /// One exchange, from the first message to the credentials.
    pub(crate) fn run(
        &self,
        key: &ServerPublicKey,
        channel: &mut impl Channel,
    ) -> server::Complete {
        let (mut out, mut at_server, mut at_client) =
            (BytesMut::new(), BytesMut::new(), BytesMut::new());
        let client = Client::new(
            self.client.clone(),
            self.target.clone(),
            self.credentials.clone(),
            key.clone(),
        );
        let mut client = client.start(&mut out).expect("the client's start");
        let mut server = Server::new(self.server.clone(), key.clone())
            .start()
            .expect("the server's start");
        loop {
            channel.to_server(&out, &mut at_server);
            out.clear();
            let mut next = server.process(&mut at_server, &mut out);
            if let Ok(server::Handshake::NeedsAccount(state)) = next {
                next = state.continue_with(Some(Account::password(PASSWORD)), &mut out);
            }
            server = match next.expect("the server's step") {
                server::Handshake::NeedsInput(state) => state,
                server::Handshake::Complete(complete) => return complete,
                _ => panic!("the server needs something else"),
            };

            channel.to_client(&out, &mut at_client);
            out.clear();
            if let client::Handshake::NeedsInput(state) = client {
                client = state
                    .process(&mut at_client, &mut out)
                    .expect("the client's step");
            }
        }
    }
}

#[cfg(feature = "sspi")]
pub(crate) mod sspi_peer {
    use std::io;

    use bytes::BytesMut;
    use sspi::credssp::{
        ClientMode, ClientState, CredSspClient, CredSspMode, CredSspServer, CredentialsProxy,
        ServerMode, ServerState, TsRequest,
    };
    use sspi::ntlm::NtlmConfig;
    use sspi::{AuthIdentity, Credentials, NegotiateConfig, Username};

    use super::{Channel, DOMAIN, HOST, PASSWORD, USER};

    /// What the exchanges of one kind share.
    pub(crate) struct Setup {
        client: ClientMode,
        server: ServerMode,
        account: AuthIdentity,
        target: String,
    }

    impl Setup {
        pub(crate) fn bare() -> Self {
            Self::new(ClientMode::Ntlm(ntlm()), ServerMode::Ntlm(ntlm()))
        }

        pub(crate) fn spnego() -> Self {
            // Without this list, the client would look for a KDC.
            let config = NegotiateConfig::new(
                Box::new(ntlm()),
                Some("ntlm".to_owned()),
                "WORKSTATION".to_owned(),
            );
            Self::new(
                ClientMode::Negotiate(config.clone()),
                ServerMode::Negotiate(config),
            )
        }

        fn new(client: ClientMode, server: ServerMode) -> Self {
            Self {
                client,
                server,
                account: AuthIdentity {
                    username: Username::new(USER, Some(DOMAIN)).expect("a user name"),
                    password: PASSWORD.to_owned().into(),
                },
                target: format!("TERMSRV/{HOST}"),
            }
        }

        /// One exchange, from the first message to the credentials.
        pub(crate) fn run(&self, key: &[u8], channel: &mut impl Channel) -> AuthIdentity {
            let mut client = CredSspClient::new(
                key.to_vec(),
                Credentials::AuthIdentity(self.account.clone()),
                CredSspMode::WithCredentials,
                self.client.clone(),
                self.target.clone(),
            )
            .expect("a client");
            let accounts = Accounts(self.account.clone());
            let mut server =
                CredSspServer::new(key.to_vec(), accounts, self.server.clone()).expect("a server");
            let (mut out, mut at_server, mut at_client) =
                (Vec::new(), BytesMut::new(), BytesMut::new());
            let mut received = TsRequest::default();
            loop {
                let (ClientState::ReplyNeeded(request) | ClientState::FinalMessage(request)) =
                    client
                        .process(received)
                        .resolve_to_result()
                        .expect("the client's step");
                request.encode_ts_request(&mut out).expect("an encoding");
                channel.to_server(&out, &mut at_server);
                out.clear();

                let request = TsRequest::from_buffer(&at_server.split()).expect("a TSRequest");
                match server
                    .process(request)
                    .resolve_to_result()
                    .expect("the server's step")
                {
                    ServerState::ReplyNeeded(request) => {
                        request.encode_ts_request(&mut out).expect("an encoding");
                    }
                    ServerState::Finished(credentials) => return credentials,
                }
                channel.to_client(&out, &mut at_client);
                out.clear();
                received = TsRequest::from_buffer(&at_client.split()).expect("a TSRequest");
            }
        }
    }

    struct Accounts(AuthIdentity);

    impl CredentialsProxy for Accounts {
        type AuthenticationData = AuthIdentity;

        fn auth_data_by_user(&mut self, username: &Username) -> io::Result<AuthIdentity> {
            if *username == self.0.username {
                Ok(self.0.clone())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }

        fn auth_data(&mut self) -> io::Result<Vec<AuthIdentity>> {
            Ok(vec![self.0.clone()])
        }
    }

    fn ntlm() -> NtlmConfig {
        NtlmConfig::new("WORKSTATION".to_owned())
    }
}
