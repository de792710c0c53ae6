"""What ingest counts of itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector


class Measures:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.messages = Counter(
            "ingest_messages",
            "Messages by their answer: accepted, duplicate or rejected",
            ["status"],
            registry=self.registry,
        )
        self.refused = Counter(
            "ingest_refused_batches",
            "Requests refused as a whole, by HTTP status",
            ["code"],
            registry=self.registry,
        )
        self.received = Counter(
            "ingest_received_bytes", "Bytes of bodies as sent", registry=self.registry
        )
        self.seconds = Histogram(
            "ingest_batch_seconds", "From body read to commit", registry=self.registry
        )
