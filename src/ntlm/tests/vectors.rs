//! The worked examples of MS-NLMP, section 4.2: user `User`, domain `Domain`, password `Password`.

use super::*;
use crate::error::PeerIncompatible;
use crate::ntlm::key::{self, ResponseKey, Sender};
use crate::ntlm::{
    AuthenticateMessage, AvId, ChallengeMessage, NegotiateFlags, NegotiateMessage, Ntlmv2Response,
};

// Section 4.2.2, NTLMv1.
const V1_CHALLENGE: &str = "\
    4e544c4d53535000020000000c000c0038000000338202e20123456789abcdef00000000000000000000000000000000\
    060070170000000f530065007200760065007200";
const V1_AUTHENTICATE: &str = "\
    4e544c4d5353500003000000180018006c00000018001800840000000c000c0048000000080008005400000010001000\
    5c000000100010009c000000358280e20501280a0000000f44006f006d00610069006e00550073006500720043004f00\
    4d005000550054004500520098def7b87f88aa5dafe2df779688a172def11c7d5ccdef1367c43011f30298a2ad35ece6\
    4f16331c44bdbed927841f94518822b1b3f350c8958682ecbb3e3cb7";
// Section 4.2.3, NTLMv1 with extended session security.
const V1_ESS_CHALLENGE: &str = "\
    4e544c4d53535000020000000c000c003800000033820a820123456789abcdef00000000000000000000000000000000\
    060070170000000f530065007200760065007200";
const V1_ESS_AUTHENTICATE: &str = "\
    4e544c4d5353500003000000180018006c00000018001800840000000c000c0048000000080008005400000010001000\
    5c000000000000009c000000358208820501280a0000000f44006f006d00610069006e00550073006500720043004f00\
    4d0050005500540045005200aaaaaaaaaaaaaaaa000000000000000000000000000000007537f803ae367128ca458204\
    bde7caf81e97ed2683267232";
// Section 4.2.4, NTLMv2.
const V2_CHALLENGE: &str = "\
    4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000\
    060070170000000f53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600\
    6500720000000000";
const V2_AUTHENTICATE: &str = "\
    4e544c4d5353500003000000180018006c00000054005400840000000c000c0048000000080008005400000010001000\
    5c00000010001000d8000000358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f00\
    4d005000550054004500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927b\
    ebef6a1c01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00\
    01000c005300650072007600650072000000000000000000c5dad2544fc9799094ce1ce90bc9d03e";
const TEMP: &str = "01010000000000000000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d0061006900\
                    6e0001000c005300650072007600650072000000000000000000";
const SERVER_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

/// Gives the challenge of the examples.
#[derive(Debug)]
struct ExampleChallenge;

impl Random for ExampleChallenge {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        for (to, from) in buffer.iter_mut().zip(SERVER_CHALLENGE.iter().cycle()) {
            *to = *from;
        }
        Ok(())
    }
}

fn response_key() -> ResponseKey {
    let domain: Vec<u8> = "Domain".encode_utf16().flat_map(u16::to_le_bytes).collect();
    ResponseKey::new(
        &key::nt_hash("Password"),
        &key::upper_case_utf16("User"),
        &domain,
    )
}

/// Gives the example's answer to an acceptor that has sent the example's challenge.
fn accept(server: &Ntlm, authenticate: &[u8], account: Account) -> Result<AcceptorStep, Error> {
    let environment = Environment::new(Arc::new(Fixed(Duration::ZERO)), Arc::new(ExampleChallenge));
    let acceptor = server.acceptor(AcceptorRequest::new(&environment));
    let negotiate = crate::ntlm::message::negotiate::encode(NegotiateFlags::SUPPORTED);
    let AcceptorStep::NeedsToken { next, .. } = acceptor.step(&negotiate)? else {
        panic!("no challenge");
    };
    let AcceptorStep::NeedsAccount { next, .. } = next.step(authenticate)? else {
        panic!("no question");
    };
    next.step(Some(account))
}

fn answer(challenge: &str) -> Result<InitiatorStep, Error> {
    let environment = environment();
    let target = ServicePrincipalName::termsrv("server").unwrap();
    let credentials = Credentials::password(AccountName::new("Domain", "User"), "Password");
    let request = InitiatorRequest::new(&target, &credentials, &environment);
    let (_, next) = needs_token(Ntlm::default().initiator(request).unwrap().step(None)?);
    next.step(Some(&hex(challenge)))
}

