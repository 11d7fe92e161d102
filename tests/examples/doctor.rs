//! The example program `doctor`, and what it finds at servers that are well and at others that are not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use serde_json::Value;

use crate::peer::{self, FreerdpShadow, MitKdc, OpensslServer, Peer};
use crate::programs::{ACCOUNT, PASSWORD, Run, Server, certificate_for, example, file};

/// What it found, step by step, and its exit status.
struct Diagnosis {
    line: Value,
    stderr: String,
}

fn diagnose_with(password: &str, server: &str, options: &[&str]) -> Diagnosis {
    let mut command = example("doctor");
    command.arg(server).args(options).arg("--json");
    let run = Run::of(command.env("CREDSSP_PASSWORD", password));
    let line: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
    assert_eq!(line["exit_status"], run.status);
    assert_eq!(line["ok"], run.status == 0);
    assert!(!run.stdout.contains(password), "{run:?}");
    Diagnosis {
        line,
        stderr: run.stderr,
    }
}

fn diagnose(server: &str, options: &[&str]) -> Diagnosis {
    diagnose_with(PASSWORD, server, options)
}

impl Diagnosis {
    #[track_caller]
    fn step(&self, name: &str) -> &Value {
        let steps = self.line["steps"].as_array().unwrap();
        let mut steps = steps.iter().filter(|step| step["step"] == name);
        let step = steps.next().unwrap_or_else(|| panic!("{}", self.line));
        assert!(steps.next().is_none(), "{}", self.line);
        step
    }

    /// The verdicts, in their order.
    #[track_caller]
    fn assert(&self, exit_status: u8, verdicts: &[(&str, &str)]) {
        let steps = self.line["steps"].as_array().unwrap();
        let found: Vec<_> = steps
            .iter()
            .map(|step| {
                let text = |name: &str| step[name].as_str().unwrap();
                (text("step"), text("verdict"))
            })
            .collect();
        assert_eq!(found, verdicts, "{:#}", self.line);
        assert_eq!(self.line["exit_status"], exit_status, "{:#}", self.line);
        assert_eq!(self.stderr, "");
    }

    #[track_caller]
    fn says(&self, step: &str, text: &str) {
        let step = self.step(step);
        assert!(step["says"].as_str().unwrap().contains(text), "{step:#}");
    }

    #[track_caller]
    fn remedy(&self, step: &str, text: &str) {
        let step = self.step(step);
        let remedies = step["remedies"].as_array().unwrap();
        let has = |remedy: &Value| remedy.as_str().unwrap().contains(text);
        assert!(remedies.iter().any(has), "{step:#}");
    }
}

fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

/// By its name rather than its address.
fn localhost(address: &str) -> String {
    format!("localhost:{}", port(address))
}

const REACHED: [(&str, &str); 6] = [
    ("resolve", "ok"),
    ("connect", "ok"),
    ("tls", "ok"),
    ("certificate", "note"),
    ("credssp", "ok"),
    ("version", "ok"),
];

#[test]
fn a_server_that_is_well_is_told_so_and_sent_no_credentials() {
    let server = Server::start(&[]);
    let found = diagnose(&localhost(&server.address), &[]);
    let rest = [
        ("spn", "not checked"),
        ("policy", "ok"),
        ("logon", "not checked"),
    ];
    found.assert(0, &[&REACHED[..], &rest].concat());
    found.says("tls", "TLS 1.3");
    found.says("certificate", "a key on P-256, issued by itself");
    found.says("version", "version 6");
    found.remedy("spn", "setspn -Q TERMSRV/localhost");
    found.remedy("spn", "setspn -S TERMSRV/localhost ACCOUNT");
    // No name of an account came.
    server.failure("Closed", "negotiation", None);
}

