//! Policies as exports of the Windows registry and as TOML.

use credssp::ServicePrincipalName;
use credssp::policy::{
    BuiltInDefaults, CredentialClass, MachineSettings, RegContents, RegEncoding,
};

/// Reads the same octets as both, into settings that have nothing and into some that have much: what is read is written so
/// that it reads the same.
pub fn run(data: &[u8]) {
    for mut settings in [MachineSettings::default(), configured()] {
        let before = settings.clone();
        match settings.merge_reg(data) {
            Ok(_) => written(&settings),
            Err(error) => {
                assert_eq!(settings, before);
                let _ = error.to_string();
            }
        }
    }
    if let Ok(text) = str::from_utf8(data)
        && let Ok(settings) = MachineSettings::from_toml(text)
    {
        written(&settings);
    }
}

/// A file with all that there is.
pub const WHOLE: &[u8] = include_bytes!("../../tests/data/policy/whole.reg");

/// The same in UTF-8.
pub const WHOLE_UTF_8: &[u8] = include_bytes!("../../tests/data/policy/whole-utf8.reg");

/// What the format permits, and the registry editor does not write.
pub const EDITED: &[u8] = include_bytes!("../../tests/data/policy/edited.reg");

/// Settings in which all is configured.
pub fn configured() -> MachineSettings {
    let mut settings = MachineSettings::windows(BuiltInDefaults::WindowsWorkgroup);
    settings.merge_reg(WHOLE).expect("a file that is read");
    settings
}

/// Settings that are a short file even in UTF-16.
pub fn short() -> MachineSettings {
    let mut settings = MachineSettings::default();
    settings
        .enable_winrm_client(&["*.example.com"])
        .expect("a pattern");
    settings
}

fn written(settings: &MachineSettings) {
    for encoding in [RegEncoding::Utf16, RegEncoding::Ascii] {
        let built_in = settings.delegation.built_in_defaults();
        let mut again = MachineSettings::windows(built_in);
        let export = settings.to_reg(RegContents::Export, encoding);
        // Ours may be longer than what was read, and than what is read.
        if export.len() > 1 << 20 {
            return;
        }
        let report = again.merge_reg(&export).expect("what we have written");
        assert_eq!(report, Default::default());
        assert_eq!(&again, settings);
        assert_eq!(again.to_reg(RegContents::Export, encoding), export);

        let replacement = settings.to_reg(RegContents::Replacement, encoding);
        let mut other = configured();
        other.delegation = other.delegation.with_built_in_defaults(built_in);
        other.merge_reg(&replacement).expect("what we have written");
        assert_eq!(&other, settings);
    }
    let toml = settings.to_toml().expect("settings that can be written");
    let again = MachineSettings::from_toml(&toml).expect("what we have written");
    assert_eq!(&again, settings);

    let target: ServicePrincipalName = "WSMAN/web.example.com".parse().expect("a name");
    for class in CredentialClass::ALL {
        for decision in settings.delegation.explain(&target, class) {
            let _ = decision.to_string();
        }
    }
    let mut off = settings.clone();
    off.disable_winrm_client();
    assert!(off.winrm_credssp().delegate_computers.is_empty());
}
