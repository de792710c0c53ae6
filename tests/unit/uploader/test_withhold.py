from __future__ import annotations

import pytest

from services.uploader.withhold import unknown_fields, withhold
from shared.decode import decode
from shared.message import Message
from shared.messages import (
    Alert,
    DeviceEvent,
    DeviceIdentity,
    DeviceStatus,
    IppTarget,
    MeterRead,
    NoCredential,
    NotReached,
    Order,
    ReadFailed,
    RoundFinished,
    Segment,
    SegmentsListed,
    SilentDevice,
    SnmpTarget,
    SpooledQueue,
    SpooledTarget,
    SupplyLevel,
    WithheldTarget,
    order_id,
)
from tests.unit.uploader.messages import NOW, ROUND, meter_read, read_failed

_SALT = "this site's"


def without(message: Message, *fields: str, salt: str = _SALT) -> Message:
    kept = withhold(message, frozenset(fields), salt)
    assert decode(kept.routing_key, kept.to_json()) == kept
    assert kept.id == message.id
    return kept


def round_finished() -> RoundFinished:
    target = SnmpTarget(snmp="10.0.0.7")
    return RoundFinished(
        round=ROUND,
        agent="here",
        kind="read",
        part=1,
        parts=1,
        started_at=NOW,
        finished_at=NOW,
        orders=[Order(order=order_id(ROUND, target), target=target)],
        silent=[SilentDevice(target=SnmpTarget(snmp="10.0.0.8"), serial="VB0008")],
        not_reached=[NotReached(target="10.0.0.9", reason="10.0.0.9: no route")],
        no_credential=[
            NoCredential(
                target=SnmpTarget(snmp="10.0.0.6"),
                tried=["office"],
                reason="10.0.0.6: no such user",
            )
        ],
        events=[
            DeviceEvent(
                kind="moved",
                target=target,
                before=SnmpTarget(snmp="10.0.0.5"),
                serial="VB0001",
                serial_before="VB0000",
                mac="00:17:c8:01:02:03",
            )
        ],
        asked=3,
        answered=1,
        packets=4,
        bytes=300,
    )


def test_nothing_withheld_changes_nothing() -> None:
    assert without(meter_read()) == meter_read()


@pytest.mark.parametrize(
    ("field", "traces"),
    [
        ("hostname", ["printer-1", b"printer-1".hex()]),
        ("mac", ["00:17:c8:01:02:03", "0017c8010203"]),
        ("location", ["2nd floor"]),
        ("serial", ["VB0001", b"VB0001".hex()]),
        ("address", ["10.0.0.2"]),
    ],
)
def test_a_withheld_field_leaves_no_trace_in_a_read(field: str, traces: list[str]) -> None:
    body = without(meter_read(), field).to_json().decode()
    assert all(trace in meter_read().to_json().decode() for trace in traces[:1])
    assert not any(trace in body for trace in traces)


def test_the_meters_and_their_varbinds_stay() -> None:
    read = without(meter_read(), "address", "hostname", "mac", "location", "serial")
    assert isinstance(read, MeterRead)
    assert read.meters == meter_read().meters
    assert read.varbinds == {"1.3.6.1.2.1.43.10.2.1.4.1.1": ("Counter32", 424405)}
    assert read.device.make == "Kyocera"


def test_a_withheld_number_takes_no_counter_of_the_same_value_along() -> None:
    read = meter_read(total=7).model_copy(
        update={"device": meter_read().device.model_copy(update={"location": "7"})}
    )
    kept = without(read, "location")
    assert isinstance(kept, MeterRead)
    assert kept.varbinds["1.3.6.1.2.1.43.10.2.1.4.1.1"] == ("Counter32", 7)


def test_what_is_withheld_is_not_within_another_attribute_of_ipp_either() -> None:
    read = meter_read().model_copy(
        update={
            "attributes": {
                "printer-impressions-completed": ("integer", 424405),
                "printer-device-id": ("textWithoutLanguage", "MFG:Kyocera;SN:564230303031;"),
                "printer-make-and-model": ("textWithoutLanguage", "Kyocera printer-1"),
            }
        }
    )
    kept = without(read, "serial", "hostname")
    assert isinstance(kept, MeterRead)
    assert kept.attributes == {"printer-impressions-completed": ("integer", 424405)}


def test_a_serial_number_that_was_not_taken_for_one_is_withheld_too() -> None:
    read = meter_read().model_copy(
        update={
            "device": DeviceIdentity(make="Kyocera"),
            "attributes": {"printer-device-id": ("textWithoutLanguage", "SN:0000000;")},
        }
    )
    kept = without(read, "serial")
    assert isinstance(kept, MeterRead)
    assert kept.attributes == {}


