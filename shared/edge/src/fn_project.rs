//! The edge to OCI Functions, which speaks the contract of the Fn project: a server on the Unix socket that
//! `FN_LISTENER` names, `POST /call` with the event, one call at a time.

use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use jiff::Timestamp;
use landfall::{Error, Result, Step};
use serde_json::Value;
use tokio::net::UnixListener;
use tokio::sync::Mutex;

use crate::http::{accept_all, answered};

/// The variable that names the function that a process is which could be any.
const FUNCTION: &str = "LANDFALL_FUNCTION";
/// The variable that names the socket.
const LISTENER: &str = "FN_LISTENER";
/// What the calls of a gateway say of themselves, and where they look for the status.
const INTENT: &str = "fn-intent";
const GATEWAY: &str = "httprequest";
const STATUS: &str = "fn-http-status";

/// Why a socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// What the variable says is no Unix socket.
    #[error("FN_LISTENER is {0:?}, and unix:/path/of/the/socket is what is supported")]
    NotUnix(String),
    /// Nobody can listen there.
    #[error("nothing can listen at {path}, where FN_LISTENER has it")]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What `FN_LISTENER` says, where this process is a function of Fn.
pub fn named() -> Option<String> {
    std::env::var(LISTENER).ok().filter(|listener| !listener.is_empty())
}

/// Which function this process is, of a program that could be any.
///
/// # Errors
/// `InvalidConfig`: `LANDFALL_FUNCTION` does not say, or names none.
pub fn function() -> Result<Step> {
    let name = std::env::var(FUNCTION).map_err(|_| {
        Error::invalid_config(format!(
            "{FUNCTION} is not set: it says which function this one is, submit for example"
        ))
    })?;
    Step::named(&name).ok_or_else(|| {
        Error::invalid_config(format!("{FUNCTION} is {name:?}, and there is no such function"))
    })
}

/// Serves one function at the socket that a listener names (`unix:/path`).
///
/// What fails is answered by 502, as Fn's own kits answer, with the failure as the body; a gateway is answered with the
/// status that fits.
///
/// # Errors
/// The listener is no socket, or nothing can listen there.
pub async fn serve(
    listener: &str,
    call: impl AsyncFn(Value, Option<Timestamp>) -> Result<Value>,
) -> std::result::Result<Infallible, SocketError> {
    let path = listener.strip_prefix("unix:").map(Path::new).filter(|path| path.is_absolute());
    let path = path.ok_or_else(|| SocketError::NotUnix(listener.to_owned()))?;
    let listener = listen(path).map_err(|source| SocketError::Listen { path: path.to_owned(), source })?;
    let call = async |name: &str, event, ends_at| match name {
        "call" => Some(call(event, ends_at).await),
        _ => None,
    };
    let turn = Mutex::new(());
    let accept = async || listener.accept().await.map(|(stream, _)| stream);
    let answer = async |request: Request<Incoming>| {
        let is_gateway = request.headers().get(INTENT).is_some_and(|intent| intent == GATEWAY);
        let _turn = turn.lock().await;
        let answered = answered(request, &call).await;
        in_fns_terms(answered.response(), is_gateway)
    };
    Ok(accept_all(accept, answer).await)
}

/// Listens at a path, which is there only once somebody does: Fn calls as soon as it sees it, as whoever Fn is. It sees the
/// folder from outside of the container, at another path: what leads to the socket must not name where it is.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".landfall");
    let hidden = path.with_file_name(&name);
    for left in [path, &hidden] {
        remove_socket(left)?;
    }
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, Permissions::from_mode(0o666))?;
    symlink(&name, path)?;
    Ok(listener)
}

/// Removes what an earlier process has left of a socket, and nothing else.
fn remove_socket(left: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(left) {
        Ok(there) => there.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() && !kind.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is there is no socket"));
    }
    std::fs::remove_file(left)
}

fn in_fns_terms(mut response: Response<Full<Bytes>>, is_gateway: bool) -> Response<Full<Bytes>> {
    let status = response.status();
    if is_gateway {
        response.headers_mut().insert(STATUS, HeaderValue::from(status.as_u16()));
        *response.status_mut() = StatusCode::OK;
    } else if !status.is_success() {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    response
}
