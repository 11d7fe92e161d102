//! The client (MS-NLMP, section 3.1).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::context::NtlmContext;
use super::flags::NegotiateFlags;
use super::key::{self, Key, ResponseKey, Sender};
use super::message::authenticate::{self, Parts};
use super::message::response::CLIENT_CHALLENGE_HEADER_LEN;
use super::message::{AvId, AvPairs, ChallengeMessage, av_pair, negotiate};
use super::{AV_FLAG_MIC, Options, time};
use crate::codec::utf16;
use crate::credentials::{Credentials, LogonSecret};
use crate::environment::Environment;
use crate::error::{
    ApiMisuse, Error, InvalidMessage, InvalidMessageKind, PeerIncompatible, PeerMisbehaved,
};
use crate::gss::{ChannelBindings, Initiator, InitiatorRequest, InitiatorStep};
use crate::mechanism::Mechanism;
use crate::name::ServicePrincipalName;

/// Starts as the client; without a user name the logon would be an anonymous one, which is not done, and NTLM knows nothing
/// of certificates.
pub(super) fn start(
    options: &Arc<Options>,
    request: &InitiatorRequest<'_>,
) -> Option<Box<dyn Initiator>> {
    if request.credentials.account().user().is_empty() {
        return None;
    }
    #[cfg(feature = "pkinit")]
    if let LogonSecret::Certificate(_) = request.credentials.logon() {
        return None;
    }
    Some(Box::new(SendsNegotiate(Client {
        options: Arc::clone(options),
        credentials: request.credentials.clone(),
        target: request.target.clone(),
        channel_bindings: request.channel_bindings.map(ChannelBindings::hash),
        environment: request.environment.clone(),
    })))
}

/// What the client knows from the beginning.
struct Client {
    options: Arc<Options>,
    credentials: Credentials,
    target: ServicePrincipalName,
    channel_bindings: Option<[u8; 16]>,
    environment: Environment,
}

struct SendsNegotiate(Client);

impl Initiator for SendsNegotiate {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        if token.is_some() {
            return Err(PeerMisbehaved::UnexpectedNegoToken.into());
        }
        let negotiate = negotiate::encode(NegotiateFlags::SUPPORTED);
        Ok(InitiatorStep::NeedsToken {
            token: negotiate.clone(),
            next: Box::new(ExpectsChallenge {
                client: self.0,
                negotiate,
            }),
        })
    }
}

struct ExpectsChallenge {
    client: Client,
    negotiate: Vec<u8>,
}

impl Initiator for ExpectsChallenge {
    fn mechanism(&self) -> Mechanism {
        Mechanism::Ntlm
    }

    fn step(self: Box<Self>, token: Option<&[u8]>) -> Result<InitiatorStep, Error> {
        let Self { client, negotiate } = *self;
        let token = token.ok_or(PeerMisbehaved::MissingNegoToken)?;
        let challenge = ChallengeMessage::decode(token)?;

        let flags = challenge.flags & NegotiateFlags::SUPPORTED;
        if let Some(feature) = flags.missing_feature() {
            return Err(PeerIncompatible::WeakNtlm(feature).into());
        }
        let target_info = challenge
            .target_info
            .ok_or(PeerIncompatible::WeakNtlm("target information"))?;
        // MS-NLMP, section 3.1.5.1.2: where messages are to be signed or sealed, a challenge that "does not contain both
        // MsvAvNbComputerName and MsvAvNbDomainName" fails. One of them is enough here, empty or not: nothing depends on
        // them, and some servers have no domain to name.
        if target_info.get(AvId::NB_COMPUTER_NAME).is_none()
            && target_info.get(AvId::NB_DOMAIN_NAME).is_none()
        {
            return Err(PeerIncompatible::WeakNtlm("the server's names").into());
        }
        let server_time = target_info.timestamp();

        let mut client_challenge = [0; 8];
        client.environment.random.fill(&mut client_challenge)?;
        let mut exported_session_key: Key = Zeroizing::new([0; 16]);
        client
            .environment
            .random
            .fill(exported_session_key.as_mut())?;

        let temp = client.temp(target_info, &client_challenge)?;
        let response_key = client.response_key()?;
        let nt_proof_str = response_key.nt_proof_str(&challenge.server_challenge, &temp);
        let key_exchange_key = response_key.session_base_key(&nt_proof_str);
        let encrypted_random_session_key = key::rc4_key(&key_exchange_key, &exported_session_key);
        // MS-NLMP, section 3.1.5.1.2: where the list "has an MsvAvTimestamp present, the client SHOULD NOT send the
        // LmChallengeResponse and SHOULD send Z(24) instead".
        let lm_challenge_response = if server_time.is_some() {
            [0; 24]
        } else {
            response_key.lm_v2_response(&challenge.server_challenge, &client_challenge)
        };

        let account = client.credentials.account();
        let mut message = Parts {
            flags: flags | NegotiateFlags::TARGET_INFO,
            lm_challenge_response: &lm_challenge_response,
            nt_challenge_response: &[&nt_proof_str[..], &temp].concat(),
            domain_name: account.domain(),
            user_name: account.user(),
            workstation: &client.options.workstation,
            encrypted_random_session_key: &*encrypted_random_session_key,
        }
        .encode()?;
        if server_time.is_some() {
            let mic = key::mic(&exported_session_key, &[&negotiate, token, &message]);
            if let Some(field) = authenticate::mic_mut(&mut message) {
                *field = mic;
            }
        }
        Ok(InitiatorStep::Established {
            token: Some(message),
            context: Box::new(NtlmContext::new(
                Sender::Client,
                &exported_session_key,
                server_time.is_some(),
            )),
        })
    }
}

