//! The parts of a Pod that the checks look at, read once and with their types.
use super::field::{Bad, FieldError};
use sigward_document::{Kind, Map, Value, View};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Why no Pod could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// A kind without a Pod template, or with one that is not known here.
    #[error("could not find correct resource type")]
    Kind,
    /// A field of the wrong type.
    #[error("{field}: expected {expected}, found {found}")]
    Field {
        /// From the object's root.
        field: String,
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        found: Kind,
    },
}

impl Unreadable {
    fn under(self, parent: &str) -> Self {
        match self {
            Self::Kind => self,
            Self::Field { field, expected, found } => {
                Self::Field { field: format!("{parent}.{field}"), expected, found }
            }
        }
    }
}

/// Where the Pod stands in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// It is the object.
    Pod,
    /// `spec.template`
    Controller,
    /// `spec.jobTemplate.spec.template`
    CronJob,
}

impl Template {
    /// By the object's kind.
    pub(super) fn of(object: &Value) -> Result<Self, Unreadable> {
        match object.str_at(&["kind"]) {
            Some("Pod") => Ok(Self::Pod),
            Some("CronJob") => Ok(Self::CronJob),
            Some(
                "DaemonSet"
                | "Deployment"
                | "Job"
                | "StatefulSet"
                | "ReplicaSet"
                | "ReplicationController",
            ) => Ok(Self::Controller),
            _ => Err(Unreadable::Kind),
        }
    }

    /// Reads the Pod; a template that is not there is an empty one.
    pub(super) fn read(self, object: &Value) -> Result<Pod<'_>, Unreadable> {
        let path: &[&str] = match self {
            Self::Pod => &[],
            Self::Controller => &["spec", "template"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
        };
        let at = path.join(".");
        let within = |error: Unreadable| if at.is_empty() { error } else { error.under(&at) };
        match object.at_path(path).map(Value::view) {
            None | Some(View::Null) => Ok(Pod::default()),
            Some(View::Map(pod)) => Pod::read(pod).map_err(within),
            Some(_) => Err(Unreadable::Field {
                field: at,
                expected: "an object",
                found: object.at_path(path).map_or(Kind::Null, Value::kind),
            }),
        }
    }

    /// A field of the Pod as a field of the object.
    // COMPAT: Kyverno 1.19: by plain replacement, and `metadata` stands under `spec.template` even in a Pod;
    // test: fields_are_rewritten_for_controllers_as_upstream_does
    pub(super) fn rewrite(self, field: &str) -> String {
        let field = match self {
            Self::Pod => field.to_owned(),
            Self::Controller => field.replace("spec", "spec.template.spec"),
            Self::CronJob => field.replace("spec", "spec.jobTemplate.spec.template.spec"),
        };
        field.replace("metadata", "spec.template.metadata")
    }
}

/// What the checks see of a Pod.
#[derive(Clone, Debug, Default)]
pub(super) struct Pod<'v> {
    pub(super) annotations: Vec<(&'v str, &'v str)>,
    /// `spec.os.name` is `windows`.
    pub(super) windows: bool,
    pub(super) host_network: bool,
    pub(super) host_pid: bool,
    pub(super) host_ipc: bool,
    pub(super) security: Security<'v>,
    pub(super) volumes: Vec<Volume<'v>>,
    /// Init containers, containers, ephemeral containers.
    pub(super) containers: Vec<Container<'v>>,
}

/// A volume, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volume<'v> {
    pub(super) index: usize,
    map: Map<'v>,
}

/// What the checks see of a container.
#[derive(Clone, Debug)]
pub(super) struct Container<'v> {
    /// `spec.containers[0]`
    path: String,
    list: &'static str,
    pub(super) name: SmolStr,
    image: &'v str,
    /// Whether there is a `securityContext` changes what is said.
    pub(super) security: Option<Security<'v>>,
    /// Each with its place in `ports`.
    pub(super) host_ports: Vec<(usize, i64)>,
    /// Whether a probe or a lifecycle handler names a host.
    pub(super) names_host: bool,
}

