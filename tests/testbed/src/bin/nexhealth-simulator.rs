//! Runs the NexHealth simulator for a person to play with.

use clap::Parser;
use std::{io, io::Write as _};
use testbed::nexhealth::{ApiKey, Institution, Mode, SimConfig, Simulator, V2};

/// Runs a NexHealth of your own on this machine.
#[derive(Parser)]
struct Arguments {
    /// Loopback port.
    #[arg(long, default_value_t = 4010)]
    port: u16,
    /// API key to accept.
    #[arg(long, default_value = SimConfig::API_KEY)]
    api_key: String,
    /// Subdomain of a practice; may be repeated.
    #[arg(long = "practice", default_values = SimConfig::SUBDOMAINS)]
    practices: Vec<String>,
    /// The key belongs to the sandbox: target URLs may be http.
    #[arg(long)]
    sandbox: bool,
    /// Serve the deprecated v2 too.
    #[arg(long)]
    v2: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut config = SimConfig { port: arguments.port, ..SimConfig::default() };
    if arguments.v2 {
        config.switches.v2 = V2::Accept;
    }
    let mode = if arguments.sandbox { Mode::Sandbox } else { Mode::Production };
    for organisation in &mut config.organisations {
        organisation.keys = vec![ApiKey::new("main", &arguments.api_key, mode)];
        let practices = (101..).zip(&arguments.practices);
        organisation.institutions = practices.map(|(id, name)| Institution::new(id, name, name)).collect();
    }
    let simulator = Simulator::start(config).await?;
    let base = simulator.base_url();
    let key = &arguments.api_key;
    let practice = arguments.practices.first().map_or("sunshine-dental", String::as_str);
    writeln!(
        io::stdout().lock(),
        "NexHealth simulator on {base} (Ctrl-C ends it). Practices: {practices}

  version='Nex-Api-Version: v3.0.0'
  token=$(curl -s -X POST -H \"$version\" -H 'Authorization: {key}' {base}/authenticates | jq -r .data.token)
  bearer=\"Authorization: Bearer $token\"

  curl -s -H \"$version\" -H \"$bearer\" {base}/sync_status
  curl -s -H \"$version\" -H \"$bearer\" {base}/webhook_endpoints
  curl -s -H \"$version\" -H \"$bearer\" --json '{{\"target_url\":\"https://hooks.example.com/a\"}}' {base}/webhook_endpoints
  curl -s -H \"$version\" -H \"$bearer\" --json '{{\"resource_type\":\"Patient\",\"event\":\"patient_created\"}}' \\
    '{base}/webhook_endpoints/16271/webhook_subscriptions?subdomain={practice}'
",
        practices = arguments.practices.join(", "),
    )?;
    tokio::signal::ctrl_c().await?;
    simulator.shutdown().await;
    Ok(())
}
