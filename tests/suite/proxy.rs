//! A line between a client and a server that a test can stall or cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Passes bytes on until it is told otherwise.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    stalled: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Listens on a free port for clients of the server at `port`.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let state =
            Arc::new(State { stalled: AtomicBool::new(false), streams: Mutex::new(Vec::new()) });
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

    /// Ends every connection.
    pub fn cut(&self) {
        for stream in self.state.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn join(&self, client: TcpStream, server: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().unwrap();
        self.state.streams.lock().unwrap().extend([copy(&client), copy(&server)]);
        for (from, to) in [(copy(&client), copy(&server)), (server, client)] {
            let state = self.state.clone();
            thread::spawn(move || state.pass_on(from, to));
        }
    }
}

impl State {
    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while self.stalled.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
