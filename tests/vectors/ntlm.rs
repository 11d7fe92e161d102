//! NTLM: messages, keys, sealing. Keys and seals are computed here once more, apart from the library.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use credssp::account::Candidate;
use credssp::environment::{Environment, GetRandomFailed, Random, TimeProvider};
use credssp::error::{AuthenticationFailure, Error, PeerIncompatible};
use credssp::gss::{
    AcceptorRequest, AcceptorStep, ChannelBindings, InitiatorRequest, InitiatorStep,
    MechanismProvider, SecurityContext,
};
use credssp::ntlm::{
    AuthenticateMessage, AvId, ChallengeMessage, ExchangeKeys, NegotiateFlags, NegotiateMessage,
    Ntlm, Ntlmv2Response,
};
use credssp::ts_request::{self, Direction, ServerPublicKey};
use credssp::{Account, AccountName, Credentials, ServicePrincipalName};
use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use rc4::{Rc4, StreamCipher};
use serde_json::Value;

use super::{Report, bytes, text};

type Context = Box<dyn SecurityContext>;

/// A clock that stands still, and a random source that gives one key and otherwise a constant.
#[derive(Debug)]
struct Fixed([u8; 16]);

impl TimeProvider for Fixed {
    fn since_unix_epoch(&self) -> Duration {
        Duration::from_secs(1_700_000_000)
    }
}

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        if buffer.len() == self.0.len() {
            buffer.copy_from_slice(&self.0);
        } else {
            buffer.fill(0xaa);
        }
        Ok(())
    }
}

fn environment(key: [u8; 16]) -> Environment {
    Environment::new(Arc::new(Fixed(key)), Arc::new(Fixed(key)))
}

/// A client's and a server's context under one ExportedSessionKey, which the client chooses at random; and the client's
/// AUTHENTICATE_MESSAGE.
fn pair(key: [u8; 16], bindings: Option<&ChannelBindings>) -> (Context, Context, Vec<u8>) {
    let environment = environment(key);
    let credentials = Credentials::password(AccountName::new("D", "u"), "p");
    let target = ServicePrincipalName::termsrv("host").unwrap();
    let mut request = InitiatorRequest::new(&target, &credentials, &environment);
    request.channel_bindings = bindings;
    let ntlm = Ntlm::default();
    let initiator = ntlm.initiator(request).unwrap();
    let acceptor = ntlm.acceptor(AcceptorRequest::new(&environment));

    let Ok(InitiatorStep::NeedsToken { token, next }) = initiator.step(None) else {
        panic!("no NEGOTIATE_MESSAGE");
    };
    let Ok(AcceptorStep::NeedsToken {
        token: challenge,
        next: acceptor,
    }) = acceptor.step(&token)
    else {
        panic!("no CHALLENGE_MESSAGE");
    };
    let Ok(InitiatorStep::Established {
        token: Some(authenticate),
        context: client,
    }) = next.step(Some(&challenge))
    else {
        panic!("no AUTHENTICATE_MESSAGE");
    };
    let step = acceptor.step(&authenticate).unwrap();
    let Ok(server) = look_up(step, "p") else {
        panic!("not accepted");
    };
    (client, server, authenticate)
}

fn look_up(step: AcceptorStep, password: &str) -> Result<Context, Error> {
    let AcceptorStep::NeedsAccount { next, .. } = step else {
        panic!("no account is asked for");
    };
    match next.step(Some(Account::password(password)))? {
        AcceptorStep::Established { context, .. } => Ok(context),
        _ => panic!("not established"),
    }
}

/// Verifies a recorded exchange as its server would have done: the response, and the MIC if there is one.
pub(super) fn replay(messages: [&[u8]; 3], password: &str) -> Result<Context, Error> {
    let [negotiate, challenge, authenticate] = messages;
    let environment = environment([0; 16]);
    let acceptor = Ntlm::default().allow_missing_mic(true).resume(
        AcceptorRequest::new(&environment),
        negotiate,
        challenge,
    )?;
    look_up(acceptor.step(authenticate)?, password)
}

