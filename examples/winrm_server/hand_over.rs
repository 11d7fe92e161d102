//! Hands on to commands what clients have delegated: in files that go away with the command, which learns of them by its
//! environment.

use std::error::Error;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use credssp::AccountName;
use credssp::credentials::{TsCredentials, TsPasswordCreds};
use credssp::environment::Environment;
use credssp::kerberos::ccache::CredentialCache;
use credssp::kerberos::initiator::{ClientName, ClientSecret, InitiatorOptions, IssuedTicket};
use credssp::stream::files;
use credssp::stream::kdc::{KdcClient, log_on_async};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time;

use crate::kerberos::KdcOptions;

/// How long the KDCs may take.
const KDC_DEADLINE: Duration = Duration::from_secs(10);

/// How commands are given what was delegated.
pub(crate) struct HandOver {
    kdc: Option<(Arc<KdcClient>, InitiatorOptions)>,
    krb5_conf: Option<PathBuf>,
    folder: PathBuf,
}

impl HandOver {
    pub(crate) fn new(kdc: &KdcOptions) -> Result<Self, Box<dyn Error>> {
        // Which belongs to one user and is kept in memory, where there is one.
        let folder = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
        Ok(Self {
            kdc: kdc.given().then(|| kdc.configure()).transpose()?,
            krb5_conf: kdc.krb5_conf.as_ref().map(path::absolute).transpose()?,
            folder: folder.map_or_else(env::temp_dir, PathBuf::from),
        })
    }
}

/// What one client has delegated.
pub(crate) struct Delegated {
    settings: Arc<HandOver>,
    password: TsPasswordCreds,
    /// Asked for once: a password that a KDC refuses is not tried again for each command.
    ticket: OnceCell<Option<IssuedTicket>>,
}

impl Delegated {
    /// `None` unless it is a password: in Restricted Admin mode it is nothing.
    pub(crate) fn new(settings: Arc<HandOver>, credentials: TsCredentials) -> Option<Self> {
        match credentials {
            TsCredentials::Password(password) if !password.user_name.is_empty() => Some(Self {
                settings,
                password,
                ticket: OnceCell::new(),
            }),
            _ => None,
        }
    }

    /// Writes the files, of which `command` learns; they last as long as the folder that comes back.
    pub(crate) async fn hand_on(&self, command: &mut Command, id: &str) -> Result<Folder, String> {
        let ticket = self.ticket.get_or_init(|| self.ticket()).await.as_ref();
        self.write(command, ticket, id)
            .map_err(|error| format!("the delegated credentials cannot be handed on: {error}"))
    }

    fn write(
        &self,
        command: &mut Command,
        ticket: Option<&IssuedTicket>,
        id: &str,
    ) -> Result<Folder, Box<dyn Error>> {
        let folder = Folder::new(self.settings.folder.join(format!("winrm_server-{id}")))?;
        if let Some(values) = authentication(&self.password) {
            let path = folder.0.join("authentication");
            write_authentication(&path, values)?;
            command.env("CREDSSP_AUTHENTICATION_FILE", path);
        } else if ticket.is_none() {
            return Err("smbclient's authentication files cannot hold these characters".into());
        }
        if let Some(ticket) = ticket {
            let path = folder.0.join("tickets");
            let client = ClientName::new(&ticket.crealm.to_str_lossy(), ticket.cname.clone());
            let mut cache = CredentialCache::new(client);
            cache.push(ticket);
            files::write_ccache(&path, &cache)?;
            command.env("KRB5CCNAME", format!("FILE:{}", path.display()));
            if let Some(krb5_conf) = &self.settings.krb5_conf {
                command.env("KRB5_CONFIG", krb5_conf);
            }
        }
        Ok(folder)
    }

    /// Logs on at a KDC, where one is known.
    async fn ticket(&self) -> Option<IssuedTicket> {
        let (kdc, options) = self.settings.kdc.as_ref()?;
        let account = AccountName::new(&self.password.domain_name, &self.password.user_name);
        let realm = options.default_realm.as_deref().unwrap_or_default();
        let name = ClientName::of(&account, realm);
        let secret = ClientSecret::Password(self.password.password.expose().into());
        let environment = Environment::default();
        let logon = log_on_async(&**kdc, name, secret, options, &environment);
        let failure: Box<dyn fmt::Display> = match time::timeout(KDC_DEADLINE, logon).await {
            Ok(Ok(ticket)) => return Some(ticket),
            Ok(Err(error)) => Box::new(error),
            Err(error) => Box::new(error),
        };
        eprintln!("winrm_server: no ticket for {account}: {failure}");
        None
    }
}

/// The values of a file as `smbclient -A` reads it: a line for each, without the spaces before it. `None` where one of them cannot
/// stand there.
fn authentication(password: &TsPasswordCreds) -> Option<[(&str, &str); 3]> {
    let values = [
        ("domain", &*password.domain_name),
        ("username", &*password.user_name),
        ("password", password.password.expose()),
    ];
    let fits = |value: &str| !value.starts_with(' ') && !value.contains(char::is_control);
    values
        .iter()
        .all(|(_, value)| fits(value))
        .then_some(values)
}

/// Only its owner can ever read the file.
fn write_authentication(path: &Path, values: [(&str, &str); 3]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path)?;
    // An empty domain is the command's own default.
    for (name, value) in values.into_iter().filter(|(_, value)| !value.is_empty()) {
        // Without a buffer, which would keep a copy.
        for piece in [name, " = ", value, "\n"] {
            file.write_all(piece.as_bytes())?;
        }
    }
    Ok(())
}

/// A folder that only its owner can ever look into; it goes away on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        builder.mode(0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("winrm_server: cannot remove {}: {error}", self.0.display());
        }
    }
}
