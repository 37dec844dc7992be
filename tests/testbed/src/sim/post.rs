//! One attempt to deliver something.

use super::{Core, Provider, held, respond, server::Body};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use url::{Host, Url};

/// What is delivered, JSON.
pub struct Letter {
    /// Where to.
    pub target_url: String,
    /// Names and values, besides those that every request has.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The receiver answered this status.
    Answered(u16),
    /// No answer.
    Unreachable(String),
}

/// Sends it, and waits this long for the answer.
pub async fn post<P: Provider>(core: &Core<P>, letter: &Letter, patience: Duration) -> Sent {
    match tokio::time::timeout(patience, send(core, letter)).await {
        Ok(Ok(status)) => Sent::Answered(status),
        Ok(Err(error)) => Sent::Unreachable(error),
        Err(_) => Sent::Unreachable("no answer in time".to_owned()),
    }
}

/// Where a host is. A simulator never leaves this machine.
fn resolve<P: Provider>(core: &Core<P>, url: &Url) -> Option<SocketAddr> {
    let routed = url.host_str().and_then(|host| held(&core.hosts).get(host).copied());
    let local = || {
        let ip = match url.host()? {
            Host::Ipv4(ip) => ip.into(),
            Host::Ipv6(ip) => ip.into(),
            Host::Domain("localhost") => std::net::Ipv4Addr::LOCALHOST.into(),
            Host::Domain(_) => return None,
        };
        let address = SocketAddr::new(ip, url.port_or_known_default()?);
        (ip.is_loopback() && url.scheme() == "http").then_some(address)
    };
    routed.or_else(local)
}

async fn send<P: Provider>(core: &Core<P>, letter: &Letter) -> Result<u16, String> {
    let url = Url::parse(&letter.target_url).map_err(|error| error.to_string())?;
    let address = resolve(core, &url).ok_or("no route to host")?;
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let handshake = hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut request = Request::post(path)
        .header(header::HOST, url.host_str().unwrap_or("localhost"))
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in &letter.headers {
        request = request.header(name, value);
    }
    let request = request.body(respond::full(letter.body.clone())).map_err(|error| error.to_string())?;
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    let answered = tokio::select! {
        answered = &mut answer => answered,
        // The connection may end in the same moment in which the answer is there.
        _ = &mut connection => answer.await,
    };
    answered.map(|response| response.status().as_u16()).map_err(|error| error.to_string())
}
