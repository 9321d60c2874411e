//! All functions as one program, for images of containers: seven programs would be seven times what they share.
//!
//! Where `LANDFALL_FUNCTION` names a function it is that one, to OCI Functions or to Lambda, as the function's own program
//! is. Otherwise it serves all of them by HTTP, at `POST /<function>`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;

use landfall::{Error, Result, Step};
use landfall_edge::{Function, RuntimeError, fn_project, http, telemetry};
use landfall_systems::SYSTEMS;
use tokio::signal::unix::{SignalKind, signal};

/// The variable that says where calls by HTTP are listened for.
const LISTEN: &str = "LANDFALL_LISTEN";
/// Where they are listened for otherwise: whoever reaches the container reaches it.
const EVERYWHERE: &str = "0.0.0.0:8080";

#[tokio::main]
async fn main() -> ExitCode {
    // A container's first process ends by no signal that it does not listen for.
    let stopped = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    let served = tokio::select! {
        served = serve() => served,
        _ = stopped => Ok(()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %landfall::error::chain(error.as_ref()), "nothing can be served");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> std::result::Result<(), RuntimeError> {
    // Only the environment says which function a socket is for.
    match std::env::var_os("LANDFALL_FUNCTION").is_some() || fn_project::named().is_some() {
        true => serve_one(fn_project::function().inspect_err(|_| telemetry::log_json())?).await,
        false => {
            telemetry::log_json();
            match serve_all().await? {}
        }
    }
}

async fn serve_one(step: Step) -> std::result::Result<(), RuntimeError> {
    match step {
        Step::Submit => landfall_edge::serve(step, &SYSTEMS, submit::submit).await,
        Step::PollStatus => landfall_edge::serve(step, &SYSTEMS, poll_status::poll_status).await,
        Step::FetchFiles => landfall_edge::serve(step, &SYSTEMS, fetch_files::fetch_files).await,
        Step::UnpackUpload => landfall_edge::serve(step, &SYSTEMS, unpack_upload::unpack_upload).await,
        Step::Publish => landfall_edge::serve(step, &SYSTEMS, publish::publish).await,
        Step::Sweep => landfall_edge::serve(step, &SYSTEMS, sweep::sweep).await,
        Step::RegisterTable => {
            telemetry::log_json();
            Err(apart().into())
        }
        Step::Verify => landfall_edge::serve(step, &SYSTEMS, verify::verify).await,
    }
}

async fn serve_all() -> Result<Infallible> {
    let (listener, secret) = http::listen(address()?).await?;
    let submit = Function::new(Step::Submit, &SYSTEMS, submit::submit);
    let poll_status = Function::new(Step::PollStatus, &SYSTEMS, poll_status::poll_status);
    let fetch_files = Function::new(Step::FetchFiles, &SYSTEMS, fetch_files::fetch_files);
    let unpack_upload = Function::new(Step::UnpackUpload, &SYSTEMS, unpack_upload::unpack_upload);
    let publish = Function::new(Step::Publish, &SYSTEMS, publish::publish);
    let sweep = Function::new(Step::Sweep, &SYSTEMS, sweep::sweep);
    let verify = Function::new(Step::Verify, &SYSTEMS, verify::verify);
    let call = async |name: &str, event, ends_at| {
        Some(match Step::named(name)? {
            Step::Submit => submit.call_with_json(event, ends_at).await,
            Step::PollStatus => poll_status.call_with_json(event, ends_at).await,
            Step::FetchFiles => fetch_files.call_with_json(event, ends_at).await,
            Step::UnpackUpload => unpack_upload.call_with_json(event, ends_at).await,
            Step::Publish => publish.call_with_json(event, ends_at).await,
            Step::Sweep => sweep.call_with_json(event, ends_at).await,
            Step::RegisterTable => Err(apart()),
            Step::Verify => verify.call_with_json(event, ends_at).await,
        })
    };
    Ok(http::serve(listener, secret, call).await)
}

/// A step that is not among those that are compiled together.
fn apart() -> Error {
    Error::unsupported(
        "register-table is not in this program: call landfall-register-table, or `landfall register`",
    )
}

fn address() -> Result<SocketAddr> {
    let named = std::env::var(LISTEN).ok().filter(|address| !address.is_empty());
    let named = named.unwrap_or_else(|| EVERYWHERE.to_owned());
    let odd = || {
        Error::invalid_config(format!(
            "{LISTEN} is {named:?}, and an address and port are expected: {EVERYWHERE}"
        ))
    };
    named.parse().map_err(|_| odd())
}
