use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use serde_json::{Map, Value};

use super::tshark::{RAW_IP, pcap};

/// Whole connections for tshark to read, and the keys of the TLS in them.
pub struct Capture {
    folder: PathBuf,
}

impl Capture {
    /// Of packets that begin with IP, and a text in the NSS key log format.
    pub fn of_ip(packets: &[Vec<u8>], keys: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("tshark-{}-{number}", process::id()));
        fs::create_dir(&folder).expect("a folder");
        let capture = pcap(RAW_IP, packets);
        fs::write(folder.join("capture.pcap"), capture).expect("written");
        fs::write(folder.join("keys"), keys).expect("written");
        Self { folder }
    }

    /// Each packet that `filter` shows, in order, with those of the `fields` that it has. `port` is taken for `protocol`;
    /// options of tshark's own can follow.
    ///
    /// # Panics
    /// If it could not run, or says other than JSON.
    pub fn show(
        &self,
        port: u16,
        protocol: &str,
        filter: &str,
        fields: &[&str],
        options: &[&str],
    ) -> Vec<Packet> {
        let keys = format!("tls.keylog_file:{}", self.path("keys").display());
        let output = Command::new("/usr/bin/tshark")
            // What it thinks of the user's settings is out of the question.
            .env("HOME", &self.folder)
            .arg("-2r")
            .arg(self.path("capture.pcap"))
            .args(["-n", "-o", &keys, "-d"])
            .arg(format!("tcp.port=={port},{protocol}"))
            .args(["-Y", filter, "-T", "json"])
            .args(fields.iter().flat_map(|field| ["-e", field]))
            .args(options)
            .stdin(Stdio::null())
            .output()
            .expect("tshark");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        let packets: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let layers = |packet: &Value| packet["_source"]["layers"].as_object().cloned();
        packets
            .iter()
            .map(|packet| Packet(layers(packet).unwrap_or_default()))
            .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(&self.folder, name)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The fields of a packet, as tshark writes them.
#[derive(Debug)]
pub struct Packet(Map<String, Value>);

impl Packet {
    /// Each value of a field.
    pub fn all(&self, field: &str) -> Vec<&str> {
        let values = self.0.get(field).and_then(Value::as_array);
        values
            .into_iter()
            .flatten()
            .map(|value| value.as_str().expect("a text"))
            .collect()
    }

    /// The only value of a field, if it is there.
    #[track_caller]
    pub fn one(&self, field: &str) -> Option<&str> {
        let all = self.all(field);
        assert!(all.len() < 2, "{field}: {all:?}");
        all.first().copied()
    }

    /// That of a field of octets.
    #[track_caller]
    pub fn octets(&self, field: &str) -> Option<String> {
        self.one(field).map(|octets| octets.replace(':', ""))
    }
}
