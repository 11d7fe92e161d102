//! WinRM's switches for CredSSP, and the commands of PowerShell that turn them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use credssp::policy::{
    BuiltInDefaults, CredentialClass, DelegationPolicy, ListSetting, MachineSettings, PolicyList,
    RegContents, RegEncoding, WinRmRole,
};
use credssp::proof::ServerProof;

fn allows(policy: &DelegationPolicy, target: &str) -> bool {
    let target = target.parse().unwrap();
    policy
        .decide(&target, CredentialClass::Fresh, ServerProof::Kerberos)
        .is_ok()
}

fn list(settings: &MachineSettings) -> &ListSetting {
    settings.delegation.list(PolicyList::AllowFresh)
}

#[test]
fn credssp_is_off_at_both_ends_until_it_is_turned_on() {
    for mut settings in [
        MachineSettings::default(),
        MachineSettings::windows(BuiltInDefaults::WindowsDomainMember),
    ] {
        let client = settings.winrm.check_client().unwrap_err();
        assert_eq!(client.role, WinRmRole::Client);
        let text = client.to_string();
        assert!(text.contains("Enable-WSManCredSSP -Role Client"), "{text}");
        let service = settings.winrm.check_service().unwrap_err();
        assert_eq!(service.role, WinRmRole::Service);
        let text = service.to_string();
        assert!(text.contains("Enable-WSManCredSSP -Role Server"), "{text}");

        settings.enable_winrm_service();
        settings.winrm.check_service().unwrap();
        settings.winrm.check_client().unwrap_err();
        settings.disable_winrm_service();
        settings.winrm.check_service().unwrap_err();
    }
}

#[test]
fn the_client_is_enabled_for_hosts() {
    let mut settings = MachineSettings::windows(BuiltInDefaults::WindowsDomainMember);
    settings
        .enable_winrm_client(&["web.example.com", "*.corp.example"])
        .unwrap();
    settings.winrm.check_client().unwrap();
    settings.winrm.check_service().unwrap_err();
    let policy = &settings.delegation;
    for (target, allowed) in [
        ("WSMAN/web.example.com", true),
        ("wsman/a.corp.example", true),
        ("WSMAN/other.example.com", false),
        ("HTTP/web.example.com", false),
        // The built-in pattern stays.
        ("TERMSRV/other.example.com", true),
    ] {
        assert_eq!(allows(policy, target), allowed, "{target}");
    }
    let told = settings.winrm_credssp();
    assert_eq!((told.client, told.service), (true, false));
    assert_eq!(
        told.to_string(),
        "client: CredSSP is on, and AllowFreshCredentials has WSMAN/web.example.com, WSMAN/*.corp.example; service: CredSSP \
         is off"
    );

    // Once more changes nothing, in whatever case.
    let before = settings.clone();
    settings.enable_winrm_client(&["WEB.example.com"]).unwrap();
    assert_eq!(settings, before);
}

#[test]
fn a_host_that_makes_no_pattern_changes_nothing() {
    let mut settings = MachineSettings::default();
    let error = settings
        .enable_winrm_client(&["good.example.com", "*.*"])
        .unwrap_err();
    assert_eq!(&*error.pattern, "WSMAN/*.*");
    assert_eq!(settings, MachineSettings::default());
}

#[test]
fn disabling_the_client_takes_its_own_patterns_out() {
    let mut settings = MachineSettings::default();
    for pattern in ["TERMSRV/a", "wsman/b", "WSMAN*", "*", "HTTP/c"] {
        settings
            .delegation
            .push(PolicyList::AllowFresh, pattern.parse().unwrap());
    }
    let ntlm_only = PolicyList::AllowFreshWhenNtlmOnly;
    settings
        .delegation
        .push(ntlm_only, "WSMAN/d".parse().unwrap());
    settings.enable_winrm_client(&["e"]).unwrap();
    settings.enable_winrm_service();
    settings.disable_winrm_client();
    let left: Vec<_> = list(&settings)
        .patterns()
        .iter()
        .map(|pattern| pattern.as_str())
        .collect();
    assert_eq!(left, ["TERMSRV/a", "*", "HTTP/c"]);
    assert_eq!(settings.delegation.list(ntlm_only).patterns().len(), 1);
    settings.winrm.check_client().unwrap_err();
    settings.winrm.check_service().unwrap();
    let told = settings.winrm_credssp().to_string();
    assert_eq!(
        told,
        "client: CredSSP is off, and AllowFreshCredentials names no WinRM host; service: CredSSP is on"
    );
}

/// On and off again is as before, and never more than before.
#[test]
fn on_and_off_again_permits_nothing_new() {
    let enabled = |patterns: &[&str], concatenate_defaults| ListSetting::Enabled {
        patterns: patterns.iter().map(|text| text.parse().unwrap()).collect(),
        concatenate_defaults,
    };
    for (before, after) in [
        (ListSetting::NotConfigured, ListSetting::NotConfigured),
        (ListSetting::Disabled, enabled(&[], false)),
        (enabled(&[], false), enabled(&[], false)),
        (enabled(&[], true), ListSetting::NotConfigured),
        (enabled(&["TERMSRV/a"], true), enabled(&["TERMSRV/a"], true)),
    ] {
        let mut settings = MachineSettings::windows(BuiltInDefaults::WindowsWorkgroup);
        settings
            .delegation
            .set_list(PolicyList::AllowFresh, before.clone());
        let permitted = |settings: &MachineSettings| {
            ["TERMSRV/a", "TERMSRV/b", "WSMAN/x"].map(|target| allows(&settings.delegation, target))
        };
        let then = permitted(&settings);
        settings.enable_winrm_client(&["x"]).unwrap();
        assert!(allows(&settings.delegation, "WSMAN/x"));
        settings.disable_winrm_client();
        assert_eq!(*list(&settings), after, "{before:?}");
        assert_eq!(permitted(&settings), then, "{before:?}");
    }
    // Nothing to take out of a list that is off.
    let mut settings = MachineSettings::windows(BuiltInDefaults::WindowsWorkgroup);
    settings
        .delegation
        .set_list(PolicyList::AllowFresh, ListSetting::Disabled);
    settings.disable_winrm_client();
    assert_eq!(*list(&settings), ListSetting::Disabled);
}

#[test]
fn the_switches_are_in_the_registry() {
    let mut settings = MachineSettings::default();
    settings.enable_winrm_client(&["*.corp.example"]).unwrap();
    settings.enable_winrm_service();
    let file = settings.to_reg(RegContents::Export, RegEncoding::Ascii);
    let text = str::from_utf8(&file).unwrap();
    for line in [
        r"CurrentVersion\WSMAN\Client]",
        r"CurrentVersion\WSMAN\Service]",
        "\"auth_credssp\"=dword:00000001\r\n",
        "\"AllowFreshCredentials\"=dword:00000001\r\n\"ConcatenateDefaults_AllowFresh\"=dword:00000001\r\n",
        "\"1\"=\"WSMAN/*.corp.example\"\r\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}
