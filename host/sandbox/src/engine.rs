//! The wasmtime engine: its settings, and which allocator this machine allows.

use futures_util::FutureExt as _;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker},
};

use crate::{error::SandboxError, limits::Limits};

/// Core instances that one plugin may consist of. A Rust or C plugin has three; composed ones have more.
pub(crate) const CORE_INSTANCES: u32 = 16;
/// Linear memories of one plugin.
pub(crate) const MEMORIES: u32 = 4;
/// Tables of one plugin.
pub(crate) const TABLES: u32 = 8;

/// Stack of a plugin. What lies beyond it on the fiber is for host functions, which run on the same stack.
const WASM_STACK_BYTES: usize = 512 << 10;
const FIBER_STACK_BYTES: usize = 2 << 20;

/// A warm slot keeps so many bytes of its memory between calls, which spares the next call page faults.
const KEPT_MEMORY_BYTES: usize = 256 << 10;
/// Slots that are kept warm when nobody uses them, so that idle memory stays below this many times the bytes above.
const WARM_SLOTS: u32 = 64;

/// An engine for at most `instances` sandboxes at the same time.
///
/// The pooling allocator makes calls several times cheaper but reserves terabytes of address space, which containers and
/// `ulimit -v` may forbid. So it is tried out, and without it every sandbox maps its own memory.
pub(crate) fn start(instances: u32) -> Result<Engine, SandboxError> {
    match probe(&pooling(instances)) {
        Ok(engine) => return Ok(engine),
        Err(error) => tracing::warn!(
            error = format!("{error:#}"),
            "Plugins run without the pooling allocator, which makes calls slower; raise the limit on address space"
        ),
    }
    probe(&on_demand()).map_err(|error| SandboxError::Engine(format!("{error:#}")))
}

fn common() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Guests of this contract never run concurrently, and without the bookkeeping for it calls are far cheaper.
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .memory_init_cow(true)
        // Negative offsets do not occur, so the guard before a memory would only halve how many fit.
        .guard_before_linear_memory(false)
        // A crash is reported by its cause; walking the stack for every crash would be paid for by the host.
        .wasm_backtrace_max_frames(None);
    config
}

fn pooling(instances: u32) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        // Most plugins have one memory and one table, so twice the number of sandboxes is plenty; when it is not, the
        // sandbox fails to start and the call is deferred.
        .total_memories(instances.saturating_mul(2))
        .total_tables(instances.saturating_mul(4))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memory_size(Limits::MEMORY_MAX as usize)
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(WARM_SLOTS);
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Maps memory for each sandbox as it grows, because address space is what was missing.
fn on_demand() -> Config {
    let mut config = common();
    config.memory_reservation(0).memory_reservation_for_growth(1 << 20).memory_guard_size(64 << 10);
    config
}

/// Starts an engine and one sandbox in it.
fn probe(config: &Config) -> wasmtime::Result<Engine> {
    let engine = Engine::new(config)?;
    let component = Component::from_binary(&engine, PROBE)?;
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(1_000);
    Linker::new(&engine)
        .instantiate_async(&mut store, &component)
        .now_or_never()
        .unwrap_or_else(|| Err(wasmtime::Error::msg("the first sandbox did not start at once")))?;
    Ok(engine)
}

/// A component that instantiates a core module with one page of memory:
/// `(component (core module (memory 1)) (core instance (instantiate 0)))`.
const PROBE: &[u8] = &[
    0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00, // component
    0x01, 0x0d, // core module section of 13 bytes
    0x00, b'a', b's', b'm', 0x01, 0x00, 0x00, 0x00, // core module
    0x05, 0x03, 0x01, 0x00, 0x01, // one memory of at least one page
    0x02, 0x04, 0x01, 0x00, 0x00, 0x00, // instantiate module 0 with no arguments
];
