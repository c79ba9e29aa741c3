//! Which server of a Redis Cluster has which partition.

use crc::{CRC_16_XMODEM, Crc, NoTable};

use crate::Partition;

/// A server's host and port, as the cluster reports them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// A host name or an IP address, according to `cluster-preferred-endpoint-type`; never empty.
    pub host: String,
    /// The port for clients.
    pub port: u16,
}

/// The server of each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    servers: Vec<Address>,
    /// The index of the server, by partition.
    owners: Vec<Option<usize>>,
}

/// The 16,384 hash slots of a cluster (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).
const SLOTS: u16 = 16_384;

/// The slot of the partition's hash tag, and so of all its keys.
#[must_use]
pub fn slot(partition: Partition) -> u16 {
    // Computed bit by bit: it is for at most three bytes, and a table would be larger than the rest of the code.
    const CRC: Crc<u16, NoTable> = Crc::<u16, NoTable>::new(&CRC_16_XMODEM);
    CRC.checksum(partition.to_string().as_bytes()) % SLOTS
}

impl Topology {
    /// Reads the answer to CLUSTER NODES, which is one text (<https://redis.io/docs/latest/commands/cluster-nodes/>).
    /// `asked` is the host that was asked: a server that has met no other does not know its own address.
    #[must_use]
    pub fn parse(nodes: &str, asked: &str) -> Self {
        let (mut servers, mut owners) = (Vec::new(), vec![None; usize::from(Partition::COUNT)]);
        for line in nodes.lines() {
            let mut words = line.split_ascii_whitespace().skip(1);
            let Some(address) = words.next().and_then(|word| address(word, asked)) else { continue };
            if !words.next().is_some_and(|flags| flags.split(',').any(|flag| flag == "master")) {
                continue;
            }
            // After the flags: master, ping, pong, epoch, link state, then slots. A slot in brackets is being moved and
            // is still here.
            for (first, last) in words.skip(5).filter_map(range) {
                for partition in Partition::all().filter(|partition| (first..=last).contains(&slot(*partition))) {
                    owners[usize::from(partition.get())] = Some(servers.len());
                }
            }
            servers.push(address);
        }
        Self { servers, owners }
    }

    /// The server of a partition. None if no server of the cluster has it.
    #[must_use]
    pub fn owner(&self, partition: Partition) -> Option<&Address> {
        self.servers.get(self.owners[usize::from(partition.get())]?)
    }
}

/// `ip:port@cport[,hostname[,…]]`; before Redis 4 without `@cport`.
fn address(word: &str, asked: &str) -> Option<Address> {
    let mut parts = word.split(',');
    let endpoint = parts.next()?;
    let (ip, port) = endpoint.split_once('@').map_or(endpoint, |(endpoint, _)| endpoint).rsplit_once(':')?;
    let host = [parts.next().unwrap_or_default(), ip, asked].into_iter().find(|host| !host.is_empty())?;
    Some(Address { host: host.to_owned(), port: port.parse().ok().filter(|port| *port != 0)? })
}

fn range(word: &str) -> Option<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: u8) -> Partition {
        Partition::from_number(number).expect("below 128")
    }

    /// Taken from `CLUSTER KEYSLOT` of a Redis 7.
    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!([0, 1, 42, 127].map(|number| slot(partition(number))), [13_907, 9842, 8000, 6102]);
    }

    #[test]
    fn each_partition_has_the_master_of_its_slot() {
        let nodes = "\
            07c3 127.0.0.1:30004@31004,hostname4 slave e7d1 0 1426238317239 4 connected\n\
            67ed 127.0.0.1:30002@31002,redis-2 master - 0 1426238316232 2 connected 5461-10922\n\
            292f 127.0.0.1:30003@31003 master,fail - 0 1426238318243 3 connected 10923-13906 13908-16383\n\
            e7d1 :30001@31001 myself,master - 0 0 1 connected 0-5460 13907 [93->-292f]\n";
        let topology = Topology::parse(nodes, "seed");
        let owner = |number| topology.owner(partition(number)).map(|owner| (owner.host.as_str(), owner.port));
        assert_eq!(owner(0), Some(("seed", 30001)));
        assert_eq!(owner(1), Some(("redis-2", 30002)));
        assert_eq!(owner(13), Some(("127.0.0.1", 30003)));
    }

    #[test]
    fn a_slot_that_nobody_has_has_no_owner() {
        for nodes in ["", "x", "a :0@0 myself,master - 0 0 1 connected 0-16383", "a b:1@2 slave - 0 0 1 connected 0-9"]
        {
            assert_eq!(Topology::parse(nodes, "seed").owner(partition(7)), None, "{nodes}");
        }
    }
}
