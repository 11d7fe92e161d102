//! What WinRM carries: headers and sealed bodies of a logon in memory.

use bytes::BytesMut;
use credssp::tls::{Identity, Trust};
use credssp::winrm::{OriginalType, client, server};
use credssp::{Account, ClientConfig, Credentials, DelegationPolicy, ServerConfig};

use super::{errors, find, json, own_file, token_file};
use crate::programs::certificate_for;

/// What both ends put into their headers, and a body of 40 000 octets that the client seals.
fn recorded() -> (Vec<String>, Vec<u8>) {
    let made = certificate_for("localhost");
    let key = made.signing_key.serialize_pem();
    let identity = Identity::from_pem(made.cert.pem().as_bytes(), key.as_bytes()).unwrap();
    let acceptor = server::Acceptor::new(ServerConfig::default(), &identity).unwrap();
    let config = ClientConfig::new(DelegationPolicy::permit_everything());
    let connector = client::Connector::new(config, Trust::default()).unwrap();
    let credentials = Credentials::password(r"CORP\alice".parse().unwrap(), "pass-canary");
    let mut client = connector
        .enable_credssp()
        .start("localhost", credentials)
        .unwrap();
    let mut server = acceptor.enable_credssp().start().unwrap();
    let mut headers = Vec::new();
    let mut session = loop {
        let mut reply = server::Reply::default();
        let authorization = client.authorization().map(str::to_owned);
        headers.extend(
            authorization
                .iter()
                .map(|value| format!("Authorization: {value}")),
        );
        let authorization = authorization.as_ref().map(String::as_bytes);
        let mut next = server.process(authorization, &mut reply).unwrap();
        let done = loop {
            next = match next {
                server::Handshake::NeedsAccount(state) => {
                    let account = Account::password("pass-canary");
                    state.continue_with(Some(account), &mut reply).unwrap()
                }
                server::Handshake::NeedsRequest(state) => break Some(state),
                _ => break None,
            };
        };
        let value = reply.www_authenticate.as_deref();
        headers.extend(value.map(|value| format!("WWW-Authenticate: {value}")));
        client = match client.process(reply.status, value).unwrap() {
            client::Handshake::NeedsResponse(state) => state,
            client::Handshake::Complete(complete) => break complete.session,
            other => panic!("{other:?}"),
        };
        server = done.unwrap();
    };
    let mut body = BytesMut::new();
    let text = "--Encrypted Boundary\r\n".repeat(2000);
    session
        .seal(
            &OriginalType::SOAP_UTF_8,
            &text.as_bytes()[..40_000],
            &mut body,
        )
        .unwrap();
    (headers, body.to_vec())
}

#[test]
fn headers_hold_records_of_tls() {
    let (headers, _) = recorded();
    // The bare offers have no token.
    let tokens = headers.iter().filter(|header| !header.ends_with("CredSSP"));
    let tokens: Vec<_> = tokens.cloned().collect();
    let count = tokens.len();
    assert!(count >= 8, "{headers:#?}");
    let output = json(0, &[&token_file("headers", tokens)]);
    let tokens = output["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), count);
    let first = &tokens[0]["tree"];
    assert_eq!(find(first, "fragment").unwrap()["meaning"], "ClientHello");
    let last = &tokens[count - 1]["tree"];
    assert_eq!(find(last, "type").unwrap()["meaning"], "application_data");
}

#[test]
fn bodies_are_taken_apart_by_the_lengths_of_their_records() {
    let (_, mut body) = recorded();
    let file = |name: &str, body: &[u8]| format!("@{}", own_file(name, body).display());
    let output = json(0, &[&file("body", &body)]);
    let tree = &output["tokens"][0]["tree"];
    assert_eq!(tree["length"], body.len());
    let parts = tree["children"].as_array().unwrap();
    let names: Vec<_> = parts.iter().map(|part| &part["name"]).collect();
    assert_eq!(names, ["description", "records"].repeat(3));
    let text = parts[0].to_string();
    assert!(text.contains("Length=16384"), "{text}");
    assert!(parts[4].to_string().contains("Length=7232"));
    assert!(find(&parts[1], "length of the trailer").is_some());
    assert_eq!(
        find(&parts[1], "type").unwrap()["meaning"],
        "application_data"
    );

    // Cut anywhere, or with a record's length changed, it is told where.
    for length in [30, 100, 250, 300, 17_000, body.len() - 4] {
        let output = json(1, &[&file("cut", &body[..length])]);
        assert!(!errors(&output["tokens"][0]["tree"]).is_empty(), "{length}");
    }
    let record = body.windows(3).position(|part| part == [23, 3, 3]).unwrap();
    body[record + 4] ^= 1;
    let output = json(1, &[&file("changed", &body)]);
    assert!(!errors(&output["tokens"][0]["tree"]).is_empty());
}
