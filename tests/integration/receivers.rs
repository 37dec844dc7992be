//! Receivers: what the provider signs verifies by the operator's recipe and by the snippets of `docs/receivers.md`, also in
//! the middle of a rotation.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use external_webhooks::signing::{
    HERO_HEALTH, INSIGHT_HEALTH, Keys, Message, NEXHEALTH, Recipe, SecretText, SignedBy, new_key,
};
use serde_json::{Value, json};
use testbed::nexhealth::{Endpoint, Received, Receiver, RowPatch, SimConfig, Simulator};
use testbed::{herohealth, insighthealth};

const PRACTICE: &str = SimConfig::SUBDOMAINS[0];
const SOON: Duration = Duration::from_secs(20);

/// A provider with two endpoints on one URL, as in a rotation, and one subscription on the first.
struct Scene {
    simulator: Simulator,
    receiver: Receiver,
    endpoints: [Endpoint; 2],
    row: i64,
}

impl Scene {
    async fn new() -> Self {
        let simulator = Simulator::start(SimConfig::default()).await.unwrap();
        let receiver = Receiver::start().await.unwrap();
        simulator.route_host("hooks.example.com", receiver.address());
        let [first, second] =
            [(); 2].map(|()| simulator.edit().create_endpoint(SimConfig::ORGANISATION, "https://hooks.example.com/a"));
        let row = simulator.edit().create_row(first.id, PRACTICE, "Patient", "patient_created").unwrap();
        Self { simulator, receiver, endpoints: [first, second], row: row.id }
    }

    /// One event, as it arrives. Names in it are not ASCII, and its length is no multiple of three.
    async fn event(&self) -> Received {
        let before = self.receiver.received().len();
        let data = json!({"patients": [{"id": before, "name": "Zoë \u{1F9B7}"}]});
        assert_eq!(self.simulator.emit(PRACTICE, "Patient", "patient_created", "", data), 1);
        assert!(self.receiver.wait_for(|received| received.len() > before, SOON).await);
        self.receiver.received().pop().unwrap()
    }

    /// Moves the subscription to the second endpoint, as a rotation does.
    fn switch(&self) {
        let patch = RowPatch { new_endpoint_id: Some(self.endpoints[1].id), ..RowPatch::default() };
        self.simulator.edit().patch_row(self.row, patch).unwrap();
    }
}

/// What a receiver is asked about.
struct Case {
    what: &'static str,
    timestamp: String,
    signature: String,
    body: Vec<u8>,
    genuine: bool,
}

impl Case {
    fn arrived(what: &'static str, received: &Received) -> Self {
        let (timestamp, signature) = (received.timestamp.clone().unwrap(), received.signature.clone().unwrap());
        Self { what, timestamp, signature, body: received.body.to_vec(), genuine: true }
    }

    fn forged(&self, what: &'static str, forge: impl FnOnce(&mut Self)) -> Self {
        let (timestamp, signature, body) = (self.timestamp.clone(), self.signature.clone(), self.body.clone());
        let mut case = Self { what, timestamp, signature, body, genuine: false };
        forge(&mut case);
        case
    }
}

/// Deliveries from before and after a switch, and what is nearly one.
async fn cases(scene: &Scene) -> Vec<Case> {
    let before = Case::arrived("signed with previous", &scene.event().await);
    scene.switch();
    let after = Case::arrived("signed with current", &scene.event().await);
    let forged = [
        before.forged("another body", |case| case.body.push(b' ')),
        before.forged("another time", |case| case.timestamp = after.timestamp.replace('Z', "+00:00")),
        before.forged("another event's signature", |case| case.signature.clone_from(&after.signature)),
        before.forged("no signature", |case| case.signature.clear()),
        before.forged("half a signature", |case| case.signature.truncate(32)),
        before.forged("upper case", |case| case.signature = case.signature.to_uppercase()),
        before.forged("no ASCII", |case| case.signature = "\u{e9}".repeat(64)),
    ];
    [before, after].into_iter().chain(forged).collect()
}

