"""How a round is closed, whatever its devices are called."""

from __future__ import annotations

from services.discovery.closing import Asked, Computers, outcome_of
from services.discovery.plan import Plan, Wish
from shared.messages import SpooledQueue, SpooledTarget


def test_an_order_that_was_not_given_is_named_however_long_its_queue_is_called() -> None:
    queue = SpooledQueue(host="printpc", queue="q" * 1024, port_name="USB001", kind="usb")

    outcome = outcome_of(
        Wish(),
        [Asked(Plan(()))],
        answers=[],
        known=[],
        computers=Computers(),
        not_taken={SpooledTarget(spooled=queue).key: "its order was not given: away"},
        interrupted=False,
    )

    [missed] = outcome.not_reached
    assert missed.target.startswith("spooled:printpc/qqq")
