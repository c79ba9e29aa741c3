//! What an instance keeps from one request to the next: connections, and the topology of a cluster.

use std::{cell::RefCell, rc::Rc};

use contract::{Address, Partition, Topology};

use super::connection::Redis;
use crate::{Deadline, log::without_url};

struct Kept {
    /// Spin opens a TCP connection for every `open` and pools none. An instance serves many requests, and the
    /// connections kept here make a like two to three times as fast.
    connections: Vec<Rc<Redis>>,
    /// The topology of a cluster, as one of its servers reported it. None if it is not known.
    topology: Option<Topology>,
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { connections: Vec::new(), topology: None }) };
}

/// Returns the server of a partition, if the topology of the cluster is known. None stands for the server of the URL.
pub(super) fn owner(partition: Partition) -> Option<Address> {
    KEPT.with_borrow(|kept| kept.topology.as_ref()?.owner(partition).cloned())
}

/// The partitions of one server, each with a value.
type OfServer<T> = Vec<(Partition, T)>;

/// Groups partitions, each with a value, by their server. Each group is in the order of its partitions. In a cluster,
/// the topology is learned first if it is not known.
pub async fn by_server<T: Copy>(url: &str, deadline: Deadline, all: &[(Partition, T)]) -> Vec<OfServer<T>> {
    if KEPT.with_borrow(|kept| kept.connections.is_empty()) {
        // If this fails, the error shows when a call is sent.
        open(url, None, deadline).await;
    }
    let mut servers: Vec<(Option<Address>, OfServer<T>)> = Vec::new();
    for one in all {
        let server = owner(one.0);
        match servers.iter_mut().find(|(other, _)| *other == server) {
            Some((_, of_server)) => of_server.push(*one),
            None => servers.push((server, vec![*one])),
        }
    }
    let sorted = |mut of_server: OfServer<T>| {
        of_server.sort_by_key(|(partition, _)| *partition);
        of_server
    };
    servers.into_iter().map(|(_, of_server)| sorted(of_server)).collect()
}

pub(super) fn set_topology(topology: Option<Topology>) {
    KEPT.with_borrow_mut(|kept| kept.topology = topology);
}

pub(super) fn connection(address: Option<&Address>) -> Option<Rc<Redis>> {
    KEPT.with_borrow(|kept| kept.connections.iter().find(|redis| redis.address.as_ref() == address).cloned())
}

/// Stops keeping a connection. Returns whether it was kept until now. The connection closes when its last running call
/// ends.
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
    // A request that stops waiting for a server of a cluster never asks another about it. So the next request begins at
    // the URL.
    let doubt = address.is_some().then_some(Doubt);
    let opened = deadline.race(Redis::open(url, address)).await;
    std::mem::forget(doubt);
    match opened {
        Some(Ok(redis)) => {
            let redis = Rc::new(redis);
            if redis.server.is_of_cluster && KEPT.with_borrow(|kept| kept.topology.is_none()) {
                set_topology(deadline.race(redis.topology(url)).await.flatten());
            }
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

/// Looks for the master that replaces a server. A server that cannot be reached may no longer be a master, and another
/// server knows which is. If no other server answers, the next request asks the server of the URL.
pub(super) async fn look_for_another(url: &str, address: Option<&Address>, deadline: Deadline) {
    let other = KEPT.with_borrow(|kept| kept.connections.iter().find(|kept| kept.address.as_ref() != address).cloned());
    let learned = match other {
        Some(other) => deadline.race(other.topology(url)).await.flatten(),
        None => None,
    };
    set_topology(learned);
}
