//! `TSRequest`, `TSCredentials` and what `pubKeyAuth` seals.

use bytes::BytesMut;
use credssp::credentials::TsCredentials;
use credssp::error::NtStatus;
use credssp::ts_request::{self, Direction, ServerPublicKey, TsRequest};
use serde_json::Value;

use super::{Entry, Report, bytes, text};

/// Whose nonce has 12 octets.
const SHORT_NONCE: &str = "pyspnego-all-fields";

pub(super) fn ts_request(entry: &Entry<'_>) {
    let decoded = TsRequest::decode(&entry.bytes);
    if entry.note.contains("must be rejected") || entry.id == SHORT_NONCE {
        let error = decoded.expect_err("was not rejected");
        assert!(error.structure.starts_with("TSRequest"), "{error}");
        return;
    }
    let request = decoded.unwrap();
    let framed = ts_request::frame_length(&entry.bytes, ts_request::MAX_MESSAGE_LEN);
    assert_eq!(framed, Ok(Some(entry.bytes.len())));
    if entry.id.starts_with("errorcode-logon-failure") {
        assert_eq!(request.error_code, Some(NtStatus::LOGON_FAILURE));
    }
    if entry.id.ends_with("5byte-positive") {
        // What goes out has the form with a sign.
        assert_eq!(TsRequest::decode(&encoded(&request)), Ok(request));
    } else {
        assert_eq!(encoded(&request), entry.bytes);
    }
}

pub(super) fn encoded(request: &TsRequest<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    request.encode(&mut out);
    out
}

pub(super) fn ts_credentials(entry: &Entry<'_>) {
    if entry.id == "ms_remote_guard_example" {
        bare_remote_guard(&entry.bytes);
    } else {
        ts_credentials_round_trip(&entry.bytes);
    }
}

/// A bare `TSRemoteGuardCreds`, which is put into a `TSCredentials` first.
pub(super) fn bare_remote_guard(inner: &[u8]) {
    let value = |tag: u8, contents: &[u8]| {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        let header = [tag, 0x82, length[0], length[1]];
        [&header, contents].concat()
    };
    let credentials = value(0xa1, &value(0x04, inner));
    let cred_type = [0xa0, 3, 2, 1, 6];
    ts_credentials_round_trip(&value(0x30, &[&cred_type, &*credentials].concat()));
}

pub(super) fn ts_credentials_round_trip(message: &[u8]) {
    let credentials = TsCredentials::decode(message).unwrap();
    let mut out = BytesMut::new();
    credentials.encode(&mut out);
    assert_eq!(out, message);
}

pub(super) fn pubkey_hash(section: &Value, report: &mut Report) {
    let cases = |member: &str| section[member].as_array().cloned().unwrap_or_default();
    for case in cases("cases") {
        let key = ServerPublicKey::from_subject_public_key(&bytes(&case, "public_key"));
        let Ok(nonce) = bytes(&case, "nonce").try_into() else {
            // No message carries it: a unit test of the hash checks this one.
            report.not_yet("pubkey_hash with a short nonce", 1);
            continue;
        };
        report.check("pubkey_hash", text(&case, "public_key"), || {
            for (direction, member) in [
                (Direction::ClientToServer, "c2s"),
                (Direction::ServerToClient, "s2c"),
            ] {
                let hash = ts_request::binding_hash(direction, &nonce, &key);
                assert_eq!(hash[..], bytes(&case, member), "{member}");
            }
        });
    }
    for case in cases("echo") {
        report.check("pubkey_hash", text(&case, "public_key"), || {
            let plain = bytes(&case, "public_key");
            let key = ServerPublicKey::from_subject_public_key(&plain);
            let echo = ts_request::echo(Direction::ServerToClient, &key);
            assert_eq!(echo, bytes(&case, "s2c"));
            assert_eq!(ts_request::echo(Direction::ClientToServer, &key), plain);
        });
    }
}

/// Every message of a recorded exchange is one of ours byte for byte, and so are the credentials.
pub(super) fn exchange(entry: &Value) {
    let messages = entry["ts_requests"].as_array().expect("messages");
    assert!(!messages.is_empty());
    for message in messages {
        let message = super::unhex(message[1].as_str().expect("a message"));
        let request = TsRequest::decode(&message).unwrap();
        assert_eq!(encoded(&request), message);
    }
    ts_credentials_round_trip(&bytes(entry, "ts_credentials"));
}