#[test]
fn a_logon_is_tried_with_nothing_delegated_unless_that_is_wanted() {
    let server = Server::start(&["--rdp", "--hybrid-ex"]);
    let (address, user) = (localhost(&server.address), ["--rdp", "--user", ACCOUNT]);
    let found = diagnose(&address, &user);
    let mut verdicts = REACHED.to_vec();
    verdicts.insert(2, ("negotiate", "ok"));
    let rest = [("spn", "not checked"), ("policy", "ok"), ("logon", "ok")];
    found.assert(0, &[&verdicts[..], &rest].concat());
    found.says("negotiate", "PROTOCOL_HYBRID_EX");
    found.says("logon", "is logged on by NTLM, CredSSP version 6");
    found.says("logon", "nothing was delegated");
    assert_eq!(found.step("logon")["delegated"], false);
    server.failure("Closed", "negotiation", None);
    server.failure("Closed", "credential exchange", Some(ACCOUNT));

    let found = diagnose(&address, &[&user[..], &["--delegate"]].concat());
    found.assert(0, &[&verdicts[..], &rest].concat());
    assert_eq!(found.step("logon")["delegated"], true);
    found.says("logon", "the server says that the user may log on");
    server.failure("Closed", "negotiation", None);
    assert_eq!(server.line()["ok"], true);

    // Here it does not say so, and hangs up.
    let server = Server::start(&["--rdp"]);
    let address = localhost(&server.address);
    let found = diagnose(&address, &[&user[..], &["--delegate"]].concat());
    assert_eq!(found.step("logon")["verdict"], "note", "{:#}", found.line);
    assert_eq!(found.step("logon")["delegated"], true);
    found.says("logon", "then the server closed the connection");
}

#[test]
fn refused_logons_say_why() {
    let server = Server::start(&["--account-status", &format!("{ACCOUNT}=C0000072")]);
    let address = localhost(&server.address);
    let user = ["--user", ACCOUNT];
    for (password, kind, text) in [
        ("wrong-canary", "Rejected", "STATUS_LOGON_FAILURE"),
        (PASSWORD, "Rejected", "STATUS_ACCOUNT_DISABLED"),
    ] {
        let found = diagnose_with(password, &address, &user);
        let rest = [
            ("spn", "not checked"),
            ("policy", "ok"),
            ("logon", "failed"),
        ];
        found.assert(19, &[&REACHED[..], &rest].concat());
        assert_eq!(found.step("logon")["kind"], kind);
        found.says("logon", text);
    }
}

#[test]
fn a_user_whom_the_server_denies_access_is_told_so_at_the_end() {
    let server = Server::start(&["--rdp", "--hybrid-ex", "--deny"]);
    let found = diagnose(
        &localhost(&server.address),
        &["--rdp", "--user", ACCOUNT, "--delegate"],
    );
    assert_eq!(found.line["exit_status"], 19);
    assert_eq!(found.step("logon")["kind"], "EarlyAuthorizationDenied");
}

/// The usual state of a WinRM host in a workgroup: only NTLM, a certificate that nobody vouches for, and a policy that wants a
/// proof.
#[test]
fn a_policy_that_wants_a_proof_is_named_with_its_remedies() {
    let server = Server::start(&[]);
    let address = localhost(&server.address);
    let spn = ["--spn", "WSMAN/localhost", "--user", ACCOUNT];
    let options = [&spn[..], &["--allow-fresh", "WSMAN/*"]].concat();
    let found = diagnose(&address, &options);
    let rest = [
        ("spn", "not checked"),
        ("policy", "failed"),
        ("logon", "not checked"),
    ];
    found.assert(18, &[&REACHED[..], &rest].concat());
    let policy = found.step("policy");
    assert_eq!(policy["status"], "SEC_E_POLICY_NLTM_ONLY");
    let decisions = policy["decisions"].as_array().unwrap();
    let allowed: Vec<_> = decisions
        .iter()
        .map(|decision| &decision["allowed"])
        .collect();
    assert_eq!(allowed, [true, true, false]);
    for text in [
        "CertificateThumbprint",
        "setspn -S WSMAN/localhost ACCOUNT",
        "AllowFreshCredentialsWhenNTLMOnly",
    ] {
        found.remedy("policy", text);
    }
    found.says("logon", "policy does not let this server have credentials");
    // The greeting was all that the server heard.
    server.failure("Closed", "negotiation", None);

    let found = diagnose(&address, &spn);
    assert_eq!(found.step("policy")["status"], "SEC_E_DELEGATION_POLICY");

    // A pin is such a proof.
    let sha256 = found.step("certificate")["certificate"]["sha256"].clone();
    let pin = ["--pin", sha256.as_str().unwrap()];
    let found = diagnose(&address, &[&options[..], &pin].concat());
    assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
    assert_eq!(found.step("certificate")["verdict"], "ok");
    assert_eq!(found.step("logon")["proof"], "the TLS certificate");
}

