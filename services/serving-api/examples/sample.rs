//! Serves a page over made-up data in a folder of its own, to look at it:
//! `cargo run -p weir-serving-api --example sample -- 127.0.0.1:8089`

#[path = "../tests/serving/sample.rs"]
mod sample;

fn main() {
    let listen = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let folder = std::env::temp_dir().join(format!("weir-sample-{}", std::process::id()));
    let config = weir_serving_api::Config {
        listen: listen.unwrap_or_else(|| ([127, 0, 0, 1], 8089).into()),
        ..Default::default()
    };
    let served = sample::start(&folder, &config);
    eprintln!(
        "http://{}/ over {}",
        served.running.address(),
        folder.display()
    );
    loop {
        served.live.status(sample::status());
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
}
