//! One process that is both ends.

use crate::programs::{Run, example};

#[test]
fn loopback_shows_each_step_and_masks_the_password() {
    let run = Run::of(&mut example("loopback"));
    assert_eq!(run.status, 0, "{run:?}");
    let mut rest = &*run.stdout;
    for step in [
        "server: listening on 127.0.0.1:",
        "client: TLS is up: TLSv1_3, TLS13_",
        "client: verified: the certificate is trusted and names localhost; SHA-256 ",
        "client: policy AllowFreshCredentials lets credentials go to TERMSRV/localhost",
        "client: sends a TSRequest of 91 bytes: version 6, negoToken of ",
        "server: sends a TSRequest of ",
        "client: sends a TSRequest of ",
        "pubKeyAuth of 48 bytes, clientNonce of 32 bytes",
        r"server: looks up CORP\alice",
        "server: verified: the client's NTLM response, and a pubKeyAuth that covers",
        "server: sends a TSRequest of ",
        "client: verified: the other end has the session's key, and its pubKeyAuth covers",
        "client: sends a TSRequest of 126 bytes: version 6, authInfo of ",
        "client: done: NTLM, CredSSP version 6, server proved by the TLS certificate",
        r"server: done: CORP\alice delegated the credential of domain CORP, user alice, password ********",
    ] {
        let found = rest.split_once(step);
        rest = found.unwrap_or_else(|| panic!("no {step:?} in:\n{rest}")).1;
    }
    assert!(
        !run.stdout.contains("horse") && run.stderr.is_empty(),
        "{run:?}"
    );
}
