//! `weir migrate`: brings the tables of every store that the settings name up to this version, before the
//! services start. Safe to run twice and at the same time as another.

use weir_metric_store::MetricStore;
use weir_objects::Objects;
use weir_online_store::OnlineStore;
use weir_record_store::BlockingRecordStore;

use crate::{
    progress::{Failure, say},
    settings::Settings,
    site::SiteArguments,
};

pub(crate) fn migrate(site: &SiteArguments) -> Result<(), Failure> {
    let settings = site.settings()?;
    let mut any = false;
    for (table, url, run) in stores(&settings) {
        if url.is_empty() {
            continue;
        }
        any = true;
        let done = run(&settings).map_err(|failure| failure.of(table))?;
        say(&format!("{table:16} {done}"));
    }
    if !any {
        say(
            "nothing to do: the settings name no store by url; embedded ones migrate when they are opened",
        );
    }
    Ok(())
}

type Run = fn(&Settings) -> Result<String, Failure>;

fn stores(settings: &Settings) -> [(&'static str, &str, Run); 5] {
    [
        ("record_store", &settings.record_store.url, records),
        ("online_store", &settings.online_store.url, online),
        ("metric_store", &settings.metric_store.url, metrics),
        ("offline_store", &settings.offline_store.url, |settings| {
            objects(&settings.offline_store)
        }),
        (
            "checkpoint_store",
            &settings.checkpoint_store.url,
            |settings| objects(&settings.checkpoint_store),
        ),
    ]
}

fn records(settings: &Settings) -> Result<String, Failure> {
    let store = BlockingRecordStore::connect(&settings.record_store).map_err(Failure::broken)?;
    let version = store.migrate().map_err(Failure::broken)?;
    store.close();
    Ok(format!("tables are at version {version}"))
}

fn online(settings: &Settings) -> Result<String, Failure> {
    OnlineStore::connect(&settings.online_store).map_err(Failure::broken)?;
    Ok("answers; it has no tables".to_owned())
}

fn metrics(settings: &Settings) -> Result<String, Failure> {
    MetricStore::connect(&settings.metric_store).map_err(Failure::broken)?;
    Ok("keyspace and tables are there".to_owned())
}

fn objects(config: &weir_objects::Config) -> Result<String, Failure> {
    let objects = Objects::connect(config).map_err(Failure::broken)?;
    objects.check().map_err(Failure::broken)?;
    Ok("answers and can be written; it has no tables".to_owned())
}
