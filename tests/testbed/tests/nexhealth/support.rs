//! A plain client and short ways to common states.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::time::Duration;
use testbed::nexhealth::{SimConfig, Simulator, Switches};

pub const URL: &str = "https://hooks.example.com/a";
pub const OTHER_URL: &str = "https://hooks.example.com/b";
pub const PRACTICE: &str = "sunshine-dental";
/// Long enough for any machine; a test that waits this long has failed.
pub const SOON: Duration = Duration::from_secs(20);

pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub json: Value,
}

impl Answer {
    pub fn id(&self) -> i64 {
        self.json["data"]["id"].as_i64().unwrap()
    }

    pub fn data(&self) -> &Value {
        &self.json["data"]
    }

    pub fn ids(&self) -> Vec<i64> {
        self.data().as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    }

    /// The first error, whatever its form.
    pub fn error(&self) -> String {
        self.json["error"].to_string()
    }
}

#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub base: String,
    pub authorization: Option<String>,
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Client {
    pub fn new(simulator: &Simulator) -> Self {
        // Already installed by another test of this process: fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, base: simulator.base_url(), authorization: None, headers: vec![("nex-api-version", "v3.0.0")] }
    }

    pub async fn signed_in(simulator: &Simulator, key: &str) -> Self {
        let mut client = Self::new(simulator);
        client.sign_in(key).await;
        client
    }

    pub async fn sign_in(&mut self, key: &str) {
        self.authorization = Some(key.to_owned());
        let answer = self.post("/authenticates", Value::Null).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        self.authorization = Some(format!("Bearer {}", answer.data()["token"].as_str().unwrap()));
    }

    pub fn with(&self, headers: &[(&'static str, &'static str)]) -> Self {
        Self { headers: headers.to_vec(), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).timeout(SOON);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        if let Some(value) = &self.authorization {
            request = request.header("authorization", value);
        }
        if body.is_null() { request } else { request.json(body) }
    }

    pub async fn try_call(&self, method: Method, path: &str, body: Value) -> reqwest::Result<Answer> {
        let response = self.request(method, path, &body).send().await?;
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let (content_type, retry_after) = (header(CONTENT_TYPE.as_str()).unwrap_or_default(), header("retry-after"));
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer { status, content_type, retry_after, json })
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.try_call(method, path, body).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, Value::Null).await
    }

    pub async fn create_endpoint(&self, target_url: &str) -> i64 {
        let answer = self.post("/webhook_endpoints", json!({"target_url": target_url})).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer.id()
    }

    pub async fn create_row(&self, endpoint: i64, subdomain: &str, resource_type: &str, event: &str) -> i64 {
        let path = format!("/webhook_endpoints/{endpoint}/webhook_subscriptions?subdomain={subdomain}");
        let answer = self.post(&path, json!({"resource_type": resource_type, "event": event})).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        answer.id()
    }
}

pub fn rows_path(endpoint: i64) -> String {
    format!("/webhook_endpoints/{endpoint}/webhook_subscriptions")
}

pub async fn started() -> (Simulator, Client) {
    started_with(|_| {}).await
}

pub async fn started_with(edit: impl FnOnce(&mut Switches)) -> (Simulator, Client) {
    let mut config = SimConfig::default();
    edit(&mut config.switches);
    let simulator = Simulator::start(config).await.unwrap();
    let client = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    (simulator, client)
}