impl Client {
    /// `NTOWFv2` of the account.
    fn response_key(&self) -> Result<ResponseKey, ApiMisuse> {
        let account = self.credentials.account();
        let mut domain = Vec::with_capacity(utf16::encoded_len(account.domain()));
        utf16::put(&mut domain, account.domain());
        let nt_hash: Key = match self.credentials.logon() {
            LogonSecret::Password(password) => key::nt_hash(password.expose()),
            LogonSecret::NtHash(hash) => Zeroizing::new(*hash.expose()),
            #[cfg(feature = "pkinit")]
            LogonSecret::Certificate(_) => return Err(ApiMisuse::CredentialsFitNoMechanism),
        };
        let user = key::upper_case_utf16(account.user());
        Ok(ResponseKey::new(&nt_hash, &user, &domain))
    }

    /// `temp`, the NTLMv2_CLIENT_CHALLENGE with four octets of zeros (MS-NLMP, section 3.3.2).
    fn temp(&self, server: AvPairs<'_>, client_challenge: &[u8; 8]) -> Result<Vec<u8>, Error> {
        // Room for what is added below.
        const ADDED: usize = CLIENT_CHALLENGE_HEADER_LEN + 8 + 4 + 20 + 4 + 4;

        let timestamp = server.timestamp();
        let mut temp = Vec::with_capacity(
            ADDED
                .saturating_add(server.encoded_len())
                .saturating_add(utf16::encoded_len(self.target.as_str())),
        );
        temp.extend_from_slice(&[1, 1, 0, 0, 0, 0, 0, 0]);
        temp.extend_from_slice(
            &timestamp
                .unwrap_or_else(|| time::now(&self.environment))
                .to_le_bytes(),
        );
        temp.extend_from_slice(client_challenge);
        temp.extend_from_slice(&[0; 4]);
        for pair in &server {
            // These speak for the client, so the server's own must not stand before them.
            if matches!(
                pair.id,
                AvId::FLAGS | AvId::TARGET_NAME | AvId::CHANNEL_BINDINGS
            ) {
                continue;
            }
            av_pair::put(&mut temp, pair.id, pair.value)?;
        }
        let flags = match timestamp {
            Some(_) => server.flags() | AV_FLAG_MIC,
            None => server.flags() & !AV_FLAG_MIC,
        };
        if flags != 0 {
            av_pair::put(&mut temp, AvId::FLAGS, &flags.to_le_bytes())?;
        }
        // The specification adds 16 zeros where there are no bindings; some servers take those for bindings that do
        // not match, and none misses the pair.
        if let Some(hash) = &self.channel_bindings {
            av_pair::put(&mut temp, AvId::CHANNEL_BINDINGS, hash)?;
        }
        av_pair::put_text(&mut temp, AvId::TARGET_NAME, self.target.as_str())?;
        av_pair::put_eol(&mut temp);
        temp.extend_from_slice(&[0; 4]);
        if temp.len() > usize::from(u16::MAX) - 16 {
            // The server's list fills its message, and leaves no room for an answer.
            return Err(InvalidMessage::new(
                "CHALLENGE_MESSAGE.TargetInfo",
                40,
                InvalidMessageKind::TooLarge,
            )
            .into());
        }
        Ok(temp)
    }
}
