//! The life of one request: recorded, hooked, carried out or not, answered or not.

use super::{
    auth,
    envelope::Answer,
    faults::{Fault, HookAction, When},
    ledger::{Call, without_secrets},
    respond,
    routes::{self, Request},
    server::{Body, Cut},
    simulator::Core,
};

use http_body_util::BodyExt as _;
use hyper::{
    Response,
    body::Incoming,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName},
};
use jiff::Timestamp;
use std::{
    future::pending,
    sync::{Arc, PoisonError},
};

type Reply = Result<Response<Body>, Cut>;

/// Answers one request. The work runs on its own, so that it is finished even if the client goes away.
pub(crate) async fn answer(core: Arc<Core>, request: hyper::Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut::Close)?.to_bytes();
    let header = |name: HeaderName| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let query = parts.uri.query().unwrap_or_default();
    let mut request = Request {
        seq: 0,
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        authorization: header(AUTHORIZATION),
        version: header(HeaderName::from_static("nex-api-version")),
        accept: header(ACCEPT),
        content_type: header(CONTENT_TYPE),
        body,
    };
    let call = arrive(&core, &mut request);
    let work = process(core.clone(), request, call);
    let task = core.tasks.spawn(core.stop.clone().run_until_cancelled_owned(work));
    task.await.ok().flatten().unwrap_or(Err(Cut::Close))
}

