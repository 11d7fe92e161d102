//! Whether `pubKeyAuth` binds the exchange to the server's key (MS-CSSP, section 3.1.5).

use credssp::ts_request::{Direction, ServerPublicKey, binding_hash, echo};

use super::{Check, Message, Outcome, hashes, name_of, version};
use crate::input::Sender;

pub(super) struct Binding<'a> {
    version: Option<u32>,
    nonce: Option<[u8; 32]>,
    key: Option<&'a ServerPublicKey>,
    /// What the client sealed, where it is a key.
    clients: Option<ServerPublicKey>,
    /// Whether there was any.
    pub(super) seen: bool,
}

impl<'a> Binding<'a> {
    pub(super) fn of(messages: &[Message<'_>], key: Option<&'a ServerPublicKey>) -> Self {
        let mut clients = messages
            .iter()
            .rev()
            .filter(|message| message.sender == Sender::Client);
        Self {
            version: version(messages),
            nonce: clients.find_map(|message| message.request?.client_nonce),
            key,
            clients: None,
            seen: false,
        }
    }

    /// Checks what one end sealed.
    pub(super) fn check(&mut self, sender: Sender, opened: &[u8]) -> Check {
        self.seen = true;
        let direction = match sender {
            Sender::Client => Direction::ClientToServer,
            Sender::Server => Direction::ServerToClient,
        };
        let (outcome, detail) = match self.key {
            Some(key) => self.with_key(direction, opened, key),
            None => self.without_key(direction, opened),
        };
        if sender == Sender::Client {
            self.clients = Some(ServerPublicKey::from_subject_public_key(opened));
        }
        let version = match self.version {
            Some(version) => format!(" (version {version})"),
            None => String::new(),
        };
        Check::new(
            format!("{} binding{version}", name_of(sender)),
            outcome,
            detail,
        )
    }

    fn with_key(
        &self,
        direction: Direction,
        opened: &[u8],
        key: &ServerPublicKey,
    ) -> (Outcome, String) {
        let opposite = match direction {
            Direction::ClientToServer => Direction::ServerToClient,
            _ => Direction::ClientToServer,
        };
        let hash = |direction| {
            let nonce = self.nonce.as_ref()?;
            Some(binding_hash(direction, nonce, key).to_vec())
        };
        let echoes = echo(direction, key) == opened;
        let hashed = hash(direction).is_some_and(|hash| hash == opened);
        let (outcome, detail) = match hashes(self.version) {
            true if hashed => (Outcome::Holds, "the hash of nonce and key"),
            true if self.nonce.is_none() => (Outcome::Fails, "the client sent no clientNonce"),
            true if echoes => (Outcome::Fails, "the key itself, as in versions below 5"),
            true if hash(opposite).is_some_and(|hash| hash == opened) => {
                (Outcome::Fails, "the hash of the other direction")
            }
            false if echoes => (Outcome::Holds, "the key itself, open to CVE-2018-0886"),
            false if hashed => (
                Outcome::Fails,
                "the hash of nonce and key, as from version 5 on",
            ),
            false if echo(opposite, key) == opened => {
                (Outcome::Fails, "the key as the other direction has it")
            }
            _ => (
                Outcome::Fails,
                "it is of another key or nonce: somebody may stand in between",
            ),
        };
        (outcome, detail.into())
    }

    /// Without the server's key, only the two ends can be compared.
    fn without_key(&self, direction: Direction, opened: &[u8]) -> (Outcome, String) {
        let give = "give --certificate or --public-key to check it";
        if hashes(self.version) {
            return match opened.len() {
                32 => (Outcome::Unknown, format!("a hash: {give}")),
                length => (
                    Outcome::Fails,
                    format!("{length} octets where a hash has 32"),
                ),
            };
        }
        match (&self.clients, direction) {
            (Some(clients), Direction::ServerToClient) if echo(direction, clients) != opened => {
                let detail = "it is not the client's with 1 added to its first octet";
                (Outcome::Fails, detail.into())
            }
            _ => (
                Outcome::Unknown,
                format!("a key of {} octets: {give}", opened.len()),
            ),
        }
    }
}
