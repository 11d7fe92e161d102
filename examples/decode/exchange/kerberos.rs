//! An exchange by Kerberos, from the service's keytab.

use credssp::gss::SecurityContext;
use credssp::kerberos::asn1::{
    ApRep, ApReq, Authenticator, AuthenticatorChecksum, ChecksumValue, ContextFlags, EncApRepPart,
    EncTicketPart, Encoded, EncryptedData, Flags, InitialToken, TgtReply, Ticket, TokenId,
};
use credssp::kerberos::crypto::{EncryptionKey, KeyUsage};
use credssp::kerberos::keytab::{Keytab, KeytabEntry};
use credssp::kerberos::{ContextParameters, End, KerberosContext};

use super::{Check, Context, Established, Message, Outcome, key};
use crate::input::Sender;
use crate::token::{Kind, View};
use crate::tree::At;

/// What a token of the mechanism holds, with or without the framing of GSS-API.
fn unframed(token: &[u8]) -> Option<(TokenId, &[u8])> {
    match token.first()? {
        0x6e => Some((TokenId::ApReq, token)),
        0x6f => Some((TokenId::ApRep, token)),
        0x7e => Some((TokenId::Error, token)),
        _ => {
            let token = InitialToken::decode(token).ok()?;
            Some((token.id, token.message))
        }
    }
}

pub(super) fn sender(token: &[u8]) -> Option<Sender> {
    match unframed(token)?.0 {
        TokenId::ApReq | TokenId::TgtRequest => Some(Sender::Client),
        _ => Some(Sender::Server),
    }
}

pub(super) fn establish(messages: &[Message<'_>], keytab: &Keytab, view: &View) -> Established {
    let mut opening = Opening {
        view,
        checks: Vec::new(),
    };
    let context = opening.context(messages, keytab);
    Established {
        checks: opening.checks,
        context: context.map(|context| -> Box<dyn Context> { Box::new(context) }),
    }
}

struct Opening<'a> {
    view: &'a View,
    checks: Vec<Check>,
}

