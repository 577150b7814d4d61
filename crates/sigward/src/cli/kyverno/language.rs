//! The expression language outside a policy: projections of mocks, and the `jp` commands.
use sigward_document::Value;
use sigward_jmespath::{CallSite, Expression, Functions, Host, Suspended};
use sigward_policy::functions::registry;
use std::{
    net::{IpAddr, ToSocketAddrs as _},
    time::{SystemTime, UNIX_EPOCH},
};

/// Kyverno's functions, with its defaults for images.
pub(crate) fn functions() -> Functions {
    registry()
}

/// Evaluates an expression over a tree.
///
/// # Errors
/// The expression cannot be parsed or evaluated, in the words of the language.
pub(crate) fn search(text: &str, tree: &Value, functions: &Functions) -> Result<Value, String> {
    let expression = Expression::parse(text).map_err(|error| error.to_string())?;
    expression.evaluate(tree, functions, &mut Machine::new()).map_err(|error| error.to_string())
}

/// The clock, chance and name resolution of this machine.
#[derive(Debug)]
struct Machine {
    now: i64,
    state: u64,
}

impl Machine {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        Self { now, state: now.unsigned_abs() }
    }
}

impl Host for Machine {
    fn now(&self) -> i64 {
        self.now
    }

    fn random(&mut self, site: CallSite) -> u64 {
        // SplitMix64: `random()` of the language is for names, not for secrets.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15 ^ u64::from(site.turn));
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn addresses(&mut self, name: &str) -> Result<Result<Vec<IpAddr>, String>, Suspended> {
        let found = (name, 0).to_socket_addrs();
        Ok(found
            .map(|addresses| addresses.map(|address| address.ip()).collect())
            .map_err(|error| error.to_string()))
    }
}
