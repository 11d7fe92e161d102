//! NTLMv2_RESPONSE and NTLMv2_CLIENT_CHALLENGE (MS-NLMP, sections 2.2.2.7 and 2.2.2.8).

use std::fmt;

use super::AvPairs;
use crate::codec::little_endian::Reader;
use crate::error::{InvalidMessage, InvalidMessageKind};

/// The octets of an NTLMv2_CLIENT_CHALLENGE before its AV_PAIRs.
pub(crate) const CLIENT_CHALLENGE_HEADER_LEN: usize = 28;

/// NTLMv2_RESPONSE (MS-NLMP, section 2.2.2.8), the `NtChallengeResponse` of NTLMv2.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ntlmv2Response<'a> {
    /// `Response`, that is `NTProofStr`: the proof that the client knows the key.
    pub nt_proof_str: [u8; 16],
    /// The NTLMv2_CLIENT_CHALLENGE as it came, over which the proof is computed.
    pub temp: &'a [u8],
    /// `TimeStamp`, a FILETIME.
    pub timestamp: u64,
    /// `ChallengeFromClient`.
    pub challenge_from_client: [u8; 8],
    /// `AvPairs`.
    pub av_pairs: AvPairs<'a>,
}

impl<'a> Ntlmv2Response<'a> {
    /// Decodes a whole response. Octets behind the AV_PAIRs are covered by the proof, but mean nothing.
    ///
    /// # Errors
    /// Where the response ends early, has another version, or holds a malformed list of AV_PAIRs.
    pub fn decode(response: &'a [u8]) -> Result<Self, InvalidMessage> {
        let mut reader = Reader::at(response, 0);
        let nt_proof_str = reader.take_array("NTLMv2_RESPONSE.Response")?;
        let temp = reader.rest();
        // Section 2.2.2.7: RespType and HiRespType are both 1.
        if reader.take_array("NTLMv2_CLIENT_CHALLENGE.RespType")? != [1, 1] {
            return Err(InvalidMessage::new(
                "NTLMv2_CLIENT_CHALLENGE.RespType",
                nt_proof_str.len(),
                InvalidMessageKind::BadValue,
            ));
        }
        let _reserved: [u8; 6] = reader.take_array("NTLMv2_CLIENT_CHALLENGE.Reserved1")?;
        let timestamp = reader.u64("NTLMv2_CLIENT_CHALLENGE.TimeStamp")?;
        let challenge_from_client =
            reader.take_array("NTLMv2_CLIENT_CHALLENGE.ChallengeFromClient")?;
        let _reserved: [u8; 4] = reader.take_array("NTLMv2_CLIENT_CHALLENGE.Reserved3")?;
        let av_pairs = AvPairs::decode_at(reader.rest(), reader.offset())?;
        Ok(Self {
            nt_proof_str,
            temp,
            timestamp,
            challenge_from_client,
            av_pairs,
        })
    }
}

impl fmt::Debug for Ntlmv2Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ntlmv2Response")
            .field("timestamp", &self.timestamp)
            .field("av_pairs", &self.av_pairs)
            .finish_non_exhaustive()
    }
}