/// A `securityContext`, the Pod's or a container's: neither has all the fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Security<'v> {
    pub(super) privileged: Option<bool>,
    pub(super) allow_privilege_escalation: Option<bool>,
    pub(super) run_as_non_root: Option<bool>,
    pub(super) run_as_user: Option<i64>,
    pub(super) host_process: Option<bool>,
    pub(super) proc_mount: Option<&'v str>,
    pub(super) seccomp: Option<&'v str>,
    pub(super) app_armor: Option<&'v str>,
    pub(super) se_linux: Option<SeLinux<'v>>,
    pub(super) capabilities: Option<Capabilities<'v>>,
    pub(super) sysctls: Vec<&'v str>,
}

/// `seLinuxOptions`; what is not set is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeLinux<'v> {
    pub(super) type_name: &'v str,
    pub(super) user: &'v str,
    pub(super) role: &'v str,
}

/// `capabilities`
#[derive(Clone, Debug)]
pub(super) struct Capabilities<'v> {
    pub(super) add: Vec<&'v str>,
    pub(super) drop: Vec<&'v str>,
}

impl<'v> Pod<'v> {
    fn read(pod: Map<'v>) -> Result<Self, Unreadable> {
        let mut read = Self::default();
        if let Some(metadata) = object(pod, "metadata")? {
            read.annotations = texts(metadata, "annotations").map_err(|e| e.under("metadata"))?;
        }
        if let Some(spec) = object(pod, "spec")? {
            read.read_spec(spec).map_err(|e| e.under("spec"))?;
        }
        Ok(read)
    }

    fn read_spec(&mut self, spec: Map<'v>) -> Result<(), Unreadable> {
        if let Some(os) = object(spec, "os")? {
            self.windows = text(os, "name").map_err(|e| e.under("os"))? == Some("windows");
        }
        self.host_network = boolean(spec, "hostNetwork")?.unwrap_or(false);
        self.host_pid = boolean(spec, "hostPID")?.unwrap_or(false);
        self.host_ipc = boolean(spec, "hostIPC")?.unwrap_or(false);
        self.security = Security::read(spec)?.unwrap_or_default();
        for (index, map) in objects(spec, "volumes")? {
            self.volumes.push(Volume { index, map });
        }
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for (index, map) in objects(spec, list)? {
                let container = Container::read(list, index, map);
                self.containers.push(container.map_err(|e| e.under(&format!("{list}[{index}]")))?);
            }
        }
        Ok(())
    }

    /// The same Pod with other containers.
    pub(super) fn with_containers(&self, containers: Vec<Container<'v>>) -> Self {
        Self { containers, ..self.clone() }
    }

    /// Nothing but the containers with such images, at the places where they were.
    pub(super) fn only(&self, image: impl Fn(&str) -> bool) -> Self {
        let containers = self.containers.iter().filter(|c| image(c.image)).cloned().collect();
        Self { containers, ..Self::default() }
    }

    /// Images by the names of containers: a container's before that of an init container, and the first of a name.
    pub(super) fn images(&self) -> BTreeMap<SmolStr, &'v str> {
        let mut images = BTreeMap::new();
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            for container in self.containers.iter().filter(|c| c.list == list) {
                images.entry(container.name.clone()).or_insert(container.image);
            }
        }
        images
    }

    /// One of the Pod's own fields breaks a check.
    pub(super) fn error(field: impl Into<String>, bad: Bad) -> FieldError {
        FieldError { field: field.into(), container: false, bad }
    }
}

impl<'v> Volume<'v> {
    /// Whether the volume is of that kind.
    pub(super) fn is(&self, source: &str) -> bool {
        self.map.get(source).is_some_and(|value| !value.is_null())
    }

    /// The path of a `hostPath`.
    pub(super) fn host_path(&self) -> Option<&'v str> {
        let source = self.map.get("hostPath").filter(|value| !value.is_null())?;
        Some(source.str_at(&["path"]).unwrap_or_default())
    }
}

