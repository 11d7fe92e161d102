//! The server (MS-NLMP, section 3.2).

use std::hint;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::context::NtlmContext;
use super::flags::NegotiateFlags;
use super::key::{self, Key, ResponseKey, Sender};
use super::message::{
    AuthenticateMessage, AvId, ChallengeMessage, NegotiateMessage, Ntlmv2Response, authenticate,
    av_pair, challenge,
};
use super::{AV_FLAG_MIC, Options, failed, time};
use crate::account::{Account, AccountKey, AccountRequest, Candidate, NtlmLogon};
use crate::environment::Environment;
use crate::error::{
    ApiMisuse, AuthenticationFailure, Error, InvalidMessage, InvalidMessageKind, PeerIncompatible,
};
use crate::gss::{Acceptor, AcceptorRequest, AcceptorStep, AwaitsAccount, ChannelBindings};
use crate::mechanism::Mechanism;
use crate::name::AccountName;
use crate::secret::Secret;

/// Starts as the server.
pub(super) fn start(options: &Arc<Options>, request: &AcceptorRequest<'_>) -> Box<dyn Acceptor> {
    Box::new(ExpectsNegotiate(Server::new(options, request)))
}

/// Continues as the server behind a challenge that has been sent.
pub(super) fn resume(
    options: &Arc<Options>,
    request: &AcceptorRequest<'_>,
    negotiate: &[u8],
    challenge: &[u8],
) -> Result<Box<dyn Acceptor>, Error> {
    let server = Server::new(options, request);
    let message = ChallengeMessage::decode(challenge)?;
    Ok(Box::new(ExpectsAuthenticate {
        server,
        flags: message.flags,
        server_challenge: message.server_challenge,
        exchange: [negotiate, challenge].concat(),
    }))
}

/// What the server knows from the beginning.
struct Server {
    options: Arc<Options>,
    channel_bindings: Option<[u8; 16]>,
    environment: Environment,
}

impl Server {
    fn new(options: &Arc<Options>, request: &AcceptorRequest<'_>) -> Self {
        Self {
            options: Arc::clone(options),
            channel_bindings: request.channel_bindings.map(ChannelBindings::hash),
            environment: request.environment.clone(),
        }
    }

    /// The AV_PAIRs of the challenge.
    fn target_info(&self) -> Result<Vec<u8>, ApiMisuse> {
        let Options {
            nb_computer_name,
            nb_domain_name,
            dns_computer_name,
            dns_domain_name,
            dns_tree_name,
            ..
        } = &*self.options;
        let mut out = Vec::with_capacity(256);
        av_pair::put_text(&mut out, AvId::NB_DOMAIN_NAME, nb_domain_name)?;
        av_pair::put_text(&mut out, AvId::NB_COMPUTER_NAME, nb_computer_name)?;
        for (id, name) in [
            (AvId::DNS_DOMAIN_NAME, dns_domain_name),
            (AvId::DNS_COMPUTER_NAME, dns_computer_name),
            (AvId::DNS_TREE_NAME, dns_tree_name),
        ] {
            if !name.is_empty() {
                av_pair::put_text(&mut out, id, name)?;
            }
        }
        let now = time::now(&self.environment);
        av_pair::put(&mut out, AvId::TIMESTAMP, &now.to_le_bytes())?;
        av_pair::put_eol(&mut out);
        Ok(out)
    }
}

struct ExpectsNegotiate(Server);

impl Acceptor for ExpectsNegotiate {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        let Self(server) = *self;
        let negotiate = NegotiateMessage::decode(token)?;
        let common = negotiate.flags & NegotiateFlags::SUPPORTED;
        if let Some(feature) = common.missing_feature() {
            return Err(PeerIncompatible::WeakNtlm(feature).into());
        }
        let flags = common
            | NegotiateFlags::REQUEST_TARGET
            | NegotiateFlags::NTLM
            | NegotiateFlags::ALWAYS_SIGN
            | NegotiateFlags::TARGET_TYPE_SERVER
            | NegotiateFlags::TARGET_INFO;

        let mut server_challenge = [0; 8];
        server.environment.random.fill(&mut server_challenge)?;

