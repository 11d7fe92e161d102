use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::task::spawn_blocking;
use tokio::time;

use super::KdcClient;
use super::framing::{MAX_DATAGRAM, reply_len, with_length};
use super::search::{Outcome, Search, Step, Way};
use crate::kdc::{AsyncKdcTransport, KdcReply, KdcRequest};

impl AsyncKdcTransport for KdcClient {
    /// Needs a runtime whose I/O and timers are enabled. Proxies and locators run among the runtime's blocking tasks.
    fn ask<'a>(
        &'a self,
        request: &'a KdcRequest,
    ) -> Pin<Box<dyn Future<Output = KdcReply> + Send + 'a>> {
        Box::pin(async move {
            let mut search = Search::new(self, request, None);
            while let Some((step, timeout)) = search.next() {
                let outcome = time::timeout(timeout, self.perform_async(&step, request, timeout))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                if let Some(reply) = search.note(step, outcome, timeout) {
                    return Ok(reply);
                }
            }
            search.unreachable()
        })
    }
}

impl KdcClient {
    async fn perform_async(
        &self,
        step: &Step,
        request: &KdcRequest,
        timeout: Duration,
    ) -> io::Result<Outcome> {
        let message = &request.message;
        let Step::Ask { address, way } = step else {
            return Ok(Outcome::Located(
                spawn_blocking(self.location(&request.realm)).await?,
            ));
        };
        match way {
            Way::Resolve { host, port } => {
                let found = lookup_host((&**host, *port)).await?;
                Ok(Outcome::Resolved(found.collect()))
            }
            Way::Tcp { to } => ask_over_tcp(*to, message).await.map(Outcome::Reply),
            Way::Udp { to, .. } => ask_over_udp(*to, message).await.map(Outcome::Reply),
            Way::Proxy => spawn_blocking(self.proxy_call(address, request, timeout))
                .await?
                .map(Outcome::Reply),
        }
    }
}

async fn ask_over_tcp(to: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let message = with_length(message)?;
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&message).await?;
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let mut reply = vec![0; reply_len(prefix)?];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}

async fn ask_over_udp(to: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let socket = match to {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await,
    }?;
    // From then on the system drops what comes from elsewhere.
    socket.connect(to).await?;
    socket.send(message).await?;
    let mut reply = vec![0; MAX_DATAGRAM];
    let length = socket.recv(&mut reply).await?;
    reply.truncate(length);
    Ok(reply)
}