impl<'v> Container<'v> {
    fn read(list: &'static str, index: usize, map: Map<'v>) -> Result<Self, Unreadable> {
        let mut host_ports = Vec::new();
        for (at, port) in objects(map, "ports")? {
            let number = integer(port, "hostPort").map_err(|e| e.under(&format!("ports[{at}]")))?;
            host_ports.extend(number.filter(|n| *n != 0).map(|n| (at, n)));
        }
        Ok(Self {
            path: format!("spec.{list}[{index}]"),
            list,
            name: SmolStr::new(text(map, "name")?.unwrap_or_default()),
            image: text(map, "image")?.unwrap_or_default(),
            security: Security::read(map)?,
            host_ports,
            names_host: names_host(map)?,
        })
    }

    /// Stands for no container in particular, with nothing set.
    pub(super) fn fake() -> Self {
        Self {
            path: "spec.containers[0]".to_owned(),
            list: "containers",
            name: SmolStr::new_static("fake"),
            image: "",
            security: None,
            host_ports: Vec::new(),
            names_host: false,
        }
    }

    /// One of the container's fields breaks a check; `field` is below the container.
    pub(super) fn error(&self, field: &str, bad: Bad) -> FieldError {
        FieldError { field: format!("{}.{field}", self.path), container: true, bad }
    }
}

impl<'v> Security<'v> {
    fn read(parent: Map<'v>) -> Result<Option<Self>, Unreadable> {
        let Some(map) = object(parent, "securityContext")? else { return Ok(None) };
        Self::read_fields(map).map(Some).map_err(|e| e.under("securityContext"))
    }

    fn read_fields(map: Map<'v>) -> Result<Self, Unreadable> {
        let profile = |key: &'static str| -> Result<Option<&'v str>, Unreadable> {
            let Some(profile) = object(map, key)? else { return Ok(None) };
            let kind = text(profile, "type").map_err(|e| e.under(key))?;
            Ok(Some(kind.unwrap_or_default()))
        };
        let mut sysctls = Vec::new();
        for (at, sysctl) in objects(map, "sysctls")? {
            let name = text(sysctl, "name").map_err(|e| e.under(&format!("sysctls[{at}]")))?;
            sysctls.push(name.unwrap_or_default());
        }
        let windows = object(map, "windowsOptions")?;
        let host_process = windows.map(|w| boolean(w, "hostProcess")).transpose();
        let se_linux = object(map, "seLinuxOptions")?.map(SeLinux::read).transpose();
        let capabilities = object(map, "capabilities")?.map(Capabilities::read).transpose();
        Ok(Self {
            privileged: boolean(map, "privileged")?,
            allow_privilege_escalation: boolean(map, "allowPrivilegeEscalation")?,
            run_as_non_root: boolean(map, "runAsNonRoot")?,
            run_as_user: integer(map, "runAsUser")?,
            host_process: host_process.map_err(|e| e.under("windowsOptions"))?.flatten(),
            proc_mount: text(map, "procMount")?,
            seccomp: profile("seccompProfile")?,
            app_armor: profile("appArmorProfile")?,
            se_linux: se_linux.map_err(|e| e.under("seLinuxOptions"))?,
            capabilities: capabilities.map_err(|e| e.under("capabilities"))?,
            sysctls,
        })
    }
}

impl<'v> SeLinux<'v> {
    fn read(map: Map<'v>) -> Result<Self, Unreadable> {
        Ok(Self {
            type_name: text(map, "type")?.unwrap_or_default(),
            user: text(map, "user")?.unwrap_or_default(),
            role: text(map, "role")?.unwrap_or_default(),
        })
    }
}

impl<'v> Capabilities<'v> {
    fn read(map: Map<'v>) -> Result<Self, Unreadable> {
        let words = |key: &'static str| -> Result<Vec<&'v str>, Unreadable> {
            let word = |(at, value): (usize, &'v Value)| match value.view() {
                View::String(word) => Ok(word),
                View::Null => Ok(""),
                View::Bool(_) | View::Int(_) | View::Float(_) | View::List(_) | View::Map(_) => {
                    Err(wrong(&format!("{key}[{at}]"), "a string", value))
                }
            };
            list(map, key)?.iter().enumerate().map(word).collect()
        };
        Ok(Self { add: words("add")?, drop: words("drop")? })
    }
}

