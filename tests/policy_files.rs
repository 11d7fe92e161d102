//! Policies as files: exports of the Windows registry, and with the feature `serde` TOML.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use credssp::policy::{
    BuiltInDefaults, DelegationPolicy, EncryptionOracleRemediation, ListSetting, MachineSettings,
    PolicyList, RegContents, RegEncoding, RestrictedDelegation, SpnPattern,
};

/// By hand, from the names and types in the templates of these policies: every value that there is.
const WHOLE_UTF_16: &[u8] = include_bytes!("data/policy/whole.reg");
/// The same in ASCII.
const WHOLE_ASCII: &[u8] = include_bytes!("data/policy/whole-ascii.reg");
/// The same in UTF-8, which is read and not written.
const WHOLE_UTF_8: &[u8] = include_bytes!("data/policy/whole-utf8.reg");
/// By hand: what the format permits, and the registry editor does not write.
const EDITED: &[u8] = include_bytes!("data/policy/edited.reg");

const HEADER: &str = "Windows Registry Editor Version 5.00\r\n\r\n";
const DELEGATION: &str =
    r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\CredentialsDelegation";

fn enabled(patterns: &[&str], concatenate_defaults: bool) -> ListSetting {
    ListSetting::Enabled {
        patterns: patterns.iter().map(|text| text.parse().unwrap()).collect(),
        concatenate_defaults,
    }
}

/// What the whole files say.
fn whole() -> MachineSettings {
    let mut settings = MachineSettings::default();
    let policy = &mut settings.delegation;
    for (list, setting) in [
        (
            PolicyList::AllowDefault,
            enabled(&["TERMSRV/*.humanresources.example.com"], true),
        ),
        (PolicyList::AllowDefaultWhenNtlmOnly, enabled(&[], false)),
        (
            PolicyList::AllowFresh,
            enabled(
                &[
                    "WSMAN/host.humanresources.example.com",
                    "wsman/*.example.com",
                    "TERMSRV/*",
                    "TERMSRV/K\u{f6}ln.example.com:3390",
                    "odd/\\\"*",
                    "WSMAN/f.example.com",
                    "WSMAN/g.example.com",
                    "WSMAN/h.example.com",
                    "WSMAN/i.example.com",
                    "WSMAN/j.example.com",
                ],
                true,
            ),
        ),
        (PolicyList::AllowFreshWhenNtlmOnly, enabled(&["*"], false)),
        (
            PolicyList::AllowSaved,
            enabled(&["TERMSRV/host.humanresources.example.com"], true),
        ),
        (PolicyList::AllowSavedWhenNtlmOnly, ListSetting::Disabled),
        (
            PolicyList::DenyDefault,
            enabled(&["*.dmz.example.com"], true),
        ),
        (
            PolicyList::DenyFresh,
            enabled(
                &["WSMAN/*.dmz.example.com", "TERMSRV/*.dmz.example.com"],
                true,
            ),
        ),
        (PolicyList::DenySaved, enabled(&["*"], false)),
    ] {
        policy.set_list(list, setting);
    }
    policy.set_restriction(RestrictedDelegation::RequireEither);
    settings.encryption_oracle = Some(EncryptionOracleRemediation::Mitigated);
    settings.allow_protected_creds = Some(true);
    settings.winrm.client = Some(true);
    settings.winrm.service = Some(false);
    settings
}

#[track_caller]
fn read(file: &[u8]) -> MachineSettings {
    let mut settings = MachineSettings::default();
    let report = settings.merge_reg(file).unwrap();
    assert_eq!(report, Default::default());
    settings
}

#[test]
fn an_export_is_read_and_written_as_it_was() {
    for (file, encoding) in [
        (WHOLE_UTF_16, RegEncoding::Utf16),
        (WHOLE_ASCII, RegEncoding::Ascii),
    ] {
        let settings = read(file);
        assert_eq!(settings, whole());
        assert_eq!(settings.to_reg(RegContents::Export, encoding), file);
    }
}

#[test]
fn utf_8_is_read_with_and_without_its_mark() {
    assert_eq!(read(WHOLE_UTF_8), whole());
    assert_eq!(read(&[b"\xef\xbb\xbf", WHOLE_UTF_8].concat()), whole());
}

