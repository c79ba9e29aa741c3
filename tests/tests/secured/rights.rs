//! The persister's user at Kafka has the rights that the documents name and no other. The other tests show that they suffice.

use std::time::Duration;

use anyhow::Result;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use stack::{Kafka, Stack, dev};

use crate::secured;

const ANOTHER: &str = "another.topic";

/// A client that comes as the persister does.
fn persister(stack: &Stack) -> ClientConfig {
    let mut client = stack.kafka.client();
    client.set("sasl.username", Kafka::user()).set("sasl.password", dev("KAFKA_PASSWORD"));
    client
}

async fn create(client: &ClientConfig) -> Result<Option<RDKafkaErrorCode>> {
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    let topic = NewTopic::new(ANOTHER, 1, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let created = admin.create_topics([&topic], &options).await?;
    Ok(created.into_iter().find_map(|result| result.err().map(|(_, code)| code)))
}

/// Keeps the outcome of what it sent.
#[derive(Clone, Default)]
struct Outcome(std::sync::Arc<std::sync::Mutex<Option<RDKafkaErrorCode>>>);

impl rdkafka::ClientContext for Outcome {}

impl ProducerContext for Outcome {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::producer::DeliveryResult<'_>, (): ()) {
        let code = result.as_ref().err().and_then(|(error, _)| error.rdkafka_error_code());
        *self.0.lock().expect("no one panicked") = code;
    }
}

async fn write(client: &ClientConfig) -> Result<Option<RDKafkaErrorCode>> {
    let (client, outcome) = (client.clone(), Outcome::default());
    let producer: ThreadedProducer<Outcome> = client.create_with_context(outcome.clone())?;
    tokio::task::spawn_blocking(move || {
        producer.send(BaseRecord::<(), str>::to(ANOTHER).payload("{}")).map_err(|(error, _)| error)?;
        producer.flush(Duration::from_secs(30))?;
        Ok(*outcome.0.lock().expect("no one panicked"))
    })
    .await?
}

#[test]
fn at_kafka_the_persister_neither_creates_topics_nor_writes_to_others() -> Result<()> {
    secured(async |stack| {
        let user = persister(stack);
        assert_eq!(create(&user).await?, Some(RDKafkaErrorCode::TopicAuthorizationFailed));
        assert_eq!(create(&stack.kafka.client()).await?, None, "the broker's own user may");
        assert_eq!(write(&user).await?, Some(RDKafkaErrorCode::TopicAuthorizationFailed));
        assert_eq!(write(&stack.kafka.client()).await?, None, "the topic is there");
        Ok(())
    })
}