/// Whether `server` has this ExportedSessionKey. Takes one message of the client's.
pub(super) fn has_key(server: &mut Context, key: &[u8]) -> bool {
    let (mut client, ..) = pair(key.try_into().expect("16 octets"), None);
    let mut token = wrap(&mut client, b"hello");
    server.unwrap_in_place(&mut token).is_ok()
}

pub(super) fn wrap(context: &mut Context, message: &[u8]) -> Vec<u8> {
    let mut token = BytesMut::from(message);
    context.wrap_in_place(&mut token).unwrap();
    token.to_vec()
}

pub(super) fn unwrap(context: &mut Context, token: &[u8]) -> Vec<u8> {
    let mut token = token.to_vec();
    context.unwrap_in_place(&mut token).unwrap().to_vec()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Md5>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn ntowf_v2(user: &str, domain: &[u8], password: &str) -> Vec<u8> {
    let hash = Md4::digest(utf16(password));
    hmac(&hash, &[&utf16(&user.to_uppercase()), domain])
}

fn rc4(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    Rc4::new_from_slice(key).unwrap().apply_keystream(&mut data);
    data
}

/// The first message under these keys, sealed: the signature and what is encrypted.
fn seal(sign_key: &[u8], seal_key: &[u8], message: &[u8]) -> Vec<u8> {
    let checksum = hmac(sign_key, &[&[0; 4], message]);
    let stream = rc4(seal_key, &[message, &checksum[..8]].concat());
    let (data, checksum) = stream.split_at(message.len());
    [&[1, 0, 0, 0], checksum, &[0; 4], data].concat()
}

/// What a client's proof comes to, by the formulas of MS-NLMP, section 3.3.2.
struct Proof {
    ntowf_v2: Vec<u8>,
    session_base_key: Vec<u8>,
    exported_session_key: Vec<u8>,
    mic: Option<Vec<u8>>,
}

fn prove(messages: [&[u8]; 3], user: &str, password: &str) -> Proof {
    let [negotiate, challenge_bytes, authenticate] = messages;
    let challenge = ChallengeMessage::decode(challenge_bytes).unwrap();
    let message = AuthenticateMessage::decode(authenticate).unwrap();
    let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
    let ntowf_v2 = ntowf_v2(user, message.domain_name, password);
    let proof = hmac(&ntowf_v2, &[&challenge.server_challenge, response.temp]);
    assert_eq!(proof, response.nt_proof_str, "NTProofStr");
    let session_base_key = hmac(&ntowf_v2, &[&proof]);
    let exported_session_key = if message.flags.contains(NegotiateFlags::KEY_EXCH) {
        rc4(&session_base_key, message.encrypted_random_session_key)
    } else {
        session_base_key.clone()
    };
    let mic = message.mic.map(|mic| {
        let mut without = authenticate.to_vec();
        // Some clients leave out the Version before it.
        let offset = if without[72..88] == mic { 72 } else { 64 };
        without[offset..offset + 16].fill(0);
        hmac(
            &exported_session_key,
            &[negotiate, challenge_bytes, &without],
        )
    });
    let candidate = Candidate::Password(password.into());
    let keys = ExchangeKeys::derive(&challenge, &message, &candidate).unwrap();
    assert_eq!(keys.session_base_key.expose()[..], session_base_key);
    assert_eq!(keys.exported_session_key.expose()[..], exported_session_key);
    let theirs = keys.mic(negotiate, challenge_bytes, authenticate);
    assert_eq!(theirs.unwrap().map(Vec::from), mic);
    let wrong = Candidate::Password("another".into());
    assert!(ExchangeKeys::derive(&challenge, &message, &wrong).is_err());
    Proof {
        ntowf_v2,
        session_base_key,
        exported_session_key,
        mic,
    }
}

/// MS-NLMP, section 4.2.
pub(super) fn specification(section: &Value, report: &mut Report) {
    const SECTION: &str = "nlmp_4_2";
    for member in section.as_object().expect("an object").keys() {
        let value = &section[member];
        match member.as_str() {
            "kind" | "source" | "common" => {}
            "v1" | "v1_ess" => report.check(SECTION, member, || {
                let [challenge, authenticate] = decode_specification(section, value);
                let error = replay([&[], &challenge, &authenticate], "Password").err();
                assert!(
                    matches!(error, Some(Error::PeerIncompatible(_))),
                    "NTLMv1 is not refused: {error:?}"
                );
            }),
            "v2" => report.check(SECTION, member, || ntlm_v2(section, value)),
            _ => report.fail(&format!("{SECTION}: an unknown member {member}")),
        }
    }
}

/// Decodes the two messages, which name what all three examples have in common.
fn decode_specification(section: &Value, example: &Value) -> [Vec<u8>; 2] {
    let common = &section["common"];
    let [challenge_bytes, authenticate_bytes] =
        ["challenge", "authenticate"].map(|member| bytes(example, member));

    let flags = u32::from_str_radix(text(example, "flags"), 16).unwrap();
    let challenge = ChallengeMessage::decode(&challenge_bytes).unwrap();
    assert_eq!(challenge.flags.bits(), flags);
    assert_eq!(
        challenge.server_challenge[..],
        bytes(common, "server_challenge")
    );
    assert_eq!(challenge.target_name, utf16(text(common, "server")));

    let authenticate = AuthenticateMessage::decode(&authenticate_bytes).unwrap();
    assert_eq!(authenticate.user_name_text().unwrap(), text(common, "user"));
    assert_eq!(
        authenticate.domain_name_text().unwrap(),
        text(common, "domain")
    );
    assert_eq!(
        authenticate.workstation_text().unwrap(),
        text(common, "workstation")
    );
    for (member, field) in [
        ("lm_response", authenticate.lm_challenge_response),
        ("lm_v2_response", authenticate.lm_challenge_response),
        ("nt_response", authenticate.nt_challenge_response),
        ("ersk", authenticate.encrypted_random_session_key),
    ] {
        if let Some(expected) = example[member].as_str() {
            assert_eq!(field, super::unhex(expected), "{member}");
        }
    }
    assert_eq!(authenticate.mic, None);
    [challenge_bytes, authenticate_bytes]
}

fn ntlm_v2(section: &Value, example: &Value) {
    let common = &section["common"];
    let [challenge, authenticate] = decode_specification(section, example);
    let messages = [&[], &*challenge, &*authenticate];
    let (user, password) = (text(common, "user"), text(common, "password"));

    let message = AuthenticateMessage::decode(&authenticate).unwrap();
    let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
    assert_eq!(response.nt_proof_str[..], bytes(example, "nt_proof"));
    assert_eq!(response.temp, bytes(example, "temp"));
    assert_eq!(
        response.challenge_from_client[..],
        bytes(common, "client_challenge")
    );
    let target_info = bytes(example, "target_info");
    let decoded = ChallengeMessage::decode(&challenge).unwrap();
    let target_info = credssp::ntlm::AvPairs::decode(&target_info).unwrap();
    assert_eq!(decoded.target_info, Some(target_info));

    let proof = prove(messages, user, password);
    assert_eq!(proof.ntowf_v2, bytes(example, "ntowfv2"));
    assert_eq!(proof.session_base_key, bytes(example, "session_base_key"));
    let key = bytes(common, "random_session_key");
    assert_eq!(proof.exported_session_key, key);

    let plaintext = bytes(common, "plaintext_utf16");
    let sealed = [bytes(example, "signature"), bytes(example, "sealed")].concat();
    let keys = [
        bytes(example, "sign_key_c2s"),
        bytes(example, "seal_key_c2s"),
    ];
    assert_eq!(seal(&keys[0], &keys[1], &plaintext), sealed);
    let mut server = replay(messages, password).unwrap();
    assert_eq!(unwrap(&mut server, &sealed), plaintext);
    let derived = &example["extra_derived"];
    let keys = [
        bytes(derived, "sign_key_s2c"),
        bytes(derived, "seal_key_s2c"),
    ];
    assert_eq!(
        wrap(&mut server, &plaintext),
        seal(&keys[0], &keys[1], &plaintext)
    );
    let (mut client, ..) = pair(key.try_into().unwrap(), None);
    assert_eq!(wrap(&mut client, &plaintext), sealed);

    assert!(matches!(
        replay(messages, "password").err(),
        Some(Error::AuthenticationFailed {
            reason: AuthenticationFailure::WrongResponse,
            ..
        })
    ));
}

/// What CredSSP seals, under a known key.
pub(super) fn sealing(section: &Value, report: &mut Report) {
    const SECTION: &str = "seal_ntlm";
    let key = bytes(section, "exported_session_key").try_into().unwrap();
    let nonce = bytes(section, "nonce").try_into().unwrap();
    let public_key = ServerPublicKey::from_subject_public_key(&bytes(section, "public_key"));
    let credentials = bytes(section, "credentials");
    let hash = |direction| ts_request::binding_hash(direction, &nonce, &public_key).to_vec();
    let echo = |direction| ts_request::echo(direction, &public_key);
    let both = |context: (&mut Context, &mut Context), message: &[u8], token: &Value, member| {
        let token = bytes(token, member);
        assert_eq!(wrap(context.0, message), token, "{member}");
        assert_eq!(unwrap(context.1, &token), message, "{member}");
    };

    let known = [
        "kind",
        "note",
        "exported_session_key",
        "public_key",
        "nonce",
        "credentials",
    ];
    for member in section.as_object().expect("an object").keys() {
        let tokens = &section[member];
        let check = || {
            let (mut client, mut server, _) = pair(key, None);
            match member.as_str() {
                "seal_c2s" | "sign_c2s" | "seal_s2c" | "sign_s2c" => {
                    let keys = ["sign_c2s", "seal_c2s"].map(|member| bytes(section, member));
                    assert_eq!(wrap(&mut client, b"x"), seal(&keys[0], &keys[1], b"x"));
                    let keys = ["sign_s2c", "seal_s2c"].map(|member| bytes(section, member));
                    assert_eq!(wrap(&mut server, b"x"), seal(&keys[0], &keys[1], b"x"));
                }
                "A_raw_v6" => {
                    let message = hash(Direction::ClientToServer);
                    both((&mut client, &mut server), &message, tokens, "pub_c2s_seq0");
                    let message = hash(Direction::ServerToClient);
                    both((&mut server, &mut client), &message, tokens, "pub_s2c_seq0");
                    both(
                        (&mut client, &mut server),
                        &credentials,
                        tokens,
                        "authinfo_seq1",
                    );
                }
                "B_raw_v2" => {
                    let message = echo(Direction::ClientToServer);
                    both((&mut client, &mut server), &message, tokens, "pub_c2s_seq0");
                    let message = echo(Direction::ServerToClient);
                    both((&mut server, &mut client), &message, tokens, "pub_s2c_seq0");
                }
                "C_spnego_mic_v6" => {
                    let mech_types = bytes(tokens, "mech_types");
                    let mic = bytes(tokens, "mic_c2s_seq0");
                    let mut out = Vec::new();
                    client.get_mech_list_mic(&mech_types, &mut out).unwrap();
                    assert_eq!(out, mic);
                    server.verify_mech_list_mic(&mech_types, &mic).unwrap();
                    let mic = bytes(tokens, "mic_s2c_seq0");
                    let mut out = Vec::new();
                    server.get_mech_list_mic(&mech_types, &mut out).unwrap();
                    assert_eq!(out, mic);
                    client.verify_mech_list_mic(&mech_types, &mic).unwrap();
                    let message = hash(Direction::ClientToServer);
                    both((&mut client, &mut server), &message, tokens, "pub_c2s_seq1");
                    let message = hash(Direction::ServerToClient);
                    both((&mut server, &mut client), &message, tokens, "pub_s2c_seq1");
                    both(
                        (&mut client, &mut server),
                        &credentials,
                        tokens,
                        "authinfo_seq2",
                    );
                }
                _ => panic!("an unknown member"),
            }
        };
        if !known.contains(&member.as_str()) {
            report.check(SECTION, member, check);
        }
    }
}

/// An exchange with a real server, or its last message alone.
pub(super) fn capture(capture: &Value) {
    let authenticate = bytes(capture, "authenticate");
    if capture["challenge"].is_null() {
        AuthenticateMessage::decode(&authenticate).unwrap();
        return;
    }
    let negotiate = bytes(capture, "negotiate");
    let challenge = bytes(capture, "challenge");
    let messages = [&*negotiate, &*challenge, &*authenticate];
    NegotiateMessage::decode(&negotiate).unwrap();
    let message = AuthenticateMessage::decode(&authenticate).unwrap();
    let (user, password) = (text(capture, "user"), text(capture, "password"));
    assert_eq!(message.user_name_text().unwrap(), user);
    assert_eq!(message.domain_name_text().unwrap(), text(capture, "domain"));

    let expected = &capture["expect"];
    let proof = prove(messages, user, password);
    assert_eq!(proof.ntowf_v2, bytes(expected, "ntowfv2"));
    let key = bytes(expected, "exported_session_key");
    assert_eq!(proof.exported_session_key, key);
    if let Some(mic) = expected["mic"].as_str() {
        assert_eq!(proof.mic.as_deref(), Some(&*super::unhex(mic)));
    }
    let mic_is_right = match (&proof.mic, &message.mic) {
        (Some(expected), Some(mic)) => expected == mic,
        // There is no room for one before the payload.
        _ => false,
    };
    assert_eq!(Some(mic_is_right), expected["mic_valid"].as_bool());

    if message.flags.contains(NegotiateFlags::KEY_EXCH) {
        assert!(has_key(&mut replay(messages, password).unwrap(), &key));
        assert!(replay(messages, "wrong").is_err());
    } else {
        assert!(is_weak(replay(messages, password), "key exchange"));
    }
}

/// Three messages of one exchange with their password and, where it is known, their session key.
pub(super) fn scenario(messages: [&[u8]; 3], password: &str, key: Option<&[u8]>) {
    let message = AuthenticateMessage::decode(messages[2]).unwrap();
    let proof = prove(messages, &message.user_name_text().unwrap(), password);
    if let Some(key) = key {
        assert_eq!(proof.exported_session_key, key);
    }
    let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
    if response.av_pairs.flags() & 2 != 0 {
        assert_eq!(proof.mic.unwrap(), message.mic.unwrap(), "MIC");
    }
    if message.flags.contains(NegotiateFlags::SEAL) {
        let mut server = replay(messages, password).unwrap();
        assert!(has_key(&mut server, &proof.exported_session_key));
    } else {
        assert!(is_weak(replay(messages, password), "sealing"));
    }
}

/// Whether NTLM without this feature was refused.
fn is_weak(result: Result<Context, Error>, feature: &'static str) -> bool {
    let weak = PeerIncompatible::WeakNtlm(feature);
    matches!(result, Err(Error::PeerIncompatible(why)) if why == weak)
}

/// Decodes any one message.
pub(super) fn decode(message: &[u8]) {
    match message[8] {
        1 => drop(NegotiateMessage::decode(message).unwrap()),
        2 => drop(ChallengeMessage::decode(message).unwrap()),
        _ => drop(AuthenticateMessage::decode(message).unwrap()),
    }
}

pub(super) fn channel_bindings(section: &Value) {
    let whole = bytes(section, "struct");
    assert_eq!(Md5::digest(&whole)[..], bytes(section, "md5"));
    let (head, data) = whole.split_at(20);
    let length = u32::try_from(data.len()).unwrap().to_le_bytes();
    assert_eq!(head, [&[0; 16][..], &length].concat());

    let bindings = ChannelBindings::from_application_data(data);
    let (.., authenticate) = pair([1; 16], Some(&bindings));
    let message = AuthenticateMessage::decode(&authenticate).unwrap();
    let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
    let hash = response.av_pairs.get(AvId::CHANNEL_BINDINGS).unwrap();
    assert_eq!(hash, bytes(section, "md5"));
}