#[test]
fn nothing_configured_is_an_empty_export() {
    let file = MachineSettings::default().to_reg(RegContents::Export, RegEncoding::Ascii);
    assert_eq!(file, HEADER.as_bytes());
    assert_eq!(read(&file), MachineSettings::default());
}

/// A file changes what it names, as an import changes a machine.
#[test]
fn an_edited_file_is_merged_into_what_is_there() {
    for utf_16 in [false, true] {
        let mut file = EDITED.to_vec();
        if utf_16 {
            let text = str::from_utf8(EDITED).unwrap();
            // The header decides what octets are; the others are as wide as the file says.
            let text = text.replace('\n', "\r\n");
            file = vec![0xff, 0xfe];
            file.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        }
        let mut settings = whole();
        let report = settings.merge_reg(&file).unwrap();

        let mut expected = whole();
        let policy = &mut expected.delegation;
        policy.set_list(
            PolicyList::AllowFresh,
            enabled(
                &["TERMSRV/*", "WSMAN/*.example.com", "WSMAN/last.example.com"],
                false,
            ),
        );
        policy.set_list(
            PolicyList::DenyFresh,
            enabled(
                &[
                    "WSMAN/*.dmz.example.com",
                    "TERMSRV/*.dmz.example.com",
                    "WSMAN/*.dmz.example.com",
                ],
                true,
            ),
        );
        policy.set_list(PolicyList::AllowDefault, ListSetting::Disabled);
        policy.set_list(PolicyList::AllowSaved, ListSetting::NotConfigured);
        policy.set_list(
            PolicyList::AllowFreshWhenNtlmOnly,
            enabled(&["WSMAN/forgotten.example.com"], false),
        );
        assert_eq!(settings, expected);

        assert_eq!(
            report.foreign,
            [
                r"hklm\software\policies\microsoft\WINDOWS\credentialsdelegation\SomethingElse",
                r"hklm\software\policies\microsoft\WINDOWS\credentialsdelegation\@",
                r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Windows\[Other]",
                r"HKEY_LOCAL_MACHINE\SOFTWARE\Elsewhere",
                r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN\Client\trusted_hosts",
            ]
        );
        // The lists that are not enabled any more still had theirs.
        let below = |name: &str| format!(r"{DELEGATION}\{name}");
        assert_eq!(
            report.ineffective,
            [
                below("ConcatenateDefaults_AllowDefault"),
                below(r"AllowDefaultCredentials\1"),
                below("ConcatenateDefaults_AllowSaved"),
                below(r"AllowSavedCredentials\1"),
            ]
        );
    }
}

/// In files of version 5.00 they are in UTF-16, whatever the file is in.
#[test]
fn texts_may_be_in_octets() {
    let octets = "57,00,53,00,4d,00,41,00,4e,00,\\\r\n  2f,00,2a,00,e4,00,00,00,58,00,00,00";
    for kind in ["hex(1)", "HEX(2)"] {
        let file = format!(
            "{HEADER}[{DELEGATION}]\r\n\"DenyFreshCredentials\"=dword:00000001\r\n\
             [{DELEGATION}\\DenyFreshCredentials]\r\n\"1\"={kind}:{octets}\r\n"
        );
        let settings = read(file.as_bytes());
        let patterns = settings.delegation.list(PolicyList::DenyFresh).patterns();
        assert_eq!(patterns[0].as_str(), "WSMAN/*\u{e4}");
    }
}

#[test]
fn a_backslash_that_escapes_nothing_stands_for_itself() {
    let file = format!(
        "{HEADER}[{DELEGATION}]\n\"DenyFreshCredentials\"=dword:1\n\
         [{DELEGATION}\\DenyFreshCredentials]\n\"1\"=\"a\\b/c\\\\d\"\n"
    );
    let settings = read(file.as_bytes());
    let patterns = settings.delegation.list(PolicyList::DenyFresh).patterns();
    assert_eq!(patterns[0].as_str(), r"a\b/c\d");
}

