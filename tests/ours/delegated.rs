//! What is delegated, as ours and as the peer tells it.

use std::ops::Range;

use credssp::credentials::{
    TsCredentials, TsCspDataDetail, TsRemoteGuardCreds, TsRemoteGuardPackageCred, TsSmartCardCreds,
};
use serde_json::{Value, json};

pub fn assert_password(credentials: &TsCredentials, domain: &str, user: &str, secret: &str) {
    assert_eq!(told(credentials), password(domain, user, secret));
}

pub fn password(domain: &str, user: &str, secret: &str) -> Value {
    json!({"type": "password", "domain": domain, "user": user, "password": secret})
}

/// Credentials as the peer tells them.
pub fn told(credentials: &TsCredentials) -> Value {
    match credentials {
        TsCredentials::Password(creds) => password(
            &creds.domain_name,
            &creds.user_name,
            creds.password.expose(),
        ),
        TsCredentials::SmartCard(creds) => json!({
            "type": "smart-card",
            "pin": creds.pin.expose(),
            "user_hint": creds.user_hint,
            "domain_hint": creds.domain_hint,
            "key_spec": creds.csp_data.key_spec,
            "card_name": creds.csp_data.card_name,
            "reader_name": creds.csp_data.reader_name,
            "container_name": creds.csp_data.container_name,
            "csp_name": creds.csp_data.csp_name,
        }),
        TsCredentials::RemoteGuard(creds) => {
            let package = |package: &TsRemoteGuardPackageCred| {
                let buffer = package.cred_buffer.expose().iter();
                let buffer: String = buffer.map(|byte| format!("{byte:02x}")).collect();
                json!({"package": package.package_name, "buffer": buffer})
            };
            let supplemental = creds.supplemental_creds.iter().flatten();
            json!({
                "type": "remote-guard",
                "logon": package(&creds.logon_cred),
                "supplemental": supplemental.map(package).collect::<Vec<_>>(),
            })
        }
        _ => panic!("{}", credentials.kind()),
    }
}

pub fn smart_card() -> TsCredentials {
    let mut csp_data = TsCspDataDetail::new(1);
    csp_data.card_name = Some("Card 1".into());
    csp_data.reader_name = Some("Reader 0".into());
    csp_data.container_name = Some("te-alice-7f3a".into());
    csp_data.csp_name = Some("Microsoft Base Smart Card Crypto Provider".into());
    let mut credentials = TsSmartCardCreds::new("4711", csp_data);
    credentials.user_hint = Some("alice".into());
    credentials.domain_hint = Some("CORP".into());
    credentials.into()
}

pub fn smart_card_as_told() -> Value {
    json!({
        "type": "smart-card",
        "pin": "4711",
        "user_hint": "alice",
        "domain_hint": "CORP",
        "key_spec": 1,
        "card_name": "Card 1",
        "reader_name": "Reader 0",
        "container_name": "te-alice-7f3a",
        "csp_name": "Microsoft Base Smart Card Crypto Provider",
    })
}

pub fn remote_guard() -> TsCredentials {
    let buffer = |bytes: Range<u8>| bytes.collect::<Vec<u8>>();
    let kerberos = TsRemoteGuardPackageCred::new("Kerberos", buffer(0..48).as_slice());
    let mut credentials = TsRemoteGuardCreds::new(kerberos);
    let ntlm = TsRemoteGuardPackageCred::new("NTLM", buffer(100..120).as_slice());
    credentials.supplemental_creds = Some(vec![ntlm]);
    credentials.into()
}

pub fn remote_guard_as_told() -> Value {
    let hex = |bytes: Range<u8>| -> String { bytes.map(|byte| format!("{byte:02x}")).collect() };
    json!({
        "type": "remote-guard",
        "logon": {"package": "Kerberos", "buffer": hex(0..48)},
        "supplemental": [{"package": "NTLM", "buffer": hex(100..120)}],
    })
}