/// A certificate of an authority's, or of its own, and the server that shows it.
fn server_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> (Server, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    change(&mut params);
    let pem = params.self_signed(&key).unwrap().pem();
    let certificate = file(&format!("doctor-{name}.pem"), &pem);
    let key = file(&format!("doctor-{name}-key.pem"), &key.serialize_pem());
    let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap().to_owned());
    let server = Server::start(&["--cert", &certificate, "--key", &key]);
    (server, certificate)
}

#[test]
fn an_expired_certificate_is_named() {
    let (server, _) = server_with("expired", |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let found = diagnose(&localhost(&server.address), &[]);
    assert_eq!(found.line["exit_status"], 14, "{:#}", found.line);
    found.says("certificate", "it has expired");
    found.remedy("certificate", "renew the certificate");
    // The rest is looked at all the same.
    assert_eq!(found.step("version")["verdict"], "ok");
}

#[test]
fn a_certificate_of_a_trusted_authority_counts_for_the_name_in_it() {
    let (server, roots) = server_with("trusted", |_| {});
    let trust = ["--trust-roots", &*roots];
    let found = diagnose(&localhost(&server.address), &trust);
    assert_eq!(found.step("certificate")["verdict"], "ok");
    found.says("certificate", "it proves the server");
    found.says("policy", "since the certificate proves the server");

    let options = [&trust[..], &["--spn", "TERMSRV/other.example.com"]].concat();
    let found = diagnose(&localhost(&server.address), &options);
    assert_eq!(found.step("certificate")["verdict"], "note");
    found.says("certificate", "it does not prove the server");
    found.says("certificate", "names localhost");
    found.says("certificate", "connect by a name that it has");
}

#[test]
fn a_certificate_moves_no_cursor() {
    let name = "left\u{202e}right\u{9b}31m\u{1b}[31m\u{7f}";
    let (server, _) = server_with("cursor", |params| {
        params
            .distinguished_name
            .push(DnType::CommonName, name.to_owned());
        params.subject_alt_names.clear();
    });
    let address = localhost(&server.address);
    let run = |options: &[&str]| Run::of(example("doctor").arg(&address).args(options)).stdout;
    let text = run(&[]);
    let moves = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!text.contains(moves), "{text:?}");
    assert!(
        text.contains(r"CN=left\u{202e}right\u{9b}31m\u{1b}[31m\u{7f}"),
        "{text}"
    );
    let line = run(&["--json"]);
    assert!(!line.trim_end().contains(char::is_control), "{line:?}");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(line.to_string().contains("right\u{9b}31m"), "{line}");
}

