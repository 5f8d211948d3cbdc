//! wasmtime with nothing around it: the same engine settings, a fresh store for each call, the same typed call; no limits,
//! turns, deadlines or checks of the answer.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, InstancePre, Linker},
};
use waystation_sandbox::contract::channel as contract;

/// The generated code for channels.
mod bindings {
    #![allow(
        dead_code,
        unreachable_pub,
        unsafe_code,
        clippy::allow_attributes_without_reason,
        clippy::doc_markdown,
        reason = "generated code, of which one function is used"
    )]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "channel-plugin",
        exports: { default: async },
    });
}

pub(super) use bindings::exports::waystation::plugin::channel::Message;
use bindings::exports::waystation::plugin::channel::{
    Content, GuestIndices, Outcome, Purpose, Recipient,
};

pub(super) const INSTANCES: u32 = 64;

pub(super) struct Bare {
    engine: Engine,
    pre: InstancePre<()>,
    channel: GuestIndices,
}

impl Bare {
    pub(super) fn new(wasm: &[u8]) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config())?;
        let component = Component::from_binary(&engine, wasm)?;
        // The plugin imports nothing.
        let pre = Linker::new(&engine).instantiate_pre(&component)?;
        let channel = GuestIndices::new(&pre)?;
        Ok(Self { engine, pre, channel })
    }

    pub(super) async fn send(&self, messages: &[Message]) -> wasmtime::Result<Vec<Outcome>> {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let channel = self.channel.load(&mut store, &instance)?;
        channel.call_send(&mut store, messages).await
    }
}

/// wasmtime's errors are not standard errors.
pub(super) fn plain(error: &wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// The sandbox's own settings, as `host/sandbox/src/engine.rs` has them.
fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * 16)
        .total_memories(INSTANCES * 2)
        .total_tables(INSTANCES * 4)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(16)
        .max_memories_per_component(4)
        .max_tables_per_component(8)
        .max_memory_size(1 << 30)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(64);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        .memory_init_cow(true)
        .guard_before_linear_memory(false)
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The same message in this module's types.
pub(super) fn message(message: &contract::Message) -> Message {
    let text = match &message.content {
        contract::Content::Text(text) => text.clone(),
        other => unreachable!("the bench sends texts, not {other:?}"),
    };
    Message {
        key: message.key.clone(),
        recipient: Recipient {
            customer: message.recipient.customer.clone(),
            address: message.recipient.address.clone(),
            name: None,
            locale: None,
        },
        content: Content::Text(text),
        purpose: Purpose::Marketing,
        extras: Vec::new(),
    }
}
