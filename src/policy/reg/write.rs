use std::fmt::Write as _;

use super::registry::{
    Key, ORACLE, PROTECTED, RESTRICTED, RESTRICTED_TYPE, WINRM_CREDSSP, restriction_type,
};
use super::syntax::VERSION_5;
use crate::codec::utf16;
use crate::group_policy::{PolicyList, PolicyState, RestrictedDelegation};
use crate::policy::MachineSettings;

/// How the text of a file is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegEncoding {
    /// UTF-16LE with its byte order mark, as the registry editor writes it.
    #[default]
    Utf16,
    /// ASCII, in which texts beyond it are octets, `hex(1):`. It is UTF-8, too, and reads the same with a reader that takes
    /// it for another encoding.
    Ascii,
}

/// What a file holds, beside what is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegContents {
    /// Nothing else, like an export: what a machine has in addition, it keeps.
    #[default]
    Export,
    /// The deletion of what is not configured: a machine that imports the file has these settings afterwards and no others
    /// of their kind, such as patterns from before.
    Replacement,
}

impl MachineSettings {
    /// Writes a file that brings these settings into the registry of Windows, in lines that end by CR LF. The same settings
    /// give the same octets.
    ///
    /// The built-in patterns are no settings, and are not in it.
    pub fn to_reg(&self, contents: RegContents, encoding: RegEncoding) -> Vec<u8> {
        let mut writer = Writer {
            text: [VERSION_5, LINE_END].concat(),
            contents,
            encoding,
        };
        self.write_delegation(&mut writer);
        for list in PolicyList::ALL {
            self.write_patterns(list, &mut writer);
        }
        let oracle = self.encryption_oracle.map(|setting| setting.to_registry());
        writer.key(Key::CredSsp, &[(ORACLE, oracle)]);
        for (key, switch) in [
            (Key::WinRmClient, self.winrm.client),
            (Key::WinRmService, self.winrm.service),
        ] {
            writer.key(key, &[(WINRM_CREDSSP, switch.map(u32::from))]);
        }
        writer.text.push_str(LINE_END);
        match encoding {
            RegEncoding::Ascii => writer.text.into_bytes(),
            RegEncoding::Utf16 => {
                let mut file = vec![0xff, 0xfe];
                utf16::put(&mut file, &writer.text);
                file
            }
        }
    }

    fn write_delegation(&self, writer: &mut Writer) {
        let mut values = Vec::new();
        for list in PolicyList::ALL {
            let setting = self.delegation.list(list);
            let (enabled, concatenate) = match setting.state() {
                PolicyState::NotConfigured => (None, None),
                PolicyState::Disabled => (Some(0), None),
                PolicyState::Enabled => (Some(1), Some(u32::from(setting.keeps_defaults()))),
            };
            values.push((list.registry_name(), enabled));
            values.push((list.concatenation_name(), concatenate));
        }
        let restriction = self.delegation.restriction();
        let kind = restriction_type(restriction);
        let restricted = match restriction {
            RestrictedDelegation::NotConfigured => None,
            _ => Some(u32::from(kind.is_some())),
        };
        values.push((RESTRICTED, restricted));
        values.push((RESTRICTED_TYPE, kind));
        values.push((PROTECTED, self.allow_protected_creds.map(u32::from)));
        writer.key(Key::Delegation, &values);
    }

    fn write_patterns(&self, list: PolicyList, writer: &mut Writer) {
        let path = Key::Patterns(list).path();
        if writer.contents == RegContents::Replacement {
            writer.line("");
            writer.line(&format!("[-{path}]"));
        }
        let setting = self.delegation.list(list);
        if setting.state() != PolicyState::Enabled {
            return;
        }
        writer.line("");
        writer.line(&format!("[{path}]"));
        for (number, pattern) in (1_u32..).zip(setting.patterns()) {
            let text = writer.value(pattern.as_str());
            writer.line(&format!("\"{number}\"={text}"));
        }
    }
}

const LINE_END: &str = "\r\n";

struct Writer {
    text: String,
    contents: RegContents,
    encoding: RegEncoding,
}

impl Writer {
    /// A text as it stands behind the equals sign.
    fn value(&self, text: &str) -> String {
        if self.encoding == RegEncoding::Ascii && !text.is_ascii() {
            let mut octets = Vec::new();
            utf16::put(&mut octets, text);
            octets.extend([0, 0]);
            let octets: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            return format!("hex(1):{}", octets.join(","));
        }
        let escaped = text.replace('\\', r"\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str(LINE_END);
    }

    /// A key with those of its values that are configured, and as a replacement with the deletion of the others.
    fn key(&mut self, key: Key, values: &[(&str, Option<u32>)]) {
        let deletes = self.contents == RegContents::Replacement;
        if !deletes && values.iter().all(|(_, value)| value.is_none()) {
            return;
        }
        self.line("");
        self.line(&format!("[{}]", key.path()));
        for (name, value) in values {
            // Writing to a String does not fail.
            let _ = match value {
                Some(value) => write!(self.text, "\"{name}\"=dword:{value:08x}{LINE_END}"),
                None if deletes => write!(self.text, "\"{name}\"=-{LINE_END}"),
                None => Ok(()),
            };
        }
    }
}
