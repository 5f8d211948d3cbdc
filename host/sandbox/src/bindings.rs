//! What wasmtime generates from the contract. Nothing outside this crate sees these modules; [`crate::contract`] shows
//! the plain records among them.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::needless_pass_by_value,
    reason = "generated code, whose world can do more than is used here"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    // One world that offers what this host offers and may export every kind, so that one set of bindings serves them all.
    inline: "
        package waystation:sandbox;

        world everything {
            import waystation:plugin/log@1.0.0;
            import waystation:plugin/config@1.0.0;
            import waystation:plugin/clock@1.0.0;
            import waystation:plugin/random@1.0.0;
            import waystation:plugin/secrets@1.0.0;
            import waystation:plugin/http@1.0.0;
            import waystation:plugin/mail@1.0.0;
            import waystation:plugin/codes@1.0.0;
            import waystation:plugin/store@1.0.0;
            import waystation:plugin/audience@1.0.0;
            export waystation:plugin/plugin@1.0.0;
            export waystation:plugin/channel@1.0.0;
            export waystation:plugin/trigger-source@1.0.0;
            export waystation:plugin/coupon@1.0.0;
            export waystation:plugin/action@1.0.0;
        }
    ",
    world: "waystation:sandbox/everything",
    imports: {
        "waystation:plugin/http": async | trappable,
        "waystation:plugin/secrets.hmac": async | trappable,
        "waystation:plugin/mail.submit": async | trappable,
        "waystation:plugin/codes": async | trappable,
        "waystation:plugin/store": async | trappable,
        "waystation:plugin/audience": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});
