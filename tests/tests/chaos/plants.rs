//! The test of the test: losses and doubles of each sort and each kind are planted, and the verdict must find them all.

use anyhow::{Context, Result, ensure};
use contract::{ArticleNumber, Kind, OutboxEntry, Truth, UserNumber, keys};
use redis::{AsyncCommands, streams::StreamRangeReply};
use sqlx::{AssertSqlSafe, MySqlPool};
use tests::{Api, Redis, Wrong, id, partition_of, redis};

use crate::{
    client::{Learned, path},
    system::System,
    verdict::judge,
};

/// The article for which everything is planted.
const ARTICLE: i64 = 2;
/// The number that is added to each count. No answer ever said so many.
const MANY: i64 = 1_000_000;

/// What is planted for a kind. Each fault has a user of its own, whom no client plays and who has the kind on.
#[derive(Clone, Copy)]
struct Plant {
    kind: Kind,
    gone_from_redis: i64,
    off_in_mysql: i64,
    undone_by_a_late_command: i64,
    /// In Redis this user also has the kinds on that the kind excludes.
    excluded: i64,
    gone_from_the_outbox: i64,
    twice_in_the_outbox: i64,
}

struct Garden<'a> {
    api: Api,
    redis: Redis,
    mysql: MySqlPool,
    learned: &'a mut Learned,
}

/// A user's number in the stores.
fn number(user: i64) -> i64 {
    id::<UserNumber>(user).get()
}

fn plants() -> impl Iterator<Item = Plant> {
    (9_000..).step_by(10).zip(Kind::ALL.iter().copied()).map(|(first, kind)| Plant {
        kind,
        gone_from_redis: first + 1,
        off_in_mysql: first + 2,
        undone_by_a_late_command: first + 3,
        excluded: first + 4,
        gone_from_the_outbox: first + 5,
        twice_in_the_outbox: first + 6,
    })
}

/// Plants the faults in a clean system, and returns how many there are. Fails if the verdict misses one.
pub(crate) async fn are_all_found(system: &System, mut learned: Learned) -> Result<usize> {
    let mut garden = Garden {
        api: Api::new(system.stack.http_url()),
        redis: redis(&system.stack.redis_url()).await?,
        mysql: MySqlPool::connect(&system.stack.mysql_owner_url()).await?,
        learned: &mut learned,
    };
    for plant in plants() {
        garden.prepare(plant).await?;
    }
    garden.api.post(&path(ARTICLE, "views")).user(9_000).good().await?;
    garden.learned.views.entry(ARTICLE).or_default().0 += 1;
    // Faults in an outbox must be planted before a relay takes the entries.
    system
        .hold_relays(async || {
            for plant in plants() {
                garden.plant_in_outbox(plant).await?;
            }
            Ok(())
        })
        .await?;
    system.recovered().await?;
    for plant in plants() {
        garden.plant_in_stores(plant).await?;
    }
    let () = garden.redis.incr(keys::pv(id(ARTICLE)), MANY).await?;
    system.recovered().await?;

    let found = judge(system, &learned).await?.wrong;
    let (planted, too_many): (Vec<_>, Vec<_>) = plants().map(|plant| (plant.wrong(), plant.too_many())).unzip();
    let (planted, mut too_many) = (planted.concat(), too_many.concat());
    too_many.push(format!("PV of {ARTICLE}: "));
    for wrong in &planted {
        ensure!(found.contains(wrong), "planted and not found: {wrong:?}, among {found:#?}");
    }
    for what in &too_many {
        let is_it = |wrong: &Wrong| matches!(wrong, Wrong::Double(text) if text.starts_with(what));
        ensure!(found.iter().any(is_it), "planted and not found: a million {what}, among {found:#?}");
    }
    Ok(planted.len() + too_many.len())
}

impl Plant {
    fn request_id(self, user: i64) -> String {
        format!("plant-{}-{user}", self.kind)
    }

    /// What the verdict must find.
    fn wrong(self) -> Vec<Wrong> {
        let (kind, name) = (self.kind, self.kind.count());
        let pair = |user: i64| format!("user {user}, article {ARTICLE}");
        let lost = |store: &str, user| Wrong::Lost(format!("{name} in {store}: {}", pair(user)));
        let in_log = |user, found| format!("{} in the log, {kind} on: {found} instead of 1", self.request_id(user));
        let follower = match kind.truth() {
            Truth::Redis => "MySQL",
            Truth::Mysql => "Redis",
        };
        let mut wrong = vec![
            lost("Redis", self.gone_from_redis),
            lost("MySQL", self.off_in_mysql),
            lost("Redis", self.undone_by_a_late_command),
            lost("MySQL", self.undone_by_a_late_command),
            lost(follower, self.gone_from_the_outbox),
            Wrong::Lost(in_log(self.gone_from_the_outbox, 0)),
            Wrong::Double(in_log(self.twice_in_the_outbox, 2)),
        ];
        for other in kind.excludes() {
            let (first, second) = (kind.min(*other), kind.max(*other));
            wrong.push(Wrong::Double(format!("{} in Redis: {}", other.count(), pair(self.excluded))));
            wrong.push(Wrong::Double(format!("{first} and {second} in Redis: {}", pair(self.excluded))));
        }
        wrong
    }

