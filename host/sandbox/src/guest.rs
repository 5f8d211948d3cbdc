//! What the host keeps for one sandbox: whose it is, and how much it has used.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    connection::{AudienceGrant, Clock, CodesGrant, MailGrant, SecretValue, StoreGrant},
    limits::{Limits, Meter},
    mask::Mask,
    outbound::{Outbound, Pattern},
    permissions::{
        http::HttpBudget,
        log::{LogBudget, LogSink},
        secrets::Placeholders,
    },
    tape::{Recorder, Tape},
};

/// What all calls over one connection share.
pub(crate) struct Context {
    pub(crate) connection: String,
    /// `name@version` of the plugin.
    pub(crate) release: Arc<str>,
    pub(crate) config: String,
    pub(crate) secrets: Arc<BTreeMap<String, SecretValue>>,
    /// Each with the origins that it may be sent to.
    pub(crate) usable_secrets: BTreeMap<String, Vec<Pattern>>,
    pub(crate) revealed_secrets: BTreeSet<String>,
    /// Covers all of them, whether they may be used or not.
    pub(crate) mask: Arc<Mask>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) http: Option<Outbound>,
    pub(crate) mail: Option<MailGrant>,
    pub(crate) codes: Option<CodesGrant>,
    pub(crate) store: Option<StoreGrant>,
    pub(crate) audience: Option<AudienceGrant>,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) log: Option<Arc<dyn LogSink>>,
}

impl Context {
    /// For `describe`: no configuration, no secret, no permission, and the clock stands at zero.
    pub(crate) fn ungranted(release: Arc<str>, limits: Limits) -> Self {
        Self {
            connection: String::new(),
            release,
            config: "{}".to_owned(),
            secrets: Arc::default(),
            usable_secrets: BTreeMap::new(),
            revealed_secrets: BTreeSet::new(),
            mask: Arc::new(Mask::new(&BTreeMap::new())),
            limits,
            clock: Arc::new(|| 0),
            http: None,
            mail: None,
            codes: None,
            store: None,
            audience: None,
            recorder: None,
            log: None,
        }
    }
}

/// The data of one sandbox.
pub(crate) struct Guest {
    pub(crate) context: Arc<Context>,
    pub(crate) meter: Meter,
    pub(crate) log: LogBudget,
    pub(crate) http: HttpBudget,
    pub(crate) placeholders: Placeholders,
    /// Whether what host functions do is noted, or stubbed.
    pub(crate) tape: Tape,
    /// The last time that was told, so that time never runs backwards within the call.
    pub(crate) told: u64,
    /// Whether the called function has begun. Code that runs while the sandbox is being set up may not have effects:
    /// the host answers "not begun, try again" for whatever fails until then.
    pub(crate) began: bool,
    /// When the call must have ended.
    deadline: Instant,
}

/// Longest time that is kept for the plugin to tell what a host function answered it.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Guest {
    pub(crate) fn new(context: Arc<Context>, tape: Tape, deadline: Instant) -> Self {
        Self {
            meter: Meter::new(context.limits.memory),
            log: LogBudget::default(),
            http: HttpBudget::default(),
            placeholders: Placeholders::default(),
            tape,
            told: 0,
            began: false,
            deadline,
            context,
        }
    }

    /// When host functions that wait for others must answer: a little before the call's end, so that the plugin can still
    /// tell what became of each item, instead of all being unknown.
    pub(crate) fn answer_by(&self) -> Instant {
        let spare = LAST_WORDS.min(self.context.limits.wall_time / 10);
        self.deadline.checked_sub(spare).unwrap_or(self.deadline)
    }
}