/// Passes each connection on to the next of `servers`, and every further one to the last.
fn in_turn(servers: [&Server; 3]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let servers = servers.map(|server| server.address.clone());
    thread::spawn(move || {
        for server in servers {
            let [client, server] = [
                listener.accept().unwrap().0,
                TcpStream::connect(server).unwrap(),
            ];
            for (mut from, mut to) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server, client),
            ] {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}

/// Somebody who lets the examination through to the server, and takes the logon himself.
#[test]
fn a_certificate_counts_for_the_connection_that_shows_it_only() {
    let (server, roots) = server_with("in-turn", |_| {});
    let impostor = Server::start(&[]);
    let options = [
        "--spn",
        "WSMAN/localhost",
        "--allow-fresh",
        "WSMAN/*",
        "--trust-roots",
        &roots,
        "--user",
        ACCOUNT,
    ];
    let found = diagnose(
        &localhost(&in_turn([&server, &impostor, &impostor])),
        &options,
    );
    assert_eq!(found.step("certificate")["verdict"], "ok");
    assert_eq!(found.step("policy")["verdict"], "ok");
    assert_eq!(found.line["exit_status"], 19, "{:#}", found.line);
    assert_eq!(found.step("logon")["kind"], "DelegationDenied");
    // Nor does it learn who wanted to log on.
    impostor.failure("Closed", "negotiation", None);
}

#[test]
fn a_closed_port_and_an_unknown_name_end_it() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let rest = [
        ("spn", "not checked"),
        ("policy", "note"),
        ("logon", "not checked"),
    ];
    let found = diagnose(&localhost(&address), &[]);
    found.assert(
        11,
        &[&[("resolve", "ok"), ("connect", "failed")], &rest[..]].concat(),
    );
    found.remedy("connect", "firewall");

    let found = diagnose("no-such-host.invalid:5000", &[]);
    found.assert(10, &[&[("resolve", "failed")], &rest[..]].concat());
    found.remedy("resolve", "DNS");
}

#[test]
fn a_server_of_something_else_is_told_apart() {
    if !peer::available(Peer::Openssl) {
        return;
    }
    let http = OpensslServer::start("rsa:2048", &["-www"]);
    let found = diagnose(&localhost(&http.address().to_string()), &["--timeout", "3"]);
    assert_eq!(found.line["exit_status"], 15, "{:#}", found.line);
    found.says("credssp", "no CredSSP behind TLS");
    found.says("certificate", "an RSA key of 2048 bits");

    // What does not even speak TLS, nor Remote Desktop.
    for (options, exit_status) in [(&[][..], 13), (&["--rdp"], 12)] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let end = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            let _ = tcp.read(&mut [0; 100]);
            let _ = tcp.write_all(b"220 mail.example.com ESMTP ready\r\n");
        });
        let found = diagnose(&localhost(&address), options);
        assert_eq!(found.line["exit_status"], exit_status, "{:#}", found.line);
        end.join().unwrap();
    }
    let server = Server::start(&["--rdp"]);
    let found = diagnose(&localhost(&server.address), &[]);
    assert_eq!(found.line["exit_status"], 13, "{:#}", found.line);
    found.remedy("tls", "give --rdp");
    let server = Server::start(&[]);
    let found = diagnose(&localhost(&server.address), &["--rdp"]);
    assert_eq!(found.line["exit_status"], 12, "{:#}", found.line);
}

#[test]
fn old_tls_and_weak_keys_are_named() {
    if !peer::available(Peer::Openssl) {
        return;
    }
    let old = OpensslServer::start("rsa:2048", &["-tls1_1"]);
    let found = diagnose(&localhost(&old.address().to_string()), &[]);
    assert_eq!(found.line["exit_status"], 13, "{:#}", found.line);
    found.says("tls", "share no TLS version or cipher suite");

    let weak = OpensslServer::start("rsa:1024", &[]);
    let found = diagnose(&localhost(&weak.address().to_string()), &[]);
    assert_eq!(found.line["exit_status"], 13, "{:#}", found.line);
    assert_eq!(found.step("certificate")["verdict"], "failed");
    found.says("certificate", "an RSA key of 1024 bits");
    found.remedy("certificate", "2048");
}

