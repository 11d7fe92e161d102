//! The server's accounts, from its command line.

use credssp::account::Candidate;
use credssp::error::NtStatus;
use credssp::{Account, AccountName, Secret};

/// All accounts that there are.
pub(crate) struct Directory {
    accounts: Vec<(AccountName, Secret<str>)>,
    statuses: Vec<(AccountName, NtStatus)>,
}

impl Directory {
    /// From `[DOMAIN\]USER:PASSWORD` and `[DOMAIN\]USER=NTSTATUS`. No error repeats a password.
    pub(crate) fn new(accounts: &[String], statuses: &[String]) -> Result<Self, String> {
        let accounts = accounts
            .iter()
            .map(|account| {
                let (name, password) = account.split_once(':')?;
                Some((name.parse().ok()?, Secret::from(password)))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(r"--account takes DOMAIN\USER:PASSWORD or USER:PASSWORD")?;
        let statuses = statuses
            .iter()
            .map(|status| {
                let (name, status) = status.rsplit_once('=')?;
                Some((name.parse().ok()?, status.parse().ok()?))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or(r"--account-status takes DOMAIN\USER=NTSTATUS, such as CORP\bob=C0000072")?;
        for (name, _) in &statuses {
            let meant =
                |(known, _): &(AccountName, _)| matches(known, name) || matches(name, known);
            if !accounts.iter().any(meant) {
                return Err(format!(
                    "--account-status names {name}, which no --account gives: add --account '{name}:PASSWORD'"
                ));
            }
        }
        Ok(Self { accounts, statuses })
    }

    /// What is known of the account that a client claims.
    pub(crate) fn look_up(&self, claimed: &AccountName) -> Option<Account> {
        let passwords = self
            .accounts
            .iter()
            .filter(|(name, _)| matches(name, claimed))
            .map(|(_, password)| Candidate::Password(password.expose().into()))
            .collect::<Vec<_>>();
        if passwords.is_empty() {
            return None;
        }
        let account = Account::candidates(passwords);
        let status = self
            .statuses
            .iter()
            .find(|(name, _)| matches(name, claimed));
        Some(match status {
            Some((_, status)) => account.with_status(*status),
            None => account,
        })
    }
}

/// Whether a client that claims `claimed` means `name`, which without a domain stands for any.
fn matches(name: &AccountName, claimed: &AccountName) -> bool {
    let domain = name.domain().is_empty() || same(name.domain(), claimed.domain());
    domain && same(name.user(), claimed.user())
}

/// Compares as Windows does: character by character in capitals, none of which becomes two.
fn same(one: &str, other: &str) -> bool {
    let capital = |c: char| {
        let mut capitals = c.to_uppercase();
        match (capitals.next(), capitals.next()) {
            (Some(capital), None) => capital,
            _ => c,
        }
    };
    one.chars().map(capital).eq(other.chars().map(capital))
}
