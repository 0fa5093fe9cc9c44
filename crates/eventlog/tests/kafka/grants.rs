//! Gives and takes access, as an administrator does: the two requests over the open listener,
//! because the client library has none for it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

const CREATE: i16 = 30;
const DELETE: i16 = 31;
const VERSION: i16 = 1;
const LITERAL: u8 = 3;
const ALL_OPERATIONS: u8 = 2;
const ALLOW: u8 = 3;

/// What access is given to.
#[derive(Clone, Copy)]
pub(crate) enum To<'a> {
    Topic(&'a str),
    Group(&'a str),
}

impl To<'_> {
    fn parts(self) -> (u8, String) {
        match self {
            Self::Topic(name) => (2, name.to_owned()),
            Self::Group(name) => (3, name.to_owned()),
        }
    }
}

/// Lets `user` do everything with it.
pub(crate) fn grant(bootstrap: &str, user: &str, to: To<'_>) {
    ask(bootstrap, CREATE, &entry(user, to));
}

/// Takes that back.
pub(crate) fn revoke(bootstrap: &str, user: &str, to: To<'_>) {
    ask(bootstrap, DELETE, &entry(user, to));
}

/// An array of one; an entry and a filter look alike.
fn entry(user: &str, to: To<'_>) -> Vec<u8> {
    let (kind, name) = to.parts();
    let mut body = 1_i32.to_be_bytes().to_vec();
    body.push(kind);
    text(&mut body, &name);
    body.push(LITERAL);
    text(&mut body, &format!("User:{user}"));
    text(&mut body, "*");
    body.extend([ALL_OPERATIONS, ALLOW]);
    body
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}

fn ask(bootstrap: &str, request: i16, body: &[u8]) {
    let mut frame = request.to_be_bytes().to_vec();
    frame.extend(VERSION.to_be_bytes());
    frame.extend(1_i32.to_be_bytes());
    text(&mut frame, "test");
    frame.extend(body);
    let mut stream = TcpStream::connect(bootstrap).unwrap();
    let length = u32::try_from(frame.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(&frame).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut answer).unwrap();
    // Correlation, throttle time, length of the array; then the first result's error code.
    let code = i16::from_be_bytes([answer[12], answer[13]]);
    assert_eq!(code, 0, "request {request} was refused");
}
