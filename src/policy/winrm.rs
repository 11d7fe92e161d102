use std::fmt;

use super::{
    DelegationPolicy, InvalidPattern, ListSetting, MachineSettings, PolicyList, SpnPattern,
};

/// Whether WinRM uses CredSSP: `auth_credssp` of its client and of its service, which stand below
/// `SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN`. Both are off until somebody turns them on.
///
/// On Windows the group policies "Allow CredSSP authentication", `AllowCredSSP` below
/// `SOFTWARE\Policies\Microsoft\Windows\WinRM`, override them. These are not read:
/// [`RegReport::foreign`](super::RegReport::foreign) names their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WinRmSwitches {
    /// The client's; `None` where nobody has said anything.
    pub client: Option<bool>,
    /// The service's; `None` where nobody has said anything.
    pub service: Option<bool>,
}

impl WinRmSwitches {
    /// Whether a client may use CredSSP.
    ///
    /// # Errors
    /// Where it may not.
    pub fn check_client(self) -> Result<(), WinRmCredSspDisabled> {
        check(self.client, WinRmRole::Client)
    }

    /// Whether a service may use CredSSP.
    ///
    /// # Errors
    /// Where it may not.
    pub fn check_service(self) -> Result<(), WinRmCredSspDisabled> {
        check(self.service, WinRmRole::Service)
    }
}

fn check(switch: Option<bool>, role: WinRmRole) -> Result<(), WinRmCredSspDisabled> {
    if switch == Some(true) {
        Ok(())
    } else {
        Err(WinRmCredSspDisabled { role })
    }
}

/// An end of WinRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WinRmRole {
    /// Who asks.
    Client,
    /// Who answers.
    Service,
}

/// CredSSP is switched off in WinRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WinRmCredSspDisabled {
    /// At which end.
    pub role: WinRmRole,
}

impl fmt::Display for WinRmCredSspDisabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.role {
            WinRmRole::Client => {
                "CredSSP is switched off in WinRM's client: turn it on for the hosts that may receive credentials, by \
                 MachineSettings::enable_winrm_client or, on Windows, by `Enable-WSManCredSSP -Role Client \
                 -DelegateComputer HOST`; the server has to have it on, too"
            }
            WinRmRole::Service => {
                "CredSSP is switched off in WinRM's service: turn it on by MachineSettings::enable_winrm_service or, on \
                 Windows, by `Enable-WSManCredSSP -Role Server`"
            }
        })
    }
}

impl std::error::Error for WinRmCredSspDisabled {}

/// What `Get-WSManCredSSP` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WinRmCredSsp {
    /// Whether the client may use CredSSP.
    pub client: bool,
    /// Whether the service may use CredSSP.
    pub service: bool,
    /// The patterns for WinRM in `AllowFreshCredentials`.
    pub delegate_computers: Vec<SpnPattern>,
}

impl fmt::Display for WinRmCredSsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on| if on { "on" } else { "off" };
        write!(f, "client: CredSSP is {}, ", switch(self.client))?;
        if self.delegate_computers.is_empty() {
            f.write_str("and AllowFreshCredentials names no WinRM host")?;
        } else {
            f.write_str("and AllowFreshCredentials has")?;
            for (index, pattern) in self.delegate_computers.iter().enumerate() {
                let separator = if index == 0 { "" } else { "," };
                write!(f, "{separator} {pattern}")?;
            }
        }
        write!(f, "; service: CredSSP is {}", switch(self.service))
    }
}

/// What the commands of PowerShell with these names do.
impl MachineSettings {
    /// `Enable-WSManCredSSP -Role Client -DelegateComputer …`: switches the client on, and adds `WSMAN/…` to
    /// `AllowFreshCredentials` for each host that is not there yet; `*` and `*.example.com` will do.
    ///
    /// The built-in patterns count as they did, where the command would bring them back.
    ///
    /// # Errors
    /// Where a host makes no pattern; then nothing has changed.
    pub fn enable_winrm_client(
        &mut self,
        delegate_computers: &[&str],
    ) -> Result<(), InvalidPattern> {
        let patterns = delegate_computers
            .iter()
            .map(|host| ["WSMAN/", host].concat().parse())
            .collect::<Result<Vec<SpnPattern>, _>>()?;
        for pattern in patterns {
            let setting = self.delegation.list(PolicyList::AllowFresh);
            if !setting.patterns().contains(&pattern) {
                self.delegation.push(PolicyList::AllowFresh, pattern);
            }
        }
        self.winrm.client = Some(true);
        Ok(())
    }

    /// `Enable-WSManCredSSP -Role Server`: switches the service on.
    pub fn enable_winrm_service(&mut self) {
        self.winrm.service = Some(true);
    }

    /// `Disable-WSManCredSSP -Role Client`: switches the client off, and takes the patterns for WinRM out of
    /// `AllowFreshCredentials`. A list with nothing left is not configured, unless that would let the built-in patterns
    /// count which did not before.
    pub fn disable_winrm_client(&mut self) {
        self.winrm.client = Some(false);
        let ListSetting::Enabled {
            patterns,
            concatenate_defaults,
        } = self.delegation.list(PolicyList::AllowFresh)
        else {
            return;
        };
        let others: Vec<_> = patterns
            .iter()
            .filter(|pattern| !is_for_winrm(pattern))
            .cloned()
            .collect();
        let setting = if others.is_empty() && *concatenate_defaults {
            ListSetting::NotConfigured
        } else {
            ListSetting::Enabled {
                patterns: others,
                concatenate_defaults: *concatenate_defaults,
            }
        };
        self.delegation.set_list(PolicyList::AllowFresh, setting);
    }

    /// `Disable-WSManCredSSP -Role Server`: switches the service off.
    pub fn disable_winrm_service(&mut self) {
        self.winrm.service = Some(false);
    }

    /// `Get-WSManCredSSP`: how both ends stand.
    pub fn winrm_credssp(&self) -> WinRmCredSsp {
        WinRmCredSsp {
            client: self.winrm.check_client().is_ok(),
            service: self.winrm.check_service().is_ok(),
            delegate_computers: winrm_patterns(&self.delegation),
        }
    }
}

fn winrm_patterns(policy: &DelegationPolicy) -> Vec<SpnPattern> {
    policy
        .list(PolicyList::AllowFresh)
        .patterns()
        .iter()
        .filter(|pattern| is_for_winrm(pattern))
        .cloned()
        .collect()
}

fn is_for_winrm(pattern: &SpnPattern) -> bool {
    let class = pattern.as_str().get(..5);
    class.is_some_and(|class| class.eq_ignore_ascii_case("WSMAN"))
}
