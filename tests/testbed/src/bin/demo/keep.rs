//! `KEEP=1`: everything stays until Ctrl-C, with words on how to play with it.

use std::time::Duration;

use serde_json::json;

use crate::Failure;
use crate::examples::{self, NAMESPACE, PRACTICES};
use crate::narrator::Narrator;
use crate::stage::Stage;

/// How often something happens at a practice.
const PULSE: Duration = Duration::from_secs(20);

/// Whether it was asked for.
pub fn wanted() -> bool {
    std::env::var("KEEP").is_ok_and(|keep| !matches!(keep.as_str(), "" | "0" | "false" | "no"))
}

/// Applies the examples once more, explains, and lets an event happen now and then. Never ends by itself.
pub async fn keep(narrator: &Narrator, stage: &Stage) -> Result<(), Failure> {
    narrator.step("KEEP=1: yours to play with, until Ctrl-C");
    let base = stage.simulator.base_url();
    narrator.output(&stage.kubectl().apply(examples::read(PRACTICES, &base)?).await?);
    let operator = stage.operator()?;
    let command = stage.control_plane.kubectl();
    narrator.table(&format!(
        "
export KUBECONFIG={kubeconfig}
alias kubectl={kubectl}
kubectl get hooks -n {NAMESPACE} -w
kubectl describe webhookendpoint intake -n {NAMESPACE}
kubectl explain webhooksubscription.spec
# a wrong API key, and what is said about it (put it right the same way: {key})
kubectl patch secret nexhealth -n {NAMESPACE} -p '{{\"stringData\":{{\"api-key\":\"wrong-key-0000\"}}}}'
kubectl get pacct -n {NAMESPACE} -o jsonpath='{{.items[0].status.conditions[0].message}}{{\"\\n\"}}'

# the provider, as its API shows it
version='Nex-Api-Version: v3.0.0'
token=$(curl -s -X POST -H \"$version\" -H 'Authorization: {key}' {base}/authenticates | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')
curl -s -H \"$version\" -H \"Authorization: Bearer $token\" {base}/webhook_endpoints
# delete the endpoint behind the operator's back, and watch it come back (it looks every 30 s, and twice before it acts)
curl -s -X DELETE -H \"$version\" -H \"Authorization: Bearer $token\" {base}/webhook_endpoints/ID

curl -s {http}/metrics
tail -f {log}
",
        kubeconfig = stage.control_plane.admin_kubeconfig().display(),
        kubectl = command.get_program().to_string_lossy(),
        key = stage.api_key,
        http = operator.http,
        log = operator.log_file().display(),
    ));
    narrator.say(&format!("every {} s an event happens at sunshine-dental:", PULSE.as_secs()));
    loop {
        tokio::time::sleep(PULSE).await;
        let before = stage.receiver.received().len();
        let sent = stage.simulator.emit("sunshine-dental", "Patient", "patient_updated", "", json!({"demo": true}));
        stage.receiver.wait_for(|received| received.len() >= before + sent, Duration::from_secs(5)).await;
        for event in &stage.receiver.received()[before..] {
            let keys: Vec<String> = stage.simulator.endpoints().into_iter().map(|one| one.secret_key).collect();
            let verified = if event.verifies(&keys) { "signature verified" } else { "SIGNATURE NOT VERIFIED" };
            narrator.say(&format!("{} at {}, {verified}", event.event_name(), event.path));
        }
        if sent == 0 {
            narrator.say("patient_updated: nobody is subscribed");
        }
    }
}
