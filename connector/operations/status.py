"""What is known of each source and route, by the journal alone."""

from collections.abc import Collection

from connector import app
from connector.configuration import Plan
from connector.monitoring.status import StatusReport


def status(plan: Plan, sources: Collection[str] | None = None) -> StatusReport:
    """What `iocstream status` shows; with `sources`, to whoever may see these alone.

    Raises:
        Misconfigured: there is no journal yet.
    """
    with app.open_journal(plan) as journal:
        return app.status_report(plan, journal, sources)