#[tokio::test]
async fn the_operators_recipe_verifies_what_the_provider_sends() {
    let scene = Scene::new().await;
    let [previous, current] = scene.endpoints.each_ref().map(|one| SecretText::new(one.secret_key.clone()));
    let keys = Keys { current: &current, previous: Some(&previous) };
    let cases = cases(&scene).await;
    let verdicts: Vec<_> = cases
        .iter()
        .map(|case| {
            let message = Message { timestamp: Some(&case.timestamp), body: &case.body };
            NEXHEALTH.verify(keys, message, &case.signature)
        })
        .collect();
    assert_eq!(verdicts[..2], [Some(SignedBy::Previous), Some(SignedBy::Current)]);
    for (case, verdict) in cases.iter().zip(verdicts) {
        assert_eq!(verdict.is_some(), case.genuine, "{}", case.what);
    }
}

/// Another provider's delivery by the operator's recipe for it: genuine with the key that signed it, in either place.
fn judge(recipe: Recipe, received: &Received, signing_key: &str) {
    let (own, other) = (SecretText::new(signing_key), SecretText::new("another key"));
    let message =
        Message { timestamp: recipe.timestamp_header.and_then(|name| received.header(name)), body: &received.body };
    let signature = received.header(recipe.signature_header).unwrap();
    let verdict = |current, previous, message| recipe.verify(Keys { current, previous }, message, signature);
    assert_eq!(verdict(&own, None, message), Some(SignedBy::Current));
    assert_eq!(verdict(&other, Some(&own), message), Some(SignedBy::Previous));
    assert_eq!(verdict(&other, None, message), None);
    let longer = [&received.body[..], b" "].concat();
    assert_eq!(verdict(&own, None, Message { body: &longer, ..message }), None);
}

#[tokio::test]
async fn the_operators_recipe_verifies_what_hero_health_sends() {
    let simulator = herohealth::Simulator::start(herohealth::SimConfig::default()).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    simulator.route_host("hooks.example.com", receiver.address());
    let (group, event, key) = (herohealth::SimConfig::GROUP, "appointment.confirmed", new_key([7; 32]));
    simulator.edit().create(group, event, "https://hooks.example.com/a", Some(key.expose()));
    // The page names neither the digest's case nor the form of the timestamp.
    let forms = [
        (herohealth::SignatureForm::Hex, herohealth::TimestampForm::Seconds),
        (herohealth::SignatureForm::UpperHex, herohealth::TimestampForm::Iso),
    ];
    for (count, (signature, timestamp)) in forms.into_iter().enumerate() {
        simulator.switch(|switches| (switches.signature_form, switches.timestamp_form) = (signature, timestamp));
        assert_eq!(simulator.emit(group, event, "appt_1"), 1);
        assert!(receiver.wait_for(|received| received.len() > count, SOON).await);
        judge(HERO_HEALTH, &receiver.received()[count], key.expose());
    }
}

