//! SPNEGO's tokens.

use credssp::mechanism::Oid;
use credssp::spnego::{MechTypeList, NegotiationToken, TokenKind};
use serde_json::Value;

use super::{Entry, Report};

pub(super) fn entry(entry: &Entry<'_>) {
    token(&entry.bytes);
}

/// A token is encoded as it came, unless it holds the flags that nobody may heed. Whether it is one of SPNEGO at all.
pub(super) fn token(token: &[u8]) -> bool {
    match TokenKind::of(token) {
        Some(TokenKind::Spnego) => {}
        Some(TokenKind::Kerberos) => return false,
        other => panic!("a token of the kind {other:?}"),
    }
    let encoded = match NegotiationToken::decode(token).unwrap() {
        NegotiationToken::Init(init) => init.encode(),
        NegotiationToken::Resp(resp) => resp.encode(),
        _ => panic!("an unknown token"),
    };
    assert_eq!(encoded, token);
    true
}

pub(super) fn mech_type_lists(section: &Value, report: &mut Report) {
    for (names, list) in section.as_object().expect("an object") {
        report.check("mech_type_lists", names, || {
            let list = super::unhex(list.as_str().expect("a list"));
            let oids = names.split(',').map(|name| match name {
                "krb5" => Oid::KERBEROS,
                "ms-krb5" => Oid::MS_KERBEROS,
                "ntlm" => Oid::NTLMSSP,
                _ => panic!("an unknown mechanism {name}"),
            });
            assert_eq!(MechTypeList::encode(oids.clone()), list);
            let decoded = MechTypeList::decode(&list).unwrap();
            assert!(decoded.iter().eq(oids), "{decoded:?}");
            assert_eq!(decoded.as_der(), list);
        });
    }
}

/// Whether it brings NTLM's last message.
pub(super) fn carries_ntlm(token: &[u8]) -> bool {
    match NegotiationToken::decode(token) {
        Ok(NegotiationToken::Resp(resp)) => resp
            .response_token
            .is_some_and(|token| token.starts_with(b"NTLMSSP\0\x03")),
        _ => false,
    }
}
