//! `migrate`: stored objects of custom resources in the version that is stored today.
use super::cluster::{Live, PageError};
use crate::cli::cosign::Failure;
use clap::Args;
use sigward_controller::discovery::Served;
use sigward_document::Value;
use std::{io::Write as _, path::PathBuf};

/// Objects that are read at once.
const PAGE: u32 = 100;

/// Rewrite stored objects of custom resources in their stored version, and forget the older ones.
#[derive(Args, Clone, Debug)]
pub(crate) struct Migrate {
    /// custom resources, `policyexceptions.kyverno.io`
    #[arg(long, required = true, value_delimiter = ',', value_name = "PLURAL.GROUP")]
    resource: Vec<String>,
    /// the cluster; `KUBECONFIG` or `~/.kube/config` when absent
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// context of the kubeconfig
    #[arg(long)]
    context: Option<String>,
}

impl Migrate {
    /// # Errors
    /// A cluster that cannot be read or written, or a resource that it has not.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let context = self.context.as_deref();
            let live = Live::connect(self.kubeconfig.as_deref(), context).await?;
            for name in &self.resource {
                migrate(&live, name).await?;
            }
            Ok(())
        })
    }
}

async fn migrate(live: &Live, name: &str) -> Result<(), Failure> {
    let failed = |error: PageError| {
        let Failure { message, .. } = Failure::from(error);
        Failure::new(format!("{name}: {message}"))
    };
    let mut out = std::io::stdout();
    writeln!(out, "migrating resource: {name} ...")?;
    let definition =
        live.definition(name).await.map_err(failed)?.ok_or_else(|| {
            Failure::new(format!("{name}: the cluster has no such custom resource"))
        })?;
    let kind = stored_kind(&definition)
        .ok_or_else(|| Failure::new(format!("{name}: its definition names no stored version")))?;
    let stored = definition.at_path(&["status", "storedVersions"]).and_then(Value::as_list);
    let stored: Vec<&str> = stored.unwrap_or_default().iter().filter_map(Value::as_str).collect();
    if stored == [kind.version.as_str()] {
        writeln!(out, "  every object is stored as {} already", kind.version)?;
        return Ok(());
    }
    let (mut rewritten, mut from) = (0_usize, String::new());
    loop {
        let page = live.page(&kind, "", PAGE, &from).await.map_err(failed)?;
        for object in &page.items {
            rewritten += usize::from(live.rewrite(&kind, object).await.map_err(failed)?);
        }
        if page.next.is_empty() {
            break;
        }
        from = page.next;
    }
    live.keep_only(name, &kind.version).await.map_err(failed)?;
    writeln!(out, "  {rewritten} object(s) were rewritten as {}", kind.version)?;
    Ok(())
}

/// The kind in the version that is stored today.
fn stored_kind(definition: &Value) -> Option<Served> {
    let text = |path: &[&str]| definition.str_at(path).map(ToOwned::to_owned);
    let versions = definition.at_path(&["spec", "versions"])?.as_list()?;
    let stored =
        versions.iter().find(|one| one.get("storage").and_then(Value::as_bool) == Some(true))?;
    Some(Served {
        group: text(&["spec", "group"])?,
        version: stored.str_at(&["name"])?.to_owned(),
        kind: text(&["spec", "names", "kind"])?,
        resource: text(&["spec", "names", "plural"])?,
        sub_resource: String::new(),
        namespaced: definition.str_at(&["spec", "scope"]) == Some("Namespaced"),
    })
}
