//! Servers as child processes: started with a log each, waited for, and stopped when dropped.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::workspace;

/// How long a server may take to leave after it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a condition is looked at again.
const STEP: Duration = Duration::from_millis(25);

/// The servers that stop with us, by process id.
static STARTED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// From now on an interrupt, a hang-up or a request to end stops the servers that were started, and then us.
pub fn stop_services_on_signals() -> Result<()> {
    // Handlers, not a blocked mask: a child inherits the mask and would never hear that it should end.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let asked = runtime.block_on(async {
            tokio::select! {
                asked = interrupt.recv() => asked,
                asked = terminate.recv() => asked,
                asked = hangup.recv() => asked,
            }
        });
        if asked.is_some() {
            let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
            // An API server without its etcd never ends by itself: after a moment nobody is asked any more.
            for signal in [Signal::SIGTERM, Signal::SIGKILL] {
                for &id in started.iter() {
                    // What is gone already needs no signal.
                    let _ = pid(id).map(|id| kill(id, signal));
                }
                if signal == Signal::SIGTERM && !started.is_empty() {
                    thread::sleep(Duration::from_secs(1));
                }
            }
            leave();
        }
    })?;
    Ok(())
}

#[expect(clippy::exit, reason = "the other threads wait for work that was just ended")]
fn leave() -> ! {
    std::process::exit(130)
}

/// A loopback port that nobody holds at this moment.
pub fn free_port() -> Result<u16> {
    let socket =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot bind a loopback port")?;
    Ok(socket.local_addr()?.port())
}

/// A running server.
#[derive(Debug)]
pub struct Service {
    name: String,
    child: Child,
    log: PathBuf,
    detached: bool,
}

impl Service {
    /// Starts the command with its output in `NAME.log` under `logs`.
    pub fn start(name: &str, command: &mut Command, logs: &Path) -> Result<Self> {
        fs::create_dir_all(logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let log = logs.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // A group of its own: an interrupt at the terminal reaches us, and we stop what we started in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", workspace::describe(command)))?;
        STARTED.lock().unwrap_or_else(PoisonError::into_inner).insert(child.id());
        Ok(Self { name: name.to_owned(), child, log, detached: false })
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file its output goes to.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Asks `ready` again and again until it says yes; an early end or the limit is an error with the log's tail.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            if ready() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} before it was ready\n{}",
                    self.name,
                    tail(&self.said())
                );
            }
            if started.elapsed() > limit {
                bail!(
                    "{} was not ready after {} s\n{}",
                    self.name,
                    limit.as_secs(),
                    tail(&self.said())
                );
            }
            thread::sleep(STEP);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(pid(self.child.id())?, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Asks it to end and waits; after a while it is killed. Gives whether it ended by itself with success.
    pub fn stop(&mut self) -> Result<bool> {
        if let Some(status) = self.child.try_wait()? {
            self.forget();
            return Ok(status.success());
        }
        self.signal(Signal::SIGTERM)?;
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                self.forget();
                return Ok(status.success());
            }
            thread::sleep(STEP);
        }
        self.child.kill()?;
        self.child.wait()?;
        self.forget();
        Ok(false)
    }

    /// Lets it run on after us.
    pub fn detach(&mut self) {
        self.detached = true;
        self.forget();
    }

    /// Its id is no longer ours to signal.
    fn forget(&self) {
        STARTED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.child.id());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.detached {
            // What cannot be stopped is gone already.
            let _ = self.stop();
        }
    }
}

/// Ends a process that an earlier run started, if the id still belongs to that program.
pub fn stop_by_id(id: u32, program: &str) -> Result<bool> {
    let is_ours = || {
        fs::read_link(format!("/proc/{id}/exe"))
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .is_some_and(|name| name.trim_end_matches(" (deleted)") == program)
    };
    if !is_ours() {
        return Ok(false);
    }
    kill(pid(id)?, Signal::SIGTERM).with_context(|| format!("cannot stop {program} ({id})"))?;
    let asked = Instant::now();
    while is_ours() {
        if asked.elapsed() > PATIENCE {
            kill(pid(id)?, Signal::SIGKILL)
                .with_context(|| format!("cannot kill {program} ({id})"))?;
            break;
        }
        thread::sleep(STEP);
    }
    Ok(true)
}

/// Waits until the condition holds; the error names what was waited for.
pub fn wait_for(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let started = Instant::now();
    while !holds()? {
        if started.elapsed() > limit {
            bail!("waited {} s in vain for {what}", limit.as_secs());
        }
        thread::sleep(STEP * 4);
    }
    Ok(())
}

fn pid(id: u32) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(id).context("a process id out of range")?))
}

/// The last lines of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(25)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_service_is_gone_and_its_log_stays() {
        let logs = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo up; exec sleep 60"]);
        let mut service = Service::start("napper", &mut command, logs.path()).unwrap();
        let log = service.log().to_owned();
        service
            .wait_until(Duration::from_secs(10), || {
                fs::read_to_string(&log).unwrap().contains("up")
            })
            .unwrap();
        let id = service.pid();
        drop(service);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
        assert_eq!(fs::read_to_string(log).unwrap(), "up\n");
    }

    #[test]
    fn an_early_end_is_an_error_with_the_log() {
        let logs = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no licence; exit 3"]);
        let mut service = Service::start("quitter", &mut command, logs.path()).unwrap();
        let error = service.wait_until(Duration::from_secs(10), || false).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no licence"), "{error}");
    }

    #[test]
    fn a_service_hears_that_it_should_end_while_signals_are_handled_here() {
        stop_services_on_signals().unwrap();
        let logs = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"]);
        let mut service = Service::start("listener", &mut command, logs.path()).unwrap();
        let log = service.log().to_owned();
        service
            .wait_until(Duration::from_secs(10), || {
                fs::read_to_string(&log).unwrap().contains("up")
            })
            .unwrap();
        assert!(service.stop().unwrap(), "it was killed");
    }

    #[test]
    fn a_foreign_process_is_left_alone() {
        assert!(!stop_by_id(std::process::id(), "etcd").unwrap());
    }
}
