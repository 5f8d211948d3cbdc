//! The command line.

mod apply;
mod assignment;
mod backup;
mod check;
mod client;
mod connection;
mod copy;
mod delivery;
mod demo;
mod described;
mod diagram;
mod enroll;
mod files;
mod hosts;
mod ingress;
mod journey;
mod key;
mod nats;
pub(crate) mod output;
mod plugin;
mod policy;
mod rehearse;
mod schema;
mod segment;
mod send_event;
mod serve;
mod settings;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::telemetry::Telemetry;

/// Runs customers' marketing journeys; every channel, trigger and coupon is a sandboxed plugin.
#[derive(Parser)]
#[command(name = "waystation", version, propagate_version = true)]
pub(crate) struct Command {
    #[command(subcommand)]
    what: What,
    /// Write the log as JSON, one object a line.
    #[arg(long, global = true)]
    log_json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Run the server.
    Serve(serve::Serve),
    /// Build the reference plugins and watch a journey run on a clock that turns 12 hours into seconds.
    Demo(demo::Demo),
    /// Check journey files and put them into use.
    Apply(apply::Apply),
    /// See journeys and their versions; pause, resume, drain and retire them; decide their splits.
    #[command(subcommand)]
    Journey(journey::Journey),
    /// See what journeys give people to do, and say what came of it.
    #[command(subcommand)]
    Assignment(assignment::Assignment),
    /// See deliveries; settle by hand what nobody knows of, and send again.
    #[command(subcommand)]
    Delivery(delivery::Delivery),
    /// Check journey files and change nothing.
    Check(check::Check),
    /// Print the JSON Schema of a kind of file, by which editors complete and check what is typed.
    Schema(schema::Schema),
    /// Draw a journey file as a diagram.
    Diagram(diagram::Diagram),
    /// Play the tests of journey files on a clock of their own.
    Rehearse(rehearse::Rehearse),
    /// Build, sign, install, list and remove plugins.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Say whose plugins the workspace trusts.
    #[command(subcommand)]
    Key(key::Key),
    /// Read and change the workspace's settings.
    #[command(subcommand)]
    Settings(settings::Settings),
    /// Read and change what holds for all journeys.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Tell what a customer got and did not get, and why.
    Why(policy::Why),
    /// Apply connections.
    #[command(subcommand)]
    Connection(connection::Connection),
    /// Apply, count and export segments of customers.
    #[command(subcommand)]
    Segment(segment::Segment),
    /// Copy a workspace while its server runs.
    Backup(backup::Backup),
    /// Make a data folder of a backup.
    Restore(backup::Restore),
    /// Say that a PostgreSQL database was restored by its own means.
    MarkRestored(backup::MarkRestored),
    /// Let a restored workspace go on.
    Resume(backup::Resume),
    /// Send an event.
    SendEvent(send_event::SendEvent),
    /// Enroll customers in a journey by hand.
    Enroll(enroll::Enroll),
    /// See which hosts share the database.
    Hosts(hosts::Hosts),
    /// Move a workspace to another database, while no server uses it.
    Copy(copy::Copy),
    /// See how events come by a stream, and what of it could not be taken in.
    #[command(subcommand)]
    Ingress(ingress::Ingress),
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    // TLS to relays and servers; only the first call of the process can succeed, and it is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let telemetry = match &command.what {
        What::Serve(serve) => serve.telemetry(runtime.handle())?,
        _ => None,
    };
    let quiet = matches!(command.what, What::Demo(_));
    start_log(command.log_json, if quiet { "warn" } else { "info" }, telemetry.as_ref());
    runtime.block_on(async {
        match command.what {
            What::Serve(serve) => serve.run(telemetry).await,
            What::Demo(demo) => demo.run().await,
            What::Apply(apply) => apply.run().await,
            What::Journey(journey) => journey.run().await,
            What::Assignment(assignment) => assignment.run().await,
            What::Delivery(delivery) => delivery.run().await,
            What::Rehearse(rehearse) => rehearse.run(),
            What::Check(check) => check.run().await,
            What::Schema(schema) => {
                schema.run();
                Ok(ExitCode::SUCCESS)
            }
            What::Diagram(diagram) => diagram.run(),
            What::Plugin(plugin) => plugin.run().await,
            What::Key(key) => key.run().await,
            What::Settings(settings) => settings.run().await,
            What::Policy(policy) => policy.run().await,
            What::Why(why) => why.run().await,
            What::Connection(connection) => connection.run().await,
            What::Segment(segment) => segment.run().await,
            What::Backup(backup) => backup.run().await,
            What::Restore(restore) => restore.run().await,
            What::MarkRestored(mark) => mark.run().await,
            What::Resume(resume) => resume.run().await,
            What::SendEvent(send) => send.run().await,
            What::Enroll(enroll) => enroll.run().await,
            What::Hosts(hosts) => hosts.run().await,
            What::Copy(copy) => copy.run().await,
            What::Ingress(ingress) => ingress.run().await,
        }
    })
}

/// The log goes to standard error, and to a collector if there is one; `RUST_LOG` says what is in it.
fn start_log(json: bool, default: &str, telemetry: Option<&Telemetry>) {
    let filter = || EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let Some(telemetry) = telemetry else {
        let log = tracing_subscriber::fmt().with_env_filter(filter()).with_writer(std::io::stderr);
        return if json { log.json().init() } else { log.init() };
    };
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = if json { log.json().boxed() } else { log.boxed() };
    tracing_subscriber::registry()
        .with(log.with_filter(filter()))
        .with(telemetry.layer(filter()))
        .init();
}
