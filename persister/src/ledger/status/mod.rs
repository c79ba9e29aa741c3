//! The status: the answers of every store about the whole system, and what is down.

mod ask;
mod down;
mod model;

pub(crate) use self::{
    ask::ask,
    down::{STALE_PROJECTION, STALE_RANKING, STALE_SNAPSHOT},
    model::{Asked, KafkaStatus, MysqlStatus, Rebuild, RedisStatus, Status},
};
