"""What ingest counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class IngestMetrics:
    """The metrics of one ingest process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter("linli_ingest_messages", "MQTT messages received", registry=registry)
        self.records = Counter("linli_ingest_records", "Journal records committed", registry=registry)
        self.births = Counter("linli_ingest_births", "Births of nodes and devices taken", registry=registry)
        self.samples = Counter("linli_ingest_samples", "Readings committed", registry=registry)
        self.foreign = Counter("linli_ingest_foreign_payloads", "Payloads without a journal", registry=registry)
        self.repeats = Counter("linli_ingest_repeats", "Journal records that were committed before", registry=registry)
        self.holes = Counter("linli_ingest_holes", "Journal records that came before their turn", registry=registry)
        self.gaps = Counter("linli_ingest_gap_offsets", "Journal records that are lost for ever", registry=registry)
        self.out_of_range = Counter(
            "linli_ingest_out_of_range", "Values outside their profile's range", registry=registry
        )
        self.ahead = Counter(
            "linli_ingest_ahead", "Readings from the future, by the clock of their edge", registry=registry
        )
        self.quarantined = Counter(
            "linli_ingest_quarantined", "What could not be read, by kind", ["kind"], registry=registry
        )
        self.suppressed = Counter(
            "linli_ingest_quarantine_suppressed", "Repeats that were counted and not kept", registry=registry
        )
        self.unborn = Counter(
            "linli_ingest_unborn", "Payloads that meant nothing, for want of a birth of their node", registry=registry
        )
        self.rebirths = Counter("linli_ingest_rebirth_requests", "Rebirths asked for", registry=registry)
        self.acks = Counter("linli_ingest_acks", "Acknowledgements sent", registry=registry)
        self.commands = Counter("linli_ingest_commands_sent", "Commands published", registry=registry)
        self.failures = Counter("linli_ingest_failures", "Batches that had to be tried again", registry=registry)
        self.alarms = Counter("linli_ingest_alarm_changes", "Alarms raised or cleared by readings", registry=registry)
        self.batch = Histogram(
            "linli_ingest_batch_seconds",
            "Time to store all that follows from a batch",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.decode = Histogram(
            "linli_ingest_decode_seconds", "Time to read a batch of messages", buckets=_BUCKETS, registry=registry
        )
        self.decide = Histogram(
            "linli_ingest_decide_seconds", "Time to work out what a batch changes", buckets=_BUCKETS, registry=registry
        )
        self.commit = Histogram(
            "linli_ingest_commit_seconds", "Time of the SQL transaction", buckets=_BUCKETS, registry=registry
        )
        self.telemetry = Histogram(
            "linli_ingest_telemetry_seconds", "Time to write telemetry", buckets=_BUCKETS, registry=registry
        )
        self.lag = Gauge("linli_ingest_lag_seconds", "Age of the newest live record when committed", registry=registry)