#[test]
fn a_server_that_says_nothing_is_not_awaited_for_ever() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let found = diagnose(&localhost(&address), &["--rdp", "--timeout", "1"]);
    assert_eq!(found.line["exit_status"], 12, "{:#}", found.line);
    found.says("negotiate", "does not answer in time");
}

#[test]
fn an_old_server_is_told_from_one_that_is_patched() {
    let server = Server::start(&["--own-version", "4", "--min-version", "2"]);
    let address = localhost(&server.address);
    let found = diagnose(&address, &["--user", ACCOUNT]);
    assert_eq!(found.line["exit_status"], 16, "{:#}", found.line);
    found.says("version", "CVE-2018-0886");
    found.remedy("version", "--min-version");
    assert_eq!(found.step("version")["version"], 4);
    let found = diagnose(&address, &["--user", ACCOUNT, "--min-version", "2"]);
    assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
    found.says("logon", "CredSSP version 4");
}

#[test]
fn the_version_that_the_doctor_claims_is_the_one_it_is_told_to() {
    let server = Server::start(&[]);
    let address = localhost(&server.address);
    let old = ["--own-version", "4", "--min-version", "2"];
    let found = diagnose(&address, &[&["--user", ACCOUNT][..], &old].concat());
    assert_eq!(found.step("logon")["kind"], "Rejected", "{:#}", found.line);

    let server = Server::start(&["--own-version", "5"]);
    let found = diagnose(&localhost(&server.address), &["--min-version", "6"]);
    assert_eq!(found.line["exit_status"], 16, "{:#}", found.line);
    // That hole is in older ones only.
    let version = found.step("version").to_string();
    assert!(!version.contains("CVE"), "{version}");
}

#[test]
fn freerdps_shadow_server_is_examined() {
    if !peer::available(Peer::Freerdp) {
        return;
    }
    let shadow = FreerdpShadow::start();
    let address = localhost(&shadow.address().to_string());
    let account = format!(r"{}\{}", FreerdpShadow::DOMAIN, FreerdpShadow::USER);
    let options = ["--rdp", "--user", &account];
    let found = diagnose_with(FreerdpShadow::PASSWORD, &address, &options);
    assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
    found.says("negotiate", "PROTOCOL_HYBRID:");
    // It knows no SPNEGO.
    assert_eq!(found.step("credssp")["negotiation"], "bare");
    found.says("logon", "is logged on by NTLM");

    // It waits for what a Remote Desktop client says next.
    let delegate = [&options[..], &["--delegate"]].concat();
    let found = diagnose_with(FreerdpShadow::PASSWORD, &address, &delegate);
    assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
    found.says("logon", "not refused within 2 s");

    let found = diagnose_with("wrong-canary", &address, &options);
    assert_eq!(found.line["exit_status"], 19, "{:#}", found.line);
    found.remedy("logon", "is the password right");
}

