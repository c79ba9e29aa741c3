//! What was found, for people and for tools.

use std::collections::BTreeSet;

use contract::ArticleId;
use serde::Serialize;

use super::findings::{Difference, Findings, What};
use crate::output::{counted, json_line, line, table};

#[derive(Serialize)]
struct Report<'a> {
    articles: usize,
    differences: &'a [Difference],
    remaining: usize,
    not_warm: &'a BTreeSet<ArticleId>,
    still_changing: usize,
}

pub(super) fn print(findings: &Findings, articles: usize, json: bool) -> anyhow::Result<()> {
    let Findings { differences, cold, moving } = findings;
    let remaining = differences.iter().filter(|difference| !difference.repaired).count();
    if json {
        return json_line(&Report { articles, differences, remaining, not_warm: cold, still_changing: *moving });
    }
    if !differences.is_empty() {
        let mut rows = table(&["article", "kind", "user", "what", "found", "against", "repaired"]);
        for difference in differences {
            let Difference { what, article_id, kind, user_id, found, against, repaired, .. } = difference;
            let (what, found, against) = match what {
                What::Status => ("status", format!("{found} in Redis"), format!("{against} in MySQL")),
                What::RedisCount => ("count in Redis", found.to_string(), format!("{against} users in Redis")),
                What::MysqlCount => ("count in MySQL", found.to_string(), format!("{against} users in MySQL")),
            };
            let user = user_id.map(|user| user.to_string()).unwrap_or_default();
            let repaired = if *repaired { "yes" } else { "no" };
            rows.add_row([&article_id.to_string(), kind.name(), &user, what, &found, &against, repaired]);
        }
        line(rows)?;
    }
    let (compared, found) = (counted(articles, "article"), counted(differences.len(), "difference"));
    line(format_args!("{compared} compared, {found}, {remaining} remaining"))?;
    if !cold.is_empty() {
        line(format_args!("{} not compared, since their partition is not warm", counted(cold.len(), "article")))?;
    }
    if *moving > 0 {
        line(format_args!("{} changed each time they were looked at", counted(*moving, "user")))?;
    }
    Ok(())
}
