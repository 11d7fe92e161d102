//! What is delegated, and who gets to see it.

use std::net::TcpStream;

use credssp::credentials::{
    TsCredentials, TsCspDataDetail, TsRemoteGuardCreds, TsRemoteGuardPackageCred, TsSmartCardCreds,
};
use credssp::tls::Connector;
use credssp::{ClientConfig, Credentials, DelegationPolicy, ServicePrincipalName};
use serde_json::json;

use crate::programs::{ACCOUNT, NTLM_ONLY, PASSWORD, Run, Server, client_without_password};

#[test]
fn secrets_stay_out_of_output_and_logs() {
    let server = Server::start(&[]);
    for (password, status) in [(PASSWORD, 0), ("wrong horse", 1)] {
        let mut command = client_without_password(&server.address, &NTLM_ONLY);
        let command = command.args(["--password", password]);
        let run = Run::of(command.env("RUST_LOG", "trace"));
        assert!(
            run.stderr.contains("sending a TSRequest"),
            "the log is on: {run:?}"
        );
        assert!(!format!("{run:?}").contains("horse"), "{run:?}");
        run.line(status);
        let line = server.line();
        assert_eq!(line["ok"], status == 0);
        assert!(!line.to_string().contains("horse"), "{line}");
    }
    let log = server.stop();
    assert!(log.contains("received a TSRequest"), "the log is on: {log}");
    assert!(!log.contains("horse"), "{log}");
}

#[test]
fn other_credentials_are_shown_with_their_secrets_only_on_demand() {
    let mut card = TsSmartCardCreds::new("1234", TsCspDataDetail::new(1));
    card.user_hint = Some("alice".into());
    card.csp_data.reader_name = Some("Reader 0".into());
    let logon = TsRemoteGuardPackageCred::new("Kerberos", vec![0x0a, 0xff]);
    let mut guard = TsRemoteGuardCreds::new(logon);
    guard.supplemental_creds = Some(vec![TsRemoteGuardPackageCred::new("NTLM", vec![1])]);
    let credentials = [
        Credentials::password(ACCOUNT.parse().unwrap(), PASSWORD)
            .delegating(TsCredentials::SmartCard(card)),
        Credentials::password(ACCOUNT.parse().unwrap(), PASSWORD)
            .delegating(TsCredentials::RemoteGuard(guard)),
    ];
    for show in [false, true] {
        let server = Server::start(if show { &["--show-secrets"] } else { &[] });
        let delegated = credentials.each_ref().map(|credentials| {
            let connector =
                Connector::new(ClientConfig::new(DelegationPolicy::permit_everything())).unwrap();
            let tcp = TcpStream::connect(&server.address).unwrap();
            let target = ServicePrincipalName::termsrv("localhost").unwrap();
            drop(connector.connect(tcp, target, credentials.clone()).unwrap());
            server.line()["credentials"].take()
        });
        let mut expected = [
            json!({
                "type": "smart-card", "domain": null, "user": "alice", "key_spec": 1, "card": null,
                "reader": "Reader 0", "container": null, "csp": null,
            }),
            json!({
                "type": "remote-guard", "logon": { "package": "Kerberos", "bytes": 2 },
                "supplemental": [{ "package": "NTLM", "bytes": 1 }],
            }),
        ];
        if show {
            expected[0]["pin"] = "1234".into();
            expected[1]["logon"]["buffer"] = "0aff".into();
            expected[1]["supplemental"][0]["buffer"] = "01".into();
        }
        assert_eq!(delegated, expected);
    }
}
