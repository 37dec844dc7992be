//! The life of one request: recorded, hooked, carried out or not, answered or not.

use super::{
    Answer, Call, Core, Fault, HookAction, Provider, Request, When, held,
    ledger::without_secrets,
    respond,
    server::{Body, Cut},
};
use http_body_util::BodyExt as _;
use hyper::{Response, body::Incoming};
use jiff::Timestamp;
use std::{future::pending, sync::Arc};

type Reply = Result<Response<Body>, Cut>;

/// Answers one request. The work runs on its own, so that it is finished even if the client goes away.
pub async fn answer<P: Provider>(core: Arc<Core<P>>, request: hyper::Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut::Close)?.to_bytes();
    let query = parts.uri.query().unwrap_or_default();
    let mut request = Request {
        seq: 0,
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body,
    };
    let call = arrive(&core, &mut request);
    let work = process(core.clone(), request, call);
    let task = core.tasks.spawn(core.stop.clone().run_until_cancelled_owned(work));
    task.await.ok().flatten().unwrap_or(Err(Cut::Close))
}

/// Records the call.
fn arrive<P: Provider>(core: &Core<P>, request: &mut Request) -> Call {
    core.change(|world| {
        request.seq = world.records_mut().next_seq();
        let mut call = Call {
            seq: request.seq,
            at: Timestamp::now(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            caller: None,
            api_version: None,
            status: None,
            effect: false,
            fault: None,
            endpoint_id: None,
            subscription_id: None,
            resource_id: None,
            body: serde_json::from_slice(&request.body).ok().map(without_secrets),
        };
        world.introduce(request, &mut call);
        world.records_mut().ledger.push(call.clone());
        call
    })
}

fn update<P: Provider>(core: &Core<P>, seq: u64, edit: impl FnOnce(&mut Call)) {
    core.change(|world| world.records_mut().edit_call(seq, edit));
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

fn hooked<P: Provider>(core: &Core<P>, which: When, call: &Call) -> HookAction {
    let slot = if which == When::Before { &core.on_request } else { &core.on_effect };
    let hook = held(slot).clone();
    hook.map_or(HookAction::Proceed, |hook| hook(call))
}

async fn process<P: Provider>(core: Arc<Core<P>>, request: Request, mut call: Call) -> Reply {
    let seq = request.seq;
    let fault = held(&core.faults).pick(&call);
    let fault = follow(hooked(&core, When::Before, &call), fault).await;
    if let Some(fault) = &fault {
        update(&core, seq, |call| call.fault = Some(fault.name()));
    }
    let reply = match before(&core, &request, fault.as_ref()).await {
        Some(reply) => reply,
        None => {
            let answer = carry_out(&core, &request, fault.as_ref());
            if let Some(recorded) = core.look(|world| world.records().call(seq).cloned()) {
                call = Call { status: Some(answer.status), ..recorded };
            }
            let fault = follow(hooked(&core, When::After, &call), fault).await;
            after::<P>(answer, fault).await
        }
    };
    if let Ok(response) = &reply {
        let status = response.status().as_u16();
        update(&core, seq, |call| call.status = Some(status));
    }
    reply
}

/// What ends a request before it takes effect.
async fn before<P: Provider>(core: &Arc<Core<P>>, request: &Request, fault: Option<&Fault>) -> Option<Reply> {
    match fault? {
        Fault::Reset(When::Before) => Some(Err(Cut::Reset)),
        Fault::Close(When::Before) => Some(Err(Cut::Close)),
        Fault::Hang(When::Before) => pending().await,
        Fault::Delay(When::Before, time) => {
            tokio::time::sleep(*time).await;
            None
        }
        Fault::Status(When::Before, made_up) => Some(Ok(respond::made_up(made_up, P::trouble))),
        Fault::Html(When::Before, status) => Some(Ok(respond::html(*status))),
        Fault::Redirect { status, location } => Some(Ok(respond::redirect(*status, location))),
        Fault::AcceptedLater(time) => {
            let (core, request, time) = (core.clone(), request.clone(), *time);
            let accepted = P::accepted(&request);
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
fn carry_out<P: Provider>(core: &Core<P>, request: &Request, fault: Option<&Fault>) -> Answer {
    let pretend = matches!(fault, Some(Fault::WithoutEffect | Fault::CodeFalse(When::Before)));
    core.change(|world| {
        if pretend {
            return world.clone().handle(request);
        }
        let answer = world.handle(request);
        world.records_mut().edit_call(request.seq, |call| {
            call.effect = true;
            P::made(&answer, call);
        });
        answer
    })
}

/// What becomes of the answer.
async fn after<P: Provider>(mut answer: Answer, fault: Option<Fault>) -> Reply {
    let Some(fault) = fault else { return Ok(respond::plain(&answer)) };
    match fault {
        Fault::Reset(_) => Err(Cut::Reset),
        Fault::Close(_) => Err(Cut::Close),
        Fault::Hang(_) => pending().await,
        Fault::Delay(When::After, time) => {
            tokio::time::sleep(time).await;
            Ok(respond::plain(&answer))
        }
        Fault::Status(_, made_up) => Ok(respond::made_up(&made_up, P::trouble)),
        Fault::Html(_, status) => Ok(respond::html(status)),
        Fault::EmptyBody => Ok(respond::empty(&answer)),
        Fault::TruncatedBody(kept) => Ok(respond::truncated(&answer, kept)),
        Fault::SlowBody { piece, pause } => Ok(respond::slow(&answer, piece, pause)),
        Fault::HugeBody(length) => Ok(respond::huge(&answer, length)),
        Fault::Redirect { status, location } => Ok(respond::redirect(status, &location)),
        Fault::WrongShape => {
            if let Some(body) = &mut answer.body {
                P::inside_out(body);
            }
            Ok(respond::plain(&answer))
        }
        Fault::CodeFalse(_) => {
            respond::failure_under_success(&mut answer, P::trouble());
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
