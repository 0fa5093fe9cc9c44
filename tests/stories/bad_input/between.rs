//! Stands between a client and an engine, and changes how they begin.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Takes what a client says first, and gives what the engine is to hear instead.
type Begin = fn(&mut TcpStream) -> io::Result<Vec<u8>>;

/// A port of `localhost` before the engine at `host:port`. Ends with the process.
pub(super) fn before(engine: &str, begin: Begin) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let engine = engine.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = engine.clone();
            // Errors of a connection are its client's to notice.
            thread::spawn(move || pass_on(client, &engine, begin));
        }
    });
    address.port()
}

fn pass_on(mut client: TcpStream, engine: &str, begin: Begin) -> io::Result<()> {
    let first = begin(&mut client)?;
    let mut server = TcpStream::connect(engine)?;
    server.write_all(&first)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    io::copy(&mut from, &mut to)?;
    to.shutdown(std::net::Shutdown::Both)
}

/// As PostgreSQL, which is asked whether it speaks TLS before it does: yes.
pub(super) fn asked_for_tls(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    client.read_exact(&mut [0; 8])?;
    client.write_all(b"S")?;
    Ok(Vec::new())
}

/// As a registry of its own: a group of subjects that nobody else asks for. One request a connection.
pub(super) fn in_a_group(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        said.push(byte[0]);
    }
    let group = std::process::id();
    said.extend(format!("X-Registry-GroupId: changed-{group}\r\nConnection: close\r\n").bytes());
    Ok(said)
}