#[test]
fn the_kdc_is_asked_whether_it_knows_the_service() {
    if !peer::available(Peer::MitKdc) {
        return;
    }
    let kdc = MitKdc::start();
    let (address, keytab) = (kdc.address().to_string(), kdc.path("service.keytab"));
    let keytab = ["--keytab", keytab.to_str().unwrap()];

    // By Kerberos alone; no account was named that could be wrong.
    let server = Server::start(&[&keytab[..], &["--mechanism", "kerberos"]].concat());
    let found = diagnose(&localhost(&server.address), &[]);
    assert_eq!(found.step("credssp")["verdict"], "note", "{:#}", found.line);
    found.says("credssp", "refuses NTLM: STATUS_LOGON_FAILURE (0xC000006D)");
    found.remedy("credssp", "Kerberos alone");
    let credssp = found.step("credssp").to_string();
    assert!(!credssp.contains("password"), "{credssp}");

    let server = Server::start(&keytab);
    let server = localhost(&server.address);
    let known = "TERMSRV/server.test.example";
    let all = |spn| {
        [
            "--spn",
            spn,
            "--user",
            r"TEST.EXAMPLE\alice",
            "--kdc",
            &address,
        ]
    };
    let found = diagnose_with(MitKdc::PASSWORD, &server, &all(known));
    assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
    found.says("spn", "has a ticket for TERMSRV/server.test.example");
    found.says("policy", "once Kerberos has proved the server");
    assert_eq!(found.step("logon")["mechanism"], "kerberos");
    assert_eq!(found.step("logon")["proof"], "Kerberos");

    let unknown = "TERMSRV/unknown.test.example";
    let found = diagnose_with(MitKdc::PASSWORD, &server, &all(unknown));
    assert_eq!(found.line["exit_status"], 17, "{:#}", found.line);
    found.remedy("spn", "setspn -S TERMSRV/unknown.test.example ACCOUNT");
    found.says("policy", "since nothing but NTLM can prove the server");

    let found = diagnose_with("wrong-canary", &server, &all(known));
    assert_eq!(found.line["exit_status"], 17, "{:#}", found.line);
    found.says("spn", "the password or key is wrong");
    // One wrong password is enough.
    found.says("logon", "each further try helps to lock the account");

    // As the logon asks for it, whichever way it is written.
    let found = diagnose_with(
        MitKdc::PASSWORD,
        &server,
        &all("TERMSRV/Server.Test.Example."),
    );
    assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
    assert_eq!(found.step("logon")["mechanism"], "kerberos");

    // What is not to be used does not prove anything.
    let ntlm = ["--mechanism", "ntlm", "--allow-fresh", "TERMSRV/*"];
    let found = diagnose_with(
        MitKdc::PASSWORD,
        &server,
        &[&all(known)[..], &ntlm].concat(),
    );
    found.says("spn", "--mechanism ntlm leaves Kerberos out");
    found.says("policy", "since nothing but NTLM can prove the server");
}

const REG: &str = r#"Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation]
"AllowFreshCredentials"=dword:00000001
"ConcatenateDefaults_AllowFresh"=dword:00000000
"AllowFreshCredentialsWhenNTLMOnly"=dword:00000000

[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation\AllowFreshCredentials]
"1"="TERMSRV/local*"

[HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\Other]
"Setting"=dword:00000001
"#;

#[test]
fn windows_own_policies_are_read_from_their_export() {
    let server = Server::start(&["--own-version", "4", "--min-version", "2"]);
    let address = localhost(&server.address);
    let policy = |name: &str, text: &str| {
        let path = file(&format!("doctor-{name}.reg"), text);
        ["--policy".to_owned(), path.to_str().unwrap().to_owned()]
    };
    let diagnose = |[option, path]: [String; 2]| diagnose(&address, &[&option, &path]);

    let found = diagnose(policy("proved", REG));
    assert_eq!(found.step("policy")["status"], "SEC_E_POLICY_NLTM_ONLY");
    // Whether Kerberos proves it, nobody has asked.
    assert_eq!(found.step("policy")["verdict"], "note");
    found.says("policy", "if nothing but NTLM proves the server");
    found.says(
        "policy",
        "proved by Kerberos: allowed by the pattern TERMSRV/local*",
    );
    found.says("policy", r"Windows\Other is none of these policies");
    assert_eq!(found.step("version")["verdict"], "failed");

    let key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\CredSSP\Parameters";
    let oracle = format!("{REG}\n[{key}]\n\"AllowEncryptionOracle\"=dword:00000002\n");
    let found = diagnose(policy("vulnerable", &oracle));
    assert_eq!(found.step("version")["verdict"], "ok");

    let key = r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation";
    let restricted = format!(
        "Windows Registry Editor Version 5.00\n\n[{key}]\n\"RestrictedRemoteAdministration\"=dword:00000001\n\
         \"RestrictedRemoteAdministrationType\"=dword:00000001\n"
    );
    let found = diagnose(policy("restricted", &restricted));
    assert_eq!(found.step("policy")["verdict"], "failed");
    found.remedy("policy", "Restricted Admin");

    let mut command = example("doctor");
    let [option, path] = policy("none", "no registry");
    let run = Run::of(command.args([&*address, &option, &path]));
    assert_eq!(run.status, 64, "{run:?}");
    assert!(run.stderr.contains("doctor-none.reg"), "{run:?}");
}

