//! `bespoke registry`: a small schema registry for the demo and for tests, on loopback only.

use std::net::SocketAddr;

use clap::Args;

use super::load::{Console, print};
use crate::runtime::fault::{Exit, ExitCode};
use crate::service::registry_server::RegistryServer;
use crate::service::shutdown::{Signals, Stop};

/// Arguments of `bespoke registry`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke registry
  bespoke registry --listen 127.0.0.1:0")]
pub(super) struct RegistryArguments {
    /// The address to listen on; port 0 takes a free one. Only loopback addresses are accepted.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
}

/// Serves until a signal comes.
pub(super) fn run(console: &Console, arguments: RegistryArguments) -> Result<i32, Exit> {
    let _guard = console.log("bespoke-registry", None)?;
    let failed = |text: String| Exit { code: ExitCode::Failed, text };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|error| failed(format!("no signals: {error}")))?;
        let server = RegistryServer::bind(arguments.listen)
            .await
            .map_err(|error| Exit { code: ExitCode::Misconfigured, text: error.to_string() })?;
        print(format!("listening on http://{}", server.address()));
        let stop = Stop::default();
        let until = async move {
            signals.first(&stop).await;
        };
        server.serve(until).await.map_err(|error| failed(format!("serving failed: {error}")))?;
        Ok(0)
    })
}
