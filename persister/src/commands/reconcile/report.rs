//! The results, for people and for tools.

use std::collections::BTreeSet;

use contract::{ArticleId, Kind, UserId, Version};
use serde::Serialize;

use super::findings::{Difference, Findings, What};
use crate::ledger::names::Names;
use crate::output::{counted, json_line, line, table};

/// A difference, with ids as the site writes them.
#[derive(Serialize)]
struct Line<'a> {
    what: What,
    article_id: ArticleId,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    found: i64,
    against: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mysql_version: Option<&'a Version>,
    repaired: bool,
}

impl<'a> Line<'a> {
    fn of(difference: &'a Difference, names: &Names) -> Self {
        let Difference { what, article_id, kind, user_id, found, against, mysql_version, repaired } = difference;
        Self {
            what: *what,
            article_id: names.article(*article_id),
            kind: *kind,
            user_id: user_id.map(|user| names.user(user)),
            found: *found,
            against: *against,
            mysql_version: mysql_version.as_ref(),
            repaired: *repaired,
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    articles: usize,
    differences: Vec<Line<'a>>,
    remaining: usize,
    not_warm: BTreeSet<ArticleId>,
    still_changing: usize,
}

pub(super) fn print(findings: &Findings, articles: usize, names: &Names, json: bool) -> anyhow::Result<()> {
    let Findings { differences, cold, moving } = findings;
    let remaining = differences.iter().filter(|difference| !difference.repaired).count();
    if json {
        let differences = differences.iter().map(|difference| Line::of(difference, names)).collect();
        let not_warm = cold.iter().map(|article| names.article(*article)).collect();
        return json_line(&Report { articles, differences, remaining, not_warm, still_changing: *moving });
    }
    if !differences.is_empty() {
        let mut rows = table(&["article", "kind", "user", "what", "found", "against", "repaired"]);
        for difference in differences {
            let Line { what, article_id, kind, user_id, found, against, repaired, .. } = Line::of(difference, names);
            let (what, found, against) = match what {
                What::Status => ("status", format!("{found} in Redis"), format!("{against} in MySQL")),
                What::RedisCount => ("count in Redis", found.to_string(), format!("{against} users in Redis")),
                What::MysqlCount => ("count in MySQL", found.to_string(), format!("{against} users in MySQL")),
            };
            let user = user_id.map(|user| user.to_string()).unwrap_or_default();
            let repaired = if repaired { "yes" } else { "no" };
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
        line(format_args!("{} changed each time they were looked at", counted(*moving, "state")))?;
    }
    Ok(())
}