fn winrm(address: &str, scheme: &str) -> String {
    format!("{scheme}://{}", localhost(address))
}

fn diagnose_winrm(password: &str, url: &str, options: &[&str]) -> Diagnosis {
    diagnose_with(password, "--winrm", &[&[url][..], options].concat())
}

#[test]
fn a_winrm_service_is_examined_through_its_headers() {
    let server = Server::start_program("winrm_server", &[]);
    let url = winrm(&server.address, "http");
    let allow = ["--allow-fresh-ntlm-only", "WSMAN/localhost"];
    let mut reached = REACHED.to_vec();
    reached.insert(2, ("negotiate", "ok"));
    let rest = [
        ("spn", "not checked"),
        ("policy", "ok"),
        ("logon", "not checked"),
    ];
    let found = diagnose_winrm(PASSWORD, &url, &allow);
    found.assert(0, &[&reached[..], &rest].concat());
    found.says("negotiate", "status 401, and offers CredSSP");
    found.says("tls", "TLS 1.2");
    found.remedy("spn", "setspn -Q WSMAN/localhost");

    let user = [&allow[..], &["--user", ACCOUNT]].concat();
    for (options, text) in [
        (&[][..], "nothing was delegated"),
        (&["--delegate"], "the service has taken it"),
        (&["--delegate", "--tls", "1.3"], "the service has taken it"),
    ] {
        let found = diagnose_winrm(PASSWORD, &url, &[&user[..], options].concat());
        assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
        found.says("logon", text);
    }
    let found = diagnose_winrm("wrong-canary", &url, &user);
    assert_eq!(found.line["exit_status"], 19, "{:#}", found.line);
    found.says("logon", "STATUS_LOGON_FAILURE");

    // Windows lets nothing go to WinRM unless it is told to.
    let found = diagnose_winrm(PASSWORD, &url, &[]);
    assert_eq!(found.step("policy")["status"], "SEC_E_DELEGATION_POLICY");
    // What listens there speaks no TLS.
    let found = diagnose_winrm(PASSWORD, &winrm(&server.address, "https"), &[]);
    assert_eq!(found.line["exit_status"], 12, "{:#}", found.line);
}

#[test]
fn a_winrm_service_behind_https_is_examined_the_same_way() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = file("doctor-https.pem", &params.self_signed(&key).unwrap().pem());
    let key = file("doctor-https-key.pem", &key.serialize_pem());
    let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap().to_owned());
    let options = ["--https", "--cert", &certificate, "--key", &key];
    let server = Server::start_program("winrm_server", &options);
    let options = ["--trust-roots", &*certificate, "--allow-fresh", "WSMAN/*"];
    let options = [&options[..], &["--user", ACCOUNT]].concat();
    let found = diagnose_winrm(PASSWORD, &winrm(&server.address, "https"), &options);
    assert_eq!(found.line["exit_status"], 0, "{:#}", found.line);
    found.says("negotiate", "over HTTPS");
    assert_eq!(found.step("certificate")["verdict"], "ok");
    assert_eq!(found.step("logon")["proof"], "the TLS certificate");
}