        let mut challenge = Vec::new();
        challenge::encode(
            flags,
            &server_challenge,
            &server.options.nb_computer_name,
            &server.target_info()?,
            &mut challenge,
        )?;
        Ok(AcceptorStep::NeedsToken {
            next: Box::new(ExpectsAuthenticate {
                server,
                flags,
                server_challenge,
                exchange: [token, &challenge].concat(),
            }),
            token: challenge,
        })
    }
}

struct ExpectsAuthenticate {
    server: Server,
    /// What the challenge agreed to.
    flags: NegotiateFlags,
    server_challenge: [u8; 8],
    /// NEGOTIATE_MESSAGE and CHALLENGE_MESSAGE.
    exchange: Vec<u8>,
}

impl Acceptor for ExpectsAuthenticate {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: &[u8]) -> Result<AcceptorStep, Error> {
        let message = AuthenticateMessage::decode(token)?;
        check_strength(&message, self.flags)?;
        Ntlmv2Response::decode(message.nt_challenge_response)?;
        // With key exchange, which is agreed upon here, a key of any other length is an invalid token.
        encrypted_random_session_key(&message)?;

        let account = AccountName::new(&message.domain_name_text()?, &message.user_name_text()?);
        let logon = NtlmLogon::new(
            self.server_challenge,
            message.nt_challenge_response,
            message.lm_challenge_response,
            &message.workstation_text()?,
        );
        Ok(AcceptorStep::NeedsAccount {
            request: AccountRequest::new(account.clone(), Some(logon)),
            next: Box::new(ExpectsAccount {
                exchange: self.exchange,
                authenticate: token.into(),
                account,
                server: self.server,
                server_challenge: self.server_challenge,
            }),
        })
    }
}

/// Refuses everything that is weaker than NTLMv2 with keys of 128 bits.
fn check_strength(message: &AuthenticateMessage<'_>, agreed: NegotiateFlags) -> Result<(), Error> {
    // An anonymous logon names no user and answers nothing (MS-NLMP, section 3.2.5.1.2).
    if message.flags.contains(NegotiateFlags::ANONYMOUS) || message.user_name.is_empty() {
        return Err(PeerIncompatible::Anonymous.into());
    }
    if let Some(feature) = (message.flags & agreed).missing_feature() {
        return Err(PeerIncompatible::WeakNtlm(feature).into());
    }
    // 24 octets are an NTLM_RESPONSE; none stand beside an LM response. NTLMv2's is longer in any case.
    if message.nt_challenge_response.len() <= 24 {
        return Err(PeerIncompatible::NtlmV1.into());
    }
    Ok(())
}

fn encrypted_random_session_key(
    message: &AuthenticateMessage<'_>,
) -> Result<[u8; 16], InvalidMessage> {
    let field = message.encrypted_random_session_key;
    field.try_into().map_err(|_| {
        let kind = if field.is_empty() {
            InvalidMessageKind::MissingField
        } else {
            InvalidMessageKind::BadValue
        };
        InvalidMessage::new("AUTHENTICATE_MESSAGE.EncryptedRandomSessionKey", 52, kind)
    })
}

struct ExpectsAccount {
    server: Server,
    server_challenge: [u8; 8],
    /// NEGOTIATE_MESSAGE and CHALLENGE_MESSAGE.
    exchange: Vec<u8>,
    /// AUTHENTICATE_MESSAGE, which has been decoded once without error.
    authenticate: Box<[u8]>,
    account: AccountName,
}

impl AwaitsAccount for ExpectsAccount {
    fn step(mut self: Box<Self>, account: Option<Account>) -> Result<AcceptorStep, Error> {
        let message = AuthenticateMessage::decode(&self.authenticate)?;
        let response = Ntlmv2Response::decode(message.nt_challenge_response)?;
        let encrypted_key = encrypted_random_session_key(&message)?;
        let (received_mic, status) = (message.mic, account.as_ref().and_then(Account::status));

        let session_base_key = self.session_base_key(&message, &response, account.as_ref())?;
        self.check_channel_bindings(&response)?;
        let exported_session_key = key::rc4_key(&session_base_key, &encrypted_key);
        let has_mic = response.av_pairs.flags() & AV_FLAG_MIC != 0;
        let timestamp = response.timestamp;
        if has_mic {
            self.check_mic(&exported_session_key, received_mic)?;
        } else if !self.server.options.allow_missing_mic {
            return Err(failed(AuthenticationFailure::MissingMic));
        }
        self.check_time(timestamp)?;
        Ok(AcceptorStep::Established {
            account: self.account,
            status,
            logon_info: None,
            token: None,
            context: Box::new(NtlmContext::new(
                Sender::Server,
                &exported_session_key,
                has_mic,
            )),
        })
    }
}

