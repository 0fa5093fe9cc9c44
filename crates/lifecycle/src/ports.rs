//! Who holds a port of this machine, as far as `/proc` lets us see.

use std::fs;

/// `name (process id)` of the program that listens on the TCP port; `None` when it is another
/// user's, or there is no `/proc`.
#[must_use]
pub fn holder(port: u16) -> Option<String> {
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| listening(table, port));
    let sockets: Vec<_> = sockets
        .into_iter()
        .flatten()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let id: u32 = process.file_name().to_str()?.parse().ok()?;
        let files = fs::read_dir(process.path().join("fd")).ok()?;
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|link| {
                sockets
                    .iter()
                    .any(|socket| link.as_os_str() == socket.as_str())
            })
        });
        let name = fs::read_to_string(process.path().join("comm")).ok()?;
        holds.then(|| format!("{} (process {id})", name.trim()))
    })
}

/// The inodes of the sockets that listen on `port`: address, state and inode are the second, fourth
/// and tenth column.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let text = fs::read_to_string(table).unwrap_or_default();
    let ending = format!(":{port:04X}");
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let is_it = columns.get(1)?.ends_with(&ending) && *columns.get(3)? == LISTEN;
            is_it.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = super::holder(port).unwrap();
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
        drop(listener);
    }
}