    /// What the verdict's texts on the counts that are too high must begin with.
    fn too_many(self) -> Vec<String> {
        ["Redis", "MySQL"].map(|store| format!("{} of {ARTICLE} in {store}: ", self.kind.count())).to_vec()
    }
}

impl Garden<'_> {
    async fn switch_on(&mut self, plant: Plant, user: i64) -> Result<()> {
        let (kind, request_id) = (plant.kind, plant.request_id(user));
        let ask = self.api.switch(kind, ARTICLE, true).user(user).header("x-request-id", &request_id);
        ask.send().await?.says(kind, ARTICLE, true)?;
        self.learned.model.switch(kind, (user, ARTICLE), true);
        self.learned.requests.insert(request_id, Some(vec![(kind, true)]));
        Ok(())
    }

    async fn prepare(&mut self, plant: Plant) -> Result<()> {
        let Plant { gone_from_redis, off_in_mysql, undone_by_a_late_command, excluded, .. } = plant;
        for user in [gone_from_redis, off_in_mysql, undone_by_a_late_command, excluded] {
            self.switch_on(plant, user).await?;
        }
        Ok(())
    }

    /// Removes one entry, and adds another one a second time, as a change of its own.
    async fn plant_in_outbox(&mut self, plant: Plant) -> Result<()> {
        for user in [plant.gone_from_the_outbox, plant.twice_in_the_outbox] {
            self.switch_on(plant, user).await?;
        }
        let gone = plant.request_id(plant.gone_from_the_outbox);
        let twice = plant.request_id(plant.twice_in_the_outbox);
        match plant.kind.truth() {
            Truth::Redis => self.in_redis_outbox(&gone, &twice).await,
            Truth::Mysql => self.in_mysql_outbox(&gone, &twice).await,
        }
    }

    async fn in_redis_outbox(&mut self, gone: &str, twice: &str) -> Result<()> {
        let outbox = keys::outbox(partition_of(ARTICLE));
        let entries: StreamRangeReply = self.redis.xrange_all(&outbox).await?;
        let of = |request_id: &str| {
            let is_of = |event: String| event.split(' ').any(|value| value == request_id);
            let entry = entries.ids.iter().find(|entry| entry.get(OutboxEntry::EVENT).is_some_and(is_of));
            entry.with_context(|| format!("{request_id} is not in the outbox"))
        };
        let removed: i64 = self.redis.xdel(&outbox, &[&of(gone)?.id]).await?;
        ensure!(removed == 1);
        let event: String = of(twice)?.get(OutboxEntry::EVENT).context("an entry has its event")?;
        let _: String = self.redis.xadd(&outbox, "*", &[(OutboxEntry::EVENT, event)]).await?;
        Ok(())
    }

    async fn in_mysql_outbox(&self, gone: &str, twice: &str) -> Result<()> {
        let fields = "p, kind, user_id, article_id, status, version_ms, cause, at_ms, request_id, ip_hash, user_name,
                      article_name";
        let double = format!("INSERT INTO outbox ({fields}) SELECT {fields} FROM outbox WHERE request_id = ?");
        self.one_row("DELETE FROM outbox WHERE request_id = ?".to_owned(), gone).await?;
        self.one_row(double, twice).await
    }

    async fn plant_in_stores(&mut self, plant: Plant) -> Result<()> {
        let Plant { kind, .. } = plant;
        let removed: i64 = self.redis.srem(keys::members(kind, id(ARTICLE)), number(plant.gone_from_redis)).await?;
        ensure!(removed == 1, "article {ARTICLE} is not meant to have more than one set");
        for other in kind.excludes() {
            let () = self.redis.sadd(keys::members(*other, id(ARTICLE)), number(plant.excluded)).await?;
        }
        self.api.switch(kind, ARTICLE, false).user(plant.undone_by_a_late_command).good().await?;
        let article = id::<ArticleNumber>(ARTICLE);
        let of_kind = format!("WHERE article_id = {article} AND kind = {}", kind.code());
        let off = format!("UPDATE interaction SET status = 0 {of_kind} AND user_id = ?");
        self.one_row(off, &number(plant.off_in_mysql).to_string()).await?;
        let count = format!("UPDATE interaction_count SET count = count + ? {of_kind}");
        self.one_row(count, &MANY.to_string()).await?;
        Ok(self.redis.incr(keys::count(kind, id(ARTICLE)), MANY).await?)
    }

    /// Runs a statement that must change exactly one row.
    async fn one_row(&self, sql: String, value: &str) -> Result<()> {
        let rows = sqlx::query(AssertSqlSafe(sql.as_str())).bind(value).execute(&self.mysql).await?.rows_affected();
        ensure!(rows == 1, "{sql} of {value}: {rows} rows");
        Ok(())
    }
}
