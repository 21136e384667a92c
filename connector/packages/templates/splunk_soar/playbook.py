"""What the rules of an IoC Stream matched: malicious goes on to a route, what nobody calls malicious is closed.

Set ROUTE to the name of a route of IoC-Stream Connector, and ASSET to that of the app's asset.
"""

import phantom.rules as phantom

ASSET = "iocstream"
ROUTE = ""


@phantom.playbook_block()
def on_start(container):
    """Decide by the newest verdict on each notification of the container."""
    paths = ["artifact:*.id", *(f"artifact:*.cef.{name}" for name in ("notificationId", "verdict", "change"))]
    rows = sorted(phantom.collect2(container=container, datapath=paths), key=lambda row: row[0] or 0)
    if any(change == "withdrawn" for *_, change in rows[-1:]):
        withdrawn(container=container)
        return
    verdicts = {number: verdict for _, number, verdict, _ in rows if number}
    malicious = [number for number, verdict in verdicts.items() if verdict == "malicious"]
    if malicious:
        raise_and_deliver(container=container, numbers=malicious)
    elif "suspicious" not in verdicts.values():
        close(container=container)


@phantom.playbook_block()
def raise_and_deliver(container=None, numbers=None):
    """Open the container, and have the connector deliver the matches now, where there is a route."""
    phantom.set_status(container=container, status="open")
    phantom.add_tags(container=container, tags=["malicious"])
    if ROUTE:
        parameters = [{"id": number, "route": ROUTE} for number in numbers]
        phantom.act(
            "push notification", parameters=parameters, assets=[ASSET], name="push_notification", callback=delivered
        )


@phantom.playbook_block()
def delivered(container=None, results=None, **_):
    """Note what the receiver answered."""
    for result in results or ():
        for done in result.get("action_results", ()):
            phantom.comment(container=container, comment=done.get("message", ""))


@phantom.playbook_block()
def close(container=None):
    """Close what no engine and no assessment calls malicious or suspicious."""
    phantom.comment(container=container, comment="No verdict on any of the entities that matched.")
    phantom.set_status(container=container, status="closed")


@phantom.playbook_block()
def withdrawn(container=None):
    """Close what no longer holds: the verdict turned, or an analyst judged it wrong."""
    phantom.add_tags(container=container, tags=["withdrawn"])
    phantom.comment(container=container, comment="Withdrawn: see the newest artifact for the verdict and who judged.")
    phantom.set_status(container=container, status="closed")


@phantom.playbook_block()
def on_finish(container, summary):
    """Nothing is left to do."""
