//! Exports of the registry, with another implementation that reads and writes them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod peer;

use credssp::policy::{
    EncryptionOracleRemediation, ListSetting, MachineSettings, PolicyList, RegContents,
    RegEncoding, RestrictedDelegation,
};

use peer::{Peer, SambaRegistry};

/// Everything configured, with all that needs escaping or is beyond ASCII.
const WHOLE: &[u8] = include_bytes!("data/policy/whole.reg");

fn whole() -> MachineSettings {
    let mut settings = MachineSettings::default();
    settings.merge_reg(WHOLE).unwrap();
    settings
}

/// What the other registry has of these settings.
fn exported(registry: &SambaRegistry) -> MachineSettings {
    let mut settings = MachineSettings::default();
    let report = settings
        .merge_reg(&registry.export(r"HKLM\SOFTWARE"))
        .unwrap();
    // It has keys of its own, which are named and left alone.
    let own = r"HKLM\SOFTWARE\Samba\smbconf".to_owned();
    assert!(report.foreign.contains(&own), "{:?}", report.foreign);
    settings
}

#[test]
fn an_import_and_an_export_of_sambas_brings_all_back() {
    if !peer::available(Peer::SambaRegistry) {
        return;
    }
    for encoding in [RegEncoding::Utf16, RegEncoding::Ascii] {
        let registry = SambaRegistry::new();
        assert_eq!(exported(&registry), MachineSettings::default());
        let settings = whole();
        registry.import(&settings.to_reg(RegContents::Export, encoding));
        let back = exported(&registry);
        assert_eq!(back, settings);
        // To the letter, which patterns' equality does not say.
        assert_eq!(back.to_reg(RegContents::Export, RegEncoding::Utf16), WHOLE);
    }
}

#[test]
fn a_replacement_deletes_in_sambas_registry_what_is_not_configured() {
    if !peer::available(Peer::SambaRegistry) {
        return;
    }
    let mut narrow = MachineSettings::default();
    let list = PolicyList::AllowFresh;
    let policy = &mut narrow.delegation;
    policy.push(list, "WSMAN/*.example.com".parse().unwrap());
    policy.set_list(PolicyList::AllowSaved, ListSetting::Disabled);
    policy.set_restriction(RestrictedDelegation::RequireRestrictedAdmin);
    narrow.encryption_oracle = Some(EncryptionOracleRemediation::ForceUpdatedClients);
    // It insists that what is deleted is there.
    let mut everything = whole();
    let last = "TERMSRV/last".parse().unwrap();
    let disabled = PolicyList::AllowSavedWhenNtlmOnly;
    everything.delegation.push(disabled, last);
    for encoding in [RegEncoding::Utf16, RegEncoding::Ascii] {
        let registry = SambaRegistry::new();
        registry.import(&everything.to_reg(RegContents::Export, encoding));
        // The control: without deletions the other patterns stay.
        registry.import(&narrow.to_reg(RegContents::Export, encoding));
        let merged = exported(&registry);
        assert_eq!(merged.delegation.list(list).patterns().len(), 10);

        registry.import(&narrow.to_reg(RegContents::Replacement, encoding));
        assert_eq!(exported(&registry), narrow);
    }
}
