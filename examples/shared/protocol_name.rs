//! Names of Remote Desktop's security protocols.

use credssp::rdp;

/// As MS-RDPBCGR names it.
pub(crate) fn protocol_name(protocol: rdp::Protocol) -> &'static str {
    match protocol {
        rdp::Protocol::HybridEx => "PROTOCOL_HYBRID_EX",
        _ => "PROTOCOL_HYBRID",
    }
}
