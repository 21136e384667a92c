"""What `connector.ports.Journal` promises of entries, asked of every journal."""

from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test

from connector.contract.examples import examples
from connector.contract.journal.dead_letters import DeadLettersContract
from connector.contract.journal.leases import LeasesContract
from connector.contract.journal.look_ups import LookUpsContract
from connector.contract.journal.machine import JournalMachine
from connector.contract.journal.outdated import OutdatedContract
from connector.contract.journal.pages import PagesContract
from connector.contract.journal.retention import RetentionContract
from connector.contract.journal.routes import RoutesContract
from connector.contract.journal.status import StatusContract


class EntriesContract(
    PagesContract,
    RoutesContract,
    DeadLettersContract,
    LookUpsContract,
    OutdatedContract,
    LeasesContract,
    RetentionContract,
    StatusContract,
):
    """What a journal keeps of sources and routes; derive from it, and say on which store (`make_store`).

    Attributes:
        model_examples: how many times it is compared with a model, whatever is done; fewer for a store that is slow.
    """

    model_examples = 40

    def test_a_journal_agrees_with_a_model_of_it_whatever_is_done_in_whatever_order(self, tmp_path):
        count, contract = iter(range(10**6)), self

        class Machine(JournalMachine):
            def __init__(self) -> None:
                folder = tmp_path / str(next(count))
                folder.mkdir()
                self.open_journal = contract.make_store(folder).open
                super().__init__()

        run_state_machine_as_test(
            Machine,
            settings=examples(
                self.model_examples, stateful_step_count=25, suppress_health_check=list(HealthCheck), database=None
            ),
        )