/// Whether an HTTP or TCP handler of a probe or of the lifecycle names a host.
fn names_host(container: Map<'_>) -> Result<bool, Unreadable> {
    let mut found = false;
    let mut look = |handler: Map<'_>, at: &str| -> Result<(), Unreadable> {
        for action in ["httpGet", "tcpSocket"] {
            let Some(map) = object(handler, action).map_err(|e| e.under(at))? else { continue };
            let host = text(map, "host").map_err(|e| e.under(action).under(at))?;
            found |= host.is_some_and(|host| !host.is_empty());
        }
        Ok(())
    };
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(handler) = object(container, probe)? {
            look(handler, probe)?;
        }
    }
    if let Some(lifecycle) = object(container, "lifecycle")? {
        for hook in ["postStart", "preStop"] {
            if let Some(handler) = object(lifecycle, hook).map_err(|e| e.under("lifecycle"))? {
                look(handler, hook).map_err(|e| e.under("lifecycle"))?;
            }
        }
    }
    Ok(found)
}

fn wrong(field: &str, expected: &'static str, value: &Value) -> Unreadable {
    Unreadable::Field { field: field.to_owned(), expected, found: value.kind() }
}

/// A member that is there; null is as good as absent.
fn member<'v>(map: Map<'v>, key: &str) -> Option<&'v Value> {
    map.get(key).filter(|value| !value.is_null())
}

fn object<'v>(map: Map<'v>, key: &str) -> Result<Option<Map<'v>>, Unreadable> {
    let Some(value) = member(map, key) else { return Ok(None) };
    value.as_map().map(Some).ok_or_else(|| wrong(key, "an object", value))
}

fn list<'v>(map: Map<'v>, key: &str) -> Result<&'v [Value], Unreadable> {
    let Some(value) = member(map, key) else { return Ok(&[]) };
    value.as_list().ok_or_else(|| wrong(key, "a list", value))
}

/// The objects of a list with their places.
fn objects<'v>(map: Map<'v>, key: &str) -> Result<Vec<(usize, Map<'v>)>, Unreadable> {
    let one = |(at, value): (usize, &'v Value)| match value.as_map() {
        Some(map) => Ok((at, map)),
        None => Err(wrong(&format!("{key}[{at}]"), "an object", value)),
    };
    list(map, key)?.iter().enumerate().map(one).collect()
}

/// The members of a map of texts.
fn texts<'v>(map: Map<'v>, key: &str) -> Result<Vec<(&'v str, &'v str)>, Unreadable> {
    let Some(map) = object(map, key)? else { return Ok(Vec::new()) };
    let one = |(name, value): (&'v str, &'v Value)| match value.view() {
        View::String(text) => Ok((name, text)),
        View::Null => Ok((name, "")),
        View::Bool(_) | View::Int(_) | View::Float(_) | View::List(_) | View::Map(_) => {
            Err(wrong(&format!("{key}[{name}]"), "a string", value))
        }
    };
    map.iter().map(one).collect()
}

fn text<'v>(map: Map<'v>, key: &str) -> Result<Option<&'v str>, Unreadable> {
    let Some(value) = member(map, key) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| wrong(key, "a string", value))
}

fn boolean(map: Map<'_>, key: &str) -> Result<Option<bool>, Unreadable> {
    let Some(value) = member(map, key) else { return Ok(None) };
    value.as_bool().map(Some).ok_or_else(|| wrong(key, "a boolean", value))
}

fn integer(map: Map<'_>, key: &str) -> Result<Option<i64>, Unreadable> {
    let Some(value) = member(map, key) else { return Ok(None) };
    value.as_i64().map(Some).ok_or_else(|| wrong(key, "an integer", value))
}
