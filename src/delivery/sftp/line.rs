//! The TCP connection and the SSH session on it.
//!
//! libssh2 has a time limit a call, which every step sets; and it waits once
//! more when its values are dropped. So the line keeps a second handle on the
//! socket and shuts it before that: a line that broke is left at once.

use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use libssh2_sys as raw;
use ssh2::{BlockDirections, ErrorCode, MethodType, Session};

use super::host_key::{self, KnownHosts};
use super::{Limits, offer};
use crate::crashpoint::crashpoint;
use crate::delivery::{DeliveryError, Result};
use crate::domain;

/// libssh2 says it of lines that broke and of ends with nothing in common.
const KEX_FAILURE: ErrorCode = ErrorCode::Session(raw::LIBSSH2_ERROR_KEX_FAILURE);

/// libssh2 would have to wait.
const AGAIN: ErrorCode = ErrorCode::Session(raw::LIBSSH2_ERROR_EAGAIN);

/// An SSH session with a server whose host key is known.
pub(super) struct Line {
    pub(super) session: Session,
    /// `host:port`.
    pub(super) server: String,
    /// `SHA256:...`.
    pub(super) fingerprint: String,
    pub(super) limits: Limits,
    stream: TcpStream,
    broken: Cell<bool>,
}

impl Line {
    /// Connects, agrees on algorithms, and checks the host key.
    ///
    /// # Errors
    /// [`DeliveryError`]: unreachable, lost, handshake, host key.
    pub(super) fn connect(to: &domain::Sftp, limits: Limits) -> Result<Line> {
        let (mut line, known_hosts) = Line::greet(to, limits, None)?;
        line.fingerprint = known_hosts.check(&line.server, &line.host_key())?;
        Ok(line)
    }

    /// Connects and agrees on algorithms, with a host key of one kind if `only` names
    /// it. Nothing may be sent before the key is checked.
    ///
    /// # Errors
    /// [`DeliveryError`]: unreachable, lost, handshake.
    pub(super) fn greet(
        to: &domain::Sftp,
        limits: Limits,
        only: Option<&str>,
    ) -> Result<(Line, KnownHosts)> {
        let server = address(&to.host, to.port);
        let stream = dial(&to.host, to.port, &server, limits.connect)?;
        let unreachable =
            |err: io::Error| DeliveryError::Unreachable { server: server.clone(), what: text(err) };
        let for_session = stream.try_clone().map_err(unreachable)?;
        let mut session = Session::new().map_err(|err| unreachable(err.into()))?;
        session.set_tcp_stream(for_session);
        let fingerprint = String::new();
        let broken = Cell::new(false);
        let mut line = Line { session, server, fingerprint, limits, stream, broken };
        line.limit(limits.request);

        let known_hosts = KnownHosts::read(&to.known_hosts, &to.host, to.port, &line.session)?;
        line.prefer(&known_hosts, only)?;
        line.handshake()?;
        Ok((line, known_hosts))
    }

    /// Returns the key that the server showed.
    pub(super) fn host_key(&self) -> Vec<u8> {
        self.session.host_key().map(|(key, _)| key.to_vec()).unwrap_or_default()
    }

    /// Bounds each following call.
    pub(super) fn limit(&self, time: Duration) {
        self.session.set_timeout(time.as_millis().clamp(1, u128::from(u32::MAX)) as u32);
    }

    /// Sends a request and does not wait for its answer. What is under way gives `None`, and
    /// the same call made again waits for it: libssh2 remembers one request of each kind for
    /// an SFTP session (open, stat, rename) or file (write, sync, size, close), so several
    /// kinds share a round trip, and no kind may be under way twice. `None` may also be of one
    /// that is not sent yet; so nobody may rely on the order of two, and where the answers
    /// depend on it they must show it. Where the server asks for new keys just then, the line
    /// may get out of step and is lost, as by any other break.
    pub(super) fn begin<T>(
        &self,
        request: impl FnOnce() -> std::result::Result<T, ssh2::Error>,
    ) -> Option<std::result::Result<T, ssh2::Error>> {
        // A request that is half sent must be sent on before another one.
        if matches!(
            self.session.block_directions(),
            BlockDirections::Outbound | BlockDirections::Both
        ) {
            return None;
        }
        self.session.set_blocking(false);
        let done = request();
        self.session.set_blocking(true);
        done.map_or_else(|err| (err.code() != AGAIN).then_some(Err(err)), |done| Some(Ok(done)))
    }

    /// Ends the line, and says in which step that was.
    pub(super) fn lost(&self, step: &'static str, what: impl ToString) -> DeliveryError {
        self.broken.set(true);
        // It may be shut already.
        let _ = self.stream.shutdown(Shutdown::Both);
        DeliveryError::Lost { server: self.server.clone(), step, what: what.to_string() }
    }

    /// Marks a place at which a test may break the line.
    pub(super) fn point(&self, name: &str, step: &'static str) -> Result<()> {
        crashpoint(name).map_err(|err| self.lost(step, err))
    }

