//! One call: a turn, a fresh sandbox, a deadline, and the reason when there is no answer.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout_at,
};
use wasmtime::{
    Store, UpdateDeadline,
    component::{Instance, InstancePre},
};

use crate::{
    error::CallError,
    guest::{Context, Guest},
    misfit,
    permissions::log,
    release::Kind,
    sandbox::Sandbox,
    tape::Tape,
};

/// Longest text of a crash that is kept.
const DETAIL_CHARS: usize = 1_000;

/// A sandbox in which a plugin's instance waits for its one call.
pub(crate) struct Live<'a> {
    pub(crate) store: Store<Guest>,
    instance: Instance,
    deadline: Deadline,
    /// Given back when the sandbox is gone, in the order of the fields: after the store.
    _turns: (Option<SemaphorePermit<'a>>, SemaphorePermit<'a>),
}

/// When a call must have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

/// What stops a plugin that computes past its deadline.
#[derive(Debug, thiserror::Error)]
#[error("the call's time is up")]
struct TimeUp;

impl Deadline {
    /// Waits for a call's end at most until the deadline. This stops a plugin that waits in a host function; one that
    /// computes is stopped by the epoch.
    pub(crate) async fn bound<T>(
        self,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        match timeout_at(self.0.into(), call).await {
            Ok(answer) => answer,
            Err(_) => Err(TimeUp.into()),
        }
    }
}

/// Waits for a turn and starts a sandbox. `turns` bounds the calls of one connection.
///
/// Every error is [`CallError::Busy`] or [`CallError::Start`]: nothing has happened yet.
pub(crate) async fn open<'a>(
    sandbox: &'a Sandbox,
    pre: &InstancePre<Guest>,
    context: &Arc<Context>,
    turns: Option<&'a Semaphore>,
    tape: &Tape,
) -> Result<Live<'a>, CallError> {
    let limits = &context.limits;
    let own = match turns {
        Some(turns) => Some(turn(turns, limits.wait).await?),
        None => None,
    };
    let turns = (own, turn(&sandbox.places, limits.wait).await?);

    let end = Instant::now() + limits.wall_time;
    let mut store = Store::new(&sandbox.engine, Guest::new(Arc::clone(context), tape.clone(), end));
    store.limiter(|guest| &mut guest.meter);
    store.set_hostcall_fuel(limits.host_call_bytes);
    // The engine's callers share their threads with other tasks, so a busy plugin yields on every tick. The deadline is
    // checked here too because a thread full of busy plugins hardly looks at its timers.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if Instant::now() < end { Ok(UpdateDeadline::Yield(1)) } else { Err(TimeUp.into()) }
    });
    let deadline = Deadline(end);
    match deadline.bound(pre.instantiate_async(&mut store)).await {
        Ok(instance) => {
            tape.open();
            Ok(Live { store, instance, deadline, _turns: turns })
        }
        Err(error) => Err(CallError::Start(reason(&store, &error).to_string())),
    }
}

async fn turn(turns: &Semaphore, wait: Duration) -> Result<SemaphorePermit<'_>, CallError> {
    if let Ok(permit) = turns.try_acquire() {
        return Ok(permit);
    }
    match tokio::time::timeout(wait, turns.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        // The semaphores are never closed.
        Ok(Err(_)) | Err(_) => Err(CallError::Busy(wait)),
    }
}

impl Live<'_> {
    /// Looks up an interface's functions in the instance.
    pub(crate) fn load<T>(
        &mut self,
        load: impl FnOnce(&mut Store<Guest>, &Instance) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        load(&mut self.store, &self.instance)
            .map_err(|error| CallError::Start(format!("{error:#}")))
    }

    /// Functions of the plugin that are not as the contract has them.
    pub(crate) fn misfits(&mut self, kinds: &[Kind]) -> Vec<String> {
        misfit::list(&mut self.store, &self.instance, kinds)
    }

    /// From here on the plugin may have effects.
    pub(crate) fn begin(&mut self) -> Deadline {
        self.store.data_mut().began = true;
        self.deadline
    }

    /// Ends the call: the sandbox is dropped, whatever state it is in.
    pub(crate) fn close<T>(self, answer: wasmtime::Result<T>) -> Result<T, CallError> {
        log::close(self.store.data());
        answer.map_err(|error| reason(&self.store, &error))
    }
}

/// Tells from a call's error and its sandbox what went wrong.
fn reason(store: &Store<Guest>, error: &wasmtime::Error) -> CallError {
    let guest = store.data();
    let limits = &guest.context.limits;
    if error.is::<TimeUp>() {
        return CallError::Timeout(limits.wall_time);
    }
    let cause = error.root_cause().to_string();
    // wasmtime keeps this error's type to itself.
    if cause.contains("fuel allocated for hostcalls") {
        return CallError::TooMuchData(limits.host_call_bytes);
    }
    // A plugin that is denied memory crashes in its own allocator, which would hide the reason.
    if guest.meter.denied {
        return CallError::Memory(limits.memory);
    }
    CallError::Trap(cause.chars().take(DETAIL_CHARS).collect())
}
