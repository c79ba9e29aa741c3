//! Making MySQL follow Redis.

use contract::ArticleId;

use super::{
    findings::{Difference, Suspects},
    work::Work,
};
use crate::{
    ledger::{
        marks::Marks,
        repair::{recount, restate},
        settle::settle,
    },
    store::StoreError,
};

const PER_CALL: usize = 500;

/// Repairs, and waits until it is done; the articles concerned.
pub(super) async fn repair(work: &mut Work<'_>, differences: &[Difference]) -> Result<Vec<ArticleId>, StoreError> {
    let mut concerned = Suspects::new();
    for difference in differences {
        concerned.entry(difference.article_id).or_default().extend(difference.user_id);
    }
    let mut marks = Marks::default();
    for (article, users) in &concerned {
        let users: Vec<i64> = users.iter().map(|user| user.get()).collect();
        // Without any user too: the count may be what differs.
        let parts = if users.is_empty() { vec![&users[..]] } else { users.chunks(PER_CALL).collect() };
        for users in parts {
            restate(&mut work.redis, *article, users, &mut marks).await?;
        }
    }
    settle(work.stores, &mut work.redis, &marks, work.patience, work.stop).await?;
    for article in concerned.keys() {
        recount(&work.stores.mysql, *article).await?;
    }
    Ok(concerned.into_keys().collect())
}
