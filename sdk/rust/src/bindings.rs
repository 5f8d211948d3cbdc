//! The generated bindings. Nothing outside this crate names this module but the export macros.
//!
//! Each kind has a world of its own here, so that a plugin exports only the kinds it names and may name several: the
//! worlds of one component are merged when it is made. The types that interfaces share exist once, in [`host`].

/// The imports, and the `plugin` interface that every component exports.
pub mod host {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waystation:sdk;
            world host {
                include waystation:plugin/host@1.0.0;
                export waystation:plugin/plugin@1.0.0;
            }
        ",
        world: "waystation:sdk/host",
        pub_export_macro: true,
        default_bindings_module: "waystation_sdk::bindings::host",
        additional_derives: [PartialEq],
        generate_all,
    });
}

pub mod channel {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waystation:sdk;
            world channel-kind {
                export waystation:plugin/channel@1.0.0;
            }
        ",
        world: "waystation:sdk/channel-kind",
        with: { "waystation:plugin/types@1.0.0": crate::bindings::host::waystation::plugin::types },
        pub_export_macro: true,
        additional_derives: [PartialEq],
    });
}

pub mod trigger_source {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waystation:sdk;
            world trigger-source-kind {
                export waystation:plugin/trigger-source@1.0.0;
            }
        ",
        world: "waystation:sdk/trigger-source-kind",
        with: { "waystation:plugin/types@1.0.0": crate::bindings::host::waystation::plugin::types },
        pub_export_macro: true,
        additional_derives: [PartialEq],
    });
}

pub mod coupon {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waystation:sdk;
            world coupon-kind {
                export waystation:plugin/coupon@1.0.0;
            }
        ",
        world: "waystation:sdk/coupon-kind",
        with: { "waystation:plugin/types@1.0.0": crate::bindings::host::waystation::plugin::types },
        pub_export_macro: true,
        additional_derives: [PartialEq],
    });
}

pub mod action {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waystation:sdk;
            world action-kind {
                export waystation:plugin/action@1.0.0;
            }
        ",
        world: "waystation:sdk/action-kind",
        with: { "waystation:plugin/types@1.0.0": crate::bindings::host::waystation::plugin::types },
        pub_export_macro: true,
        additional_derives: [PartialEq],
    });
}
