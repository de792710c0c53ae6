"""What is typed at a box is named for its ceiling, and for what it was typed alone."""

from __future__ import annotations

import pytest

from services.solo.named import TypedWrongError, naming
from shared.ceiling import Ceiling


def test_a_printer_s_uri_names_its_address_for_ipp_alone() -> None:
    ceiling = naming(Ceiling(networks=()), ["ipp://127.0.0.7:60000/ipp/print", "127.0.0.8"])

    assert ceiling.of_ipp.refusal("127.0.0.7", 60000) is None
    assert ceiling.refusal("127.0.0.8", 161) is None
    for address, port in (("127.0.0.7", 631), ("127.0.0.8", 60000), ("127.0.0.8", 631)):
        assert ceiling.of_ipp.refusal(address, port)
    for port in (161, 60000):
        assert ceiling.refusal("127.0.0.7", port)


def test_a_wrong_uri_is_told_without_what_is_secret_in_it() -> None:
    with pytest.raises(TypedWrongError, match="write it without") as told:
        naming(Ceiling(networks=()), ["ipp://me:secret@127.0.0.7/"])

    assert "secret" not in str(told.value)


def test_a_name_that_cannot_be_one_is_told() -> None:
    with pytest.raises(TypedWrongError, match="is no name"):
        naming(Ceiling(networks=()), [f"ipp://{'a' * 64}/"])


def test_a_range_of_networks_names_each_of_them_and_nothing_between() -> None:
    ceiling = naming(Ceiling(networks=()), ["127.1-2.0.0/24"])

    assert ceiling.refusal("127.1.0.7", 161) is None
    assert ceiling.refusal("127.2.0.7", 161) is None
    assert ceiling.refusal("127.1.1.7", 161)


def test_broadcast_names_nothing() -> None:
    with pytest.raises(TypedWrongError, match="broadcast: chosen for a segment at the hub"):
        naming(Ceiling(networks=()), ["broadcast"])
