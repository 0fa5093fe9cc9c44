//! Which incidents are somebody's own, by the watch list that the settings name. The list is read at the start.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use weir_conflicts::{
    incident::Kind,
    watch::{MOST_BYTES, Outline, WatchList},
};
use weir_record_store::{Cursor, Filter, IncidentRow, MAX_PAGE, Page, RecordStore};

use crate::{StartError, problem::Problem};

/// Pages of the store that are looked through for one page of own incidents, which may be few and far between.
const LOOKED_THROUGH: usize = 20;

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

    /// The list, if there is one.
    pub(crate) fn watch_list(&self) -> Option<Arc<WatchList>> {
        self.0.clone()
    }

    /// Refuses to say whose incidents are where there is no list to ask.
    pub(crate) fn check(&self, mine: Option<bool>) -> Result<(), Problem> {
        if mine.is_some() && self.0.is_none() {
            return Err(Problem::bad_request(
                "`mine` needs a watch list: name one as `watch` of [serving_api] (docs/watch.md)",
            ));
        }
        Ok(())
    }

    /// True of one's own, or of those of others, or of all.
    pub(crate) fn is_wanted(&self, row: &IncidentRow, mine: Option<bool>) -> bool {
        mine.is_none_or(|mine| self.why(row).is_some() == mine)
    }

    /// A page of incidents: of one's own, of those of others, or of all. The store does not know whose they are.
    pub(crate) async fn list(
        &self,
        records: &RecordStore,
        filter: &Filter,
        mut cursor: Option<Cursor>,
        limit: usize,
        mine: Option<bool>,
    ) -> Result<Page, Problem> {
        self.check(mine)?;
        if mine.is_none() {
            return Ok(records.list(filter, cursor.as_ref(), limit).await?);
        }
        let mut incidents = Vec::new();
        for _ in 0..LOOKED_THROUGH {
            let page = records.list(filter, cursor.as_ref(), MAX_PAGE).await?;
            for row in page.incidents {
                if self.is_wanted(&row, mine) {
                    incidents.push(row);
                }
                if incidents.len() == limit {
                    let next = incidents.last().map(Cursor::after);
                    return Ok(Page { incidents, next });
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let next = cursor;
        Ok(Page { incidents, next })
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
