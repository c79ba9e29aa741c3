//! Which fault comes when, by the seed alone.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    App,
    Relay,
    Consumer,
    Kafka,
    Mysql,
    Redis,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// SIGKILL, and started again after a while.
    Kill(Part),
    /// SIGSTOP for a while.
    Stall(Part),
    /// The network to it holds everything back for a while.
    Hold(Part),
    /// The network holds back what is sent on the connections that are there; new ones work.
    HoldSome(Part),
    /// The clock goes back a minute, and is set right after a while.
    ClockBack,
}

pub(crate) const ALL: [How; 15] = [
    How::Kill(Part::App),
    How::Kill(Part::Relay),
    How::Kill(Part::Consumer),
    How::Kill(Part::Kafka),
    How::Kill(Part::Mysql),
    How::Kill(Part::Redis),
    How::Stall(Part::Kafka),
    How::Stall(Part::Mysql),
    How::Stall(Part::Redis),
    How::Hold(Part::Kafka),
    How::Hold(Part::Mysql),
    How::Hold(Part::Redis),
    How::HoldSome(Part::Mysql),
    How::HoldSome(Part::Redis),
    How::ClockBack,
];

/// One fault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) how: How,
    /// Which of several alike.
    pub(crate) which: usize,
    /// Since the round began.
    pub(crate) at: Duration,
    /// Until it is repaired.
    pub(crate) lasts: Duration,
}

const FAULTS: usize = 5;

/// The faults of a round, in the order of time. They overlap, except two of one part.
pub(crate) fn schedule(seed: u64, round: u64) -> Vec<Fault> {
    // Each round goes on in a deck that has each of them once, so that three rounds have seen them all.
    let per_deck = u64::try_from(ALL.len() / FAULTS).unwrap_or(1);
    let (deck, place) = ((round - 1) / per_deck, (round - 1) % per_deck);
    let mut hows = ALL;
    hows.shuffle(&mut StdRng::seed_from_u64(seed ^ deck.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(round));
    let mut free_at: BTreeMap<Option<Part>, u64> = BTreeMap::new();
    let mut at = 500;
    let first = usize::try_from(place).unwrap_or_default() * FAULTS;
    let mut plan: Vec<Fault> = hows[first..first + FAULTS]
        .iter()
        .map(|how| {
            at += random.random_range(0..1800);
            let free_at = free_at.entry(how.part()).or_insert(0);
            let begins = at.max(*free_at);
            let lasts = random.random_range(200..3500);
            *free_at = begins + lasts + 500;
            let millis = Duration::from_millis;
            Fault { how: *how, which: random.random_range(0..6), at: millis(begins), lasts: millis(lasts) }
        })
        .collect();
    plan.sort_by_key(|fault| fault.at);
    plan
}

impl How {
    /// A network or a clock may fail while the part itself does too.
    pub(crate) fn part(self) -> Option<Part> {
        match self {
            Self::Kill(part) | Self::Stall(part) => Some(part),
            Self::Hold(_) | Self::HoldSome(_) | Self::ClockBack => None,
        }
    }
}

impl Display for Part {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::App => "app",
            Self::Relay => "relay",
            Self::Consumer => "consumer",
            Self::Kafka => "kafka",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
        })
    }
}

impl Display for How {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(part) => write!(out, "kill {part}"),
            Self::Stall(part) => write!(out, "stall {part}"),
            Self::Hold(part) => write!(out, "hold {part}"),
            Self::HoldSome(part) => write!(out, "hold some {part}"),
            Self::ClockBack => write!(out, "clock back"),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { how, which, at, lasts } = self;
        write!(out, "{:5} ms for {:4} ms: {how} ({which})", at.as_millis(), lasts.as_millis())
    }
}

#[test]
fn a_seed_repeats_its_faults_and_three_rounds_see_each_of_them() {
    let shown =
        |seed| (1..=3).flat_map(|round| schedule(seed, round)).map(|fault| fault.to_string()).collect::<Vec<_>>();
    assert_eq!(shown(7), shown(7));
    assert_ne!(shown(7), shown(8));
    let mut hows: Vec<How> = (1..=3).flat_map(|round| schedule(7, round)).map(|fault| fault.how).collect();
    hows.sort();
    assert_eq!(hows, ALL);
}
