//! `health`: a health check for containers that needs no other program in the image.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::complain;

/// Timeout to connect, and for each read. A service on the same machine answers fast or is broken.
const TIMEOUT: Duration = Duration::from_secs(2);

const EXPECTED: &[u8] = b"HTTP/1.1 200 ";

pub(crate) fn health(address: SocketAddr) -> ExitCode {
    let address = reachable(address);
    let why = match ask(address) {
        Ok(answer) if answer == EXPECTED => return ExitCode::SUCCESS,
        Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
        Err(error) => error.to_string(),
    };
    complain(&format!("ai-code-executor: {address} is not ready: {why}"));
    ExitCode::FAILURE
}

/// Replaces an unspecified address by the loopback address: a service that listens on all addresses listens on that
/// too.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Returns the beginning of the answer, of the same length as `EXPECTED`.
fn ask(address: SocketAddr) -> io::Result<[u8; EXPECTED.len()]> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; EXPECTED.len()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