#[test]
fn computes_the_nt_hash() {
    let expected: [u8; 16] = hex_array("a4f49c406510bdcab6824ee7c30fd852");
    assert_eq!(*key::nt_hash("Password"), expected);
}

#[test]
fn computes_the_responses() {
    let key = response_key();
    let proof = key.nt_proof_str(&SERVER_CHALLENGE, &hex(TEMP));
    assert_eq!(proof[..], hex("68cd0ab851e51c96aabc927bebef6a1c"));
    assert_eq!(
        key.lm_v2_response(&SERVER_CHALLENGE, &[0xaa; 8])[..],
        hex("86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa")
    );
}

#[test]
fn computes_the_session_keys() {
    let key = response_key();
    let base_key = key.session_base_key(&hex_array("68cd0ab851e51c96aabc927bebef6a1c"));
    assert_eq!(base_key[..], hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
    assert_eq!(
        key::rc4_key(&base_key, &[0x55; 16])[..],
        hex("c5dad2544fc9799094ce1ce90bc9d03e")
    );
    for (sender, seal, sign) in [
        (
            Sender::Client,
            "59f600973cc4960a25480a7c196e4c58",
            "4788dc861b4782f35d43fd98fe1a2d39",
        ),
        (
            Sender::Server,
            "9355f3a957c1583d25c4c2f11e40390e",
            "d04d6f10741041d1d246d64188d7a8ad",
        ),
    ] {
        assert_eq!(key::seal_key(&[0x55; 16], sender)[..], hex(seal));
        assert_eq!(key::sign_key(&[0x55; 16], sender)[..], hex(sign));
    }
}

#[test]
fn decodes_the_challenge() {
    let bytes = hex(V2_CHALLENGE);
    let message = ChallengeMessage::decode(&bytes).unwrap();
    assert_eq!(message.flags.bits(), 0xe28a_8233);
    assert_eq!(message.server_challenge, SERVER_CHALLENGE);
    assert_eq!(message.target_name, b"S\0e\0r\0v\0e\0r\0");
    assert_eq!(message.version.unwrap().to_string(), "6.0.6000");
    let pairs = message.target_info.unwrap();
    assert_eq!(pairs.text(AvId::NB_DOMAIN_NAME).unwrap(), "Domain");
    assert_eq!(pairs.text(AvId::NB_COMPUTER_NAME).unwrap(), "Server");
    assert_eq!(pairs.iter().count(), 2);
    assert_eq!(pairs.timestamp(), None);
}

#[test]
fn decodes_the_answer_which_has_no_room_for_a_mic() {
    let bytes = hex(V2_AUTHENTICATE);
    let message = AuthenticateMessage::decode(&bytes).unwrap();
    assert_eq!(message.user_name_text().unwrap(), "User");
    assert_eq!(message.domain_name_text().unwrap(), "Domain");
    assert_eq!(message.workstation_text().unwrap(), "COMPUTER");
    assert_eq!(message.version.unwrap().to_string(), "5.1.2600");
    assert_eq!(message.mic, None);
    let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
    assert_eq!(response.temp, hex(TEMP));
    assert_eq!(response.challenge_from_client, [0xaa; 8]);
}

#[test]
fn accepts_the_answer_where_a_mic_is_not_insisted_upon() {
    let server = Ntlm::default().allow_missing_mic(true);
    let step = accept(
        &server,
        &hex(V2_AUTHENTICATE),
        Account::password("Password"),
    )
    .unwrap();
    let AcceptorStep::Established {
        account,
        mut context,
        ..
    } = step
    else {
        panic!("not established");
    };
    assert_eq!(account, AccountName::new("Domain", "User"));
    let mut sealed = hex("010000007fb38ec5c55d497600000000 54e50165bf1936dc996020c1811b0f06fb5f");
    assert_eq!(
        context.unwrap_in_place(&mut sealed).unwrap(),
        hex("50006c00610069006e007400650078007400")
    );
    assert!(!context.requires_mech_list_mic());

    let refused = accept(
        &Ntlm::default(),
        &hex(V2_AUTHENTICATE),
        Account::password("Password"),
    );
    assert!(matches!(
        refused,
        Err(Error::AuthenticationFailed {
            reason: AuthenticationFailure::MissingMic,
            ..
        })
    ));
}

#[test]
fn refuses_the_weaker_examples_as_a_server() {
    for (message, feature) in [
        (V1_AUTHENTICATE, "extended session security"),
        (V1_ESS_AUTHENTICATE, "128-bit keys"),
    ] {
        let server = Ntlm::default().allow_missing_mic(true);
        match accept(&server, &hex(message), Account::password("Password")) {
            Err(Error::PeerIncompatible(PeerIncompatible::WeakNtlm(found))) => {
                assert_eq!(found, feature);
            }
            other => panic!("{:?}", other.map(drop)),
        }
    }
}

#[test]
fn refuses_responses_of_version_1_under_the_strongest_flags() {
    // The fields of NtChallengeResponse say 24 octets, as an NTLM_RESPONSE has, or none, beside an LM response.
    for length in [24, 0] {
        let mut message = hex(V2_AUTHENTICATE);
        message[20] = length;
        let server = Ntlm::default().allow_missing_mic(true);
        assert!(matches!(
            accept(&server, &message, Account::password("Password")),
            Err(Error::PeerIncompatible(PeerIncompatible::NtlmV1))
        ));
    }
}

#[test]
fn refuses_the_weaker_examples_as_a_client() {
    for (message, feature) in [
        (V1_CHALLENGE, "extended session security"),
        (V1_ESS_CHALLENGE, "128-bit keys"),
    ] {
        match answer(message) {
            Err(Error::PeerIncompatible(PeerIncompatible::WeakNtlm(found))) => {
                assert_eq!(found, feature);
            }
            other => panic!("{:?}", other.map(drop)),
        }
    }
}

#[test]
fn answers_the_example_of_version_2() {
    let Ok(InitiatorStep::Established {
        token: Some(token), ..
    }) = answer(V2_CHALLENGE)
    else {
        panic!("no answer");
    };
    let message = AuthenticateMessage::decode(&token).unwrap();
    let response = Ntlmv2Response::decode(message.nt_challenge_response).unwrap();
    let expected = response_key().nt_proof_str(&SERVER_CHALLENGE, response.temp);
    assert_eq!(response.nt_proof_str, expected);
    // Without a timestamp there is an LM response, and no MIC.
    assert_eq!(
        message.lm_challenge_response,
        response_key().lm_v2_response(&SERVER_CHALLENGE, &response.challenge_from_client)
    );
    assert_eq!(response.av_pairs.get(AvId::FLAGS), None);
    assert_eq!(message.mic, Some([0; 16]));
}

#[test]
fn sends_the_offer_that_ms_nlmp_calls_for() {
    let bytes = crate::ntlm::message::negotiate::encode(NegotiateFlags::SUPPORTED);
    assert_eq!(
        bytes,
        hex("4e544c4d5353500001000000358208e2000000000000000000000000000000000a0000000000000f")
    );
    let message = NegotiateMessage::decode(&bytes).unwrap();
    assert_eq!(message.flags, NegotiateFlags::SUPPORTED);
    assert_eq!(
        (message.domain_name, message.workstation),
        (&[][..], &[][..])
    );
}

#[test]
fn hashes_channel_bindings() {
    let mut data = b"tls-server-end-point:".to_vec();
    data.extend(hex(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ));
    let bindings = ChannelBindings::from_application_data(&data);
    assert_eq!(bindings.hash()[..], hex("af170326dfd6fc6cc21c3364343df0b2"));
}

#[test]
fn upper_case_never_changes_the_length_of_a_name() {
    let upper = |name| {
        String::from_utf16(
            &key::upper_case_utf16(name)
                .chunks(2)
                .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
                .collect::<Vec<_>>(),
        )
    };
    for (name, expected) in [
        ("jürgen.groß", "JÜRGEN.GROß"),
        ("ørsted", "ØRSTED"),
        ("ndž", "NDŽ"),
        ("ıſµ", "ıſµ"),
        ("𐐨", "𐐨"),
        ("łukasz", "ŁUKASZ"),
        ("дмитрий", "ДМИТРИЙ"),
        ("ΰ", "ΰ"),
        ("日本", "日本"),
    ] {
        assert_eq!(upper(name).unwrap(), expected);
    }
}
