//! Versions, keys, tokens, organisations and the rate limit.

use crate::support::{Client, PRACTICE, SOON, URL, started, started_with};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testbed::nexhealth::{ApiKey, ExpClaim, Institution, Mode, Organisation, RateLimit, SimConfig, Simulator, V2};

const LIST: &str = "/webhook_endpoints";

fn claims(client: &Client) -> Value {
    let token = client.authorization.as_deref().unwrap().strip_prefix("Bearer ").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
}

#[tokio::test]
async fn sign_in_takes_the_bare_key_and_gives_a_token_with_claims() {
    let (_simulator, client) = started().await;
    let claims = claims(&client);
    assert_eq!(claims["scp"], json!("api_user"));
    assert!(claims["sub"].is_string() && claims["jti"].is_string());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3_600);
    assert_eq!(client.get(LIST).await.status, 200);
}

#[tokio::test]
async fn sign_in_envelope() {
    let (simulator, mut client) = started().await;
    client.authorization = Some(SimConfig::API_KEY.to_owned());
    let answer = client.post("/authenticates", Value::Null).await;
    assert_eq!((answer.status, &answer.json["description"]), (201, &json!("Authenticated")));
    assert_eq!((&answer.json["code"], &answer.json["error"]), (&json!(true), &json!([])));
    assert_eq!(answer.content_type, "application/vnd.Nexhealth+json;version=2");
    assert!(simulator.ledger().iter().all(|call| call.caller.as_deref() == Some("main")));
}

#[tokio::test]
async fn wrong_credentials_are_401() {
    let (_simulator, mut client) = started().await;
    for sent in [None, Some("nonsense"), Some("Bearer sim-key-bright-smiles-000001")] {
        client.authorization = sent.map(str::to_owned);
        let answer = client.post("/authenticates", Value::Null).await;
        assert_eq!((answer.status, &answer.json["code"]), (401, &json!(false)), "{sent:?}");
    }
    for sent in [None, Some(SimConfig::API_KEY), Some("Bearer nonsense"), Some("Bearer sim-key-bright-smiles-000001")] {
        client.authorization = sent.map(str::to_owned);
        assert_eq!(client.get(LIST).await.status, 401, "{sent:?}");
    }
}

