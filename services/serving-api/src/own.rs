//! Which incidents are somebody's own, by the watch list that the settings name. The list is read at the start.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use weir_conflicts::{
    incident::Kind,
    watch::{MOST_BYTES, Outline, WatchList},
};
use weir_record_store::IncidentRow;

use crate::StartError;

/// The watch list, where there is one. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Own(Option<Arc<WatchList>>);

impl Own {
    /// Reads the list in `file`; without one nothing is anybody's own.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, StartError> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let unusable = |reason: String| StartError::Watch {
            path: file.to_owned(),
            reason,
        };
        let mut text = String::new();
        let read = File::open(file)
            .and_then(|opened| opened.take(MOST_BYTES + 1).read_to_string(&mut text));
        let bytes = read.map_err(|error| unusable(error.to_string()))?;
        if bytes as u64 > MOST_BYTES {
            return Err(unusable(format!("longer than {MOST_BYTES} bytes")));
        }
        let list = WatchList::from_toml(&text).map_err(|error| unusable(error.to_string()))?;
        Ok(Self(Some(Arc::new(list))))
    }

    /// True when there is a list to ask.
    pub(crate) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Why an incident is somebody's own; `None` = it is not, or nobody knows.
    pub(crate) fn why(&self, row: &IncidentRow) -> Option<String> {
        let suspects = match row.suspect_set.is_empty() {
            true => row.suspect_asn.as_slice(),
            false => &row.suspect_set,
        };
        let of_members = row.members.iter().filter_map(|member| member.prefix);
        let members: Vec<_> = of_members.collect();
        let mine = self.0.as_ref()?.mine(&Outline {
            kind: Kind::from_name(&row.kind),
            prefix: row.prefix,
            members: &members,
            suspects,
            victims: &row.victim_asns,
            expected: &row.expected_origins,
        });
        mine.map(|mine| mine.to_string())
    }
}
