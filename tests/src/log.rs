use std::collections::{BTreeMap, BTreeSet};

use contract::{Change, Event, Version};

use crate::{Model, Pair, Wrong};

/// What the topic of events tells: each change once, in order, however often it was delivered.
pub struct Log {
    likes: BTreeMap<Pair, BTreeMap<Version, bool>>,
    collects: BTreeMap<Pair, BTreeMap<Version, bool>>,
    /// Changes by the request that caused them.
    requests: BTreeMap<String, BTreeSet<(Pair, Version)>>,
}

impl Log {
    /// Of all events, reads left out.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let mut log = Self { likes: BTreeMap::new(), collects: BTreeMap::new(), requests: BTreeMap::new() };
        for event in events {
            let (changes, on) = match event.change {
                Change::Like(on) => (&mut log.likes, on),
                Change::Collect(on) => (&mut log.collects, on),
                Change::Read(_) => continue,
            };
            let pair = (event.user.expect("only a read may have no user").get(), event.article.get());
            changes.entry(pair).or_default().insert(event.version, on);
            log.requests.entry(event.request_id.clone()).or_default().insert((pair, event.version));
        }
        log
    }

    /// How often a request changed something.
    #[must_use]
    pub fn changes_of(&self, request_id: &str) -> usize {
        self.requests.get(request_id).map_or(0, BTreeSet::len)
    }

    /// The latest event of each pair is the state that clients were told of, and every event changed something: of a
    /// change that is missing, or there twice, the neighbours say the same.
    #[must_use]
    pub fn against(&self, model: &Model) -> Vec<Wrong> {
        let kinds = [("likes", &self.likes, &model.likes), ("collects", &self.collects, &model.collects)];
        let mut wrong = vec![];
        for (kind, changes, told) in kinds {
            let last = |versions: &BTreeMap<Version, bool>| versions.values().next_back().copied().unwrap_or_default();
            let standing = changes.iter().filter(|(_, versions)| last(versions)).map(|(pair, _)| *pair).collect();
            wrong.extend(Wrong::pairs(&format!("{kind} by the log"), &standing, &Model::standing(told)));
            for (pair, versions) in changes {
                let mut before = false;
                for (version, on) in versions {
                    if *on == before {
                        let text = format!("{kind}: user {}, article {}: {version} changes nothing", pair.0, pair.1);
                        wrong.push(Wrong::Double(text));
                    }
                    before = *on;
                }
            }
        }
        wrong
    }
}
