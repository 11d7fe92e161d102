//! Where the example programs take a password from.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use clap::Args;
use credssp::Secret;

#[derive(Args)]
pub(crate) struct PasswordOptions {
    /// The password
    #[arg(
        long,
        conflicts_with = "password_file",
        allow_hyphen_values = true,
        value_name = "PASSWORD"
    )]
    password: Option<String>,
    /// A file with the password; one newline at its end is dropped [default: the variable CREDSSP_PASSWORD]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordOptions {
    /// The password, from the first source that there is. No error repeats it.
    pub(crate) fn read(&self) -> Result<Option<Secret<str>>, Box<dyn Error>> {
        if let Some(password) = &self.password {
            return Ok(Some(password.as_str().into()));
        }
        if let Some(path) = &self.password_file {
            let file = fs::read_to_string(path);
            let text = file.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let text = Secret::from(text);
            let line = text.expose();
            let line = line.strip_suffix('\n').unwrap_or(line);
            return Ok(Some(line.strip_suffix('\r').unwrap_or(line).into()));
        }
        match env::var("CREDSSP_PASSWORD") {
            Ok(password) => Ok(Some(password.into())),
            Err(env::VarError::NotUnicode(_)) => Err("CREDSSP_PASSWORD is not UTF-8".into()),
            Err(env::VarError::NotPresent) => Ok(None),
        }
    }

    /// As [`Self::read()`], where there has to be one.
    pub(crate) fn required(&self) -> Result<Secret<str>, Box<dyn Error>> {
        self.read()?.ok_or_else(|| {
            "there is no password: give --password-file FILE, set CREDSSP_PASSWORD, or, for tests, give --password"
                .into()
        })
    }
}