/// Names of values have no case, and a value that comes twice is the later one.
#[test]
fn a_value_is_known_by_its_name_in_any_case() {
    let file = format!(
        "{HEADER}[{DELEGATION}]\n\"DENYFRESHCREDENTIALS\"=dword:0\n\"denyfreshcredentials\"=dword:1\n\
         [{DELEGATION}\\DenyFreshCredentials]\n\"Lab\"=\"WSMAN/a\"\n\"Dmz\"=\"WSMAN/b\"\n\
         \"DMZ\"=\"WSMAN/c\"\n\"LAB\"=-\n"
    );
    let list = read(file.as_bytes());
    let list = list.delegation.list(PolicyList::DenyFresh);
    assert_eq!(*list, enabled(&["WSMAN/c"], false));
}

/// A mistake that is made with these policies: patterns without the switch. They count for nothing, here as there.
#[test]
fn patterns_of_a_list_that_is_not_enabled_are_named() {
    let mut settings = MachineSettings::default();
    let report = settings.merge_reg(EDITED).unwrap();
    assert_eq!(
        report.ineffective,
        [format!(r"{DELEGATION}\AllowFreshCredentialsWhenNTLMOnly\1")]
    );
    let list = settings.delegation.list(PolicyList::AllowFreshWhenNtlmOnly);
    assert_eq!(*list, ListSetting::NotConfigured);
    // As on the systems that have no choice of a type.
    assert_eq!(
        settings.delegation.restriction(),
        RestrictedDelegation::RequireRestrictedAdmin
    );
}

/// Whatever a machine had before, it has these settings after it has imported a replacement.
#[test]
fn a_replacement_leaves_nothing_of_what_was() {
    let mut narrow = MachineSettings::default();
    narrow
        .delegation
        .push(PolicyList::AllowFresh, "WSMAN/a".parse().unwrap());
    narrow
        .delegation
        .set_restriction(RestrictedDelegation::Disabled);
    narrow.winrm.service = Some(true);
    for settings in [MachineSettings::default(), narrow.clone(), whole()] {
        for encoding in [RegEncoding::Ascii, RegEncoding::Utf16] {
            let file = settings.to_reg(RegContents::Replacement, encoding);
            for mut machine in [MachineSettings::default(), narrow.clone(), whole()] {
                let report = machine.merge_reg(&file).unwrap();
                assert_eq!(report, Default::default());
                assert_eq!(machine, settings);
            }
        }
    }
    // The control: an export leaves the second pattern there.
    let mut machine = whole();
    machine
        .merge_reg(&narrow.to_reg(RegContents::Export, RegEncoding::Ascii))
        .unwrap();
    let list = machine.delegation.list(PolicyList::AllowFresh);
    assert!(list.patterns().len() == 10);
}

#[test]
fn a_deleted_key_takes_all_below_it_along() {
    for (path, rest) in [
        (DELEGATION, 3),
        (r"HKLM\SOFTWARE\policies", 3),
        (
            r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN",
            1,
        ),
        ("HKEY_LOCAL_MACHINE", 0),
        ("hklm", 0),
    ] {
        let mut settings = whole();
        let file = format!("{HEADER}[-{path}]\r\n");
        let report = settings.merge_reg(file.as_bytes()).unwrap();
        assert_eq!(report, Default::default());
        let delegation = settings.delegation != DelegationPolicy::default();
        assert_eq!(delegation, path.ends_with("WSMAN"));
        assert_eq!(settings.allow_protected_creds.is_some(), delegation);
        let others = [
            settings.encryption_oracle.is_some(),
            settings.winrm.client.is_some(),
            settings.winrm.service.is_some(),
        ];
        assert_eq!(others.iter().filter(|&&is| is).count(), rest, "{path}");
    }
    // Neighbours whose names begin alike.
    let part = DELEGATION.strip_suffix('n').unwrap();
    for path in [&format!("{DELEGATION}2"), part] {
        let mut settings = whole();
        let file = format!("{HEADER}[-{path}]\r\n");
        let report = settings.merge_reg(file.as_bytes()).unwrap();
        assert_eq!(report.foreign, [path]);
        assert_eq!(settings, whole());
    }
}

