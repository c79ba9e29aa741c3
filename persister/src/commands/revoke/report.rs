//! What became of the selected events, for people and for tools.

use std::collections::BTreeMap;

use contract::{ArticleId, Kind, Pair, UserId, Version, Written};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    options::RevokeOptions,
    selected::{Outcome, Outcomes, Selected},
};
use crate::output::{counted, json_line, line, table, tame};

const LONGEST: usize = 32;

#[derive(Serialize)]
struct Line<'a> {
    user_id: &'a UserId,
    article_id: &'a ArticleId,
    kind: Kind,
    version: Version,
    occurred_at: Timestamp,
    ip_hash: &'a str,
    outcome: Outcome,
}

const fn text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::WouldUndo => "would be undone",
        Outcome::NotInMysql => "not in MySQL",
        Outcome::Undone => "undone",
        Outcome::ChangedSince => "changed since",
        Outcome::Busy => "held by another revoke",
        Outcome::HoldRanOut => "hold ran out",
    }
}

pub(super) fn print(
    options: &RevokeOptions,
    selected: &BTreeMap<Pair, Selected>,
    outcomes: &Outcomes,
    users: usize,
) -> anyhow::Result<()> {
    let mut rows = table(&["user", "article", "kind", "at", "version", "ip hash", "outcome"]);
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for (pair, of) in selected {
        let Some(outcome) = outcomes.get(pair).copied() else { continue };
        *sums.entry(text(outcome)).or_default() += 1;
        let Selected { written: Written { kind, user: user_id, article: article_id }, version, at, ip_hash } = of;
        let kind = *kind;
        if options.json {
            let (version, occurred_at) = (*version, *at);
            json_line(&Line { user_id, article_id, kind, version, occurred_at, ip_hash, outcome })?;
        } else {
            let [user, article, at, version] =
                [user_id.to_string(), article_id.to_string(), at.to_string(), version.to_string()];
            let ip_hash = tame(ip_hash.as_bytes(), LONGEST);
            rows.add_row([&user, &article, kind.name(), &at, &version, &ip_hash, text(outcome)]);
        }
    }
    if options.json {
        return Ok(());
    }
    if !selected.is_empty() {
        line(rows)?;
    }
    let sums: Vec<String> = sums.iter().map(|(text, count)| format!("{count} {text}")).collect();
    let sums = if sums.is_empty() { "-".to_owned() } else { sums.join(", ") };
    line(format_args!("{} selected: {sums}", counted(selected.len(), "event")))?;
    if options.bar {
        let users = counted(users, "user");
        line(format_args!("{users} {}", if options.execute { "barred" } else { "would be barred" }))?;
    }
    if !options.execute {
        line("nothing was changed; --execute does it")?;
    }
    Ok(())
}
