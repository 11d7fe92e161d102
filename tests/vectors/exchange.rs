//! Whole CredSSP exchanges by NTLM, verified from the password up to the credentials.

use std::collections::BTreeMap;

use credssp::credentials::TsCredentials;
use credssp::spnego::{MechTypeList, NegotiationToken};
use credssp::ts_request::{self, Direction, ServerPublicKey, TsRequest};
use serde_json::Value;

use super::{bytes, ntlm, text, unhex};

/// What one message brought for the mechanism.
#[derive(Default)]
struct Token<'a> {
    ntlm: &'a [u8],
    mech_types: Option<MechTypeList<'a>>,
    mech_list_mic: Option<&'a [u8]>,
}

impl<'a> Token<'a> {
    fn of(request: &TsRequest<'a>) -> Self {
        request.nego_token.map_or_else(Self::default, Self::decode)
    }

    fn decode(token: &'a [u8]) -> Self {
        if token.starts_with(b"NTLMSSP\0") {
            return Self {
                ntlm: token,
                ..Self::default()
            };
        }
        match NegotiationToken::decode(token).unwrap() {
            NegotiationToken::Init(init) => Self {
                ntlm: init.mech_token.unwrap_or_default(),
                mech_types: Some(init.mech_types),
                mech_list_mic: init.mech_list_mic,
            },
            NegotiationToken::Resp(resp) => Self {
                ntlm: resp.response_token.unwrap_or_default(),
                mech_types: None,
                mech_list_mic: resp.mech_list_mic,
            },
            _ => panic!("an unknown token"),
        }
    }
}

/// Verifies the response, the MICs and the seals, and compares what was sealed: the binding of the certificate's key, and
/// the credential.
pub(super) fn recorded(entry: &Value) {
    let messages: Vec<_> = entry["ts_requests"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| unhex(message[1].as_str().expect("a message")))
        .collect();
    let requests: Vec<_> = messages
        .iter()
        .map(|message| TsRequest::decode(message).unwrap())
        .collect();
    let [negotiate, challenge, authenticate, answer, last] = requests.as_slice() else {
        panic!("{} messages", requests.len());
    };
    let tokens = requests.iter().map(Token::of).collect::<Vec<_>>();
    let exchange = [tokens[0].ntlm, tokens[1].ntlm, tokens[2].ntlm];
    let password = text(entry, "password");
    let key = bytes(entry, "session_key");
    assert!(ntlm::has_key(
        &mut ntlm::replay(exchange, password).unwrap(),
        &key
    ));
    assert!(ntlm::replay(exchange, "wrong").is_err());

    let mut server = ntlm::replay(exchange, password).unwrap();
    assert_eq!(
        entry["spnego"].as_bool(),
        Some(tokens[0].mech_types.is_some())
    );
    if let Some(mech_types) = tokens[0].mech_types.map(MechTypeList::as_der) {
        let mic = tokens[2].mech_list_mic.expect("the client's mechListMIC");
        server.verify_mech_list_mic(mech_types, mic).unwrap();
        let mut out = Vec::new();
        server.get_mech_list_mic(mech_types, &mut out).unwrap();
        assert_eq!(tokens[3].mech_list_mic, Some(&*out));
    }

    let public_key = bytes(entry, "public_key");
    assert_in_certificate(&public_key, &bytes(entry, "cert_der"));
    let public_key = ServerPublicKey::from_subject_public_key(&public_key);
    let version = negotiate.version.min(challenge.version);
    assert_eq!(entry["negotiated"].as_u64(), Some(version.into()));
    let binding = |direction| match version {
        5.. => {
            let nonce = authenticate.client_nonce.expect("a nonce");
            ts_request::binding_hash(direction, &nonce, &public_key).to_vec()
        }
        _ => ts_request::echo(direction, &public_key),
    };
    let sealed = authenticate.pub_key_auth.expect("the client's pubKeyAuth");
    assert_eq!(
        ntlm::unwrap(&mut server, sealed),
        binding(Direction::ClientToServer)
    );
    let sealed = ntlm::wrap(&mut server, &binding(Direction::ServerToClient));
    assert_eq!(answer.pub_key_auth, Some(&*sealed));

    let credentials = ntlm::unwrap(&mut server, last.auth_info.expect("authInfo"));
    assert_eq!(credentials, bytes(entry, "ts_credentials"));
    assert_delegated(
        &TsCredentials::decode(&credentials).unwrap(),
        &entry["delegated"],
    );
}

