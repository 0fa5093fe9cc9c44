//! A door before an S3 server: it lets connections through, or answers every request with 503.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// What S3 says when it has too much to do.
const SLOW_DOWN: &str =
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// Longest that a refused client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends with the process that made it.
pub(crate) struct Door {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    shut: AtomicBool,
    refused: AtomicU64,
    passing: Mutex<Vec<TcpStream>>,
}

impl Door {
    /// Before the server at `host:port`.
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, state) = (server.clone(), Arc::clone(&shared));
                // Errors of one connection are its client's to notice.
                thread::spawn(move || state.serve(client, &server));
            }
        });
        Self { address, state }
    }

    /// Where to knock, `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// From now on 503, also for the connections that were let through before.
    pub(crate) fn shut(&self) {
        self.state.shut.store(true, Ordering::SeqCst);
        for passing in self.state.passing.lock().unwrap().drain(..) {
            let _ = passing.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn open(&self) {
        self.state.shut.store(false, Ordering::SeqCst);
    }

    /// Requests answered with 503 so far.
    pub(crate) fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(&self, mut client: TcpStream, server: &str) -> io::Result<()> {
        if self.shut.load(Ordering::SeqCst) {
            read_request(&mut client)?;
            self.refused.fetch_add(1, Ordering::SeqCst);
            return write!(
                client,
                "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{SLOW_DOWN}",
                SLOW_DOWN.len()
            );
        }
        let server = TcpStream::connect(server)?;
        self.passing.lock().unwrap().push(client.try_clone()?);
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let there = thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let (mut from_server, mut to_client) = (server, client);
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = there.join();
        Ok(())
    }
}

/// Head and body: who is answered before it has sent all sees a broken connection instead.
fn read_request(client: &mut TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let (mut request, mut piece) = (Vec::new(), [0; 16_384]);
    loop {
        let read = client.read(&mut piece)?;
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let body = text[..head]
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if request.len() >= head + 4 + body {
                return Ok(());
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}