/// Each with the line and what would be right; and nothing has changed then.
#[test]
fn what_is_malformed_is_refused_with_its_line() {
    let key = format!("[{DELEGATION}]");
    let list = format!("[{DELEGATION}\\AllowFreshCredentials]");
    for (file, line, words) in [
        ("".into(), 1, "Windows Registry Editor Version 5.00"),
        ("[KEY]\n".into(), 1, "REGEDIT4"),
        (
            format!("{HEADER}\"a\"=\"b\"\n"),
            3,
            "a key in brackets before",
        ),
        (
            format!("{HEADER}{key}\n[-{DELEGATION}]\n\"AllowFreshCredentials\"=dword:1\n"),
            5,
            "a key in brackets before",
        ),
        (format!("{HEADER}[KEY\n"), 3, "closing bracket"),
        (format!("{HEADER}nonsense\n"), 3, "a key in brackets or"),
        (
            format!("{HEADER}{key} nonsense\n"),
            3,
            "the end of the line",
        ),
        (format!("{HEADER}{key}\n\"a\"\n"), 4, "equals sign"),
        (
            format!("{HEADER}{key}\n\"a\n\n"),
            4,
            "closing quotation mark",
        ),
        (format!("{HEADER}{key}\n\"a\"=\n"), 4, "a value"),
        (format!("{HEADER}{key}\n\"a\"=qword:1\n"), 4, "a value"),
        (
            format!("{HEADER}{key}\n\"a\"=dword:\n"),
            4,
            "eight hexadecimal",
        ),
        (
            format!("{HEADER}{key}\n\"a\"=dword:123456789\n"),
            4,
            "eight hexadecimal",
        ),
        (
            format!("{HEADER}{key}\n\"a\"=dword:000000001\n"),
            4,
            "eight hexadecimal",
        ),
        (
            format!("{HEADER}{key}\n\"a\"=hex:001\n"),
            4,
            "two hexadecimal",
        ),
        // Lines within a value count, too.
        (
            format!("{HEADER}{key}\n\"a\"=\"b\nc\"\n\"d\"=hex:00,\\\n  00,\\\n  00\nnonsense\n"),
            9,
            "a key in brackets or",
        ),
        (
            format!("{HEADER}{key}\n\"a\"=hex:00,\\ 1\n"),
            4,
            "behind the backslash",
        ),
        (
            format!("{HEADER}{key}\n\"a\"=hex(2):00\n"),
            4,
            "octets that are a text",
        ),
        (
            format!("{HEADER}{key}\n\"AllowFreshCredentials\"=dword:2\n"),
            4,
            "AllowFreshCredentials has to be dword:00000000 or dword:00000001",
        ),
        (
            format!("{HEADER}{key}\n\"ConcatenateDefaults_AllowFresh\"=\"1\"\n"),
            4,
            "ConcatenateDefaults_AllowFresh has to be",
        ),
        (
            format!("{HEADER}{key}\n\"RestrictedRemoteAdministrationType\"=dword:4\n"),
            4,
            "RestrictedRemoteAdministrationType has to be",
        ),
        (
            format!("{HEADER}{list}\n\"1\"=dword:1\n"),
            4,
            "AllowFreshCredentials has to be a key whose values are texts",
        ),
        // A list of texts, REG_MULTI_SZ.
        (
            format!("{HEADER}{list}\n\"1\"=hex(7):61,00,2f,00,2a,00,00,00,00,00\n"),
            4,
            "AllowFreshCredentials has to be a key whose values are texts",
        ),
        (
            format!("{HEADER}{list}\n\"1\"=\"a/*\"\n\"2\"=\"WSMAN/*.*\"\n"),
            5,
            "\"WSMAN/*.*\" is no pattern",
        ),
        (
            format!(
                "{HEADER}[HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System\\CredSSP\\Parameters]\n\
                 \"AllowEncryptionOracle\"=dword:3\n"
            ),
            4,
            "AllowEncryptionOracle has to be",
        ),
    ] {
        let mut settings = whole();
        let error = settings.merge_reg(file.as_bytes()).unwrap_err();
        assert_eq!(error.line, line, "{file}: {error}");
        let text = error.to_string();
        assert!(
            text.contains(words) && text.contains(&format!("line {line}")),
            "{text}"
        );
        assert_eq!(settings, whole());
    }
}