    /// Orders and thins out what we offer. What is left out is never agreed on.
    fn prefer(&self, known_hosts: &KnownHosts, only: Option<&str>) -> Result<()> {
        for kind in offer::KINDS {
            let offered = self.offered(kind.ours)?;
            let order = match kind.ours {
                MethodType::HostKey => {
                    let mut order = known_hosts.pinned_first(offered);
                    order.retain(|name| {
                        only.is_none_or(|only| host_key::kind_of_algorithm(name) == only)
                    });
                    order
                }
                _ => offered,
            };
            self.session
                .method_pref(kind.ours, &order.join(","))
                .map_err(|err| self.lost("open a session", err.message()))?;
        }
        Ok(())
    }

    fn offered(&self, kind: MethodType) -> Result<Vec<&'static str>> {
        let all = self.session.supported_algs(kind);
        let mut all = all.map_err(|err| self.lost("open a session", err.message()))?;
        all.retain(|name| offer::is_ours(name));
        Ok(all)
    }

    fn handshake(&mut self) -> Result<()> {
        let peer = self.stream.peer_addr();
        let Err(err) = self.session.handshake() else { return Ok(()) };
        let lost = self.lost("open a session", err.message());
        let (KEX_FAILURE, Ok(peer)) = (err.code(), peer) else { return Err(lost) };
        let theirs = offer::ask(&peer, self.limits.connect).unwrap_or_default();
        for (kind, theirs) in offer::KINDS.iter().zip(theirs) {
            if let Some(what) = kind.missing(&self.offered(kind.ours)?, &theirs) {
                return Err(DeliveryError::Handshake { server: self.server.clone(), what });
            }
        }
        Err(lost)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.broken.get() {
            self.limit(Duration::from_secs(1));
            // A courtesy: the server logs an end instead of a break.
            let _ = self.session.disconnect(None, "done", None);
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Returns `host:port`, an IPv6 address in brackets.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Connects to the first of a host's addresses that answers.
fn dial(host: &str, port: u16, server: &str, limit: Duration) -> Result<TcpStream> {
    let unreachable = |what| DeliveryError::Unreachable { server: server.to_string(), what };
    crashpoint("sftp.connect").map_err(|err| unreachable(text(err)))?;
    let addresses = addresses(host, port, limit).map_err(|err| unreachable(text(err)))?;
    let mut last = "the name has no address".to_string();
    for address in addresses {
        match connect(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(err) => last = text(err),
        }
    }
    Err(unreachable(last))
}

/// Returns a host's addresses. The system's resolver has no time limit of its own that
/// we could set, so it is asked apart; a thread that hangs ends with the process.
pub(super) fn addresses(host: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    let (done, found) = mpsc::channel();
    let host = host.to_string();
    thread::Builder::new().name("resolver".to_string()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs();
        // Nobody listens any more to one that took too long.
        let _ = done.send(found.map(Iterator::collect));
    })?;
    found
        .recv_timeout(limit)
        .unwrap_or_else(|_| Err(io::Error::other("the name server does not answer in time")))
}

fn connect(address: &SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, limit)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns the system's words in the house's case.
fn text(err: io::Error) -> String {
    match err.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_string(),
        io::ErrorKind::TimedOut => "no answer in time".to_string(),
        _ => err.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::PathBuf;

    use super::*;
    use crate::domain::{Again, Login};

    fn to(port: u16) -> domain::Sftp {
        let login = Login { key_file: None, passphrase: None, password: None };
        let known_hosts = PathBuf::from("/nonexistent/known_hosts");
        let (host, user) = ("127.0.0.1".to_string(), "practice".to_string());
        domain::Sftp { host, port, user, login, known_hosts, folder: "inbound".to_string() }
    }

    fn soon() -> Limits {
        let short = Duration::from_millis(200);
        Limits { connect: short, request: short, login: short }
    }

    #[test]
    fn a_port_that_nobody_listens_on_is_unreachable_for_now() {
        let err = Line::connect(&to(1), soon()).err().unwrap();
        let said = "cannot reach 127.0.0.1:1: connection refused; check host, port and firewall";
        assert_eq!((err.to_string().as_str(), err.again()), (said, Again::Later));
    }

    #[test]
    fn a_name_without_an_address_is_unreachable() {
        let to = domain::Sftp { host: "no-such-host.invalid".to_string(), ..to(22) };
        let err = Line::connect(&to, soon()).err().unwrap();
        assert!(matches!(err, DeliveryError::Unreachable { .. }), "{err}");
    }

    #[test]
    fn a_server_that_never_says_a_word_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let err = Line::connect(&to(port), soon()).err().unwrap();
        assert!(matches!(err, DeliveryError::Lost { .. }), "{err}");
    }

    #[test]
    fn a_port_that_swallows_what_it_gets_is_told_in_plain_words() {
        assert_eq!(text(io::ErrorKind::TimedOut.into()), "no answer in time");
        assert_eq!(text(io::Error::other("The cable")), "The cable");
    }

    #[test]
    fn an_ipv6_address_is_told_in_brackets() {
        assert_eq!(address("::1", 22), "[::1]:22");
        assert_eq!(address("sftp.vendor.example", 2222), "sftp.vendor.example:2222");
    }
}