/// As it is in WinRM until somebody switches it on.
#[test]
fn a_winrm_service_whose_credssp_is_off_is_told_so() {
    let made = certificate_for("localhost");
    let certificate = file("doctor-off.pem", &made.cert.pem());
    let key = file("doctor-off-key.pem", &made.signing_key.serialize_pem());
    let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap().to_owned());
    let options = ["--https", "--cert", &certificate, "--key", &key];
    let off = [&options[..], &["--negotiate", "--no-credssp"]].concat();
    let server = Server::start_program("winrm_server", &off);
    let found = diagnose_winrm(PASSWORD, &winrm(&server.address, "https"), &[]);
    assert_eq!(found.line["exit_status"], 12, "{:#}", found.line);
    found.says("negotiate", "offers Negotiate");
    found.remedy("negotiate", "Enable-WSManCredSSP -Role Server");

    let mut client = example("winrm_client");
    let url = winrm(&server.address, "https");
    client.args([
        &*url,
        "--user",
        ACCOUNT,
        "--allow-fresh-ntlm-only",
        "WSMAN/*",
    ]);
    client.args(["--trust-roots", &*certificate, "identify"]);
    let run = Run::of(client.env("CREDSSP_PASSWORD", PASSWORD));
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.stderr.contains("CredSSP"), "{run:?}");
}

/// An HTTP server that gives one answer to one request.
fn http(answer: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let _ = tcp.read(&mut [0; 1000]);
        let _ = tcp.write_all(answer.as_bytes());
    });
    address
}

#[test]
fn a_winrm_service_without_credssp_is_told_from_what_is_no_winrm() {
    for (answer, text, remedy) in [
        (
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: Kerberos\r\n\
             Content-Length: 0\r\n\r\n",
            "offers Negotiate, Kerberos",
            "Enable-WSManCredSSP -Role Server",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "status 404, and offers no authentication",
            "/wsman",
        ),
        (
            "220 mail.example.com ready\r\n",
            "no answer over HTTP",
            "5985",
        ),
    ] {
        let found = diagnose_winrm(PASSWORD, &winrm(&http(answer), "http"), &[]);
        assert_eq!(found.line["exit_status"], 12, "{:#}", found.line);
        found.says("negotiate", text);
        found.remedy("negotiate", remedy);
    }
}

#[test]
fn people_read_one_step_after_the_other() {
    let server = Server::start(&["--rdp"]);
    let mut command = example("doctor");
    let run = Run::of(command.args([&*localhost(&server.address), "--rdp"]));
    assert_eq!((run.status, &*run.stderr), (0, ""), "{run:?}");
    for line in run.stdout.lines() {
        assert!(line.len() <= 116, "{line}");
    }
    let begins = |text: &str| run.stdout.lines().any(|line| line.starts_with(text));
    for text in [
        "ok     resolve     localhost is ",
        "ok     negotiate   the server selects PROTOCOL_HYBRID",
        "note   certificate ",
        "-      spn         not checked",
        "                -> to ask in Windows: setspn -Q TERMSRV/localhost",
        "ok     policy      if nothing but NTLM proves",
    ] {
        assert!(begins(text), "{text}: {}", run.stdout);
    }
}

#[test]
fn the_command_line_tells_what_is_wrong_with_it() {
    for (options, text) in [
        (&["host"][..], "give HOST:PORT, or --rdp"),
        (&["host:1", "--user", "alice"], "there is no password"),
        (&["host:1", "--delegate"], "--user"),
        (&["host:99999", "--rdp"], "no number up to 65535"),
        (&["[::1]:", "--rdp"], "no number up to 65535"),
        (
            &["host:1", "--pin", "12"],
            "64 hexadecimal digits (SHA-256)",
        ),
        (&["host:1", "--spn", "host"], "--spn"),
        (&["--winrm", "host"], "is no URL"),
        (&["--winrm", "http://alice@host"], "is no URL"),
        (&["--winrm", "http://host", "--rdp"], "--rdp"),
        (&[], "HOST"),
    ] {
        let run = Run::of(example("doctor").args(options));
        assert_eq!(run.status, 64, "{run:?}");
        assert!(run.stderr.contains(text), "{run:?}");
    }
}
