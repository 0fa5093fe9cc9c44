//! An endpoint in front of another that says 503 as often as it is told, and else passes bytes on.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Stops with the process.
pub(crate) struct Busy {
    address: SocketAddr,
    left: Arc<AtomicU32>,
    said: Arc<AtomicU32>,
}

const ANSWER: &str = "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 36\r\n\
                      Connection: close\r\n\r\n<Error><Code>SlowDown</Code></Error>";

impl Busy {
    /// In front of `http://host:port`.
    pub(crate) fn start(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let behind = url.strip_prefix("http://").unwrap().to_owned();
        let busy = Self {
            address: listener.local_addr().unwrap(),
            left: Arc::default(),
            said: Arc::default(),
        };
        let (left, said) = (Arc::clone(&busy.left), Arc::clone(&busy.said));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (behind, left, said) = (behind.clone(), Arc::clone(&left), Arc::clone(&said));
                // A connection that breaks is the client's to complain about.
                std::thread::spawn(move || serve(&client, &behind, &left, &said));
            }
        });
        busy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `times` requests get 503.
    pub(crate) fn refuse(&self, times: u32) {
        self.left.store(times, Ordering::SeqCst);
    }

    /// Answers of 503 so far.
    pub(crate) fn refused(&self) -> u32 {
        self.said.load(Ordering::SeqCst)
    }
}

/// One request, one answer, one connection to each side.
fn serve(client: &TcpStream, behind: &str, left: &AtomicU32, said: &AtomicU32) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut client = client;
    if left
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    {
        said.fetch_add(1, Ordering::SeqCst);
        return client.write_all(ANSWER.as_bytes());
    }
    let mut server = TcpStream::connect(behind)?;
    let head = head.trim_end();
    server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    server.write_all(&body)?;
    io::copy(&mut server, &mut client).map(drop)
}
