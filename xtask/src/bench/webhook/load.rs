//! Load from `wrk`, and what the server behind it used meanwhile.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// What one load showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// Requests answered.
    pub(super) requests: f64,
    /// Requests answered each second.
    pub(super) rate: f64,
    /// Half of the answers came within so many seconds.
    pub(super) p50: f64,
    /// 99 of 100 came within so many seconds.
    pub(super) p99: f64,
    /// Seconds of CPU of the server, for each request.
    pub(super) cpu: f64,
}

/// Posts one body over and over on so many connections, from the second core.
pub(super) fn post(
    server: u32,
    url: &str,
    script: &Path,
    connections: u32,
    seconds: u64,
) -> Result<Load> {
    let before = cpu(server)?;
    let said = workspace::output(
        Command::new("wrk")
            .args(["-t1", "--latency", "--timeout", "30s"])
            .arg(format!("-c{connections}"))
            .arg(format!("-d{seconds}s"))
            .arg("-s")
            .arg(script)
            .arg(url),
    )?;
    let used = cpu(server)? - before;
    read(&said, used)
}

/// Reads what `wrk` prints.
fn read(said: &str, used: f64) -> Result<Load> {
    ensure!(!said.contains("Non-2xx"), "the server refused requests:\n{said}");
    let word_after = |start: &str| {
        said.lines().find_map(|line| line.trim().strip_prefix(start)?.split_whitespace().next())
    };
    let rate = word_after("Requests/sec:").context("wrk gave no rate")?.parse()?;
    let requests = said
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse::<f64>().ok())
        .context("wrk gave no count")?;
    ensure!(requests > 0.0, "no request was answered:\n{said}");
    let time = |start: &str| seconds(word_after(start).context("wrk gave no latencies")?);
    Ok(Load { requests, rate, p50: time("50%")?, p99: time("99%")?, cpu: used / requests })
}

/// A time as `wrk` spells it: `812.00us`, `4.20ms`, `1.03s`.
fn seconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    anyhow::bail!("`{text}` is no time")
}

/// Seconds of CPU that a process has used so far, user and system, all threads.
pub(super) fn cpu(process: u32) -> Result<f64> {
    /// `USER_HZ`: 100 on every architecture that we run on.
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).context("the server is gone")?;
    // The second field is a name in brackets and may hold blanks: fields count from the last bracket.
    let (_, rest) = text.rsplit_once(')').context("an unreadable stat file")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("a short stat file")?.parse()?) };
    Ok((ticks()? + ticks()?) / TICKS)
}

/// Resident memory of a process, in MiB.
pub(super) fn resident(process: u32) -> Result<f64> {
    let text =
        fs::read_to_string(format!("/proc/{process}/status")).context("the server is gone")?;
    let kilobytes: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next())
        .context("the kernel does not tell resident memory")?
        .parse()?;
    Ok(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let said = "Running 1s test @ https://127.0.0.1:9443/\n  1 threads and 16 connections\n  Latency Distribution\n     50%    4.20ms\n     \
                    75%    5.00ms\n     90%    9.00ms\n     99%    1.05s \n  372 requests in 1.00s, 1.00MB read\nRequests/sec:    371.50\n";
        let load = read(said, 0.93).unwrap();
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(load.requests, 372.0) && near(load.rate, 371.5), "{load:?}");
        assert!(near(load.p50, 0.0042) && near(load.p99, 1.05), "{load:?}");
        assert!(near(load.cpu, 0.0025), "{load:?}");
    }

    #[test]
    fn refused_requests_are_not_measured() {
        let said =
            "1 requests in 1s\nNon-2xx or 3xx responses: 1\nRequests/sec: 1\n50% 1ms\n99% 1ms\n";
        assert!(read(said, 1.0).is_err());
    }

    #[test]
    fn our_own_cpu_and_memory_can_be_read() {
        assert!(cpu(std::process::id()).unwrap() >= 0.0);
        assert!(resident(std::process::id()).unwrap() > 0.5);
    }
}
