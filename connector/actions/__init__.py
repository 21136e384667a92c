"""What playbooks ask for: typed functions over a configuration, by name, and one envelope for their answers.

From here come `iocstream action`, the server's `POST /actions/{name}`, the manifest and docs/actions.md.
`registry` says what an action is and calls one; `envelope` is the shape of every answer. The actions themselves:
`listing` (the feed), `notifications` (get, convert, delete), `notification_counts`, `delivery` (poll, push),
`dead_letters`, `guarded`, `judgements`, `status`. What these share: `assessment` and `entity_facts`, which say what is
known of an entity, `notification_brief`, `upstream`, `preconditions`, `filter_terms` and `time_parameter`.
"""

from collections.abc import Mapping

from connector.actions.dead_letters import list_rejected, retry_rejected
from connector.actions.delivery import poll, push_notification
from connector.actions.envelope import Envelope, ErrorDetail, failed
from connector.actions.guarded import list_guarded
from connector.actions.judgements import judge, list_judged_rules, list_judgements
from connector.actions.listing import list_notifications
from connector.actions.notification_counts import count_notifications
from connector.actions.notifications import (
    convert_notification,
    delete_notification,
    get_notification,
)
from connector.actions.registry import Action, ActionContext, Parameters, Result, Scope, call
from connector.actions.status import get_quota, get_status, test_connectivity

ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        test_connectivity,
        list_notifications,
        count_notifications,
        get_notification,
        convert_notification,
        push_notification,
        poll,
        get_status,
        list_rejected,
        retry_rejected,
        judge,
        list_judgements,
        list_judged_rules,
        list_guarded,
        get_quota,
        delete_notification,
    )
}
"""Every action, by name."""

__all__ = [
    "ACTIONS",
    "Action",
    "ActionContext",
    "Envelope",
    "ErrorDetail",
    "Parameters",
    "Result",
    "Scope",
    "call",
    "failed",
]
