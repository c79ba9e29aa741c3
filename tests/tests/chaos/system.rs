//! The system that suffers: a stack with two relays and three consumers, each a process of its own.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use futures::future::try_join_all;
use stack::{Options, Proxy, Service, Stack};
use tests::{GROUP, Topic, drained};
use tokio::{sync::Mutex, time::sleep};

use crate::schedule::{Fault, How, Part};

/// A clock back by a minute delays the taking over from a dead relay, which goes by Redis's time, by as much.
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) struct System {
    pub(crate) stack: Stack,
    relays: [Service; 2],
    consumers: [Service; 3],
    others: [Service; 2],
    /// On a busy machine a part may take longer to start than the plan allows. The next fault of the part waits for it.
    broken: BTreeMap<Part, Mutex<()>>,
}

impl System {
    pub(crate) async fn start() -> Result<Self> {
        let stack = Stack::start(Options::default().wide_limits().breakable().without_persister().quiet()).await?;
        let process = |name: &str, job: &str| stack.persister.another(name, job);
        let relays = [process("relay-1", "relay")?, process("relay-2", "relay")?];
        let consumer = |number: usize| process(&format!("consumer-{number}"), "consume");
        let consumers = [consumer(1)?, consumer(2)?, consumer(3)?];
        let others = [process("warm", "warm")?, process("snapshot", "snapshot")?];
        for service in relays.iter().chain(&consumers).chain(&others) {
            service.start().await?;
        }
        stack.wait_answers(true).await?;
        println!("on {}, data and logs in {}", stack.app.kind(), stack.data().display());
        let parts = [Part::App, Part::Relay, Part::Consumer, Part::Kafka, Part::Mysql, Part::Redis];
        let broken = parts.into_iter().map(|part| (part, Mutex::default())).collect();
        Ok(Self { stack, relays, consumers, others, broken })
    }

    /// Breaks and repairs as planned. Afterwards everything runs again.
    pub(crate) async fn suffer(&self, plan: Vec<Fault>) -> Result<()> {
        let outcome = try_join_all(plan.into_iter().map(|fault| self.fault(fault))).await;
        // Holds that overlap: the end of one may have been in the middle of the other.
        self.stack.network().release();
        // A little of the load meets the repaired system.
        sleep(Duration::from_millis(500)).await;
        outcome.map(drop)
    }

    /// Waits until the system serves again and nothing is on its way.
    pub(crate) async fn recovered(&self) -> Result<()> {
        for service in self.relays.iter().chain(self.consumers.iter()).chain(&self.others) {
            service.wait_ready().await?;
        }
        self.stack.wait_answers(true).await?;
        drained(&self.stack, &self.topic()?, PATIENCE).await
    }

    /// Does something while no relay takes anything.
    pub(crate) async fn hold_relays(&self, work: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        for relay in &self.relays {
            relay.terminate().await?;
        }
        let outcome = work().await;
        for relay in &self.relays {
            relay.start().await?;
        }
        outcome
    }

    pub(crate) fn topic(&self) -> Result<Topic> {
        Topic::open(&self.stack.kafka_brokers(), GROUP)
    }

    pub(crate) async fn stop(&self) -> Result<()> {
        self.stack.app.terminate().await?;
        for service in self.relays.iter().chain(self.consumers.iter()).chain(&self.others) {
            service.terminate().await?;
        }
        self.stack.stop().await
    }

    async fn fault(&self, fault: Fault) -> Result<()> {
        sleep(fault.at).await;
        let _alone = match fault.how.part() {
            Some(part) => Some(self.broken[&part].lock().await),
            None => None,
        };
        match fault.how {
            How::Kill(part) => {
                let service = self.service(part, fault.which);
                service.kill().await?;
                sleep(fault.lasts).await;
                service.start().await
            }
            How::Stall(part) => {
                let service = self.service(part, fault.which);
                service.pause()?;
                sleep(fault.lasts).await;
                service.resume()
            }
            How::Hold(part) => {
                self.network(part).hold();
                sleep(fault.lasts).await;
                self.network(part).release();
                Ok(())
            }
            How::HoldSome(part) => {
                self.network(part).hold_existing();
                sleep(fault.lasts).await;
                self.network(part).release();
                Ok(())
            }
            How::ClockBack => {
                self.stack.redis.set_clock(-60)?;
                sleep(fault.lasts).await;
                self.stack.redis.set_clock(0)
            }
        }
    }

    fn service(&self, part: Part, which: usize) -> &Service {
        match part {
            Part::App => &self.stack.app,
            Part::Relay => &self.relays[which % 2],
            Part::Consumer => &self.consumers[which % 3],
            Part::Kafka => &self.stack.kafka,
            Part::Mysql => &self.stack.mariadb,
            Part::Redis => &self.stack.redis,
        }
    }

    fn network(&self, part: Part) -> &Proxy {
        let network = self.stack.network();
        match part {
            Part::Kafka => &network.kafka,
            Part::Mysql => &network.mysql,
            _ => &network.redis,
        }
    }
}
