"""The agent's figures for Prometheus, in a registry of their own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Figures:
    """Every figure of one agent. Counters get the suffix `_total` when they are read."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"linli_edge_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"linli_edge_{name}", text, labels, registry=self.registry)

        self.made = counter("readings_made", "Readings that drivers delivered, good or bad.")
        self.held_back = counter("readings_held_back", "Readings within deadband and heartbeat.")
        self.readings_journalled = counter("readings_journalled", "Readings made durable.")
        self.left_out = counter("readings_left_out", "Journalled readings that the current profile has no place for.")
        self.journalled = counter("records_journalled", "Journal records made durable.")
        self.acknowledged = gauge("journal_acknowledged_offset", "The highest offset that the cloud has.")
        self.last_offset = gauge("journal_last_offset", "The highest offset given out.")
        self.pending = gauge("journal_pending_records", "Records that wait for the cloud's acknowledgement.")
        self.journal_bytes = gauge("journal_bytes", "Bytes of the records that wait.")
        self.journal_dropped = gauge("journal_dropped_records", "Records lost, each shown to the cloud in a gap.")
        self.journal_gaps = gauge("journal_gaps", "Gaps that the cloud has not acknowledged.")
        self.journal_held = gauge("journal_held_records", "Records that wait, by class.", "class")
        self.journal_held_bytes = gauge("journal_held_bytes", "Bytes of the records that wait, by class.", "class")
        self.journal_lost = gauge("journal_lost_records", "Records lost, by class.", "class")
        self.clock_steps = gauge("clock_steps", "How often the clock was set while the agent ran.")
        self.clock_quality = gauge("clock_quality", "1 for how far times can be trusted now.", "quality")
        self.waiting = gauge("intake_waiting_records", "Records that are not durable yet.")
        self.polls = counter("bus_polls", "Polls by bus and result: ok, or the kind of error.", "bus", "result")
        self.poll_seconds = Histogram(
            "linli_edge_bus_poll_seconds", "How long a poll took.", ("bus",), registry=self.registry
        )
        self.bus_busy = counter("bus_busy_seconds", "How long a bus was held by requests: its utilisation.", "bus")
        self.bus_request_seconds = Histogram(
            "linli_edge_bus_request_seconds",
            "How long a request held its bus.",
            ("bus",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.5, 5.0),
            registry=self.registry,
        )
        self.bus_errors = counter("bus_errors", "Requests without a good answer.", "bus", "unit", "kind")
        self.bus_connects = counter("bus_connects", "Attempts to connect a bus.", "bus", "result")
        self.devices_down = gauge("devices_down", "Devices that do not answer.")
        self.published = counter("messages_published", "Sparkplug messages by type.", "type")
        self.broker_connects = counter("broker_connects", "Attempts to connect to the broker.", "result")
        self.broker_connected = gauge("broker_connected", "1 while the broker is connected.")
        self.commands = counter("commands", "Commands by outcome.", "outcome")
        self.malformed = counter("commands_malformed", "NCMD and DCMD that could not be read.")