impl Opening<'_> {
    fn push(&mut self, name: &str, outcome: Outcome, detail: impl Into<String>) {
        self.checks.push(Check::new(name, outcome, detail));
    }

    /// Something that was decrypted, with its tree.
    fn opened(&mut self, name: &str, tag: u8, plaintext: &[u8], detail: String) {
        let tree = Kind::Kerberos(tag).node(self.view, At::new(plaintext));
        let check = Check::new(name, Outcome::Holds, detail);
        self.checks.push(check.tree(tree));
    }

    fn secret(&mut self, name: &str, secret: &EncryptionKey) {
        let name = format!("{name} ({})", secret.encryption_type());
        self.checks.push(key(self.view, &name, secret.expose()));
    }

    fn context(&mut self, messages: &[Message<'_>], keytab: &Keytab) -> Option<CfxContext> {
        let find = |id| {
            let mut tokens = messages
                .iter()
                .filter_map(|message| unframed(message.mechanism));
            tokens.find_map(|(found, message)| (found == id).then_some(message))
        };
        let Some(ap_req) = find(TokenId::ApReq).and_then(|token| ApReq::decode(token).ok()) else {
            self.push("ticket", Outcome::Unknown, "no AP-REQ is among the tokens");
            return None;
        };
        let mut keys: Vec<_> = keys_for(&ap_req.ticket, keytab);
        let service_key;
        if ap_req.ap_options.contains(Flags::USE_SESSION_KEY) {
            let reply = find(TokenId::TgtReply).and_then(|token| TgtReply::decode(token).ok());
            match reply.and_then(|reply| session_key(&reply.ticket, keytab)) {
                Some(key) => {
                    service_key = key;
                    keys = vec![(
                        "the session key of the server's ticket-granting ticket".into(),
                        &service_key,
                    )];
                }
                None => {
                    let detail = "user-to-user: the session key of the server's ticket-granting ticket is needed, for which the \
                                  keytab has to hold the key of krbtgt, and the KERB-TGT-REPLY to be among the tokens";
                    self.push("ticket", Outcome::Unknown, detail);
                    return None;
                }
            }
        }
        let enc_part = &ap_req.ticket.value().enc_part;
        let Some((name, plaintext)) = keys.iter().find_map(|(name, key)| {
            let opened = enc_part.open(key, KeyUsage::TICKET).ok()?;
            Some((name.clone(), opened))
        }) else {
            let (sname, realm) = (&ap_req.ticket.value().sname, &ap_req.ticket.value().realm);
            let detail = format!(
                "no key of the keytab opens that of {sname} in {}",
                realm.to_str_lossy()
            );
            self.push("ticket", Outcome::Fails, detail);
            return None;
        };
        self.opened("ticket", 0x63, &plaintext, format!("opens by {name}"));
        let ticket = EncTicketPart::decode(&plaintext).ok()?;
        let session_key = ticket.key.to_key()?;
        self.secret("session key", &session_key);

        let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
        let plaintext = self.open("authenticator", &ap_req.authenticator, &session_key, usage)?;
        self.opened(
            "authenticator",
            0x62,
            &plaintext,
            "opens by the session key".into(),
        );
        let authenticator = Authenticator::decode(&plaintext).ok()?;
        let same = authenticator.cname == ticket.cname && authenticator.crealm == ticket.crealm;
        let name = format!("{}@{}", ticket.cname, ticket.crealm.to_str_lossy());
        self.push(
            "client",
            if same { Outcome::Holds } else { Outcome::Fails },
            if same {
                name
            } else {
                format!("the ticket is that of {name}, the authenticator is not")
            },
        );
        let mut context_key =
            EncryptionKey::new(session_key.encryption_type(), session_key.expose()).ok()?;
        if let Some(subkey) = authenticator.subkey.as_ref().and_then(|key| key.to_key()) {
            self.secret("the client's subkey", &subkey);
            context_key = subkey;
        }
        let mut context = CfxContext {
            key: context_key,
            acceptor_subkey: false,
            ordered: authenticator.cksum.as_ref().is_none_or(owes_order),
            next: [authenticator.seq_number.unwrap_or_default().get(), 0],
        };
        match find(TokenId::ApRep).map(ApRep::decode) {
            Some(Ok(ap_rep)) => {
                let part = self.ap_rep(&ap_rep, &session_key, &authenticator)?;
                context.next[1] = part.seq_number.unwrap_or_default().get();
                if let Some(subkey) = part.subkey.as_ref().and_then(|key| key.to_key()) {
                    self.secret("the server's subkey", &subkey);
                    context.key = subkey;
                    context.acceptor_subkey = true;
                }
            }
            _ if ap_req.ap_options.contains(Flags::MUTUAL_REQUIRED) => {
                let detail = "the AP-REP that was asked for is not among the tokens";
                self.push("AP-REP", Outcome::Unknown, detail);
            }
            _ => {}
        }
        Some(context)
    }

    fn ap_rep(
        &mut self,
        ap_rep: &ApRep,
        session_key: &EncryptionKey,
        authenticator: &Authenticator,
    ) -> Option<EncApRepPart> {
        let plaintext = self.open("AP-REP", &ap_rep.enc_part, session_key, KeyUsage::AP_REP)?;
        self.opened(
            "AP-REP",
            0x7b,
            &plaintext,
            "opens by the session key".into(),
        );
        let part = EncApRepPart::decode(&plaintext).ok()?;
        let same = part.ctime == authenticator.ctime && part.cusec == authenticator.cusec;
        let (outcome, detail) = match same {
            true => (Outcome::Holds, "it repeats the authenticator's time"),
            false => (Outcome::Fails, "its time is not the authenticator's"),
        };
        self.push("the server's proof", outcome, detail);
        Some(part)
    }

    fn open(
        &mut self,
        name: &str,
        data: &EncryptedData,
        key: &EncryptionKey,
        usage: KeyUsage,
    ) -> Option<Vec<u8>> {
        let opened = data.open(key, usage);
        opened
            .inspect_err(|error| {
                let detail = format!("does not open by the session key: {error}");
                self.push(name, Outcome::Fails, detail);
            })
            .ok()
            .map(|plaintext| plaintext.to_vec())
    }
}

