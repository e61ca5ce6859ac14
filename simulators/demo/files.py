"""Writing what the demonstration's processes read: configuration from templates, passwords made once."""

from pathlib import Path
from string import Template

from simulators.demo.layout import AGENT, COMMUNITY, LOGIN, Layout, Ports, ensure_password

_TEMPLATES = Path(__file__).resolve().parent / "templates"
PEOPLE = (LOGIN, "wang", "li", "zhao")


def write_files(layout: Layout, ports: Ports, *, notices_port: int) -> None:
    """Write all configuration for these ports. Passwords and everything that was recorded before stay."""
    layout.data.mkdir(parents=True, exist_ok=True)
    values = {
        "community": COMMUNITY,
        "agent": AGENT,
        "login": LOGIN,
        "web_port": ports.web,
        "broker_port": ports.broker,
        "pumps_port": ports.pumps,
        "agent_port": ports.agent,
        "ingest_port": ports.ingest,
        "worker_port": ports.worker,
        "lift_line": str(layout.simulators.resolve() / "lift-line"),
        "agent_password": f"broker/secrets/{AGENT}.password",
        "cloud_password": "broker/secrets/cloud.password",
    }
    for person in PEOPLE:
        ensure_password(layout, person)
    for target in (layout.site, layout.cloud, layout.provision, layout.scene):
        template = Template((_TEMPLATES / target.name).read_text(encoding="utf-8"))
        target.write_text(template.substitute(values), encoding="utf-8")
    urls = layout.secrets / "notify.urls"
    urls.touch(mode=0o600)
    urls.write_text(f"json://127.0.0.1:{notices_port}/\n", encoding="utf-8")
