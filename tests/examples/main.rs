//! The example programs, run as their users run them.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // in what the tests share

mod command_line;
mod connection;
mod decode;
#[cfg(feature = "tokio")]
mod doctor;
mod kerberos;
mod logon;
mod loopback;
#[path = "../peer/mod.rs"]
mod peer;
mod programs;
mod rdp;
mod secrets;
mod trust;
