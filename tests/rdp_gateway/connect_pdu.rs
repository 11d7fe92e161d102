//! MCS Connect Initial and Connect Response as IronRDP writes and reads them.

use std::io::Read;

use credssp::rdp::{Protocol, Protocols};
use ironrdp_core::{decode, encode_vec};
use ironrdp_pdu::gcc::{
    ClientCoreData, ClientCoreOptionalData, ClientEarlyCapabilityFlags, ClientGccBlocks,
    ClientSecurityData, ColorDepth, ConferenceCreateResponse, ConnectionType, EncryptionLevel,
    EncryptionMethod, HighColorDepth, KeyboardType, RdpVersion, SecureAccessSequence,
    ServerCoreData, ServerCoreOptionalData, ServerGccBlocks, ServerNetworkData, ServerSecurityData,
    SupportedColorDepths,
};
use ironrdp_pdu::mcs::{ConnectInitial, ConnectResponse, DomainParameters};
use ironrdp_pdu::nego::SecurityProtocol;
use ironrdp_pdu::x224::{X224, X224Data};

/// What a client says first behind NLA.
pub(crate) fn connect_initial(selected: Option<Protocol>) -> Vec<u8> {
    let core = ClientCoreData {
        version: RdpVersion::V5_PLUS,
        desktop_width: 1024,
        desktop_height: 768,
        color_depth: ColorDepth::Bpp8,
        sec_access_sequence: SecureAccessSequence::Del,
        keyboard_layout: 0x409,
        client_build: 2600,
        client_name: "client".into(),
        keyboard_type: KeyboardType::IbmEnhanced,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        ime_file_name: String::new(),
        optional_data: match selected {
            None => ClientCoreOptionalData::default(),
            Some(selected) => ClientCoreOptionalData {
                post_beta2_color_depth: Some(ColorDepth::Bpp8),
                client_product_id: Some(1),
                serial_number: Some(0),
                high_color_depth: Some(HighColorDepth::Bpp24),
                supported_color_depths: Some(SupportedColorDepths::BPP24),
                early_capability_flags: Some(ClientEarlyCapabilityFlags::empty()),
                dig_product_id: Some(String::new()),
                connection_type: Some(ConnectionType::Lan),
                server_selected_protocol: SecurityProtocol::from_bits(selected.to_u32()),
                ..ClientCoreOptionalData::default()
            },
        },
    };
    let blocks = ClientGccBlocks {
        core,
        security: ClientSecurityData {
            encryption_methods: EncryptionMethod::empty(),
            ext_encryption_methods: 0,
        },
        network: None,
        cluster: None,
        monitor: None,
        message_channel: None,
        multi_transport_channel: None,
        monitor_extended: None,
    };
    framed(encode_vec(&ConnectInitial::with_gcc_blocks(blocks).unwrap()).unwrap())
}

/// What a server answers.
pub(crate) fn connect_response(requested: Option<Protocols>) -> Vec<u8> {
    let blocks = ServerGccBlocks {
        core: ServerCoreData {
            version: RdpVersion::V5_PLUS,
            optional_data: ServerCoreOptionalData {
                client_requested_protocols: requested
                    .map(|requested| SecurityProtocol::from_bits(requested.bits()).unwrap()),
                early_capability_flags: None,
            },
        },
        network: ServerNetworkData {
            channel_ids: vec![],
            io_channel: 1003,
        },
        security: ServerSecurityData {
            encryption_method: EncryptionMethod::empty(),
            encryption_level: EncryptionLevel::None,
            server_random: None,
            server_cert: vec![],
        },
        message_channel: None,
        multi_transport_channel: None,
    };
    let response = ConnectResponse {
        conference_create_response: ConferenceCreateResponse::new(1002, blocks).unwrap(),
        called_connect_id: 0,
        domain_parameters: DomainParameters::target(),
    };
    framed(encode_vec(&response).unwrap())
}

/// `serverSelectedProtocol` of a client's message.
pub(crate) fn selected(message: &[u8]) -> Option<u32> {
    let data: X224<X224Data<'_>> = decode(message).unwrap();
    let initial: ConnectInitial = decode(&data.0.data).unwrap();
    let core = &initial.conference_create_request.gcc_blocks().core;
    let selected = core.optional_data.server_selected_protocol;
    selected.map(|selected| selected.bits())
}

/// `clientRequestedProtocols` of a server's message.
pub(crate) fn requested(message: &[u8]) -> Option<u32> {
    let data: X224<X224Data<'_>> = decode(message).unwrap();
    let response: ConnectResponse = decode(&data.0.data).unwrap();
    let core = &response.conference_create_response.gcc_blocks().core;
    let requested = core.optional_data.client_requested_protocols;
    requested.map(|requested| requested.bits())
}

/// Reads one message in its frame.
pub(crate) fn read(from: &mut impl Read) -> Vec<u8> {
    let mut message = vec![0; 4];
    from.read_exact(&mut message).unwrap();
    let length = u16::from_be_bytes([message[2], message[3]]);
    message.resize(length.into(), 0);
    from.read_exact(&mut message[4..]).unwrap();
    message
}

fn framed(data: Vec<u8>) -> Vec<u8> {
    encode_vec(&X224(X224Data { data: data.into() })).unwrap()
}
