"""What the rules of an IoC Stream matched: malicious goes on to a route, what nobody calls malicious is closed.

Set ROUTE to the name of a route of IoC-Stream Connector, and ASSET to that of the app's asset.
"""

import phantom.rules as phantom

ASSET = "iocstream"
ROUTE = ""


@phantom.playbook_block()
def on_start(container):
    """Decide by the verdicts of the container's artifacts."""
    rows = phantom.collect2(container=container, datapath=["artifact:*.cef.verdict", "artifact:*.cef.notificationId"])
    verdicts = {verdict for verdict, _ in rows}
    malicious = [number for verdict, number in rows if verdict == "malicious" and number]
    if malicious:
        raise_and_deliver(container=container, numbers=malicious)
    elif "suspicious" not in verdicts:
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
def on_finish(container, summary):
    """Nothing is left to do."""
