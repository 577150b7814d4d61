//! `uninstall`: takes away what the API server would keep calling when nobody answers.
use super::{cosign::Failure, serve::from_environment};
use clap::Args;
use std::path::PathBuf;

/// Remove webhook configurations and leases from a cluster; policies, reports and Secrets stay.
#[derive(Args, Clone, Debug)]
pub(crate) struct Uninstall {
    /// the cluster; `KUBECONFIG`, or in a Pod its own cluster, when absent
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// scale our Deployment (`KYVERNO_DEPLOYMENT`) to zero first
    #[arg(long)]
    scale_to_zero: bool,
}

impl Uninstall {
    /// Says what was removed.
    ///
    /// # Errors
    /// The cluster cannot be reached, or refuses.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let removed = runtime.block_on(async {
            let client = sigward_controller::connect(self.kubeconfig.as_deref()).await?;
            let defaults = sigward_controller::options::Options::default();
            let options = sigward_controller::options::Options {
                namespace: from_environment("KYVERNO_NAMESPACE", "kyverno"),
                deployment: from_environment("KYVERNO_DEPLOYMENT", &defaults.deployment),
                ..defaults
            };
            if self.scale_to_zero {
                sigward_controller::scale_to_zero(&client, &options).await?;
            }
            Ok::<_, Failure>(sigward_controller::uninstall(&client, &options).await?)
        })?;
        let _closed = std::io::Write::write_fmt(
            &mut std::io::stdout(),
            format_args!(
                "removed {} webhook configurations and {} leases\n",
                removed.webhook_configurations, removed.leases
            ),
        );
        Ok(())
    }
}