#[tokio::test]
async fn tokens_end() {
    let (simulator, client) = started().await;
    simulator.expire_tokens();
    let answer = client.get(LIST).await;
    assert_eq!((answer.status, answer.error()), (401, r#"["Invalid Credentials"]"#.to_owned()));
    let again = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    assert_eq!(again.get(LIST).await.status, 200);
}

#[tokio::test]
async fn lifetime_is_a_switch() {
    let (_simulator, client) = started_with(|switches| switches.token_lifetime = SOON).await;
    let claims = claims(&client);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 20);
    let (_simulator, client) = started_with(|switches| switches.token_lifetime = std::time::Duration::ZERO).await;
    assert_eq!(client.get(LIST).await.status, 401);
}

#[tokio::test]
async fn odd_exp_claims() {
    let (_simulator, client) = started_with(|switches| switches.token_exp = ExpClaim::Missing).await;
    assert_eq!(claims(&client)["exp"], Value::Null);
    assert_eq!(client.get(LIST).await.status, 200);
    let (_simulator, client) = started_with(|switches| switches.token_exp = ExpClaim::Past).await;
    assert!(claims(&client)["exp"].as_i64() < claims(&client)["iat"].as_i64());
    assert_eq!(client.get(LIST).await.status, 401);
}

#[tokio::test]
async fn a_new_token_ends_older_ones_only_if_switched() {
    let (simulator, old) = started().await;
    let _new = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    assert_eq!(old.get(LIST).await.status, 200);
    simulator.switch(|switches| switches.new_token_ends_older = true);
    let new = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    assert_eq!((old.get(LIST).await.status, new.get(LIST).await.status), (401, 200));
}

#[tokio::test]
async fn keys_come_and_go_while_running() {
    let (simulator, old) = started().await;
    assert!(simulator.add_key(SimConfig::ORGANISATION, ApiKey::new("second", "key-2", Mode::Production)));
    assert!(!simulator.add_key("nobody", ApiKey::new("third", "key-3", Mode::Production)));
    let second = Client::signed_in(&simulator, "key-2").await;
    simulator.revoke_key(SimConfig::API_KEY);
    assert_eq!((old.get(LIST).await.status, second.get(LIST).await.status), (401, 200));

    simulator.switch(|switches| switches.tokens_outlive_key = true);
    simulator.revoke_key("key-2");
    assert_eq!(second.get(LIST).await.status, 200);
    let mut again = Client::new(&simulator);
    again.authorization = Some("key-2".to_owned());
    assert_eq!(again.post("/authenticates", Value::Null).await.status, 401);
}

#[tokio::test]
async fn version_header_decides() {
    let (simulator, client) = started().await;
    let accept = ("accept", "application/vnd.Nexhealth+json;version=2");
    assert_eq!(client.with(&[]).get(LIST).await.status, 404);
    assert_eq!(client.with(&[("accept", "application/json")]).get(LIST).await.status, 404);
    assert_eq!(client.with(&[("nex-api-version", "v20240412")]).get(LIST).await.status, 200);
    assert_eq!(client.with(&[("nex-api-version", "v3.0.0"), accept]).get(LIST).await.status, 200);
    assert_eq!(client.with(&[("nex-api-version", "v9")]).get(LIST).await.status, 400);
    assert_eq!(client.with(&[("nex-api-version", "v3.1.0")]).get(LIST).await.status, 403);
    for headers in [[("nex-api-version", "v2")], [accept]] {
        let answer = client.with(&headers).get(LIST).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.error(), r#"["API version 'v2' is below the minimum allowed"]"#);
    }
    simulator.switch(|switches| {
        switches.v2 = V2::Accept;
        switches.unknown_version_status = 404;
    });
    assert_eq!(client.with(&[("nex-api-version", "v2")]).get(LIST).await.status, 200);
    assert_eq!(client.with(&[accept]).get(LIST).await.status, 200);
    assert_eq!(client.with(&[("nex-api-version", "v9")]).get(LIST).await.status, 404);
    let versions: Vec<_> = simulator.calls("GET", LIST).into_iter().map(|call| call.api_version).collect();
    assert_eq!(versions.last().unwrap().as_deref(), Some("v9"));
    assert!(versions.contains(&None) && versions.contains(&Some("accept".to_owned())));
}

#[tokio::test]
async fn version_is_needed_to_sign_in_too() {
    let (_simulator, mut client) = started().await;
    client.authorization = Some(SimConfig::API_KEY.to_owned());
    assert_eq!(client.with(&[]).post("/authenticates", Value::Null).await.status, 404);
}

#[tokio::test]
async fn unknown_routes_are_404_and_the_legacy_path_415() {
    let (_simulator, client) = started().await;
    assert_eq!(client.get("/nowhere").await.status, 404);
    assert_eq!(client.get("/authenticates").await.status, 404);
    assert_eq!(client.post("/webhooks", json!({})).await.status, 415);
}

fn two_organisations() -> SimConfig {
    let mut config = SimConfig::default();
    config.organisations[0].keys.push(ApiKey::new("narrow", "key-narrow", Mode::Production).reaching([PRACTICE]));
    config.organisations[0].keys.push(ApiKey::new("sandbox", "key-sandbox", Mode::Sandbox));
    config.organisations.push(Organisation {
        name: "other".to_owned(),
        keys: vec![ApiKey::new("other", "key-other", Mode::Production)],
        institutions: vec![Institution::new(900, "elsewhere-dental", "Elsewhere Dental")],
    });
    config
}

#[tokio::test]
async fn endpoints_belong_to_the_organisation_of_the_key() {
    let simulator = Simulator::start(two_organisations()).await.unwrap();
    let main = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    let narrow = Client::signed_in(&simulator, "key-narrow").await;
    let other = Client::signed_in(&simulator, "key-other").await;
    let id = main.create_endpoint(URL).await;
    assert_eq!(narrow.get(LIST).await.ids(), [id]);
    assert!(other.get(LIST).await.ids().is_empty());
    let path = format!("{LIST}/{id}");
    assert_eq!(other.patch(&path, json!({"active": false})).await.status, 404);
    assert_eq!(other.delete(&path).await.status, 404);
    assert_eq!(other.get(&format!("{path}/webhook_subscriptions")).await.status, 404);
    let foreign = other.create_endpoint(URL).await;
    let row = main.create_row(id, PRACTICE, "Patient", "patient_created").await;
    let move_path = format!("{path}/webhook_subscriptions/{row}?subdomain={PRACTICE}");
    let to_foreign = main.patch(&move_path, json!({"new_endpoint_id": foreign}));
    assert_eq!(to_foreign.await.status, 404);
}

#[tokio::test]
async fn a_key_reaches_only_its_institutions() {
    let simulator = Simulator::start(two_organisations()).await.unwrap();
    let narrow = Client::signed_in(&simulator, "key-narrow").await;
    assert_eq!(narrow.get("/institutions").await.ids(), [101]);
    assert_eq!(narrow.get("/sync_status?subdomain=lakeside-dental").await.status, 403);
    assert_eq!(narrow.get("/sync_status?subdomain=elsewhere-dental").await.status, 403);
}

#[tokio::test]
async fn http_targets_pass_in_the_sandbox_only() {
    let simulator = Simulator::start(two_organisations()).await.unwrap();
    let body = json!({"target_url": "http://hooks.example.com/a"});
    let main = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    assert_eq!(main.post(LIST, body.clone()).await.status, 400);
    let sandbox = Client::signed_in(&simulator, "key-sandbox").await;
    assert_eq!(sandbox.post(LIST, body).await.status, 201);
}

#[tokio::test]
async fn the_rate_limit_is_per_key() {
    let (simulator, client) = started().await;
    simulator.add_key(SimConfig::ORGANISATION, ApiKey::new("second", "key-2", Mode::Production));
    simulator.switch(|switches| switches.rate_limit = Some(RateLimit { per_minute: 1, burst: 3 }));
    let second = Client::signed_in(&simulator, "key-2").await;
    // The bucket was made with the larger burst and is cut to the new one by the next call.
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.get(LIST).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    let refused = client.get(LIST).await;
    assert_eq!((refused.retry_after.as_deref(), &refused.json["code"]), (Some("1"), &json!(false)));
    assert_eq!(second.get(LIST).await.status, 200);

    simulator.switch(|switches| switches.retry_after = None);
    let refused = client.get(LIST).await;
    assert_eq!((refused.status, refused.retry_after), (429, None));
    simulator.switch(|switches| switches.rate_limit = None);
    assert_eq!(client.get(LIST).await.status, 200);
}
