//! Measures Waystation. Every command prints a table; with `--json` it prints one JSON object on one line instead.

use clap::{Parser, Subcommand};

mod advance;
mod burst;
mod ingest;
mod kill;
mod latency;
mod peers;
mod pipeline;
mod sandbox;
mod segments;
mod sleepers;
mod start;
mod swap;
mod until;

/// As the server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures Waystation")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Transitions per second of the state machine alone
    Advance(advance::Arguments),
    /// Time until everybody is reached who entered at once, and what transactional messages wait meanwhile
    Burst(burst::Arguments),
    /// Events per second over HTTP in batches, and the latency of single ones
    Ingest(ingest::Arguments),
    /// Servers killed again and again under load: what is lost, done twice or repeated
    Kill(kill::Arguments),
    /// What one call of a plugin costs, beside wasmtime with nothing around it
    Sandbox(sandbox::Arguments),
    /// Sends per second from events to recorded outcomes, beside the same SQL with nothing around it
    Pipeline(pipeline::Arguments),
    /// Three-step journeys a second, beside other engines on the same machine
    Peers(peers::Arguments),
    /// Time to find the customers of a segment, and to decide it for one
    Segments(segments::Arguments),
    /// Millions of customers asleep: memory, disk, start, and how late they wake
    Sleepers(sleepers::Arguments),
    /// Time and memory that a server with many plugins takes to start
    Start(start::Arguments),
    /// Swaps of a release under load: what is lost, repeated or fails, and what messages wait
    Swap(swap::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Advance(arguments) => advance::run(&arguments),
        Command::Burst(arguments) => burst::run(&arguments),
        Command::Ingest(arguments) => ingest::run(&arguments),
        Command::Kill(arguments) => kill::run(&arguments),
        Command::Sandbox(arguments) => sandbox::run(&arguments),
        Command::Pipeline(arguments) => pipeline::run(&arguments),
        Command::Peers(arguments) => peers::run(&arguments),
        Command::Segments(arguments) => segments::run(&arguments),
        Command::Sleepers(arguments) => sleepers::run(&arguments),
        Command::Start(arguments) => start::run(&arguments),
        Command::Swap(arguments) => swap::run(&arguments),
    }
}