def test_a_withheld_address_is_struck_from_a_failure_s_reason() -> None:
    failed = without(read_failed(5), "address")
    assert isinstance(failed, ReadFailed)
    assert failed.reason == "(withheld): no SNMP answer in 3 tries of 2.0 s"
    assert "10.0.0.5" not in failed.to_json().decode()


def test_a_printer_s_own_page_is_an_address_too() -> None:
    failed = read_failed().model_copy(
        update={
            "target": IppTarget(ipp="ipp://10.9.8.7:631/ipp/print"),
            "reason": "10.9.8.7: no answer from ipp://10.9.8.7:631/ipp/print",
        }
    )
    assert "10.9.8.7" not in without(failed, "address").to_json().decode()


def test_a_withheld_address_leaves_no_trace_in_a_round() -> None:
    finished = without(round_finished(), "address")
    assert "10.0.0." not in finished.to_json().decode()
    assert isinstance(finished, RoundFinished)
    assert finished.orders[0].order == round_finished().orders[0].order
    assert finished.events[0].target == finished.orders[0].target
    assert finished.no_credential[0].reason == "(withheld): no such user"


@pytest.mark.parametrize(("field", "trace"), [("serial", "VB000"), ("mac", "00:17:c8")])
def test_a_withheld_field_leaves_no_trace_in_a_round(field: str, trace: str) -> None:
    assert trace in round_finished().to_json().decode()
    assert trace not in without(round_finished(), field).to_json().decode()


def test_a_printer_that_is_given_by_name_tells_its_host_name_nowhere() -> None:
    named = IppTarget(ipp="ipp://Printer-1.example:631/ipp/print")
    failed = read_failed().model_copy(
        update={"target": named, "reason": "printer-1.example: no answer from 10.0.0.1"}
    )
    finished = round_finished().model_copy(
        update={
            "orders": [Order(order=order_id(ROUND, named), target=named)],
            "not_reached": [NotReached(target=named.ipp, reason=f"{named.ipp}: no such name")],
        }
    )

    assert "printer-1" not in without(failed, "hostname").to_json().decode().lower()
    assert "printer-1" not in without(finished, "hostname").to_json().decode().lower()
    assert "10.0.0.1" in without(failed, "hostname").to_json().decode()


@pytest.mark.parametrize("ipp", ["ipp://10.0.0.7/ipp/print", "ipp://[fd00::7]:631/ipp/print"])
def test_a_printer_that_is_given_by_address_is_hidden_with_the_address_alone(ipp: str) -> None:
    failed = read_failed().model_copy(update={"target": IppTarget(ipp=ipp)})
    assert without(failed, "hostname") == failed


def test_what_is_withheld_is_struck_from_the_panel_the_alerts_and_the_supplies() -> None:
    read = meter_read().model_copy(
        update={
            "notes": ["printer-1 is PRINTER-1, not printer-10"],
            "no_meters_because": "2nd floor, “Süd”",
            "status": DeviceStatus(printer="idle", console=["Ready", "VB0001 10.0.0.2"]),
            "alerts": [Alert(index="1", description="call for VB0001")],
            "supplies": [SupplyLevel(index="1.1", description="Toner of VB0001")],
        }
    )

    kept = without(read, "serial", "hostname", "location", "address")

    assert isinstance(kept, MeterRead)
    assert kept.notes == ["(withheld) is (withheld), not printer-10"]
    assert kept.no_meters_because == "(withheld)"
    assert kept.status.console == ["Ready", "(withheld) (withheld)"]
    assert kept.alerts[0].description == "call for (withheld)"
    assert kept.supplies[0].description == "Toner of (withheld)"


def test_what_is_withheld_is_struck_from_what_people_wrote_into_the_device() -> None:
    device = meter_read().device.model_copy(
        update={
            "mac": "00:17:c8:0a:0b:0c",
            "hostname": "BRN0017C80A0B0C",
            "description": "Printer; S/N VB0001; 00-17-C8-0A-0B-0C",
            "location": "by 0017.c80a.0b0c",
        }
    )
    read = meter_read().model_copy(
        update={
            "device": device,
            "supplies": [SupplyLevel(index="1.1", part_number="VB0001", serial="of VB0001")],
        }
    )

    kept = without(read, "serial", "mac")

    assert isinstance(kept, MeterRead)
    assert kept.device.hostname == "BRN(withheld)"
    assert kept.device.description == "Printer; S/N (withheld); (withheld)"
    assert kept.device.location == "by (withheld)"
    assert kept.supplies[0].part_number == "(withheld)"
    assert kept.supplies[0].serial == "of (withheld)"