/// Records the call.
fn arrive(core: &Core, request: &mut Request) -> Call {
    core.change(|world| {
        request.seq = world.next_seq();
        let (endpoint_id, subscription_id) = request.ids();
        let old_header = request.accept.as_deref().is_some_and(|accept| accept.contains("version=2"));
        let call = Call {
            seq: request.seq,
            at: Timestamp::now(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            caller: auth::label(world, request.authorization.as_deref()),
            api_version: request.version.clone().or_else(|| old_header.then(|| "accept".to_owned())),
            status: None,
            effect: false,
            fault: None,
            endpoint_id,
            subscription_id,
            body: serde_json::from_slice(&request.body).ok().map(without_secrets),
        };
        world.ledger.push(call.clone());
        call
    })
}

fn find(ledger: &[Call], seq: u64) -> Option<&Call> {
    ledger.binary_search_by_key(&seq, |call| call.seq).ok().map(|at| &ledger[at])
}

fn update(core: &Core, seq: u64, edit: impl FnOnce(&mut Call)) {
    core.change(|world| world.edit_call(seq, edit));
}

/// Follows a hook to its end; a fault of its own replaces `fault`.
async fn follow(mut action: HookAction, fault: Option<Fault>) -> Option<Fault> {
    loop {
        match action {
            HookAction::Proceed => return fault,
            HookAction::Inject(own) => return Some(own),
            HookAction::Wait(until, then) => {
                until.await;
                action = *then;
            }
        }
    }
}

fn hooked(core: &Core, which: When, call: &Call) -> HookAction {
    let slot = if which == When::Before { &core.on_request } else { &core.on_effect };
    let hook = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
    hook.map_or(HookAction::Proceed, |hook| hook(call))
}

async fn process(core: Arc<Core>, request: Request, mut call: Call) -> Reply {
    let seq = request.seq;
    let fault = core.faults.lock().unwrap_or_else(PoisonError::into_inner).pick(&call);
    let fault = follow(hooked(&core, When::Before, &call), fault).await;
    if let Some(fault) = &fault {
        update(&core, seq, |call| call.fault = Some(fault.name()));
    }
    let reply = match before(&core, &request, fault.as_ref()).await {
        Some(reply) => reply,
        None => {
            let answer = carry_out(&core, &request, fault.as_ref());
            if let Some(recorded) = core.look(|world| find(&world.ledger, seq).cloned()) {
                call = Call { status: Some(answer.status), ..recorded };
            }
            let fault = follow(hooked(&core, When::After, &call), fault).await;
            after(answer, fault).await
        }
    };
    if let Ok(response) = &reply {
        let status = response.status().as_u16();
        update(&core, seq, |call| call.status = Some(status));
    }
    reply
}

/// What ends a request before it takes effect.
async fn before(core: &Arc<Core>, request: &Request, fault: Option<&Fault>) -> Option<Reply> {
    match fault? {
        Fault::Reset(When::Before) => Some(Err(Cut::Reset)),
        Fault::Close(When::Before) => Some(Err(Cut::Close)),
        Fault::Hang(When::Before) => pending().await,
        Fault::Delay(When::Before, time) => {
            tokio::time::sleep(*time).await;
            None
        }
        Fault::Status(When::Before, made_up) => Some(Ok(respond::made_up(made_up))),
        Fault::Html(When::Before, status) => Some(Ok(respond::html(*status))),
        Fault::Redirect { status, location } => Some(Ok(respond::redirect(*status, location))),
        Fault::AcceptedLater(time) => {
            let (core, request, time) = (core.clone(), request.clone(), *time);
            let accepted = respond::accepted(request.family().media_type());
            let (tasks, stop) = (core.tasks.clone(), core.stop.clone());
            tasks.spawn(stop.run_until_cancelled_owned(async move {
                tokio::time::sleep(time).await;
                carry_out(&core, &request, None);
            }));
            Some(Ok(respond::plain(&accepted)))
        }
        _ => None,
    }
}

/// The effect, recorded in the same moment.
fn carry_out(core: &Core, request: &Request, fault: Option<&Fault>) -> Answer {
    let pretend = matches!(fault, Some(Fault::WithoutEffect | Fault::CodeFalse(When::Before)));
    core.change(|world| {
        if pretend {
            return routes::handle(&mut world.clone(), request);
        }
        let answer = routes::handle(world, request);
        let created =
            (answer.status == 201).then(|| answer.body.as_ref().and_then(|body| body["data"]["id"].as_i64())).flatten();
        world.edit_call(request.seq, |call| {
            call.effect = true;
            match (created, call.endpoint_id) {
                (Some(id), None) => call.endpoint_id = Some(id),
                (Some(id), Some(_)) => call.subscription_id = Some(id),
                (None, _) => {}
            }
        });
        answer
    })
}

/// What becomes of the answer.
async fn after(mut answer: Answer, fault: Option<Fault>) -> Reply {
    let Some(fault) = fault else { return Ok(respond::plain(&answer)) };
    match fault {
        Fault::Reset(_) => Err(Cut::Reset),
        Fault::Close(_) => Err(Cut::Close),
        Fault::Hang(_) => pending().await,
        Fault::Delay(When::After, time) => {
            tokio::time::sleep(time).await;
            Ok(respond::plain(&answer))
        }
        Fault::Status(_, made_up) => Ok(respond::made_up(&made_up)),
        Fault::Html(_, status) => Ok(respond::html(status)),
        Fault::EmptyBody => Ok(respond::empty(&answer)),
        Fault::TruncatedBody(kept) => Ok(respond::truncated(&answer, kept)),
        Fault::SlowBody { piece, pause } => Ok(respond::slow(&answer, piece, pause)),
        Fault::HugeBody(length) => Ok(respond::huge(&answer, length)),
        Fault::Redirect { status, location } => Ok(respond::redirect(status, &location)),
        Fault::WrongShape => {
            respond::wrong_shape(&mut answer);
            Ok(respond::plain(&answer))
        }
        Fault::CodeFalse(_) => {
            respond::code_false(&mut answer);
            Ok(respond::plain(&answer))
        }
        Fault::OtherStatus(status) => {
            answer.status = status;
            Ok(respond::plain(&answer))
        }
        Fault::EditBody(edit) => {
            if let Some(body) = &mut answer.body {
                edit(body);
            }
            Ok(respond::plain(&answer))
        }
        Fault::Delay(When::Before, _) | Fault::AcceptedLater(_) | Fault::WithoutEffect => Ok(respond::plain(&answer)),
    }
}
