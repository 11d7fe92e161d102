//! Delegated credentials as JSON.

use credssp::credentials::{TsCredentials, TsRemoteGuardPackageCred};
use serde_json::{Value, json};

/// Tells what was delegated; PIN, password and tickets only where they may be shown.
pub(crate) fn to_json(credentials: &TsCredentials, show_secrets: bool) -> Value {
    let kind = credentials.kind();
    let (mut value, secret) = match credentials {
        TsCredentials::Password(password) => (
            json!({
                "type": kind,
                "domain": password.domain_name,
                "user": password.user_name,
            }),
            Some(("password", password.password.expose())),
        ),
        TsCredentials::SmartCard(card) => (
            json!({
                "type": kind,
                "domain": card.domain_hint,
                "user": card.user_hint,
                "key_spec": card.csp_data.key_spec,
                "card": card.csp_data.card_name,
                "reader": card.csp_data.reader_name,
                "container": card.csp_data.container_name,
                "csp": card.csp_data.csp_name,
            }),
            Some(("pin", card.pin.expose())),
        ),
        TsCredentials::RemoteGuard(guard) => {
            let supplemental = guard.supplemental_creds.iter().flatten();
            let supplemental = supplemental.map(|package| package_to_json(package, show_secrets));
            let value = json!({
                "type": kind,
                "logon": package_to_json(&guard.logon_cred, show_secrets),
                "supplemental": supplemental.collect::<Value>(),
            });
            (value, None)
        }
        _ => (json!({ "type": kind }), None),
    };
    if let (true, Value::Object(fields), Some((name, secret))) = (show_secrets, &mut value, secret)
    {
        fields.insert(name.into(), secret.into());
    }
    value
}

fn package_to_json(package: &TsRemoteGuardPackageCred, show_secrets: bool) -> Value {
    let buffer = package.cred_buffer.expose();
    let mut value = json!({ "package": package.package_name, "bytes": buffer.len() });
    if let (true, Value::Object(fields)) = (show_secrets, &mut value) {
        let hex = buffer.iter().map(|octet| format!("{octet:02x}"));
        fields.insert("buffer".into(), hex.collect::<String>().into());
    }
    value
}
