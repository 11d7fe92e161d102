use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::KdcClient;
use super::framing::{MAX_DATAGRAM, reply_len, with_length};
use super::search::{Outcome, Search, Step, Way};
use crate::kdc::{KdcReply, KdcRequest, KdcTransport};
use crate::stream::blocking::Timed;

impl KdcTransport for KdcClient {
    fn ask(&self, request: &KdcRequest, timeout: Option<Duration>) -> KdcReply {
        let mut search = Search::new(self, request, timeout);
        while let Some((step, timeout)) = search.next() {
            let outcome = self.perform(&step, request, timeout);
            if let Some(reply) = search.note(step, outcome, timeout) {
                return Ok(reply);
            }
        }
        search.unreachable()
    }
}

impl KdcClient {
    fn perform(&self, step: &Step, request: &KdcRequest, timeout: Duration) -> io::Result<Outcome> {
        let message = &request.message;
        let Step::Ask { address, way } = step else {
            return Ok(Outcome::Located(self.location(&request.realm)()));
        };
        match way {
            Way::Resolve { host, port } => resolve(host, *port, timeout).map(Outcome::Resolved),
            Way::Tcp { to } => ask_over_tcp(*to, message, timeout).map(Outcome::Reply),
            Way::Udp { to, .. } => ask_over_udp(*to, message, timeout).map(Outcome::Reply),
            Way::Proxy => self.proxy_call(address, request, timeout)().map(Outcome::Reply),
        }
    }
}

/// The system's resolver knows no time limit, so that it gets a thread of its own.
fn resolve(host: &str, port: u16, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
    let host = host.to_owned();
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let found = (&*host, port).to_socket_addrs().map(Vec::from_iter);
        // Nobody waits any more where that took too long.
        let _ = sender.send(found);
    })?;
    receiver
        .recv_timeout(timeout)
        .map_err(|_| io::ErrorKind::TimedOut)?
}

fn ask_over_tcp(to: SocketAddr, message: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
    let began = Instant::now();
    let message = with_length(message)?;
    let stream = TcpStream::connect_timeout(&to, timeout)?;
    let mut stream = Timed::new(stream, timeout.saturating_sub(began.elapsed()))?;
    stream.write_all(&message)?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let mut reply = vec![0; reply_len(prefix)?];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

fn ask_over_udp(to: SocketAddr, message: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
    let socket = match to {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
    }?;
    // From then on the system drops what comes from elsewhere.
    socket.connect(to)?;
    socket.set_read_timeout(Some(timeout))?;
    socket.send(message)?;
    let mut reply = vec![0; MAX_DATAGRAM];
    let length = socket.recv(&mut reply)?;
    reply.truncate(length);
    Ok(reply)
}
