//! Packets of TCP, for conversations that no interface has carried.

use super::Record;
use crate::pair::Side;

/// The server's port; the client's is [`CLIENT_PORT`] and the number of its conversation.
pub const PORT: u16 = 3389;
pub const CLIENT_PORT: u16 = 40_000;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const FIN: u8 = 0x01;

/// One TCP connection for each record.
pub fn connections(records: &[&Record]) -> Vec<Vec<u8>> {
    let mut packets = Packets::default();
    for (port, record) in (CLIENT_PORT..).zip(records) {
        packets.connection(port, record);
    }
    packets.0
}

#[derive(Default)]
struct Packets(Vec<Vec<u8>>);

impl Packets {
    fn connection(&mut self, port: u16, record: &Record) {
        // What each side has sent of the sequence numbers' space.
        let mut sent = [0_u32; 2];
        let mut send = |from: Side, flags: u8, data: &[u8]| {
            let (own, other) = match from {
                Side::Client => (0, 1),
                Side::Server => (1, 0),
            };
            self.packet(from, port, [sent[own], sent[other]], flags, data);
            let counts = u32::from(flags & (SYN | FIN) != 0);
            sent[own] += u32::try_from(data.len()).unwrap() + counts;
        };
        send(Side::Client, SYN, &[]);
        send(Side::Server, SYN | ACK, &[]);
        send(Side::Client, ACK, &[]);
        for (from, octets) in record.wire() {
            for piece in octets.chunks(16_000) {
                send(from, ACK, piece);
            }
        }
        send(Side::Client, FIN | ACK, &[]);
        send(Side::Server, FIN | ACK, &[]);
    }

    /// Checksums are left out: nobody looks at them who is not told to.
    fn packet(&mut self, from: Side, port: u16, numbers: [u32; 2], flags: u8, data: &[u8]) {
        let length = u16::try_from(40 + data.len()).unwrap();
        let (source, destination) = match from {
            Side::Client => (port, PORT),
            Side::Server => (PORT, port),
        };
        let ip = [
            &[0x45, 0][..],
            &length.to_be_bytes(),
            &[0, 0, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1],
        ];
        let tcp = [
            &source.to_be_bytes()[..],
            &destination.to_be_bytes(),
            &numbers[0].to_be_bytes(),
            &numbers[1].to_be_bytes(),
            &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0],
        ];
        self.0
            .push([ip.concat(), tcp.concat(), data.to_vec()].concat());
    }
}
