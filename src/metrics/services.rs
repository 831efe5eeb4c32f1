//! The circuit breakers of tool services, read when the metrics are collected.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

/// Maps a service's name to whether its circuit breaker is open.
#[derive(Clone, Debug, Default)]
pub(super) struct Services(Arc<Mutex<BTreeMap<String, Arc<AtomicBool>>>>);

impl Services {
    pub(super) fn add(&self, name: &str, is_open: Arc<AtomicBool>) {
        let mut services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        services.insert(name.to_owned(), is_open);
    }
}

impl Collector for Services {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 while calls to this service fail at once, because it did not answer";
        let name = "code_executor_service_breaker_open";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (service, is_open) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let value = i64::from(is_open.load(Ordering::Relaxed));
            family.encode_family(&[("service", service.as_str())])?.encode_gauge(&value)?;
        }
        Ok(())
    }
}