#[tokio::test]
async fn the_operators_recipe_serves_both_directions_at_insight_health() {
    let simulator = insighthealth::Simulator::start(insighthealth::SimConfig::default()).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    simulator.route_host("hooks.example.com", receiver.address());
    let (url, key) = ("https://hooks.example.com/notes".to_owned(), new_key([7; 32]));
    let destination = insighthealth::Destination { url, api_key: "ours".into(), signing_key: key.expose().to_owned() };
    simulator.edit().arrange(insighthealth::SimConfig::ORGANISATION, destination);
    let note = insighthealth::Note { patient_id: "Zo\u{eb}".into(), ..insighthealth::Note::default() };
    simulator.push(insighthealth::SimConfig::ORGANISATION, &note).unwrap();
    assert!(receiver.wait_for(|received| !received.is_empty(), SOON).await);
    judge(INSIGHT_HEALTH, &receiver.received()[0], key.expose());

    // What goes there is signed with their key, and the simulator has its own idea of it.
    let theirs = SecretText::new(insighthealth::SimConfig::SIGNING_KEY);
    let ours = INSIGHT_HEALTH.sign(&theirs, Message { timestamp: None, body: b"[]" });
    assert_eq!(ours, Some(insighthealth::sign::sign(theirs.expose(), b"[]")));
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The Secret as a kubelet mounts it: links into a folder that is replaced as a whole.
fn mounted(folder: &Path, keys: &[(&str, &str)]) {
    let data = folder.join("..2026_01_01");
    fs::create_dir_all(&data).unwrap();
    symlink("..2026_01_01", folder.join("..data")).unwrap();
    for (name, key) in keys {
        fs::write(data.join(name), key).unwrap();
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
}

/// The code block of this language in the page for receivers.
fn snippet(language: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/receivers.md")).unwrap();
    let block = page.split(&format!("```{language}\n")).nth(1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// Runs a snippet over the cases; `None` where the language is not installed.
#[allow(clippy::print_stderr, reason = "what was not tested must show")]
fn verdicts(language: &str, program: &str, main: &str, cases: &[Case], keys: &[(&str, &str)]) -> Option<Vec<bool>> {
    let folder = folder(&format!("receivers-{language}"));
    let secret = folder.join("secret");
    mounted(&secret, keys);
    let mut questions = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let body = folder.join(format!("body-{number}"));
        fs::write(&body, &case.body).unwrap();
        questions.push(json!({"timestamp": case.timestamp, "signature": case.signature, "body": body}));
    }
    let (asked, script) = (folder.join("asked.json"), folder.join(format!("receiver.{language}")));
    fs::write(&asked, Value::from(questions).to_string()).unwrap();
    fs::write(&script, format!("{}\n{main}", snippet(language))).unwrap();
    let output = match Command::new(program).arg(&script).arg(&asked).arg(&secret).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("not tested: there is no {program} here");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<bool> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), cases.len());
    Some(answers)
}

const PYTHON: &str = r#"
import json, sys
asked = json.load(open(sys.argv[1], encoding="utf-8"))
answer = [genuine(one["timestamp"], one["signature"], pathlib.Path(one["body"]).read_bytes(), sys.argv[2]) for one in asked]
print(json.dumps(answer))
"#;

const JAVASCRIPT: &str = r#"
const asked = JSON.parse(readFileSync(process.argv[2], "utf8"));
const answer = asked.map((one) => genuine(one.timestamp, one.signature, readFileSync(one.body), process.argv[3]));
console.log(JSON.stringify(answer));
"#;

#[tokio::test]
async fn the_snippets_of_the_page_agree() {
    let scene = Scene::new().await;
    let cases = cases(&scene).await;
    let [previous, current] = scene.endpoints.each_ref().map(|one| one.secret_key.as_str());
    for (language, program, main) in [("python", "python3", PYTHON), ("js", "node", JAVASCRIPT)] {
        let both = [("current", current), ("previous", previous)];
        for (keys, accepted) in [(&both[..], 2), (&both[..1], 1), (&[], 0)] {
            let Some(answers) = verdicts(language, program, main, &cases, keys) else { continue };
            for (case, answer) in cases.iter().zip(&answers) {
                // With fewer keys what one of the missing ones has signed is refused, and nothing else changes.
                assert!(case.genuine || !answer, "{language}: {}", case.what);
            }
            assert_eq!(answers.iter().filter(|answer| **answer).count(), accepted, "{language}");
            assert!(accepted != 1 || answers[1], "{language}: the one that is left is current");
        }
    }
}

/// The page's own numbers, which people check their receivers against.
#[test]
fn the_vector_of_the_page_is_right() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/receivers.md")).unwrap();
    let vector = page.split("To test yours:").nth(1).unwrap();
    let quoted: Vec<&str> = vector.split('`').skip(1).step_by(2).take(4).collect();
    let [key, timestamp, body, signature] = quoted[..] else { panic!("{quoted:?}") };
    let message = Message { timestamp: Some(timestamp), body: body.as_bytes() };
    assert_eq!(NEXHEALTH.sign(&SecretText::new(key), message).as_deref(), Some(signature));
}
