//! Why Kafka does not answer.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::store::error::StoreError;

/// librdkafka gives the reason in an event of its own, shortly before or after the call fails.
const SOON: Duration = Duration::from_secs(1);

/// Keeps the last reason that librdkafka gave to a client. The error of a call says only "broker transport failure".
#[derive(Default)]
pub(crate) struct Reasons(Mutex<Option<String>>);

impl Reasons {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reasons {
    fn error(&self, error: KafkaError, reason: &str) {
        // That all brokers are down follows the reason why the last one is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.lock() = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Reasons {}

/// The answer of a client that reads nothing, or the error with the reason for it.
pub(crate) fn with_reason<T>(consumer: &BaseConsumer<Reasons>, answer: Result<T, StoreError>) -> Result<T, StoreError> {
    // Drain the events of a client that receives nothing else, before they pile up.
    let _ = consumer.poll(Duration::ZERO);
    let reasons = consumer.client().context();
    match answer {
        Err(StoreError::Kafka(error)) if error.rdkafka_error_code().is_some_and(has_a_reason) => {
            let until = Instant::now() + SOON;
            loop {
                if let Some(reason) = reasons.lock().clone() {
                    return Err(StoreError::KafkaAway { reason, error });
                }
                if Instant::now() > until {
                    return Err(error.into());
                }
                let _ = consumer.poll(Duration::from_millis(50));
            }
        }
        answer => {
            *reasons.lock() = None;
            answer
        }
    }
}

const fn has_a_reason(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure};
    matches!(code, AllBrokersDown | BrokerTransportFailure)
}
