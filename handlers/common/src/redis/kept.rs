//! What an instance keeps from one request to the next.

use std::{cell::RefCell, rc::Rc};

use contract::{Address, Partition, Topology};

use super::connection::Redis;
use crate::{Deadline, log::without_url};

struct Kept {
    /// Spin opens a TCP connection for every `open` and pools none, but an instance serves many requests: those kept here
    /// make a like two to three times as fast.
    connections: Vec<Rc<Redis>>,
    /// Of a cluster, as learned from the first server that was asked for what another has.
    topology: Option<Topology>,
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { connections: Vec::new(), topology: None }) };
}

/// The server of a partition, in a cluster whose topology is known; else the URL's own.
pub(super) fn owner(partition: Partition) -> Option<Address> {
    KEPT.with_borrow(|kept| kept.topology.as_ref()?.owner(partition).cloned())
}

pub(super) fn set_topology(topology: Option<Topology>) {
    KEPT.with_borrow_mut(|kept| kept.topology = topology);
}

pub(super) fn connection(address: Option<&Address>) -> Option<Rc<Redis>> {
    KEPT.with_borrow(|kept| kept.connections.iter().find(|redis| redis.address.as_ref() == address).cloned())
}

/// Keeps a connection no longer; whether it was kept until now. It closes when its last call in hand ends.
pub(super) fn forget(redis: &Rc<Redis>) -> bool {
    KEPT.with_borrow_mut(|kept| {
        let before = kept.connections.len();
        kept.connections.retain(|kept| !Rc::ptr_eq(kept, redis));
        kept.connections.len() < before
    })
}

/// Forgets the topology when dropped.
struct Doubt;

impl Drop for Doubt {
    fn drop(&mut self) {
        set_topology(None);
    }
}

pub(super) async fn open(url: &str, address: Option<Address>, deadline: Deadline) -> Option<Rc<Redis>> {
    // Whoever stops waiting for a server of a cluster never asks another about it. So the next request begins at the URL.
    let doubt = address.is_some().then_some(Doubt);
    let opened = deadline.race(Redis::open(url, address)).await;
    std::mem::forget(doubt);
    match opened {
        Some(Ok(redis)) => {
            let redis = Rc::new(redis);
            KEPT.with_borrow_mut(|kept| {
                kept.connections.retain(|kept| kept.address != redis.address);
                kept.connections.push(Rc::clone(&redis));
            });
            return Some(redis);
        }
        Some(Err(error)) => eprintln!("redis: cannot connect: {}", without_url(&error, url)),
        None => eprintln!("redis: cannot connect in time"),
    }
    None
}

/// A server that cannot be reached may be no master any more: another will know which is, and if none answers, then that
/// of the URL.
pub(super) async fn look_for_another(url: &str, address: Option<&Address>, deadline: Deadline) {
    let other = KEPT.with_borrow(|kept| kept.connections.iter().find(|kept| kept.address.as_ref() != address).cloned());
    let learned = match other {
        Some(other) => deadline.race(other.topology(url)).await.flatten(),
        None => None,
    };
    set_topology(learned);
}
