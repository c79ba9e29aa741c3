//! Making each kind follow its truth.

use std::collections::BTreeSet;

use contract::{ArticleNumber, Cause, Partition, Truth, UserId};

use super::{
    findings::{Difference, Suspects},
    work::Work,
};
use crate::{
    ledger::{
        marks::Marks,
        names::Names,
        repair::{recount, restate},
        settle,
        toggle::toggle,
    },
    store::StoreError,
};

const PER_CALL: usize = 500;

/// Repairs the differences, and waits until the other store has followed. Returns the articles concerned.
pub(super) async fn repair(work: &mut Work<'_>, differences: &[Difference]) -> Result<Vec<ArticleNumber>, StoreError> {
    let mut concerned = Suspects::new();
    for difference in differences {
        concerned.entry((difference.article_id, difference.kind)).or_default().extend(difference.user_id);
    }
    let mut marks = Marks::default();
    let names = names_of(work, &concerned).await?;
    from_mysql(work, &concerned, &names).await?;
    for ((article, kind), users) in &concerned {
        let article = names.article(*article);
        let users: Vec<UserId> = match kind.truth() {
            Truth::Redis => users.iter().map(|user| names.user(*user)).collect(),
            Truth::Mysql => Vec::new(),
        };
        // The last call names no user, and corrects the count.
        for users in users.chunks(PER_CALL).chain([&[][..]]) {
            restate(&mut work.redis, (&article, *kind), users, &mut marks).await?;
        }
    }
    let patience = work.patience();
    settle::in_mysql(work.stores, &mut work.redis, &marks, &patience).await?;
    for of in concerned.keys() {
        recount(&work.stores.mysql, *of).await?;
    }
    let articles: BTreeSet<ArticleNumber> = concerned.into_keys().map(|(article, _)| article).collect();
    Ok(articles.into_iter().collect())
}

async fn names_of(work: &Work<'_>, concerned: &Suspects) -> Result<Names, StoreError> {
    let users = concerned.values().flatten().copied();
    Names::of(&work.stores.mysql, users, concerned.keys().map(|(article, _)| *article)).await
}

/// For kinds that MySQL decides: writes the users' rows into the outbox again, and waits until Redis has them.
async fn from_mysql(work: &Work<'_>, concerned: &Suspects, names: &Names) -> Result<(), StoreError> {
    let mut partitions = BTreeSet::new();
    for ((article, kind), users) in concerned.iter().filter(|((_, kind), _)| kind.truth() == Truth::Mysql) {
        partitions.insert(Partition::of(*article));
        for user in users {
            // With this cause, the outbox gets the state of the row, and not `false`.
            toggle(&work.stores.mysql, &names.written((*article, *kind, *user)), false, Cause::Reconcile, None).await?;
        }
    }
    settle::in_redis(&work.stores.mysql, &partitions, &work.patience()).await
}
