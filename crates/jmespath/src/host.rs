//! What functions may want from outside, asked through a trait so that evaluation itself stays pure.
use std::net::IpAddr;

/// The answer is not here yet: the host has noted what to fetch, and the evaluation is to be run again.
///
/// No operator, default, `||`, `&&`, `!` or function swallows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Suspended;

/// Which call of a function asks: equal in every run of the same expression over the same data, so that a
/// second run after [`Suspended`] draws the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallSite {
    /// Hash of the expression's text.
    pub expression: u64,
    /// Byte offset of the call in that text.
    pub offset: u32,
    /// How many draws of this evaluation came before.
    pub turn: u32,
}

/// Time, randomness and names, as one request sees them.
pub trait Host {
    /// The moment of the request, in nanoseconds since the Unix epoch; the same at every call.
    fn now(&self) -> i64;
    /// A number for this place; the same for the same place within one request.
    fn random(&mut self, site: CallSite) -> u64;
    /// The addresses of a host name: `Ok(Err(text))` when the lookup failed with that text.
    fn addresses(&mut self, name: &str) -> Result<Result<Vec<IpAddr>, String>, Suspended>;
}

/// A host without an outside: a fixed time, a fixed seed, and no name server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Offline {
    /// Nanoseconds since the Unix epoch.
    pub now: i64,
    /// What the random numbers follow from.
    pub seed: u64,
}

impl Host for Offline {
    fn now(&self) -> i64 {
        self.now
    }

    fn random(&mut self, site: CallSite) -> u64 {
        let mut state = self.seed;
        for part in [site.expression, u64::from(site.offset), u64::from(site.turn)] {
            state = mix(state ^ part);
        }
        state
    }

    fn addresses(&mut self, name: &str) -> Result<Result<Vec<IpAddr>, String>, Suspended> {
        Ok(Err(format!("lookup {name}: no such host")))
    }
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014): spreads every input bit over all output bits.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
