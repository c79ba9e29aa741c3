//! Making each kind follow its truth.

use std::collections::BTreeSet;

use contract::{ArticleId, Cause, Partition, Truth, UserId};

use super::{
    findings::{Difference, Suspects},
    work::Work,
};
use crate::{
    ledger::{
        marks::Marks,
        repair::{recount, restate},
        settle,
        toggle::toggle,
    },
    store::StoreError,
};

const PER_CALL: usize = 500;

/// Repairs, and waits until it is done; the articles concerned.
pub(super) async fn repair(work: &mut Work<'_>, differences: &[Difference]) -> Result<Vec<ArticleId>, StoreError> {
    let mut concerned = Suspects::new();
    for difference in differences {
        concerned.entry((difference.article_id, difference.kind)).or_default().extend(difference.user_id);
    }
    from_mysql(work, &concerned).await?;
    let mut marks = Marks::default();
    for (of, users) in &concerned {
        let users: Vec<UserId> = match of.1.truth() {
            Truth::Redis => users.iter().copied().collect(),
            Truth::Mysql => Vec::new(),
        };
        // Without any user too: the count may be what differs.
        let parts = if users.is_empty() { vec![&users[..]] } else { users.chunks(PER_CALL).collect() };
        for users in parts {
            restate(&mut work.redis, *of, users, &mut marks).await?;
        }
    }
    let patience = work.patience();
    settle::in_mysql(work.stores, &mut work.redis, &marks, &patience).await?;
    for of in concerned.keys() {
        recount(&work.stores.mysql, *of).await?;
    }
    let articles: BTreeSet<ArticleId> = concerned.into_keys().map(|(article, _)| article).collect();
    Ok(articles.into_iter().collect())
}

/// Writes what MySQL says of the users into its outbox once more, where it decides, and waits until Redis has it.
async fn from_mysql(work: &Work<'_>, concerned: &Suspects) -> Result<(), StoreError> {
    let mut partitions = BTreeSet::new();
    for ((article, kind), users) in concerned.iter().filter(|((_, kind), _)| kind.truth() == Truth::Mysql) {
        partitions.insert(Partition::of(*article));
        for user in users {
            // Which state is the row's to say.
            toggle(&work.stores.mysql, (*article, *kind, *user), false, Cause::Reconcile, None).await?;
        }
    }
    settle::in_redis(&work.stores.mysql, &partitions, &work.patience()).await
}
