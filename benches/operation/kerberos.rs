//! Sealing and opening messages with an established Kerberos context, under a key of aes256-cts-hmac-sha1-96.

use bytes::BytesMut;
use credssp::gss::SecurityContext;
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType};
use credssp::kerberos::{ContextParameters, End, KerberosContext};

const KEY: [u8; 32] = [7; 32];

/// The client's end.
pub(crate) struct Client(KerberosContext);

impl Client {
    /// `message` grows to the token.
    pub(crate) fn wrap(&mut self, message: &mut BytesMut) {
        self.0.wrap_in_place(message).expect("a token");
    }
}

/// The server's end.
pub(crate) struct Server(KerberosContext);

impl Server {
    pub(crate) fn unwrap<'a>(&mut self, token: &'a mut [u8]) -> &'a [u8] {
        self.0.unwrap_in_place(token).expect("a message")
    }
}

/// How much longer a token is than its message, in octets.
pub(crate) const OVERHEAD: usize = 60;

/// Two ends of one context.
pub(crate) fn established() -> (Client, Server) {
    let key = EncryptionKey::new(EncryptionType::Aes256Sha1, &KEY).expect("a key");
    let context = |end| KerberosContext::new(&ContextParameters::new(end, &key));
    (
        Client(context(End::Initiator)),
        Server(context(End::Acceptor)),
    )
}

pub(crate) mod krb5_peer {
    use krb5::token::{ContextKey, PerMessageTokens, Role};

    use super::{Client, KEY};

    /// What the other two rotate their tokens by, as Windows does.
    const ROTATION: u16 = 28;

    /// The server's end. It leaves the sequence to its caller.
    pub(crate) struct Server(PerMessageTokens<ContextKey>);

    impl Server {
        pub(crate) fn wrap(&self, message: &[u8]) -> Vec<u8> {
            self.0
                .emit_wrap_full(0, message, 0, ROTATION, None)
                .expect("a token")
        }

        pub(crate) fn unwrap(&self, token: &[u8]) -> Vec<u8> {
            self.0.unwrap(token).expect("a message").message
        }
    }

    /// Two ends of one context, the client's being this crate's.
    pub(crate) fn established() -> (Client, Server) {
        let (client, _) = super::established();
        let key = ContextKey::new(18, &KEY).expect("a key");
        let server = PerMessageTokens::new(key, Role::Acceptor, false);
        (client, Server(server))
    }
}

/// The crate's server, which takes a ticket that was made up under its key.
#[cfg(feature = "sspi")]
pub(crate) mod sspi_peer {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use bytes::BytesMut;
    use credssp::environment::SystemRandom;
    use credssp::gss::SecurityContext;
    use credssp::kerberos::asn1::{
        ApRep, EncApRepPart, EncryptedData, Flags, InitialToken, KerberosString, KerberosTime,
        KeyValue, Octets, PrincipalName, TokenId,
    };
    use credssp::kerberos::crypto::{EncryptionKey, EncryptionType, KeyUsage};
    use credssp::kerberos::{ContextParameters, End, KerberosContext};
    use credssp::mechanism::Oid;
    use rasn::Encode;
    use sspi::kerberos::ServerProperties;
    use sspi::{
        BufferType, DataRepresentation, EncryptionFlags, Kerberos, KerberosConfig, SecurityBuffer,
        SecurityBufferRef, ServerRequestFlags, Sspi, SspiImpl,
    };

    use super::{Client, KEY, OVERHEAD};

    const REALM: &str = "EXAMPLE.COM";
    const SERVICE: [&str; 2] = ["TERMSRV", "server.example.com"];

    /// The server's end.
    pub(crate) struct Server(Kerberos);

    impl Server {
        /// `message` is encrypted in place, beside the rest of its token.
        pub(crate) fn wrap(&mut self, message: &mut [u8], token: &mut [u8; OVERHEAD]) {
            let mut buffers = [
                SecurityBufferRef::token_buf(token),
                SecurityBufferRef::data_buf(message),
            ];
            self.0
                .encrypt_message(EncryptionFlags::empty(), &mut buffers)
                .expect("a token");
        }

        pub(crate) fn unwrap(&mut self, message: &mut [u8], token: &mut [u8]) {
            let mut buffers = [
                SecurityBufferRef::token_buf(token),
                SecurityBufferRef::data_buf(message),
            ];
            self.0.decrypt_message(&mut buffers).expect("a message");
        }
    }

