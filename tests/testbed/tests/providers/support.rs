//! A plain client.

use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// Long enough for any machine; a test that waits this long has failed.
pub const SOON: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Null if the body is empty or no JSON.
    pub json: Value,
}

impl Client {
    pub fn new(base: String, headers: &[(&str, &str)]) -> Self {
        // Already installed by another test of this process: fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, base, headers: owned(headers) }
    }

    /// The same client with other headers.
    pub fn with(&self, headers: &[(&str, &str)]) -> Self {
        Self { headers: owned(headers), ..self.clone() }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).timeout(SOON);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok(Answer { status, json: serde_json::from_slice(&response.bytes().await?).unwrap_or_default() })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string())).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await.unwrap()
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
