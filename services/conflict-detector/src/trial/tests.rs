//! What a file of rules may say, and what is refused by name.

use rstest::rstest;
use serde_json::json;

use super::*;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn tried(config: &Config, text: &str) -> Result<Trial, String> {
    let (_folder, path) = file(text);
    Trial::read(config, &path).map_err(|error| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

#[test]
fn what_the_file_says_lies_over_what_holds_and_the_rest_stays() {
    let mut site = Config::default();
    site.thresholds.confirm_at = 4;
    site.thresholds.fade_after_s = 60;
    site.thresholds.history_s = 86_400;
    let text =
        "[conflict_detector.thresholds]\nconfirm_at = 2\ntier1 = [64500]\nfade_after_s = 60\n";
    let trial = tried(&site, text).unwrap();
    assert_eq!(trial.config.thresholds.confirm_at, 2);
    assert_eq!(trial.config.thresholds.fade_after_s, 60, "said twice");
    assert_eq!(trial.config.thresholds.history_s, 86_400, "of the site");
    assert_eq!(trial.config.thresholds.longest_ipv4, 24, "the default");
    let told: Vec<_> = trial
        .changes
        .iter()
        .map(|change| change.key.as_str())
        .collect();
    assert_eq!(told, ["thresholds.confirm_at", "thresholds.tier1"]);
    assert_eq!(trial.changes[0].old, json!(4));
    assert_eq!(trial.changes[0].new, json!(2));
}

#[test]
fn the_file_is_not_blamed_for_what_the_settings_say() {
    let mut site = Config::default();
    site.thresholds.confirm_at = 0;
    site.thresholds.flap_begins_at = 500;
    let trial = tried(&site, "[conflict_detector.thresholds]\nlongest_ipv4 = 25\n").unwrap();
    assert_eq!(trial.config.thresholds.longest_ipv4, 25);
    let own = "[conflict_detector.thresholds]\nlongest_ipv4 = 33\n";
    let refused = tried(&site, own).unwrap_err();
    assert!(refused.contains("`longest_ipv4` is 33"), "{refused}");
    let worse = "[conflict_detector.thresholds]\nconfirm_at = 10001\n";
    let refused = tried(&site, worse).unwrap_err();
    assert!(refused.contains("`confirm_at` is 10001"), "{refused}");
}

#[test]
fn a_value_that_contradicts_the_settings_is_told_beside_theirs() {
    let text = "[conflict_detector.thresholds]\nflap_begins_at = 500\n";
    let refused = tried(&Config::default(), text).unwrap_err();
    let told =
        "over the settings: `flap_ends_below` is 750: expected 1 to `flap_begins_at`, which is 500";
    assert!(refused.ends_with(told), "{refused}");
}

#[test]
fn rules_that_say_what_holds_change_nothing_and_are_judged_by_the_same() {
    let site = Config::default();
    let same = tried(&site, "[conflict_detector.thresholds]\nconfirm_at = 3\n").unwrap();
    let empty = tried(&site, "").unwrap();
    assert_eq!(same.changes, []);
    assert_eq!(same.judged_by, empty.judged_by);
    let other = tried(&site, "[conflict_detector.thresholds]\nconfirm_at = 4\n").unwrap();
    assert_ne!(other.judged_by, empty.judged_by);
}

#[test]
fn a_list_of_bogons_is_judged_by_what_stands_in_it() {
    let (folder, list) = file("192.0.2.0/24\n");
    let text = format!("[conflict_detector]\nbogons = {list:?}\n");
    let first = tried(&Config::default(), &text).unwrap();
    assert_eq!(first.changes[0].old, Json::Null);
    assert_eq!(first.changes[0].new, json!(list));
    std::fs::write(&list, "198.51.100.0/24\n").unwrap();
    let second = tried(&Config::default(), &text).unwrap();
    assert_ne!(first.judged_by, second.judged_by);
    std::fs::write(&list, "everything\n").unwrap();
    let refused = tried(&Config::default(), &text).unwrap_err();
    assert!(refused.contains("the list of bogons"), "{refused}");
    drop(folder);
    let refused = tried(&Config::default(), &text).unwrap_err();
    assert!(
        refused.contains("cannot read the list of bogons"),
        "{refused}"
    );
}

#[rstest]
#[case(
    "[conflict_detector.thresholds]\nconfirm = 2",
    "`conflict_detector.thresholds.confirm` is not known here; expected one of "
)]
#[case("[conflict_detector.thresholds]\nconfirm = 2", "confirm_at")]
#[case(
    "[conflict_detector.thresholds]\nconfirm_at = \"two\"",
    "`conflict_detector.thresholds.confirm_at`: invalid type"
)]
#[case(
    "[conflict_detector.thresholds]\nconfirm_at = -1",
    "`conflict_detector.thresholds.confirm_at`: invalid value"
)]
#[case(
    "[conflict_detector.thresholds]\nconfirm_at = 0",
    "`confirm_at` is 0: expected 1 to 10000 peer ASNs"
)]
#[case(
    "[conflict_detector.thresholds]\nbeacons = [\"192.0.2.0\"]",
    "`conflict_detector.thresholds.beacons`: "
)]
#[case(
    "confirm_at = 2",
    "`confirm_at` is not known here; expected [conflict_detector.thresholds]"
)]
#[case(
    "[record_store]\nurl = \"sqlite://x\"",
    "`record_store` is not known here"
)]
#[case(
    "[conflict_detector]\nbatch = 1",
    "`conflict_detector.batch` is not known here"
)]
#[case(
    "[conflict_detector]\nthresholds = 1",
    "`conflict_detector.thresholds`: integer was not expected"
)]
#[case("confirm_at = ", "are not TOML")]
fn anything_else_is_refused_by_name(#[case] text: &str, #[case] told: &str) {
    let refused = tried(&Config::default(), text).unwrap_err();
    assert!(refused.contains(told), "{refused}");
}

#[test]
fn a_file_that_is_not_there_or_far_too_long_is_refused() {
    let refused = Trial::read(&Config::default(), Path::new("/nowhere/rules.toml")).unwrap_err();
    assert!(
        matches!(refused, TrialError::Unreadable { .. }),
        "{refused}"
    );
    let long = tried(&Config::default(), &"# \n".repeat(400_000)).unwrap_err();
    assert!(long.contains("longer than 1048576 bytes"), "{long}");
}
