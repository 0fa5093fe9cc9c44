//! Is there room for state, and are the ports of `weir` free?

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use weir_lifecycle::{admin, ports};

use super::{Finding, Site};

const MIB: u64 = 1 << 20;
/// Less free room than this fails, MiB.
const TOO_LITTLE: u64 = 256;
/// Less than this is told, MiB.
const LITTLE: u64 = 2_048;
/// The page, gRPC, the embedded broker: as `weir` listens where no flag says otherwise.
const PORTS: [u16; 3] = [8080, 50051, 9092];

/// The admin port of each service.
const ADMIN: [(u16, &str); 5] = [
    (9101, "weir-ingest"),
    (9102, "weir-conflict-detector"),
    (9103, "weir-feature-materializer"),
    (9104, "weir-metrics-aggregator"),
    (9105, "weir-serving-api"),
];
/// How long what holds a port may take to say whether it is ours.
const ANSWER: Duration = Duration::from_millis(500);

pub(super) fn disk(site: &Site) -> Finding {
    // A folder that is not yet made will be in the nearest one that is there.
    let Ok(data) = std::path::absolute(&site.data) else {
        return Finding::fail("the data folder has no path", "name one with --data");
    };
    let Some(folder) = data.ancestors().find(|folder| folder.exists()) else {
        return Finding::fail("the data folder is nowhere", "name one with --data");
    };
    let free = match rustix::fs::statvfs(folder) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize) / MIB,
        Err(error) => return Finding::failed(error, "see the rights of the data folder"),
    };
    let detail = format!("{free} MiB free for {}", data.display());
    let next = "make room, or move --data to a larger disk";
    match free {
        ..TOO_LITTLE => Finding::fail(detail, next),
        TOO_LITTLE..LITTLE => Finding::warn(detail, next),
        _ => Finding::ok(detail),
    }
}

/// Where services run as processes on this machine, each holds its own.
pub(super) fn admin_ports(_: &Site) -> Finding {
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for (port, service) in ADMIN {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            continue;
        }
        let holder = ports::holder(port).unwrap_or_else(|| "another user's program".to_owned());
        let lives = admin::ask(address, "/livez", ANSWER);
        if matches!(lives, Ok((200, answer)) if answer == "alive") {
            ours.push(format!("{port} in use by {holder}, which lives"));
        } else {
            others.push(format!("{port} of {service} held by {holder}"));
        }
    }
    if !others.is_empty() {
        let next = "stop it, or give the service another port: [admin] listen";
        Finding::warn(others.join(", "), next)
    } else if ours.is_empty() {
        Finding::ok("9101 to 9105 are free")
    } else {
        Finding::ok(format!("{}; the others are free", ours.join(", ")))
    }
}

pub(super) fn ports(_: &Site) -> Finding {
    let held: Vec<String> = PORTS
        .into_iter()
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_err())
        .map(|port| match ports::holder(port) {
            Some(holder) => format!("{port} held by {holder}"),
            None => format!("{port} held"),
        })
        .collect();
    if held.is_empty() {
        Finding::ok("8080, 50051 and 9092 are free")
    } else {
        Finding::warn(
            held.join(", "),
            "fine if that is weir or its Kafka; else --listen, --grpc or --broker name another",
        )
    }
}
