use std::collections::BTreeMap;

use contract::{Change, Event, Kind, Version};

use crate::{Model, Pair, Wrong, site::numbered};

/// The changes in the topic of events: each change once, in order, even if it was delivered several times.
#[derive(Default)]
pub struct Log {
    changes: BTreeMap<(Kind, Pair), BTreeMap<Version, bool>>,
    /// Changes by the request that caused them.
    requests: BTreeMap<String, BTreeMap<(Version, Kind, Pair), bool>>,
}

impl Log {
    /// The changes in these events. Reads are left out.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let mut log = Self::default();
        for event in events {
            let Change::Switch(kind, on) = event.change else { continue };
            let user = event.user.as_ref().expect("only a read may have no user").number().get();
            let pair = (numbered(user), numbered(event.article.number().get()));
            log.changes.entry((kind, pair)).or_default().insert(event.version, on);
            let of_request = log.requests.entry(event.request_id.clone()).or_default();
            of_request.insert((event.version, kind, pair), on);
        }
        log
    }

    /// What a request changed, in order.
    #[must_use]
    pub fn changes_of(&self, request_id: &str) -> Vec<(Kind, bool)> {
        let changes = self.requests.get(request_id).into_iter().flatten();
        changes.map(|((_, kind, _), on)| (*kind, *on)).collect()
    }

    /// Compares the log with the clients' model. The latest event of each pair must be the state that clients were answered.
    /// Every event must change something: if a change is missing or there twice, two neighbours say the same. And no event may
    /// switch on a kind while another kind excludes it.
    #[must_use]
    pub fn against(&self, model: &Model) -> Vec<Wrong> {
        let mut wrong = vec![];
        for kind in Kind::ALL.iter().copied() {
            let name = kind.count();
            let of_kind = self.changes.iter().filter(|((of, _), _)| *of == kind);
            let changes: BTreeMap<Pair, _> = of_kind.map(|((_, pair), versions)| (*pair, versions)).collect();
            let on_last = |versions: &BTreeMap<Version, bool>| versions.values().next_back().copied() == Some(true);
            let standing = changes.iter().filter(|(_, versions)| on_last(versions)).map(|(pair, _)| *pair).collect();
            wrong.extend(Wrong::pairs(&format!("{name} by the log"), &standing, &model.standing(kind)));
            for (pair, versions) in changes {
                let mut before = false;
                for (version, on) in versions {
                    let text = |what: &str| format!("{name}: user {}, article {}: {version} {what}", pair.0, pair.1);
                    if *on == before {
                        wrong.push(Wrong::Double(text("changes nothing")));
                    }
                    before = *on;
                    let excluded = kind.excludes().iter().find(|other| *on && self.was_on(**other, pair, *version));
                    wrong.extend(excluded.map(|other| Wrong::Double(text(&format!("with {other} on")))));
                }
            }
        }
        wrong
    }

    fn was_on(&self, kind: Kind, pair: Pair, before: Version) -> bool {
        let versions = self.changes.get(&(kind, pair));
        versions.and_then(|versions| versions.range(..before).next_back()).is_some_and(|(_, on)| *on)
    }
}
