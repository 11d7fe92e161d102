use proptest::prelude::*;

use super::*;

/// Files by their names.
struct Memory(BTreeMap<&'static str, String>);

impl ConfigurationFiles for Memory {
    type Error = InvalidKrb5Conf;

    fn read(&mut self, file: &Path) -> Result<String, Self::Error> {
        let text = self.0.get(file.to_str().unwrap()).cloned();
        text.ok_or_else(|| InvalidKrb5Conf::new(file, 0, "a file that is there"))
    }

    fn list(&mut self, directory: &Path) -> Result<Vec<PathBuf>, Self::Error> {
        let inside = self.0.keys().map(PathBuf::from);
        Ok(inside
            .filter(|file| file.parent() == Some(directory))
            .collect())
    }
}

fn load(
    paths: &[&str],
    files: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Krb5Conf, InvalidKrb5Conf> {
    let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
    Krb5Conf::load(&paths, &mut Memory(files.into_iter().collect()))
}

fn kdcs(configuration: &Krb5Conf, realm: &str) -> Vec<String> {
    let kdcs = configuration.kdcs(realm).iter();
    kdcs.map(KdcAddress::to_string).collect()
}

const SAMPLE: &str = "\u{feff}# of this machine
module /usr/lib/whatever.so:
ignored, for no section has begun
[logging]
 default = FILE:/var/log/krb5libs.log
[libdefaults]
\tdefault_realm=EXAMPLE.COM\r
  default_realm = SECOND.EXAMPLE
  dns_lookup_kdc = Off
  udp_preference_limit = 1
  clockskew = 60
  ticket_lifetime = 24h
  canonicalize = YES
  default_ccache_name = \"FILE:/tmp/a \\\"b\\\" # c\" ignored
  EXAMPLE.COM = {
    clockskew = none of ours
  }
[realms]
  ; the first one
  EXAMPLE.COM = {
    kdc = dc1.example.com
    kdc = udp/dc2.example.com:750
    kdc = tcp/[2001:db8::1]
    admin_server = dc1.example.com
    auth_to_local_names = {
      kdc = nobody
    }
    http_anchors = FILE:/etc/ca.pem
  }
  OTHER.EXAMPLE =
  {
    kdc = https://proxy.example/KdcProxy
  }
[domain_realm]
  .example.com = EXAMPLE.COM
  Example.com = APEX.EXAMPLE
  deep.below.example.com = DEEP.EXAMPLE
  plain.example = PLAIN.EXAMPLE
[realms]
  EXAMPLE.COM = {
    kdc = dc3.example.com
  }
";

#[test]
fn reads_what_a_client_needs() {
    let configuration = Krb5Conf::parse(SAMPLE).unwrap();
    assert_eq!(configuration.default_realm(), Some("EXAMPLE.COM"));
    assert!(!configuration.dns_lookup_kdc());
    assert_eq!(configuration.udp_preference_limit(), Some(1));
    assert_eq!(configuration.clock_skew(), Duration::from_secs(60));
    assert_eq!(configuration.canonicalize(), Some(true));
    assert_eq!(
        configuration.default_ccache_name(),
        Some("FILE:/tmp/a \"b\" # c")
    );
    assert_eq!(configuration.default_keytab_name(), None);
    assert_eq!(configuration.encryption_types(), None);
    assert_eq!(
        kdcs(&configuration, "EXAMPLE.COM"),
        [
            "dc1.example.com:88",
            "udp/dc2.example.com:750",
            "tcp/[2001:db8::1]:88",
            "dc3.example.com:88"
        ]
    );
    assert_eq!(
        kdcs(&configuration, "OTHER.EXAMPLE"),
        ["https://proxy.example/KdcProxy"]
    );
    assert_eq!(configuration.kdcs("example.com"), []);
    let anchors: Vec<_> = configuration.http_anchors("EXAMPLE.COM").collect();
    assert_eq!(anchors, ["FILE:/etc/ca.pem"]);

    let nothing = Krb5Conf::parse("").unwrap();
    assert!(nothing.dns_lookup_kdc());
    assert_eq!(nothing.clock_skew(), Duration::from_secs(300));
    assert_eq!(nothing.default_realm(), None);
}

#[test]
fn finds_the_realm_of_a_host_by_the_longest_entry() {
    let configuration = Krb5Conf::parse(SAMPLE).unwrap();
    for (host, realm) in [
        ("web.example.com", Some("EXAMPLE.COM")),
        ("WEB.below.Example.COM.", Some("EXAMPLE.COM")),
        ("example.com", Some("APEX.EXAMPLE")),
        ("deep.below.example.com", Some("DEEP.EXAMPLE")),
        ("web.deep.below.example.com", Some("DEEP.EXAMPLE")),
        ("plain.example", Some("PLAIN.EXAMPLE")),
        ("web.plain.example", Some("PLAIN.EXAMPLE")),
        ("notplain.example", None),
        ("example", None),
        ("", None),
    ] {
        assert_eq!(
            configuration.domain_realms().realm_of(host),
            realm,
            "{host}"
        );
    }
}

#[test]
fn reads_lists_of_encryption_types() {
    use EncryptionType::{Aes128Sha1, Aes128Sha2, Aes256Sha1, Aes256Sha2};
    let types = |lines: &str| {
        let configuration = Krb5Conf::parse(&format!("[libdefaults]\n{lines}"));
        configuration.unwrap().encryption_types()
    };
    for (list, expected) in [
        (
            "aes128-sha2, AES256-CTS des3-cbc-sha1 aes128-sha2",
            vec![Aes128Sha2, Aes256Sha1],
        ),
        (
            "DEFAULT -aes256-sha2 +aes256-sha2 -rc4",
            vec![Aes256Sha1, Aes128Sha2, Aes128Sha1, Aes256Sha2],
        ),
        ("aes256-sha1 -aes", vec![]),
        ("camellia rc4 arcfour-hmac", vec![]),
    ] {
        let found = types(&format!("permitted_enctypes = {list}"));
        assert_eq!(found, Some(expected), "{list}");
    }
    let lists = "permitted_enctypes = aes\ndefault_tkt_enctypes = aes128-cts rc4 aes256-cts
        default_tgs_enctypes = aes256-cts aes128-cts aes128-sha2";
    assert_eq!(types(lists), Some(vec![Aes128Sha1, Aes256Sha1]));
    #[cfg(feature = "rc4-hmac")]
    {
        use EncryptionType::Rc4Hmac;
        let list = "permitted_enctypes = rc4 aes128-cts\n";
        assert_eq!(types(list), Some(vec![Aes128Sha1]));
        let allowed = format!("{list}allow_rc4 = true");
        assert_eq!(types(&allowed), Some(vec![Rc4Hmac, Aes128Sha1]));
    }
    assert_eq!(types("allow_rc4 = true").unwrap()[..4], {
        [Aes256Sha2, Aes256Sha1, Aes128Sha2, Aes128Sha1]
    });
}

#[test]
fn says_what_is_malformed_and_where() {
    let inside = |lines: &str| format!("\n[libdefaults]\n{lines}");
    let deep = "a = {\n".repeat(9);
    let long = "x".repeat(5000);
    for (text, line, expected) in [
        (inside("default_realm"), 3, "`name = value`"),
        (inside("= R"), 3, "`name = value`"),
        (inside("default realm = R"), 3, "`name = value`"),
        (inside("}"), 3, "`{` before `}`"),
        (inside("a = {\n}\n}"), 5, "`{` before `}`"),
        (inside("a = {\n[realms]"), 4, "`}` before another section"),
        (inside("a = {\n } b"), 4, "nothing behind `}`"),
        (inside("a = {"), 3, "`}` before the end"),
        (inside("a =\n\nb = c\n"), 5, "`{`"),
        (inside("[realms"), 3, "`]`"),
        (inside("[realms] x"), 3, "nothing behind `]`"),
        (inside(&deep), 11, "fewer braces"),
        (inside(&long), 3, "a line of at most 4096 octets"),
        (inside("dns_lookup_kdc = maybe"), 3, "`true` or `false`"),
        (inside("clockskew = 5m"), 3, "a whole number"),
        (inside("clockskew = -1"), 3, "a whole number"),
        ("[realms]\nR={\nkdc = a b".into(), 3, "a KDC's address"),
    ] {
        let error = Krb5Conf::parse(&text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.expected.starts_with(expected), "{text}: {error}");
    }
    let error = Krb5Conf::parse("[realms").unwrap_err();
    assert_eq!(
        error.to_string(),
        "krb5.conf, line 1: expected `]` behind a section's name"
    );
    let error = Krb5Conf::parse("includedir /etc/krb5.conf.d").unwrap_err();
    assert_eq!(error.file, PathBuf::from("/etc/krb5.conf.d"));
    assert_eq!(error.expected, "a text that includes no files");
    let huge = "#\n".repeat(600_000);
    assert_eq!(Krb5Conf::parse(&huge).unwrap_err().line, 0);
}

#[test]
fn reads_what_is_included_in_its_place() {
    let files = [
        (
            "main",
            "include first\n[libdefaults]\nincludedir dir\n default_realm = MAIN\n[realms]\nR = {\nkdc = a\n}\n",
        ),
        ("first", "[realms]\nR = {\nkdc = first\n}"),
        ("dir/1", "kdc = ignored\n[realms]\nR = {\nkdc = one\n}"),
        ("dir/2", "[libdefaults]\ndefault_realm = TWO"),
    ];
    let files = files.map(|(name, text)| (name, text.to_owned()));
    let configuration = load(&["main"], files).unwrap();
    assert_eq!(configuration.default_realm(), Some("TWO"));
    assert_eq!(kdcs(&configuration, "R"), ["first:88", "one:88", "a:88"]);
    // At the beginning of a line only; elsewhere it is a name like others.
    let named = Krb5Conf::parse("[libdefaults]\n include = x\nincluded = y");
    assert_eq!(named.map(|conf| conf.dns_lookup_kdc()), Ok(true));
}

#[test]
fn includes_come_to_an_end() {
    let error = load(
        &["a"],
        [("a", "include b".into()), ("b", "\n\ninclude a".into())],
    )
    .unwrap_err();
    assert_eq!((error.file, error.line), ("b".into(), 3));
    assert_eq!(error.expected, "a file that does not include itself");

    // Each includes the next one, up to the depth that is allowed.
    let chain = |length: usize| {
        let names: [&'static str; 12] =
            ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];
        (0..=length).map(move |at| {
            let text = match at < length {
                true => format!("include {}", at + 1),
                false => "[libdefaults]\ndefault_realm = R".into(),
            };
            (names[at], text)
        })
    };
    assert_eq!(load(&["0"], chain(10)).unwrap().default_realm(), Some("R"));
    let error = load(&["0"], chain(11)).unwrap_err();
    assert_eq!(error.expected, "fewer files to be included");

    // Ten to the power of five of them.
    let wide = |next: &str| format!("include {next}\n").repeat(10);
    let files = [
        ("a", wide("b")),
        ("b", wide("c")),
        ("c", wide("d")),
        ("d", wide("e")),
        ("e", String::new()),
    ];
    let error = load(&["a"], files).unwrap_err();
    assert_eq!(error.expected, "fewer files to be included");
}

#[test]
fn earlier_files_have_precedence_and_may_be_final() {
    let files = [
        (
            "a",
            "[libdefaults]\ndefault_realm = A\n[realms]\nR = {\nkdc = a\n}\nS = {\nkdc* = a\nkdc = aa\n}\nT = {\nkdc = a\n}*\nU* = {\n}\n[domain_realm]*\nhost = A",
        ),
        (
            "b",
            "[libdefaults]\ndefault_realm = B\ncanonicalize = true\n[realms]\nR = {\nkdc = b\n}\nS = {\nkdc = b\nhttp_anchors = b\n}\nT = {\nkdc = b\n}\nU = {\nkdc = b\n}\n[domain_realm]\nhost2 = B",
        ),
    ];
    let files = files.map(|(name, text)| (name, text.to_owned()));
    let configuration = load(&["a", "b"], files).unwrap();
    assert_eq!(configuration.default_realm(), Some("A"));
    assert_eq!(configuration.canonicalize(), Some(true));
    assert_eq!(kdcs(&configuration, "R"), ["a:88", "b:88"]);
    assert_eq!(kdcs(&configuration, "S"), ["a:88", "aa:88"]);
    assert_eq!(configuration.http_anchors("S").count(), 1);
    assert_eq!(kdcs(&configuration, "T"), ["a:88"]);
    assert_eq!(kdcs(&configuration, "U"), [""; 0]);
    assert_eq!(configuration.domain_realms().realm_of("host"), Some("A"));
    assert_eq!(configuration.domain_realms().realm_of("host2"), None);

    let many: String = (0..65).map(|n| format!("a{n}* = b\n")).collect();
    let error = Krb5Conf::parse(&format!("[x]\n{many}")).unwrap_err();
    assert_eq!(
        (error.line, error.expected),
        (66, "fewer names with an asterisk")
    );
}

proptest! {
    #[test]
    fn any_lines_are_read_or_refused(
        lines in "(\\[(realms|libdefaults)\\]\\*?\n|R\\*? = \\{?\n|kdc = [a-z0-9:/.\\[\\]]{0,9}\n|\\}\\*?\n|[ -~é]{0,9}\n){0,20}"
    ) {
        if let Ok(configuration) = Krb5Conf::parse(&lines) {
            let _ = (configuration.encryption_types(), configuration.domain_realms().realm_of(&lines));
        }
    }
}
