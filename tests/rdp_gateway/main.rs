//! The example program `rdp_gateway`: between FreeRDP's two ends, and between ours.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // in what the tests share

mod connect_pdu;
mod freerdp;
#[path = "../loopback/mod.rs"]
mod loopback;
mod misbehaviour;
#[path = "../pair/mod.rs"]
mod pair;
#[path = "../peer/mod.rs"]
mod peer;
#[expect(dead_code, reason = "the tests of the other programs use more of it")]
#[path = "../examples/programs.rs"]
mod programs;
#[path = "../remote_desktop/mod.rs"]
mod remote_desktop;
mod session;