impl ExpectsAccount {
    /// Verifies the response, and gives the `SessionBaseKey`.
    ///
    /// Without an account, the same is computed under some key, and not even looked at. A failure takes as long whether
    /// there is such an account or not, for each candidate; only a success ends sooner.
    fn session_base_key(
        &self,
        message: &AuthenticateMessage<'_>,
        response: &Ntlmv2Response<'_>,
        account: Option<&Account>,
    ) -> Result<Key, Error> {
        let user = key::upper_case_utf16(self.account.user());
        // Some clients compute with an empty domain whatever they send, so the server tries that as well
        // (MS-NLMP, section 3.2.5.1.2).
        let domains = [message.domain_name, &[]];
        let prove = |nt_hash: &Key, domain: &[u8]| {
            let key = ResponseKey::new(nt_hash, &user, domain);
            let proof = key.nt_proof_str(&self.server_challenge, response.temp);
            (bool::from(proof.ct_eq(&response.nt_proof_str)), key, proof)
        };
        match account.map(Account::key) {
            Some(AccountKey::Verified { session_base_key }) => {
                Ok(Zeroizing::new(*session_base_key.expose()))
            }
            Some(AccountKey::Candidates(candidates)) if !candidates.is_empty() => candidates
                .iter()
                .find_map(|candidate| {
                    let nt_hash = nt_hash(candidate);
                    domains.into_iter().find_map(|domain| {
                        let (fits, key, proof) = prove(&nt_hash, domain);
                        fits.then(|| key.session_base_key(&proof))
                    })
                })
                .ok_or_else(|| failed(AuthenticationFailure::WrongResponse)),
            _ => {
                let nt_hash = nt_hash(&Candidate::NtHash(Secret::new([0; 16])));
                for domain in domains {
                    hint::black_box(prove(&nt_hash, domain));
                }
                Err(failed(AuthenticationFailure::UnknownAccount))
            }
        }
    }

    fn check_channel_bindings(&self, response: &Ntlmv2Response<'_>) -> Result<(), Error> {
        let Some(expected) = self.server.channel_bindings else {
            return Ok(());
        };
        // All zero means as much as none, and is no hash of any bindings.
        let received = response.av_pairs.channel_bindings().unwrap_or_default();
        if bool::from(expected.ct_eq(&received)) {
            Ok(())
        } else {
            Err(failed(AuthenticationFailure::WrongChannelBindings))
        }
    }

    fn check_mic(
        &mut self,
        exported_session_key: &[u8; 16],
        received: Option<[u8; 16]>,
    ) -> Result<(), Error> {
        // It was computed while its own field held zeros.
        let (Some(received), Some(field)) =
            (received, authenticate::mic_mut(&mut self.authenticate))
        else {
            return Err(failed(AuthenticationFailure::WrongMic));
        };
        *field = [0; 16];
        let expected = key::mic(exported_session_key, &[&self.exchange, &self.authenticate]);
        if bool::from(expected.ct_eq(&received)) {
            Ok(())
        } else {
            Err(failed(AuthenticationFailure::WrongMic))
        }
    }

    fn check_time(&self, timestamp: u64) -> Result<(), Error> {
        let Some(limit) = self.server.options.max_time_skew else {
            return Ok(());
        };
        if time::distance(time::now(&self.server.environment), timestamp) <= limit {
            Ok(())
        } else {
            Err(failed(AuthenticationFailure::TimeSkew))
        }
    }
}

/// A candidate's NT hash. One that is given takes as long as one that is computed, so that the time does not tell
/// which kind an account has, or that there is none.
fn nt_hash(candidate: &Candidate) -> Key {
    match candidate {
        Candidate::Password(password) => key::nt_hash(password.expose()),
        Candidate::NtHash(hash) => {
            hint::black_box(key::nt_hash("correct horse"));
            Zeroizing::new(*hash.expose())
        }
    }
}
