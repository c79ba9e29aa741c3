//! Redis's counts, compared with the numbers of users in its sets.

use contract::{
    keys,
    scripts::{Compare, Refusal},
};

use super::comparison::{Count, Counter};
use crate::store::{
    StoreError,
    scripts::{call_all, refused},
    servers::Servers,
};

/// Sets that are counted at once.
const SETS: usize = 500;
/// How often the sets of a large article are counted before it is left for the next run.
const PASSES: u32 = 6;

/// What is known of a count.
pub(crate) enum Counted {
    Whole(Count),
    /// The partition is not warm.
    Cold,
    /// The count changed every time that its sets were counted. This is what it was.
    Moving(i64),
}

/// Counts the users in the sets. A script does it at one moment. If an article has so many sets that this would block Redis
/// for long, they are counted slice by slice while others are served.
pub(crate) async fn redis_counts(
    redis: &mut Servers,
    counters: &[Counter],
) -> Result<Vec<(Counter, Counted)>, StoreError> {
    let calls: Vec<Compare<'_>> =
        counters.iter().map(|(article, kind)| Compare { kind: *kind, article: *article, users: &[] }).collect();
    let mut counts = Vec::with_capacity(counters.len());
    for (call, outcome) in calls.iter().zip(call_all(redis, &calls).await?) {
        let of = (call.article, call.kind);
        let counted = match outcome {
            Ok(compared) if compared.members < 0 => in_slices(redis, of).await?,
            Ok(compared) => Counted::Whole(Count { of, found: compared.count, members: compared.members }),
            Err(Refusal::Cold) => Counted::Cold,
            Err(refusal) => return Err(refused(call, refusal)),
        };
        counts.push((of, counted));
    }
    Ok(counts)
}

/// A like changes the count and one set together, so that the difference between the count and the users in all sets stays
/// the same. If the count is the same before and after a pass, and two passes find the same difference, it is real: one
/// pass may have met a like and its opposite, in sets before and behind it.
async fn in_slices(redis: &mut Servers, of: Counter) -> Result<Counted, StoreError> {
    let (mut found, mut last) = (0, None);
    for _ in 0..PASSES {
        let (before, sets) = count_and_sets(redis, of).await?;
        let members = members(redis, of, sets).await?;
        let (after, sets_after) = count_and_sets(redis, of).await?;
        found = after;
        if before != after || sets != sets_after {
            continue;
        }
        let difference = members - after;
        if difference == 0 || last == Some(difference) {
            return Ok(Counted::Whole(Count { of, found: after, members }));
        }
        last = Some(difference);
    }
    Ok(Counted::Moving(found))
}

async fn count_and_sets(redis: &mut Servers, (article, kind): Counter) -> Result<(i64, usize), StoreError> {
    let mut ask = redis::pipe();
    ask.get(keys::count(kind, article)).get(format!("{}:n", keys::members(kind, article)));
    let (count, sets): (Option<i64>, Option<usize>) = ask.query_async(redis).await?;
    Ok((count.unwrap_or(0), sets.unwrap_or(1)))
}

async fn members(redis: &mut Servers, (article, kind): Counter, sets: usize) -> Result<i64, StoreError> {
    let (first, mut all) = (keys::members(kind, article), 0);
    for begin in (0..sets).step_by(SETS) {
        let mut ask = redis::pipe();
        for set in begin..sets.min(begin + SETS) {
            ask.scard(if set == 0 { first.clone() } else { format!("{first}:{set}") });
        }
        let some: Vec<i64> = ask.query_async(redis).await?;
        all += some.iter().sum::<i64>();
    }
    Ok(all)
}
