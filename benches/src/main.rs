//! `cargo run --release -p benches`: what landing costs, against peers and against the floor, in one run.
//!
//! Everything that is measured is a process of its own; so are the store that it lands in and the network between.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench is a program that prints")]

mod cold;
mod contestants;
mod data;
mod end_to_end;
mod failure;
mod floor;
mod goals;
mod measure;
mod plan;
mod proxy;
mod report;
mod sink;
mod source;
mod tables;
mod tools;
mod wire;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use failure::{Result, While as _};
use plan::Options;
use proxy::Network;
use source::Source;

/// Measures what landing costs, against peers and against the floor.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

/// The parts that run as processes of their own.
#[derive(Debug, Subcommand)]
enum Part {
    /// The store.
    #[command(hide = true)]
    Sink,
    /// The network.
    #[command(hide = true)]
    Proxy { upstream: u16, milliseconds: u64, bytes_a_second: u32 },
    /// A source system, and the network to it.
    #[command(hide = true)]
    Source {
        kind: String,
        job_seconds: u64,
        milliseconds: u64,
        bytes_a_second: u32,
        folder: PathBuf,
        #[arg(long)]
        quick: bool,
    },
    /// Makes an archive.
    #[command(hide = true)]
    Make {
        name: String,
        folder: PathBuf,
        #[arg(long)]
        quick: bool,
    },
    /// The floor.
    #[command(hide = true)]
    Floor { port: u16, served_at: String, archive: PathBuf },
    /// Decoding alone.
    #[command(hide = true)]
    Decode { archive: PathBuf },
    /// A Parquet file of a text.
    #[command(hide = true)]
    Parquet { text: PathBuf, parquet: PathBuf },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { part, options } = Arguments::parse();
    let ended = match part {
        Some(part) => Box::pin(run_part(part)).await,
        None => Box::pin(plan::run(&options)).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.line());
            ExitCode::FAILURE
        }
    }
}

async fn run_part(part: Part) -> Result<()> {
    match part {
        Part::Sink => sink::serve().await.while_doing("serving as a store"),
        Part::Proxy { upstream, milliseconds, bytes_a_second } => {
            let network = Network { round_trip: Duration::from_millis(milliseconds), bytes_a_second };
            proxy::serve(upstream, network).await.while_doing("serving as a network")
        }
        Part::Source { kind, job_seconds, milliseconds, bytes_a_second, folder, quick } => {
            let network = Network { round_trip: Duration::from_millis(milliseconds), bytes_a_second };
            let takes = Duration::from_secs(job_seconds);
            source::serve(Source::of_kind(&kind)?, takes, network, &folder, quick).await
        }
        Part::Make { name, folder, quick } => data::Dataset::named(&name)?.make(&folder, quick),
        Part::Floor { port, served_at, archive } => print_floor(&archive, port, &served_at).await,
        Part::Decode { archive } => floor::decode_by_zip_crate(&archive),
        Part::Parquet { text, parquet } => tables::make(&text, &parquet),
    }
}

async fn print_floor(archive: &Path, port: u16, served_at: &str) -> Result<()> {
    let floor = floor::measure(archive, port, served_at).await?;
    println!("{}", serde_json::to_string(&floor).while_doing("printing the floor")?);
    Ok(())
}
