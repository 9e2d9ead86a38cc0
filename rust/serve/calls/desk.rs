//! Desk: what every call passes, and what is told of it there.

use crate::serve::calls::access::Access;
use crate::serve::telling::audit::Audit;
use crate::serve::telling::metrics::Metrics;
use crate::serve::telling::traces::Traces;
use std::sync::Arc;
use std::time::Duration;

/// What all calls pass.
pub struct Desk {
    pub access: Access,
    pub audit: Option<Arc<Audit>>,
    pub metrics: Arc<Metrics>,
    pub traces: Option<Arc<Traces>>,
    /// No call is given more time.
    pub longest: Duration,
}
