//! Whole CredSSP exchanges by Kerberos: what was sealed, opened by the key that the AP exchange gave.

use credssp::credentials::TsCredentials;
use credssp::gss::SecurityContext;
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType};
use credssp::kerberos::{ContextParameters, End, KerberosContext};
use credssp::ts_request::{self, Direction, ServerPublicKey, TsRequest};
use serde_json::Value;

use super::exchange::{assert_delegated, assert_in_certificate};
use super::{bytes, unhex};

/// Compares what was sealed: the binding of the certificate's key, and the credential.
pub(super) fn recorded(entry: &Value) {
    let messages: Vec<_> = entry["ts_requests"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| {
            let receiver = match message[0].as_str() {
                Some("C") => End::Acceptor,
                _ => End::Initiator,
            };
            (receiver, unhex(message[1].as_str().expect("a message")))
        })
        .collect();
    let requests: Vec<_> = messages
        .iter()
        .map(|(receiver, message)| (*receiver, TsRequest::decode(message).unwrap()))
        .collect();
    let key = bytes(entry, "session_key");
    let open = |receiver, sealed| unwrap(receiver, &key, sealed);

    let public_key = bytes(entry, "public_key");
    if !entry["cert_der"].is_null() {
        assert_in_certificate(&public_key, &bytes(entry, "cert_der"));
    }
    let public_key = ServerPublicKey::from_subject_public_key(&public_key);
    let nonce = requests
        .iter()
        .find_map(|(_, request)| request.client_nonce);
    let binding = |direction| match entry["negotiated"].as_u64().expect("a version") {
        5.. => ts_request::binding_hash(direction, &nonce.expect("a nonce"), &public_key).to_vec(),
        _ => ts_request::echo(direction, &public_key),
    };
    for (end, direction) in [
        (End::Acceptor, Direction::ClientToServer),
        (End::Initiator, Direction::ServerToClient),
    ] {
        let sealed = requests
            .iter()
            .filter(|(receiver, _)| *receiver == end)
            .find_map(|(_, request)| request.pub_key_auth)
            .expect("pubKeyAuth");
        assert_eq!(open(end, sealed), binding(direction));
    }
    let (end, last) = requests.last().expect("a message");
    let credentials = open(*end, last.auth_info.expect("authInfo"));
    assert_eq!(credentials, bytes(entry, "ts_credentials"));
    assert_delegated(
        &TsCredentials::decode(&credentials).unwrap(),
        &entry["delegated"],
    );
}

/// The key's encryption type and the sequence's beginning are not recorded; the token tells.
fn unwrap(receiver: End, key: &[u8], sealed: &[u8]) -> Vec<u8> {
    let sequence = sealed[12..16].try_into().map(u32::from_be_bytes).unwrap();
    let mut opened = [EncryptionType::Aes256Sha1, EncryptionType::Aes256Sha2]
        .into_iter()
        .filter_map(|encryption_type| {
            let key = EncryptionKey::new(encryption_type, key).unwrap();
            let parameters = ContextParameters::new(receiver, &key)
                .with_acceptor_subkey(sealed[2] & 4 != 0)
                .with_sequences(0, sequence);
            let mut token = sealed.to_vec();
            let message = KerberosContext::new(&parameters)
                .unwrap_in_place(&mut token)
                .ok()?
                .to_vec();
            Some(message)
        });
    opened.next().expect("a token that opens")
}
