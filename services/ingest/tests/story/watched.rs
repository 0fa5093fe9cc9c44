//! A folder into which files come while we look.

use weir_ingest::{Config, Source, config::Watch};

use crate::support::{self, DEADLINE, Sandbox, TIME, until};

#[test]
fn each_new_file_is_read_once_over_a_restart() {
    let sandbox = Sandbox::start();
    let folder = sandbox.path().join("rrc05");
    std::fs::create_dir_all(&folder).unwrap();
    let put = |name: &str, time: u32| {
        let bytes = support::withdrawal(time, 1, &[([198, 51, 100, 0], 24)]);
        let made = sandbox.path().join(name);
        std::fs::write(&made, bytes).unwrap();
        std::fs::rename(made, folder.join(name)).unwrap();
    };
    let start = || {
        let config = Config {
            source: Source::Watch(Watch {
                folder: folder.clone(),
                ..Watch::default()
            }),
            ..Config::default()
        };
        weir_ingest::start(config, &sandbox.log, &sandbox.state()).unwrap()
    };
    put("updates.1.mrt", TIME);
    let running = start();
    until("the first file", || running.stats().messages == 1);
    put("updates.2.mrt", TIME + 1);
    until("the second file", || running.stats().messages == 2);
    running.stop(DEADLINE).unwrap();

    put("updates.0.mrt", TIME + 2);
    put("updates.3.mrt", TIME + 3);
    let running = start();
    until("the file that came meanwhile", || {
        running.stats().messages == 1
    });
    running.stop(DEADLINE).unwrap();

    let content = sandbox.content();
    assert_eq!(content.elements(), (3, 0));
    assert!(content.emissions().values().all(|n| [1, 12].contains(n)));
}
