"""Parts of the message bus: topics, access, queues, deliveries, durable messages."""
