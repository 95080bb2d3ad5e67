//! A line between a client and a server that a test can stall or cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    ToServer,
    ToClient,
}

/// Passes bytes on until it is told otherwise.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    stalled: AtomicBool,
    /// Bytes that may still pass, by [`Way`]; the next one stalls.
    stalls: [AtomicU64; 2],
    /// Bytes that may still pass, by [`Way`]; the next one cuts.
    left: [AtomicU64; 2],
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port for clients of the server at `port`.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            stalled: AtomicBool::new(false),
            stalls: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
            left: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
            streams: Mutex::new(Vec::new()),
        });
        let proxy = Proxy { port: own, state };
        let accepting = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                accepting.join(client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            }
        });
        proxy
    }

    /// Keeps the connections open and passes nothing more on.
    pub fn stall(&self) {
        self.state.stalled.store(true, Ordering::SeqCst);
    }

    /// Stalls once so many more bytes went one way.
    pub fn stall_after(&self, bytes: u64, way: Way) {
        self.state.stalls[way as usize].store(bytes, Ordering::SeqCst);
    }

    /// True while it passes nothing on.
    pub fn is_stalled(&self) -> bool {
        self.state.stalled.load(Ordering::SeqCst)
    }

    /// Passes bytes on again.
    pub fn go_on(&self) {
        self.state.stalls.iter().for_each(|stall| stall.store(u64::MAX, Ordering::SeqCst));
        self.state.stalled.store(false, Ordering::SeqCst);
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.state.cut();
    }

    /// Ends every connection once so many more bytes went one way; connections
    /// made after that are left alone.
    pub fn cut_after(&self, bytes: u64, way: Way) {
        self.state.left[way as usize].store(bytes, Ordering::SeqCst);
    }

    fn join(&self, client: TcpStream, server: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().unwrap();
        self.state.streams.lock().unwrap().extend([copy(&client), copy(&server)]);
        let there = (copy(&client), copy(&server), Way::ToServer);
        for (from, to, way) in [there, (server, client, Way::ToClient)] {
            let state = self.state.clone();
            thread::spawn(move || state.pass_on(from, to, way));
        }
    }
}

impl State {
    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream, way: Way) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            self.count_down(count as u64, way);
            while self.stalled.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            let left = &self.left[way as usize];
            let may = left.load(Ordering::SeqCst);
            let pass = may.min(count as u64) as usize;
            if to.write_all(&buffer[..pass]).is_err() {
                break;
            }
            if pass < count {
                left.store(u64::MAX, Ordering::SeqCst);
                self.cut();
                break;
            }
            if may < u64::MAX {
                left.store(may - pass as u64, Ordering::SeqCst);
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    fn count_down(&self, count: u64, way: Way) {
        let stall = &self.stalls[way as usize];
        let may = stall.load(Ordering::SeqCst);
        if may < u64::MAX {
            stall.store(may.saturating_sub(count), Ordering::SeqCst);
            if may < count {
                self.stalled.store(true, Ordering::SeqCst);
            }
        }
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
