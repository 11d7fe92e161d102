//! Kerberos' files on disk: what is found, what is refused, and what the refusal says.

#![allow(clippy::panic, clippy::unwrap_used)] // in what the tests share

use std::fs;
use std::path::{Path, PathBuf};

use credssp::kerberos::asn1::PrincipalName;
use credssp::kerberos::ccache::CredentialCache;
use credssp::kerberos::initiator::ClientName;
use credssp::stream::files::{self, Error, Reason};

/// A folder of a test's own, empty.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn cache(user: &str) -> CredentialCache {
    let name = PrincipalName::new(PrincipalName::PRINCIPAL, &[user]);
    CredentialCache::new(ClientName::new("R", name))
}

fn names_of(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[test]
fn a_credential_cache_takes_the_place_of_another_as_a_whole() {
    let folder = folder("ccache");
    let path = folder.join("tickets");
    let old = folder.join("old");
    // An open file, and a link that somebody put there, keep what they had.
    fs::write(&path, "old").unwrap();
    fs::hard_link(&path, &old).unwrap();
    files::write_ccache(&path, &cache("alice")).unwrap();
    assert_eq!(fs::read(&old).unwrap(), b"old");
    fs::remove_file(old).unwrap();
    let name = format!("FILE:{}", path.display());
    files::write_ccache(&name, &cache("bob")).unwrap();
    let read = files::read_ccache(&name).unwrap();
    assert_eq!(read.client().name.to_string(), "bob");
    assert_eq!(names_of(&folder), ["tickets"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    // Where it cannot take the name, nothing stays behind.
    let taken = folder.join("taken/inside");
    fs::create_dir_all(&taken).unwrap();
    let error = files::write_ccache(folder.join("taken"), &cache("alice")).unwrap_err();
    assert!(matches!(error.reason, Reason::Io(_)), "{error}");
    let mut names = names_of(&folder);
    names.sort();
    assert_eq!(names, ["taken", "tickets"]);
}

#[test]
fn says_which_file_is_wrong_and_what_would_help() {
    let folder = folder("refused");
    let file = |name: &str, contents: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    let keytab = |path: &Path| files::read_keytab(path).unwrap_err();
    let ccache = |path: &Path| files::read_ccache(path).unwrap_err();
    let krb5_conf = |path: &Path| files::read_krb5_conf(path).unwrap_err();
    let missing = folder.join("missing");
    let nowhere = missing.join("tickets");
    let huge = file("huge", &[]);
    let sparse = fs::File::options().write(true).open(&huge).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let damaged = file("damaged", b"\x05\x04\xff");
    let old = file("old", b"\x05\x03\0\0\0\x01");
    let line = file("line", b"[libdefaults]\nclockskew = x\n");
    let cases: [(Error, &Path, &str); 10] = [
        (keytab(&missing), &missing, "administrator"),
        (ccache(&missing), &missing, "`kinit`"),
        (krb5_conf(&missing), &missing, "KRB5_CONFIG"),
        (keytab(&huge), &huge, "longer than 1048576 octets"),
        (ccache(&huge), &huge, "longer than 8388608 octets"),
        (krb5_conf(&huge), &huge, "longer than 1048576 octets"),
        (ccache(&damaged), &damaged, "at byte 2"),
        (keytab(&damaged), &damaged, "at byte 0"),
        (ccache(&old), &old, "ccache_type"),
        (krb5_conf(&line), &line, "line 2: expected a whole number"),
    ];
    for (error, path, help) in cases {
        assert_eq!(error.path, path);
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert!(text.contains(help), "{text}");
    }
    let error = files::write_ccache(&nowhere, &cache("alice")).unwrap_err();
    assert_eq!(error.path, nowhere);
    for name in ["KCM:", "KEYRING:persistent:0", "DIR:/tmp/x", "MEMORY:"] {
        let error = files::read_ccache(name).unwrap_err();
        assert!(matches!(error.reason, Reason::UnsupportedType), "{error}");
        assert!(error.to_string().contains("KRB5CCNAME=FILE:"), "{error}");
        assert!(files::write_ccache(name, &cache("alice")).is_err());
        assert!(files::read_keytab(name).is_err());
    }
    // A path with a colon is a path.
    assert!(matches!(
        ccache(Path::new("/nowhere/KCM:")).reason,
        Reason::Io(_)
    ));
}

#[test]
fn reads_a_configuration_with_its_includes_in_order() {
    let folder = folder("krb5_conf");
    let inside = folder.join("krb5.conf.d");
    fs::create_dir(&inside).unwrap();
    for (name, kdc) in [
        ("b.conf", "b"),
        ("a_1", "a"),
        ("c.conf~", "backup"),
        (".d.conf", "hidden"),
        ("e.rpmnew", "packaged"),
    ] {
        let text = format!("[realms]\nR = {{\nkdc = {kdc}\n}}\n");
        fs::write(inside.join(name), text).unwrap();
    }
    fs::create_dir(inside.join("folder.conf")).unwrap();
    let (first, second) = (folder.join("first"), folder.join("second"));
    let latin1 = b"# B\xfccher\n[libdefaults]\ndefault_realm = R\n";
    fs::write(&second, latin1).unwrap();
    let text = format!(
        "include {}\nincludedir {}\n",
        second.display(),
        inside.display()
    );
    fs::write(&first, text).unwrap();
    let missing = folder.join("missing");
    let list = std::env::join_paths([&missing, &first]).unwrap();
    let configuration = files::read_krb5_conf(list).unwrap();
    assert_eq!(configuration.default_realm(), Some("R"));
    let kdcs: Vec<_> = configuration
        .kdcs("R")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(kdcs, ["a:88", "b:88"]);
    // What is included must be there.
    fs::remove_file(&second).unwrap();
    assert_eq!(files::read_krb5_conf(&first).unwrap_err().path, second);
}