def test_what_tells_a_device_from_others_is_left_whole() -> None:
    device = meter_read().device.model_copy(update={"hostname": "VB0001", "serial": "VB0001"})

    kept = without(meter_read().model_copy(update={"device": device}), "hostname")

    assert isinstance(kept, MeterRead)
    assert kept.device.serial == "VB0001"


def test_a_row_that_holds_what_is_withheld_among_other_things_goes_too() -> None:
    rows = {
        "1.3.6.1.4.1.1347.1": ("OctetString", b"MFG:Kyocera;SN:vb0001;".hex()),
        "1.3.6.1.4.1.1347.2": ("OctetString", "ff0017c8010203ff"),
        "1.3.6.1.4.1.1347.3": ("OctetString", "000a00000201"),
        "1.3.6.1.4.1.1347.4": ("OctetString", b"another".hex()),
        "1.3.6.1.4.1.1347.5": ("ObjectIdentifier", "1.3.6.1.4.1.1347.41"),
        "1.3.6.1.4.1.1347.6": ("OctetString", b"counts of VB0001".hex()),
    }
    read = meter_read().model_copy(
        update={"varbinds": rows, "sources": {"total": ["1.3.6.1.4.1.1347.6"]}}
    )

    kept = without(read, "serial", "mac", "address")

    assert isinstance(kept, MeterRead)
    assert [oid[-1] for oid in kept.varbinds] == ["4", "5", "6"]


def test_the_computer_that_a_device_is_attached_to_is_an_address_too() -> None:
    read = meter_read().model_copy(
        update={
            "target": SpooledTarget(
                spooled=SpooledQueue(host="pc7", queue="label", port_name="USB001", kind="usb")
            ),
            "notes": ["pc7 says nothing of its counters"],
            "device": DeviceIdentity(make="Zebra"),
        }
    )

    body = without(read, "address").to_json().decode()

    assert "pc7" not in body
    assert "USB001" not in body


def test_the_address_at_which_a_computer_was_looked_for_is_withheld() -> None:
    reasons = [
        "cannot be reached at 10.3.4.5, TCP port 445: no route",
        "printpc: is at fd00::7:1; such an address must be named itself",
    ]
    missed = [NotReached(target="printpc", reason=reason) for reason in reasons]
    finished = without(round_finished().model_copy(update={"not_reached": missed}), "address")

    body = finished.to_json().decode()
    assert "10.3.4.5" not in body
    assert "fd00" not in body
    assert "TCP port 445: no route" in body


@pytest.mark.parametrize(
    ("queue", "host", "port_name"),
    [("Hall 10.0.0.7", "pc7", "IP_10.0.0.7"), ("Hall", "pc7.bank", "pc7"), ("Hall", "pc7", "")],
)
def test_of_an_attached_device_nothing_tells_where_it_is(
    queue: str, host: str, port_name: str
) -> None:
    spooled = SpooledQueue(host=host, queue=queue, port_name=port_name, kind="tcp")
    why = f"it is the queue {queue} of {host} for the port {port_name or '?'}"
    read = meter_read().model_copy(
        update={
            "target": SpooledTarget(spooled=spooled),
            "device": DeviceIdentity(make="Zebra"),
            "no_meters_because": why,
        }
    )

    kept = without(read, "address")

    assert isinstance(kept, MeterRead)
    said = kept.no_meters_because or ""
    assert said.startswith("it is the queue Hall")
    assert not any(word in said for word in ("10.0.0.7", "pc7", "bank"))


def test_a_target_keeps_its_word_and_another_site_has_another() -> None:
    def word(message: Message) -> str:
        assert isinstance(message, MeterRead)
        assert isinstance(message.target, WithheldTarget)
        return message.target.withheld

    first = word(without(meter_read(1), "address"))
    assert word(without(meter_read(1, total=9), "address")) == first
    assert word(without(meter_read(2), "address")) != first
    assert word(without(meter_read(1), "address", salt="another's")) != first


def test_the_networks_to_choose_from_stay() -> None:
    listed = SegmentsListed(
        round=ROUND,
        agent="here",
        listed_at=NOW,
        segments=[Segment(network="10.0.0.0/24", learned_from="interface")],
    )
    assert without(listed, "address", "mac") == listed


def test_a_misspelt_field_is_found() -> None:
    assert unknown_fields(["address", "hostnam"]) == ["hostnam"]