    /// Two ends of one context, the client's being this crate's.
    pub(crate) fn established() -> (Client, Server) {
        let [service_key, session_key] =
            [KEY, [8; 32]].map(|key| EncryptionKey::new(EncryptionType::Aes256Sha1, &key));
        let (service_key, session_key) = (service_key.expect("a key"), session_key.expect("a key"));
        let config = KerberosConfig::new_with_kdc_url("tcp://127.0.0.1", "server".to_owned());
        let skew = Duration::from_secs(300);
        let properties = ServerProperties::new(&SERVICE, None, skew, Some(KEY.to_vec().into()));
        let mut server = Kerberos::new_server_from_config(config, properties.expect("a service"))
            .expect("a server");

        let mut token = Vec::new();
        let ap_req = ap_req(&service_key, &session_key);
        InitialToken::new(Oid::KERBEROS, TokenId::ApReq, &ap_req).encode(&mut token);
        let mut input = [SecurityBuffer::new(token, BufferType::Token)];
        let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
        let mut credentials = None;
        let step = server
            .accept_security_context()
            .with_credentials_handle(&mut credentials)
            .with_context_requirements(ServerRequestFlags::empty())
            .with_target_data_representation(DataRepresentation::Native)
            .with_input(&mut input)
            .with_output(&mut output);
        server
            .accept_security_context_impl(step)
            .and_then(|mut step| step.resolve_to_result())
            .expect("an AP-REP");

        let token = InitialToken::decode(&output[0].buffer).expect("a token");
        let reply = ApRep::decode(token.message)
            .expect("an AP-REP")
            .enc_part
            .open(&session_key, KeyUsage::AP_REP)
            .expect("the session key");
        let reply = EncApRepPart::decode(&reply).expect("an EncAPRepPart");
        let subkey = reply.subkey.and_then(|subkey| subkey.to_key());
        let receive = reply.seq_number.expect("a sequence number").get();
        let mut client = KerberosContext::new(
            &ContextParameters::new(End::Initiator, &subkey.expect("a subkey"))
                .with_acceptor_subkey(true)
                .with_sequences(0, receive),
        );
        check(&mut client, &mut Server(server.clone()));
        (Client(client), Server(server))
    }

    /// That both ends mean the same by a token.
    fn check(client: &mut KerberosContext, server: &mut Server) {
        let (mut message, mut token) = (*b"message", [0; OVERHEAD]);
        server.wrap(&mut message, &mut token);
        let mut whole = [&token[..], &message].concat();
        assert_eq!(
            client.unwrap_in_place(&mut whole).expect("a message"),
            b"message"
        );
        let mut whole = BytesMut::from("message");
        client.wrap_in_place(&mut whole).expect("a token");
        let (token, message) = whole.split_at_mut(OVERHEAD);
        server.unwrap(message, token);
        assert_eq!(message, b"message");
    }

    /// An AP-REQ (RFC 4120, section 5.5.1) with a ticket such as a KDC would have given out.
    fn ap_req(service_key: &EncryptionKey, session_key: &EncryptionKey) -> Vec<u8> {
        let random = SystemRandom::default();
        let seal = |key, usage, plaintext: &[u8]| {
            der(&EncryptedData::seal(key, usage, plaintext, &random).expect("a ciphertext"))
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a time since 1970");
        let now = der(&KerberosTime::from_unix(now.as_secs()));
        let realm = der(&KerberosString::from(REALM));
        let client = der(&PrincipalName::new(PrincipalName::PRINCIPAL, &["alice"]));
        let no_realms = [der(&1_i32), der(&Octets::from(&[][..]))];
        let enc_ticket_part = [
            (0, der(&Flags::from_bits(0))),
            (1, der(&KeyValue::from(session_key))),
            (2, realm.clone()),
            (3, client.clone()),
            (4, sequence((0..).zip(no_realms))),
            (5, now.clone()),
            (7, der(&KerberosTime::FAR_FUTURE)),
        ];
        let ticket = [
            (0, der(&5_i32)),
            (1, realm.clone()),
            (
                2,
                der(&PrincipalName::new(PrincipalName::SRV_INST, &SERVICE)),
            ),
            (
                3,
                seal(
                    service_key,
                    KeyUsage::TICKET,
                    &application(3, enc_ticket_part),
                ),
            ),
        ];
        let authenticator = [
            (0, der(&5_i32)),
            (1, realm),
            (2, client),
            (4, der(&0_i32)),
            (5, now),
            (7, der(&0_i32)),
        ];
        let authenticator = application(2, authenticator);
        application(
            14,
            [
                (0, der(&5_i32)),
                (1, der(&14_i32)),
                (2, der(&Flags::MUTUAL_REQUIRED)),
                (3, application(1, ticket)),
                (
                    4,
                    seal(session_key, KeyUsage::AP_REQ_AUTHENTICATOR, &authenticator),
                ),
            ],
        )
    }

    fn der(value: &impl Encode) -> Vec<u8> {
        rasn::der::encode(value).expect("an encoding")
    }

    /// `[APPLICATION number] SEQUENCE { fields }`.
    fn application(number: u8, fields: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Vec<u8> {
        value(0x60 | number, &sequence(fields))
    }

    /// A SEQUENCE of fields with their tags.
    fn sequence(fields: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Vec<u8> {
        let fields = fields
            .into_iter()
            .flat_map(|(tag, field)| value(0xa0 | tag, &field));
        value(0x30, &fields.collect::<Vec<_>>())
    }

    fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len()).expect("a short value");
        let [high, low] = length.to_be_bytes();
        let header = match length {
            ..0x80 => vec![tag, low],
            0x80..0x100 => vec![tag, 0x81, low],
            _ => vec![tag, 0x82, high, low],
        };
        [&header, contents].concat()
    }
}
