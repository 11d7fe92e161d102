//! What the programs are told, and what they say of mistakes.

use crate::programs::{NTLM_ONLY, PASSWORD, Run, Server, client_without_password, example, file};

#[test]
fn mistakes_in_the_command_line_are_told_without_secrets() {
    let secret = ["--password", "horse"];
    let host = "127.0.0.1:1";
    let to_host = |options: &[&'static str]| [&[host, "--user", "a"], options].concat();
    let listen = |options: &[&'static str]| [&["--listen", "127.0.0.1:0"], options].concat();
    for (program, options, text) in [
        ("client", vec![], "required"),
        ("client", to_host(&[]), "--password-file"),
        (
            "client",
            to_host(&[&secret[..], &["--password-file", "f"]].concat()),
            "cannot be used with",
        ),
        (
            "client",
            to_host(&["--password-file", "/does/not/exist"]),
            "cannot read /does/not/exist",
        ),
        (
            "client",
            [&["127.0.0.1", "--user", "a"], &secret[..]].concat(),
            "HOST:PORT",
        ),
        (
            "client",
            [&[host, "--user", r"a\b\c"], &secret[..]].concat(),
            r"DOMAIN\user",
        ),
        (
            "client",
            to_host(&[&secret[..], &["--pin", "abcd"]].concat()),
            "64 hexadecimal digits",
        ),
        (
            "client",
            to_host(&[&secret[..], &["--allow-fresh", "host"]].concat()),
            "TERMSRV/",
        ),
        (
            "client",
            to_host(&[&secret[..], &["--spn", "host"]].concat()),
            "TERMSRV/",
        ),
        (
            "client",
            to_host(&[&secret[..], &["--own-version", "4"]].concat()),
            "with --min-version 4",
        ),
        (
            "client",
            to_host(&[&secret[..], &["--min-version", "7"]].concat()),
            "2..=6",
        ),
        (
            "client",
            to_host(&[&secret[..], &["--tls", "1.1"]].concat()),
            "1.2, 1.3",
        ),
        (
            "client",
            to_host(&[&secret[..], &["--trust-roots", "Cargo.toml"]].concat()),
            "no certificate",
        ),
        ("decode", vec![], "required"),
        (
            "decode",
            [&["3005a003020106"], &secret[..], &["--password-file", "f"]].concat(),
            "cannot be used with",
        ),
        (
            "decode",
            [
                &["3005a003020106"],
                &secret[..],
                &["--keytab", "/does/not/exist"],
            ]
            .concat(),
            "/does/not/exist",
        ),
        (
            "decode",
            [
                &["3005a003020106"],
                &secret[..],
                &["--certificate", "Cargo.toml"],
            ]
            .concat(),
            "holds no certificate",
        ),
        (
            "decode",
            [&["3005a003020106"], &secret[..], &["--public-key", "x"]].concat(),
            "in hexadecimal",
        ),
        ("server", listen(&[]), "--account"),
        (
            "server",
            listen(&["--account", "horse"]),
            r"DOMAIN\USER:PASSWORD",
        ),
        (
            "server",
            listen(&["--account", "a:horse", "--account-status", "b=C0000072"]),
            "no --account gives",
        ),
        (
            "server",
            listen(&["--account", "a:horse", "--account-status", "a=disabled"]),
            "NTSTATUS",
        ),
        (
            "server",
            listen(&["--account", "a:horse", "--cert", "Cargo.toml"]),
            "--key",
        ),
        (
            "server",
            listen(&[
                "--account",
                "a:horse",
                "--min-version",
                "6",
                "--own-version",
                "5",
            ]),
            "--min-version 5",
        ),
    ] {
        let run = Run::of(example(program).args(&options));
        assert_eq!((run.status, &*run.stdout), (64, ""), "{options:?} {run:?}");
        assert!(run.stderr.contains(text), "{text:?} in {run:?}");
        assert!(!run.stderr.contains("horse"), "{run:?}");
    }
}

#[test]
fn help_shows_examples() {
    for program in ["client", "decode", "server"] {
        let run = Run::of(example(program).arg("--help"));
        assert_eq!((run.status, &*run.stderr), (0, ""), "{run:?}");
        assert!(run.stdout.contains("Examples:"), "{run:?}");
    }
}

#[test]
fn the_password_comes_from_the_first_source_there_is() {
    let server = Server::start(&[]);
    for (name, contents, status) in [
        ("password", PASSWORD.to_owned(), 0),
        ("password-lf", format!("{PASSWORD}\n"), 0),
        ("password-crlf", format!("{PASSWORD}\r\n"), 0),
        ("password-two-lf", format!("{PASSWORD}\n\n"), 1),
    ] {
        let path = file(name, &contents);
        let mut command = client_without_password(&server.address, &NTLM_ONLY);
        command
            .arg("--password-file")
            .arg(path)
            .env("CREDSSP_PASSWORD", "wrong");
        Run::of(&mut command).line(status);
    }
    let mut command = client_without_password(&server.address, &NTLM_ONLY);
    command
        .args(["--password", PASSWORD])
        .env("CREDSSP_PASSWORD", "wrong");
    Run::of(&mut command).line(0);
}
