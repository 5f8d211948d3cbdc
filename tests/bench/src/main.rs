//! Measures Waystation. Every command prints a table; with `--json` it prints one JSON object on one line instead.

use clap::{Parser, Subcommand};

mod sandbox;

#[derive(Parser)]
#[command(about = "Measures Waystation")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What one call of a plugin costs, beside wasmtime with nothing around it
    Sandbox(sandbox::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Sandbox(arguments) => sandbox::run(&arguments),
    }
}
