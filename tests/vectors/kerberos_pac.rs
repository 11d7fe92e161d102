//! Kerberos: PACs, with the key that signs them and what they say.

use credssp::kerberos::asn1::{KerberosTime, PrincipalName};
use credssp::kerberos::crypto::{EncryptionKey, EncryptionType};
use credssp::kerberos::pac::Pac;
use serde_json::Value;

use super::{Report, bytes, text};

pub(super) fn pacs(entries: &Value, report: &mut Report) {
    for entry in entries.as_array().expect("a list") {
        report.check("PACs", text(entry, "id"), || pac(entry));
    }
}

fn pac(entry: &Value) {
    let encryption_type = i32::try_from(entry["etype"].as_i64().unwrap()).unwrap();
    let encryption_type = EncryptionType::from_number(encryption_type).unwrap();
    let key = EncryptionKey::new(encryption_type, &bytes(entry, "key")).unwrap();
    let cname = PrincipalName::new(PrincipalName::PRINCIPAL, &[text(entry, "cname")]);
    let authtime = entry["authtime"].as_u64().unwrap();
    let octets = bytes(entry, "pac");
    let pac = Pac::decode(&octets).unwrap();
    let verify = |authtime| pac.verify(&key, &cname, KerberosTime::from_unix(authtime));
    let info = verify(authtime).unwrap();
    for (found, member) in [
        (&info.upn, "upn"),
        (&info.dns_domain, "dns_domain"),
        (&info.sam_name, "sam_name"),
        (&info.sid, "sid"),
    ] {
        assert_eq!(found.as_deref(), entry[member].as_str(), "{member}");
    }
    let groups: Vec<_> = info.group_sids.iter().map(|sid| &**sid).collect();
    let expected = entry["groups"].as_array().expect("a list");
    assert_eq!(
        groups,
        expected
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
    );
    assert!(verify(authtime + 1).is_err());
}
