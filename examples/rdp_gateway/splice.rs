//! Two connections that become one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{self, Instant};

/// How long an end that was told of the other's end may take over it.
const FAREWELL: Duration = Duration::from_secs(1);

/// What has been passed on.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// In octets, as the next one.
    pub(crate) to_target: AtomicU64,
    pub(crate) to_client: AtomicU64,
    since: Instant,
    /// When anything was, in milliseconds after `since`.
    last: AtomicU64,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self {
            to_target: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            since: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    pub(crate) fn count(&self, direction: &AtomicU64, octets: usize) {
        direction.fetch_add(octets.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        let now = self.since.elapsed().as_millis();
        self.last
            .store(now.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.since + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Client,
    Target,
    Idle,
}

/// Passes on what either end says, until one of them closes the connection, which closes the other one too: Remote Desktop
/// has no use for half a connection.
pub(crate) async fn splice<C, T>(
    client: C,
    target: T,
    idle_timeout: Option<Duration>,
    traffic: &Traffic,
) -> End
where
    C: AsyncRead + AsyncWrite,
    T: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = io::split(client);
    let (mut from_target, mut to_target) = io::split(target);
    let end = tokio::select! {
        end = pump(&mut from_client, &mut to_target, traffic, &traffic.to_target) => match end {
            PumpEnd::Source => End::Client,
            PumpEnd::Sink => End::Target,
        },
        end = pump(&mut from_target, &mut to_client, traffic, &traffic.to_client) => match end {
            PumpEnd::Source => End::Target,
            PumpEnd::Sink => End::Client,
        },
        () = idle(idle_timeout, traffic) => End::Idle,
    };
    farewell(async { tokio::join!(to_client.shutdown(), to_target.shutdown()) }).await;
    end
}

/// Tells of the end, for no longer than [`FAREWELL`]: who reads no more does not hear it.
pub(crate) async fn farewell<T>(shutdown: impl Future<Output = T>) {
    let _ = time::timeout(FAREWELL, shutdown).await;
}

enum PumpEnd {
    Source,
    Sink,
}

/// One direction. That an end closes its connection without TLS's farewell is the rule in Remote Desktop, and no error.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    traffic: &Traffic,
    direction: &AtomicU64,
) -> PumpEnd {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        buffer.clear();
        let length = match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return PumpEnd::Source,
            Ok(length) => length,
        };
        if to.write_all(&buffer).await.is_err() || to.flush().await.is_err() {
            return PumpEnd::Sink;
        }
        traffic.count(direction, length);
    }
}

/// Ends once nothing has been passed on for the whole of `timeout`.
async fn idle(timeout: Option<Duration>, traffic: &Traffic) {
    let Some(timeout) = timeout else {
        return std::future::pending().await;
    };
    loop {
        let over = traffic.last() + timeout;
        if over <= Instant::now() {
            return;
        }
        time::sleep_until(over).await;
    }
}
