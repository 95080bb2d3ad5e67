//! What the two ends have no algorithm in common for.
//!
//! libssh2 says "unable to exchange encryption keys" of old servers and of
//! broken lines alike. One is a matter for the vendor and the other passes by
//! itself, so after a failed handshake the server is asked once more, in plain:
//! its first packet lists what it offers (RFC 4253, sections 4.2 and 7.1).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ssh2::MethodType;

/// More than any server's first words.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const SSH_MSG_KEXINIT: u8 = 20;
const COOKIE_BYTES: usize = 16;

/// A kind of algorithm that both ends must agree on.
pub(super) struct Kind {
    pub(super) ours: MethodType,
    name: &'static str,
}

/// The kinds, in the order of the server's lists.
pub(super) const KINDS: [Kind; 6] = [
    Kind { ours: MethodType::Kex, name: "key exchange" },
    Kind { ours: MethodType::HostKey, name: "host key" },
    Kind { ours: MethodType::CryptCs, name: "cipher" },
    Kind { ours: MethodType::CryptSc, name: "cipher" },
    Kind { ours: MethodType::MacCs, name: "integrity check (MAC)" },
    Kind { ours: MethodType::MacSc, name: "integrity check (MAC)" },
];

/// True of the algorithms that we offer, among those that libssh2 has: no CBC,
/// which leaks plain text; no certificates, since known_hosts lines hold keys.
/// The two extensions of the key exchange libssh2 adds by itself.
pub(super) fn is_ours(name: &str) -> bool {
    let leaks = name.contains("-cbc");
    let certificate = name.ends_with("-cert-v01@openssh.com");
    let extension = name.starts_with("ext-info-") || name.starts_with("kex-strict-");
    !leaks && !certificate && !extension
}

impl Kind {
    /// Returns a sentence if nothing of `theirs` is ours.
    pub(super) fn missing(&self, ours: &[&str], theirs: &[String]) -> Option<String> {
        let common = theirs.iter().any(|name| ours.contains(&name.as_str()));
        let (kind, theirs) = (self.name, theirs.join(", "));
        (!common).then(|| {
            format!(
                "no {kind} in common, the server has only {theirs}; ask the vendor for newer \
                 ones, or see \"Old servers\" in docs/servers.md"
            )
        })
    }
}

/// Asks a server what it offers; `None` if it does not say so in time.
pub(super) fn ask(server: &SocketAddr, limit: Duration) -> Option<Vec<Vec<String>>> {
    let end = Instant::now() + limit;
    let mut stream = TcpStream::connect_timeout(server, limit).ok()?;
    stream.write_all(b"SSH-2.0-hl7drop\r\n").ok()?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while answer.len() < ANSWER_BYTES_MAX {
        let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        stream.set_read_timeout(Some(left)).ok()?;
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        answer.extend_from_slice(&chunk[..count]);
        if let Some(lists) = lists(&answer) {
            return Some(lists);
        }
    }
    None
}

/// Reads the lists out of a server's first words, once they are all there.
fn lists(answer: &[u8]) -> Option<Vec<Vec<String>>> {
    let packet = after_greeting(answer)?;
    let (length, packet) = number(packet)?;
    let packet = packet.get(..length)?;
    // After the length of the padding: the message's number, then a cookie.
    if *packet.get(1)? != SSH_MSG_KEXINIT {
        return None;
    }
    let mut rest = packet.get(2 + COOKIE_BYTES..)?;
    let mut lists = Vec::new();
    for _ in KINDS {
        let (length, names) = number(rest)?;
        lists.push(names_of(names.get(..length)?));
        rest = &names[length..];
    }
    Some(lists)
}

/// Other lines may come before the one that greets.
fn after_greeting(mut answer: &[u8]) -> Option<&[u8]> {
    loop {
        let end = answer.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = answer.split_at(end + 1);
        if line.starts_with(b"SSH-") {
            return Some(rest);
        }
        answer = rest;
    }
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number) as usize, rest))
}

/// Names are ASCII; what else a server sends there does not get into a log.
fn names_of(list: &[u8]) -> Vec<String> {
    list.split(|byte| *byte == b',')
        .map(|name| name.iter().filter(|byte| byte.is_ascii_graphic()).take(64))
        .map(|name| name.map(|byte| char::from(*byte)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(lists: &[&str]) -> Vec<u8> {
        let mut packet = vec![0, SSH_MSG_KEXINIT];
        packet.extend([7; COOKIE_BYTES]);
        for list in lists {
            packet.extend((list.len() as u32).to_be_bytes());
            packet.extend(list.as_bytes());
        }
        let mut answer = b"welcome\r\nSSH-2.0-Old_1.0\r\n".to_vec();
        answer.extend((packet.len() as u32).to_be_bytes());
        answer.extend(packet);
        answer
    }

    #[test]
    fn what_an_old_server_offers_is_read_when_it_is_all_there() {
        let kex = "diffie-hellman-group14-sha1,diffie-hellman-group1-sha1";
        let answer = greeting(&[kex, "ssh-rsa", "3des-cbc", "3des-cbc", "hmac-sha1", "hmac-md5"]);
        for cut in 0..answer.len() {
            assert_eq!(lists(&answer[..cut]), None);
        }
        let theirs = lists(&answer).unwrap();
        assert_eq!(theirs[0].len(), 2);
        assert_eq!(theirs[5], ["hmac-md5"]);
        assert_eq!(
            KINDS[1].missing(&["rsa-sha2-512", "ssh-ed25519"], &theirs[1]).unwrap(),
            "no host key in common, the server has only ssh-rsa; ask the vendor for newer \
             ones, or see \"Old servers\" in docs/servers.md"
        );
        assert_eq!(KINDS[1].missing(&["ssh-rsa"], &theirs[1]), None);
    }

    #[test]
    fn what_is_not_ssh_offers_nothing() {
        assert_eq!(lists(b"220 ProFTPD Server ready.\r\n"), None);
        assert_eq!(lists(b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x14"), None);
        assert_eq!(lists(b"SSH-2.0-x\r\n\x00\x00\x00\x02\x00\x15"), None);
    }

    #[test]
    fn a_server_that_only_talks_is_left_and_one_that_offers_is_heard() {
        let kex = greeting(&["a", "b", "c", "d", "e", "f,g"]);
        let endless = b"welcome\r\n".repeat(ANSWER_BYTES_MAX);
        let halves = kex.split_at(kex.len() / 2);
        for (words, offered) in
            [(vec![halves.0, halves.1], Some(6)), (vec![&endless[..]], None), (vec![], None)]
        {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut stream, _) = listener.accept().unwrap();
                    // Who hears enough hangs up.
                    words.iter().all(|words| stream.write_all(words).is_ok())
                });
                let lists = ask(&address, Duration::from_secs(60));
                assert_eq!(lists.map(|lists| lists.len()), offered);
            });
        }
    }

    #[test]
    fn leaking_ciphers_and_certificates_are_not_ours() {
        assert!(!is_ours("aes256-cbc") && !is_ours("rijndael-cbc@lysator.liu.se"));
        assert!(!is_ours("ssh-ed25519-cert-v01@openssh.com") && !is_ours("ext-info-c"));
        assert!(is_ours("aes256-ctr") && is_ours("rsa-sha2-512"));
    }
}