/// Verifies SPNEGO's tokens around NTLM's: the response, the MIC, and both mechListMICs.
pub(super) fn negotiated(messages: &[Vec<u8>], password: &str) {
    let tokens: Vec<_> = messages
        .iter()
        .map(|message| Token::decode(message))
        .collect();
    let step = |number: u8| {
        let is_step = |token: &&Token<'_>| {
            token.ntlm.starts_with(b"NTLMSSP\0") && token.ntlm.get(8) == Some(&number)
        };
        tokens.iter().rfind(is_step).expect("a message of NTLM")
    };
    let [negotiate, challenge, authenticate] = [1, 2, 3].map(step);
    let ntlm = [negotiate.ntlm, challenge.ntlm, authenticate.ntlm];
    ntlm::scenario(ntlm, password, None);
    let Ok(mut server) = ntlm::replay(ntlm, password) else {
        // Without sealing, which has just been found to be why.
        return;
    };
    // A server may have offered mechanisms before, so the initiator's list is the last one.
    let mech_types = tokens.iter().rev().find_map(|token| token.mech_types);
    let mech_types = mech_types.expect("mechTypes").as_der();
    let mic = authenticate
        .mech_list_mic
        .expect("the client's mechListMIC");
    server.verify_mech_list_mic(mech_types, mic).unwrap();
    let mut out = Vec::new();
    server.get_mech_list_mic(mech_types, &mut out).unwrap();
    assert_eq!(
        tokens.last().and_then(|token| token.mech_list_mic),
        Some(&*out)
    );
}

/// The key stands in the certificate as the contents of a BIT STRING without unused bits.
pub(super) fn assert_in_certificate(key: &[u8], certificate: &[u8]) {
    let length = u16::try_from(key.len() + 1).unwrap().to_be_bytes();
    let bit_string = [&[0x03, 0x82, length[0], length[1], 0], key].concat();
    let found = certificate
        .windows(bit_string.len())
        .any(|part| part == bit_string);
    assert!(found, "the certificate has another key");
}

pub(super) fn assert_delegated(credentials: &TsCredentials, expected: &Value) {
    let name = |name: &Option<Box<str>>| Value::from(name.as_deref());
    let (kind, found) = match credentials {
        TsCredentials::Password(creds) => (
            "password",
            vec![
                ("domain", Value::from(&*creds.domain_name)),
                ("user", Value::from(&*creds.user_name)),
                ("password", Value::from(creds.password.expose())),
            ],
        ),
        TsCredentials::SmartCard(creds) => (
            "smartcard",
            vec![
                ("pin", Value::from(creds.pin.expose())),
                ("user_hint", name(&creds.user_hint)),
                ("domain_hint", name(&creds.domain_hint)),
                ("key_spec", Value::from(creds.csp_data.key_spec)),
                ("card", name(&creds.csp_data.card_name)),
                ("reader", name(&creds.csp_data.reader_name)),
                ("container", name(&creds.csp_data.container_name)),
                ("csp", name(&creds.csp_data.csp_name)),
            ],
        ),
        TsCredentials::RemoteGuard(creds) => {
            let package = |cred: &credssp::credentials::TsRemoteGuardPackageCred| {
                let buffer = cred.cred_buffer.expose();
                let buffer: String = buffer.iter().map(|octet| format!("{octet:02x}")).collect();
                serde_json::json!({"package": &*cred.package_name, "buffer": buffer})
            };
            let supplemental = creds.supplemental_creds.iter().flatten();
            (
                "remoteguard",
                vec![
                    ("logon", package(&creds.logon_cred)),
                    ("supplemental", supplemental.map(package).collect()),
                ],
            )
        }
        _ => panic!("an unknown kind of credentials"),
    };
    let mut found: BTreeMap<_, _> = found.into_iter().collect();
    found.insert("type", kind.into());
    assert_eq!(serde_json::json!(found), *expected);
}

/// An exchange whose messages and plaintexts stand in two sections of a file.
pub(super) fn with_plaintexts(plaintexts: &Value, messages: &Value) {
    let message = |id: &str| {
        let entries = messages.as_array().expect("messages");
        let entry = entries
            .iter()
            .find(|entry| entry["id"] == id)
            .expect("a message");
        bytes(entry, "hex")
    };
    let messages: Vec<_> = (1..=5)
        .map(|number| message(&format!("ntlm_{number}_phase_ts_request")))
        .collect();
    let requests: Vec<_> = messages
        .iter()
        .map(|message| TsRequest::decode(message).unwrap())
        .collect();
    let token = |number: usize| Token::of(&requests[number]).ntlm;
    let mut server = ntlm::replay([token(0), token(1), token(2)], "1").unwrap();
    let sealed = requests[2].pub_key_auth.expect("pubKeyAuth");
    assert_eq!(
        ntlm::unwrap(&mut server, sealed),
        bytes(plaintexts, "pub_c2s_seq0")
    );
    let sealed = ntlm::wrap(&mut server, &bytes(plaintexts, "pub_s2c_seq0"));
    assert_eq!(requests[3].pub_key_auth, Some(&*sealed));
    let sealed = requests[4].auth_info.expect("authInfo");
    assert_eq!(
        ntlm::unwrap(&mut server, sealed),
        bytes(plaintexts, "authinfo_seq1")
    );
}
