//! Hero Health as a [`Provider`]: what it adds to a call's record, and the forms of its failures.

use super::{
    config::SimTiming,
    delivery::Delivery,
    routes::{self, API_KEY},
    world::World,
};
use crate::sim::{Answer, Call, Provider, Records, Request};
use serde_json::{Value, json};
use std::sync::Mutex;

/// What no request changes.
pub struct Own {
    pub timing: SimTiming,
    pub deliveries: Mutex<Vec<Delivery>>,
}

impl Provider for World {
    type Own = Own;

    fn records(&self) -> &Records {
        &self.records
    }

    fn records_mut(&mut self) -> &mut Records {
        &mut self.records
    }

    fn introduce(&self, request: &Request, call: &mut Call) {
        call.caller = request.header(API_KEY).and_then(|key| self.key(key)).map(|key| key.label.clone());
        if let ["v1", "webhooks", id] = request.segments().as_slice() {
            call.resource_id = Some((*id).to_owned());
        }
    }

    fn handle(&mut self, request: &Request) -> Answer {
        routes::handle(self, request)
    }

    fn made(answer: &Answer, call: &mut Call) {
        let id = answer.body.as_ref().filter(|_| answer.status < 300).and_then(|body| body["id"].as_str());
        if let (Some(id), "POST") = (id, call.method.as_str()) {
            call.resource_id = Some(id.to_owned());
        }
    }

    fn trouble() -> Value {
        json!({"message": "Internal server error"})
    }

    fn accepted(_: &Request) -> Answer {
        Answer::json(202, json!({}))
    }

    fn inside_out(body: &mut Value) {
        *body = match body.take() {
            Value::Array(items) => items.into_iter().next().unwrap_or_else(|| json!({})),
            other => json!([other]),
        };
    }
}
