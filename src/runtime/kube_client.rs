//! The Kubernetes client of the process, with the two defaults of kube that do not suit a controller changed.

use std::time::Duration;

use kube::{Client, Config};

/// Longer than any watch of ours stays silent (kube ends an idle watch after 295 s), so it only ends what hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No way to a cluster is configured.
    #[error("no Kubernetes cluster is configured: set KUBECONFIG, or run in a pod with a service account ({0})")]
    Config(#[from] kube::config::InferConfigError),
    /// The configuration cannot be used.
    #[error("the Kubernetes configuration cannot be used, check its certificates and credentials ({0})")]
    Client(#[from] kube::Error),
}

/// Installs ring as the TLS provider of the process. Must come before any TLS client is built: with two providers in a
/// dependency tree rustls refuses to choose. Harmless when repeated.
pub fn install_tls_provider() {
    // An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The configuration from `KUBECONFIG` or the service account, tuned.
///
/// # Errors
/// See [`ClientError`].
pub async fn config() -> Result<Config, ClientError> {
    Ok(tune(Config::infer().await?))
}

/// A client for a tuned configuration.
///
/// # Errors
/// See [`ClientError`].
pub fn client(config: Config) -> Result<Client, ClientError> {
    Ok(Client::try_from(config)?)
}

/// Every caller here repeats what it must by reconciling. kube's own repetition would send a create again after a 503
/// that may have done its work, and would follow a Retry-After of any length.
fn tune(mut config: Config) -> Config {
    config.default_retry = false;
    config.read_timeout = Some(READ_TIMEOUT);
    // Count from the request, not from when its pooled connection was last used.
    config.reset_reader_on_write = true;
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two TLS providers compile together and then panic at run time; this is the test that notices.
    #[tokio::test]
    async fn both_tls_clients_build_in_one_process() {
        install_tls_provider();
        install_tls_provider();
        let config = tune(Config::new("https://127.0.0.1:6443".parse().unwrap()));
        assert!(!config.default_retry);
        client(config).unwrap();
        reqwest::Client::builder().build().unwrap();
    }
}
