use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};

use super::kdc::{ask, folder_of};
use super::{Krb5User, Peer, Process};

/// Samba as the domain controller of `AD.EXAMPLE`, with the accounts of `tests/peers/samba_ad_accounts.py`.
pub struct SambaAd {
    address: Ipv4Addr,
    folder: PathBuf,
    _process: Process,
}

impl SambaAd {
    pub const REALM: &str = "AD.EXAMPLE";
    /// The domain's NetBIOS name.
    pub const DOMAIN: &str = "ADLAB";
    /// Of every account.
    pub const PASSWORD: &str = "pass-canary";
    /// What `alice` may call herself too.
    pub const ALICE_UPN: &str = "alice.smith@corp.example";
    /// Keys for AES only; `svc-rdp` has one for RC4 too.
    pub const WINRM_ACCOUNT: &str = "svc-winrm";
    pub const WINRM_SERVICE: &str = "WSMAN/server.ad.example";
    pub const HTTP_SERVICE: &str = "HTTP/server.ad.example";
    pub const RDP_ACCOUNT: &str = "svc-rdp";
    pub const RDP_SERVICE: &str = "TERMSRV/server.ad.example";
    /// A member of Protected Users.
    pub const PROTECTED: &str = "protected";
    /// Whose password must be changed before a logon.
    pub const MUST_CHANGE: &str = "must-change";
    pub const DISABLED: &str = "disabled";
    /// Whose own time is over, not its password's.
    pub const EXPIRED: &str = "expired";

    pub fn start() -> Self {
        // Its ports are the well-known ones; so each instance has an address of its own.
        static STARTED: AtomicU8 = AtomicU8::new(10);
        let instance = STARTED.fetch_add(1, Ordering::Relaxed);
        let [_, _, high, low] = process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, high, low, instance);
        let script = Peer::script("samba_ad").into_os_string();
        let arguments = [script, OsString::from(address.to_string())];
        let mut process = Process::start("bash".as_ref(), arguments);
        let folder = folder_of(&process.line());
        Self {
            address,
            folder,
            _process: process,
        }
    }

    /// The KDC's.
    pub fn address(&self) -> SocketAddr {
        (self.address, 88).into()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of its folder: `service.keytab`, `samba.log`, `etc/smb.conf`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The configuration for Kerberos' clients.
    pub fn krb5_conf(&self) -> PathBuf {
        self.path("krb5.conf")
    }

    /// MIT's tools as a client of its KDC, with an empty credential cache.
    pub fn user(&self) -> Krb5User {
        Krb5User::new(&self.krb5_conf())
    }

    /// Asks its KDC over TCP.
    pub fn ask(&self, message: &[u8]) -> Vec<u8> {
        ask(self.address(), message)
    }
}
