//! NexHealth as a [`Provider`]: what it adds to a call's record, and the forms of its failures.

use super::{
    auth,
    routes::{self, ACCEPT, AUTHORIZATION, VERSION},
    simulator::Own,
    world::World,
};
use crate::sim::{Answer, Call, Provider, Records, Request};
use serde_json::{Value, json};

impl Provider for World {
    type Own = Own;

    fn records(&self) -> &Records {
        &self.records
    }

    fn records_mut(&mut self) -> &mut Records {
        &mut self.records
    }

    fn introduce(&self, request: &Request, call: &mut Call) {
        (call.endpoint_id, call.subscription_id) = request.ids();
        call.caller = auth::label(self, request.header(AUTHORIZATION));
        let old_header = request.header(ACCEPT).is_some_and(|accept| accept.contains("version=2"));
        call.api_version =
            request.header(VERSION).map(str::to_owned).or_else(|| old_header.then(|| "accept".to_owned()));
    }

    fn handle(&mut self, request: &Request) -> Answer {
        routes::handle(self, request)
    }

    fn made(answer: &Answer, call: &mut Call) {
        let id = answer.body.as_ref().filter(|_| answer.status == 201).and_then(|body| body["data"]["id"].as_i64());
        match (id, call.endpoint_id) {
            (Some(id), None) => call.endpoint_id = Some(id),
            (Some(id), Some(_)) => call.subscription_id = Some(id),
            (None, _) => {}
        }
    }

    fn trouble() -> Value {
        json!({"code": false, "description": null, "data": null, "error": ["Something went wrong"]})
    }

    fn accepted(request: &Request) -> Answer {
        let body = json!({"code": true, "description": null, "data": null, "error": []});
        Answer { content_type: request.family().media_type().to_owned(), ..Answer::json(202, body) }
    }

    /// `data` turned inside out.
    fn inside_out(body: &mut Value) {
        let Some(data) = body.get_mut("data") else { return };
        *data = match data.take() {
            Value::Array(items) => items.into_iter().next().unwrap_or_else(|| json!({})),
            other => json!([other]),
        };
    }
}