#[test]
fn what_is_no_text_or_too_long_is_refused() {
    let mut long = HEADER.as_bytes().to_vec();
    long.resize(1 << 20, b'\n');
    read(&long);
    long.push(b'\n');
    for (file, words) in [
        (&b"REGEDIT4\n; K\xf6ln\n"[..], "UTF-8"),
        (b"\xff\xfeR", "UTF-16LE"),
        (b"\xff\xfe\x00\xd8", "UTF-16LE"),
        (&long, "longer than 1048576 octets"),
    ] {
        let error = MachineSettings::default().merge_reg(file).unwrap_err();
        assert_eq!(error.line, 0);
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// The texts of patterns that need it are escaped, and read back.
#[test]
fn each_pattern_survives_the_round_trip() {
    for text in [
        "*",
        "a/\"b\"",
        "a/\\",
        "a/\\\\n*",
        "\u{1d11e}/*",
        "A/\u{c4}.",
        ";/[x]=-",
    ] {
        let pattern: SpnPattern = text.parse().unwrap();
        let mut settings = MachineSettings::default();
        settings.delegation.push(PolicyList::DenySaved, pattern);
        for encoding in [RegEncoding::Ascii, RegEncoding::Utf16] {
            let again = read(&settings.to_reg(RegContents::Export, encoding));
            let patterns = again.delegation.list(PolicyList::DenySaved).patterns();
            assert_eq!(patterns[0].as_str(), text);
        }
    }
}

#[test]
fn the_built_in_defaults_are_the_machines_own() {
    let mut settings = MachineSettings::windows(BuiltInDefaults::WindowsWorkgroup);
    settings.merge_reg(EDITED).unwrap();
    let policy = &settings.delegation;
    assert_eq!(
        policy.built_in_defaults(),
        BuiltInDefaults::WindowsWorkgroup
    );
}

#[cfg(feature = "serde")]
mod toml {
    use super::*;

    const WHOLE: &str = r#"BuiltInDefaults = "WindowsWorkgroup"

[CredentialsDelegation]
AllowDefaultCredentials = ["TERMSRV/*.humanresources.example.com"]
ConcatenateDefaults_AllowDefault = true
AllowDefCredentialsWhenNTLMOnly = []
ConcatenateDefaults_AllowDefNTLMOnly = false
AllowFreshCredentials = ["WSMAN/host.humanresources.example.com", "wsman/*.example.com", "TERMSRV/*", "TERMSRV/Köln.example.com:3390", 'odd/\"*', "WSMAN/f.example.com", "WSMAN/g.example.com", "WSMAN/h.example.com", "WSMAN/i.example.com", "WSMAN/j.example.com"]
ConcatenateDefaults_AllowFresh = true
AllowFreshCredentialsWhenNTLMOnly = ["*"]
ConcatenateDefaults_AllowFreshNTLMOnly = false
AllowSavedCredentials = ["TERMSRV/host.humanresources.example.com"]
ConcatenateDefaults_AllowSaved = true
AllowSavedCredentialsWhenNTLMOnly = false
DenyDefaultCredentials = ["*.dmz.example.com"]
ConcatenateDefaults_DenyDefault = true
DenyFreshCredentials = ["WSMAN/*.dmz.example.com", "TERMSRV/*.dmz.example.com"]
ConcatenateDefaults_DenyFresh = true
DenySavedCredentials = ["*"]
ConcatenateDefaults_DenySaved = false
RestrictedRemoteAdministration = "Restrict credential delegation"
AllowProtectedCreds = true

[CredSSP]
AllowEncryptionOracle = "Mitigated"

[WSMAN.Client]
auth_credssp = true

[WSMAN.Service]
auth_credssp = false
"#;

    fn expected() -> MachineSettings {
        let mut settings = whole();
        let built_in = BuiltInDefaults::WindowsWorkgroup;
        settings.delegation = settings.delegation.with_built_in_defaults(built_in);
        settings
    }

    #[test]
    fn a_file_is_read_and_written_as_it_was() {
        let settings = MachineSettings::from_toml(WHOLE).unwrap();
        assert_eq!(settings, expected());
        assert_eq!(settings.to_toml().unwrap(), WHOLE);
    }

    #[test]
    fn an_empty_file_permits_nothing() {
        let settings = MachineSettings::from_toml("").unwrap();
        assert_eq!(settings, MachineSettings::default());
        let again = MachineSettings::from_toml(&settings.to_toml().unwrap());
        assert_eq!(again.unwrap(), settings);
    }

    #[test]
    fn the_built_in_patterns_stay_only_where_it_says_so() {
        let text = "[CredentialsDelegation]\nAllowFreshCredentials = []";
        let settings = MachineSettings::from_toml(text).unwrap();
        let list = settings.delegation.list(PolicyList::AllowFresh);
        assert_eq!(*list, enabled(&[], false));
    }

    #[test]
    fn each_state_survives_the_round_trip() {
        for restriction in [
            RestrictedDelegation::NotConfigured,
            RestrictedDelegation::Disabled,
            RestrictedDelegation::RequireRestrictedAdmin,
            RestrictedDelegation::RequireRemoteCredentialGuard,
            RestrictedDelegation::RequireEither,
        ] {
            for oracle in [
                EncryptionOracleRemediation::ForceUpdatedClients,
                EncryptionOracleRemediation::Mitigated,
                EncryptionOracleRemediation::Vulnerable,
            ] {
                for list in PolicyList::ALL {
                    let mut settings = MachineSettings::default();
                    settings.delegation.set_restriction(restriction);
                    settings.delegation.set_list(list, ListSetting::Disabled);
                    settings.encryption_oracle = Some(oracle);
                    let text = settings.to_toml().unwrap();
                    assert_eq!(
                        MachineSettings::from_toml(&text).unwrap(),
                        settings,
                        "{text}"
                    );
                    let file = settings.to_reg(RegContents::Export, RegEncoding::Ascii);
                    assert_eq!(read(&file), settings);
                }
            }
        }
    }

    /// A policy with a spelling mistake in it would be one that is not there.
    #[test]
    fn names_and_values_that_are_none_are_told() {
        for (text, words) in [
            (
                "[CredentialsDelegation]\nAllowFresh = []",
                &["AllowFresh", "AllowFreshCredentials"][..],
            ),
            ("[CredentialsDelegations]", &["CredentialsDelegations"]),
            ("[CredSSP]\nOther = 1", &["Other", "AllowEncryptionOracle"]),
            ("[WSMAN]\nserver.auth_credssp = true", &["server"]),
            ("[WSMAN]\nClient.auth_kerberos = true", &["auth_kerberos"]),
            (
                "[CredSSP]\nAllowEncryptionOracle = \"Off\"",
                &["Off", "Force Updated Clients"],
            ),
            (
                "[CredentialsDelegation]\nDenyFreshCredentials = [\"a/*\", \"WSMAN/*.*\"]",
                &["\"WSMAN/*.*\" is no pattern", "more than one"],
            ),
            (
                "[CredentialsDelegation]\nAllowFreshCredentials = true",
                &["false where the list is disabled"],
            ),
            (
                "[CredentialsDelegation]\nAllowFreshCredentials = \"*\"",
                &["an array of patterns"],
            ),
            (
                "[CredentialsDelegation]\nRestrictedRemoteAdministration = true",
                &["Require Restricted Admin"],
            ),
            (
                "[CredentialsDelegation]\nRestrictedRemoteAdministration = \"disabled\"",
                &["Require Restricted Admin"],
            ),
            (
                "[CredentialsDelegation]\nConcatenateDefaults_AllowSaved = true",
                &["ConcatenateDefaults_AllowSaved", "AllowSavedCredentials"],
            ),
            (
                "[CredentialsDelegation]\nAllowSavedCredentials = false\nConcatenateDefaults_AllowSaved = true",
                &["ConcatenateDefaults_AllowSaved", "AllowSavedCredentials"],
            ),
            (
                "[CredentialsDelegation]\nAllowProtectedCreds = 1",
                &["boolean"],
            ),
            ("BuiltInDefaults = \"Windows\"", &["WindowsDomainMember"]),
            ("= 1", &["1"]),
        ] {
            let error = MachineSettings::from_toml(text).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
    }
}