/// Whether the ends negotiated any order (RFC 2743, section 1.2.3).
fn owes_order(checksum: &ChecksumValue) -> bool {
    let order = [ContextFlags::SEQUENCE, ContextFlags::REPLAY];
    AuthenticatorChecksum::decode(checksum)
        .is_ok_and(|checksum| order.iter().any(|flag| checksum.flags.contains(*flag)))
}

/// The keytab's keys, those of the ticket's service first, with what to call them.
fn keys_for<'a>(ticket: &Encoded<Ticket>, keytab: &'a Keytab) -> Vec<(String, &'a EncryptionKey)> {
    let Ticket { realm, sname, .. } = ticket.value();
    let mut entries: Vec<_> = keytab.entries.iter().collect();
    entries.sort_by_key(|entry| (entry.realm != *realm, entry.principal != *sname));
    let name = |entry: &&'a KeytabEntry| {
        let (realm, kind) = (entry.realm.to_str_lossy(), entry.key.encryption_type());
        let name = format!(
            "{}@{realm}, version {}, {kind}",
            entry.principal, entry.kvno
        );
        (name, &entry.key)
    };
    entries.iter().map(name).collect()
}

/// The session key of a ticket.
fn session_key(ticket: &Encoded<Ticket>, keytab: &Keytab) -> Option<EncryptionKey> {
    let enc_part = &ticket.value().enc_part;
    let keys = keys_for(ticket, keytab);
    let opened = keys
        .iter()
        .find_map(|(_, key)| enc_part.open(key, KeyUsage::TICKET).ok())?;
    EncTicketPart::decode(&opened).ok()?.key.to_key()
}

/// What the AP exchange settled. Each token says its own number, so that each is opened by itself.
struct CfxContext {
    key: EncryptionKey,
    acceptor_subkey: bool,
    /// Whether the tokens' numbers count.
    ordered: bool,
    /// The numbers that the client's and the server's next tokens should have.
    next: [u32; 2],
}

impl CfxContext {
    /// The number that is due, which is then used up.
    fn count(&mut self, sender: Sender) -> u32 {
        let [client, server] = &mut self.next;
        let next = match sender {
            Sender::Client => client,
            Sender::Server => server,
        };
        let due = *next;
        *next = due.wrapping_add(1);
        due
    }

    fn receiver(&self, sender: Sender, number: u32) -> KerberosContext {
        let end = match sender {
            Sender::Client => End::Acceptor,
            Sender::Server => End::Initiator,
        };
        let parameters = ContextParameters::new(end, &self.key)
            .with_acceptor_subkey(self.acceptor_subkey)
            .with_sequences(0, number)
            .with_sequence_detection(false);
        KerberosContext::new(&parameters)
    }
}

impl Context for CfxContext {
    fn verify_mic(&mut self, sender: Sender, list: &[u8], mic: &[u8]) -> Result<String, String> {
        let mut receiver = self.receiver(sender, 0);
        self.count(sender);
        receiver
            .verify_mech_list_mic(list, mic)
            .map(|()| "over the client's mechTypes".into())
            .map_err(|error| error.to_string())
    }

    fn unwrap(&mut self, sender: Sender, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let expected = self.count(sender);
        let number = sealed.get(12..16).and_then(|octets| octets.try_into().ok());
        let number = number.map(u32::from_be_bytes);
        let mut token = sealed.to_vec();
        let mut receiver = self.receiver(sender, expected);
        let opened = receiver.unwrap_in_place(&mut token);
        let opened = opened.map_err(|error| error.to_string())?.to_vec();
        // RFC 4757's tokens encrypt theirs.
        if self.ordered && sealed.starts_with(&[5, 4]) && number != Some(expected) {
            let number = number.unwrap_or_default();
            return Err(format!(
                "it opens, but has the number {number} where {expected} is due"
            ));
        }
        Ok(opened)
    }
}
