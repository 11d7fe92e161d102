//! Delegation policy, as the command lines of the example programs say it.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use credssp::policy::{MachineSettings, PolicyList, SpnPattern};

#[derive(Args)]
pub(crate) struct PolicyOptions {
    /// What Windows' policies say, as an export of its registry (.reg) or, with the feature serde, as a TOML file (.toml)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Policy AllowFreshCredentials: delegate to servers with such a name that prove it, by their certificate or by Kerberos
    #[arg(long, value_name = "PATTERN")]
    allow_fresh: Vec<SpnPattern>,
    /// Policy AllowFreshCredentialsWhenNTLMOnly: delegate to servers with such a name that prove no more than that
    /// somebody there knows the account
    #[arg(long, value_name = "PATTERN")]
    allow_fresh_ntlm_only: Vec<SpnPattern>,
}

/// The policies, and what in their file is nothing of theirs.
pub(crate) struct Policies {
    pub(crate) settings: MachineSettings,
    /// What the file sets without effect here, in a sentence each.
    pub(crate) remarks: Vec<String>,
}

impl PolicyOptions {
    /// From what is there without any file.
    pub(crate) fn read(&self, unconfigured: MachineSettings) -> Result<Policies, Box<dyn Error>> {
        let mut policies = Policies {
            settings: unconfigured,
            remarks: Vec::new(),
        };
        if let Some(path) = &self.policy {
            policies
                .read(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        for (list, patterns) in [
            (PolicyList::AllowFresh, &self.allow_fresh),
            (
                PolicyList::AllowFreshWhenNtlmOnly,
                &self.allow_fresh_ntlm_only,
            ),
        ] {
            for pattern in patterns {
                policies.settings.delegation.push(list, pattern.clone());
            }
        }
        Ok(policies)
    }
}

impl Policies {
    fn read(&mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        let file = fs::read(path)?;
        match path.extension().and_then(OsStr::to_str) {
            Some("reg") => {
                let report = self.settings.merge_reg(&file)?;
                let foreign = report.foreign.iter();
                let foreign = foreign.map(|key| format!("{key} is none of these policies"));
                let ineffective = report.ineffective.iter();
                let ineffective = ineffective
                    .map(|key| format!("{key} counts for nothing, for its policy is not enabled"));
                self.remarks = foreign.chain(ineffective).collect();
                Ok(())
            }
            #[cfg(feature = "serde")]
            Some("toml") => {
                self.settings = MachineSettings::from_toml(std::str::from_utf8(&file)?)?;
                Ok(())
            }
            #[cfg(not(feature = "serde"))]
            Some("toml") => {
                Err("TOML needs the feature serde: cargo run --features serde --example ...".into())
            }
            _ => Err("policies are read from files that are called .reg or .toml".into()),
        }
    }
}
