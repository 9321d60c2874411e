//! The listener on the loopback interface: each request passes the journal, and a connection can be closed
//! in place of an answer.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::Context;
use crate::journal::Line;
use crate::response::{self, AcceptedJob, ByFault, HangUp};
use crate::systems;

/// A running listener.
#[derive(Debug)]
pub(crate) struct Server {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    pub(crate) fn start(listener: TcpListener, storage: TcpListener, context: &Arc<Context>) -> Self {
        let server = Self { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        for (listener, router) in [(listener, systems::routes()), (storage, systems::storage_routes())] {
            let router = router
                .fallback(unknown)
                .layer(middleware::from_fn_with_state(context.clone(), record))
                .with_state(context.clone());
            server.tasks.spawn(accept(listener, router, server.stop.clone(), server.tasks.clone()));
        }
        server
    }

    /// Stops listening and closes every connection, whatever it is in the middle of.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn unknown() -> Response {
    response::problem(StatusCode::NOT_FOUND, "No such resource.")
}

async fn accept(listener: TcpListener, router: Router, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(serve(stream, router.clone(), stop.clone()));
            }
            Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
        }
    }
}

async fn serve(stream: TcpStream, router: Router, stop: CancellationToken) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let answer = router.call(request.map(Body::new));
        async move {
            let answer = answer.await.unwrap_or_else(|never: Infallible| match never {});
            // An error here closes the connection without an answer.
            if answer.extensions().get::<HangUp>().is_some() {
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
            }
            Ok(answer)
        }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = stop.cancelled() => {}
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
    }
}

/// Notes the request when it arrives, its answer when it is known, and its bytes as they leave.
async fn record(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let operation = systems::operation(&parts.method, parts.uri.path());
    let mut line = context.journal.begin(&parts, operation, context.clock.now());
    let mut answer = next.run(Request::from_parts(parts, body)).await;
    let now = context.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&now) {
        answer.headers_mut().insert(header::DATE, date);
    }
    let is_hang_up = answer.extensions().get::<HangUp>().is_some();
    line.note(|entry| {
        entry.status = (!is_hang_up).then(|| answer.status().as_u16());
        entry.fault = answer.extensions().get::<ByFault>().map(|fault| fault.0.to_owned());
        entry.accepted_job = answer.extensions().get::<AcceptedJob>().map(|job| job.0);
    });
    if is_hang_up {
        return answer;
    }
    // What is complete already is written before it is sent: a client that has seen the answer can count
    // on the journal.
    if let Some(size) = answer.body().size_hint().exact() {
        line.note(|entry| {
            entry.bytes_sent = size;
            entry.complete = true;
        });
        line.write();
        return answer;
    }
    let declared =
        answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    answer.map(|body| Body::new(Counted { body, declared, sent: 0, line }))
}

/// A body whose bytes are counted.
struct Counted {
    body: Body,
    /// The `Content-Length`: the server does not ask for the body's end once it has so many bytes.
    declared: Option<u64>,
    sent: u64,
    line: Line,
}

impl Counted {
    fn count(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let sent = self.sent;
        self.line.note(|entry| entry.bytes_sent = sent);
        if self.declared == Some(sent) {
            self.complete();
        }
    }

    fn complete(&mut self) {
        self.line.note(|entry| entry.complete = true);
        self.line.write();
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        polled_by: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(polled_by);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.count(frame.data_ref().map_or(0, Bytes::len)),
            Poll::Ready(None) => self.complete(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
