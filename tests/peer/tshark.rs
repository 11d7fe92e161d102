use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The link types of capture files: one that the user gives a meaning, and IP without anything below it.
const USER0: u32 = 147;
pub(super) const RAW_IP: u32 = 101;

/// A field that tshark has found.
#[derive(Clone, Debug)]
pub struct Dissected {
    pub name: String,
    /// Where it stands in the message, and how many octets it has.
    pub offset: usize,
    pub length: usize,
    /// As people read it.
    pub show: String,
    /// Its octets in hexadecimal; of parts of an octet their number.
    pub value: String,
}

/// Dissects TSRequests: the fields of each; with a keytab, those of what it opens by Kerberos too.
pub fn dissect_ts_requests(messages: &[Vec<u8>], keytab: Option<&str>) -> Vec<Vec<Dissected>> {
    let meaning = r#"uat:user_dlts:"User 0 (DLT=147)","credssp","0","","0","""#;
    let file = keytab.map(|keytab| format!("kerberos.file:{keytab}"));
    let mut options = vec!["-o", meaning];
    if let Some(file) = &file {
        options.extend(["-o", "kerberos.decrypt:TRUE", "-o", file]);
    }
    dissect(USER0, messages, &options, 0)
}

/// Dissects messages to (`true`) and from KDCs: the fields of each.
pub fn dissect_kerberos(messages: &[(bool, Vec<u8>)]) -> Vec<Vec<Dissected>> {
    const HEADERS: usize = 28;
    let packet = |(to_kdc, message): &(bool, Vec<u8>)| {
        let ports: [u16; 2] = if *to_kdc { [50_000, 88] } else { [88, 50_000] };
        let length = u16::try_from(message.len() + HEADERS).expect("a short message");
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        packet.extend((length - 20).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(message);
        packet
    };
    let packets: Vec<_> = messages.iter().map(packet).collect();
    dissect(RAW_IP, &packets, &[], HEADERS)
}

/// Dissects packets, of which the first `skip` octets are not counted.
fn dissect(link: u32, packets: &[Vec<u8>], options: &[&str], skip: usize) -> Vec<Vec<Dissected>> {
    let path = capture(link, packets);
    let output = Command::new("/usr/bin/tshark")
        .args(["-n", "-T", "pdml", "-r"])
        .arg(&path)
        .args(options)
        .stdin(Stdio::null())
        .output()
        .expect("tshark runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    fs::remove_file(path).expect("its file is there");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let found: Vec<_> = text
        .split("<packet>")
        .skip(1)
        .map(|packet| {
            packet
                .lines()
                .filter_map(|line| field(line, skip))
                .collect()
        })
        .collect();
    assert_eq!(found.len(), packets.len(), "{complaints}");
    found
}

/// A field of PDML, which has a line of its own. The headers' fields lie before what counts.
fn field(line: &str, skip: usize) -> Option<Dissected> {
    let line = line.trim_start().strip_prefix("<field ")?;
    let attribute = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.replace("&amp;", "&"))
    };
    let number = |name: &str| attribute(name)?.parse::<usize>().ok();
    Some(Dissected {
        name: attribute("name")?,
        offset: number(" pos")?.checked_sub(skip)?,
        length: number(" size")?,
        show: attribute(" show").unwrap_or_default(),
        value: attribute(" value").unwrap_or_default(),
    })
}

/// A capture file (draft-ietf-opsawg-pcap) in which each packet was seen whole.
pub(super) fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(262_144_u32.to_le_bytes());
    file.extend(link.to_le_bytes());
    for packet in packets {
        let length = u32::try_from(packet.len()).expect("a short packet");
        file.extend([0; 8]);
        file.extend(length.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend(packet);
    }
    file
}

fn capture(link: u32, packets: &[Vec<u8>]) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("credssp-{}-{number}.pcap", std::process::id());
    let path = env::temp_dir().join(name);
    fs::write(&path, pcap(link, packets)).expect("a file");
    path
}
