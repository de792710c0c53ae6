"""What an IPP printer is, and how it is; pure. RFC 8011 section 5.4, PWG 5100.9, PWG 5100.13."""

from __future__ import annotations

import re

from services.poller.identity import without_make
from services.poller.ipp_text import pairs_in, whole_number, words
from services.poller.recognise import Profiles
from services.poller.text import serial_or_none
from shared.ipp.values import MAX_VALUES, device_id_in, integer_in, text_in, texts_in
from shared.ipp.wire import Attributes
from shared.messages import Alert, DeviceIdentity, DeviceStatus
from shared.text import clean

_STATES = {3: "idle", 4: "processing", 5: "stopped"}  # RFC 8011 section 5.4.11
_REASONS = {  # printer-state-reasons as hrPrinterDetectedErrorState calls them
    "media-low": "low paper",
    "media-empty": "no paper",
    "media-needed": "no paper",
    "toner-low": "low toner",
    "toner-empty": "no toner",
    "marker-supply-low": "low toner",
    "marker-supply-empty": "no toner",
    "door-open": "door open",
    "cover-open": "door open",
    "interlock-open": "door open",
    "media-jam": "jammed",
    "offline": "offline",
    "shutdown": "offline",
    "input-tray-missing": "input tray missing",
    "output-tray-missing": "output tray missing",
    "marker-supply-missing": "marker supply missing",
    "output-area-almost-full": "output near full",
    "output-area-full": "output full",
}
_MOST = 32  # reasons
_CUPS_MODEL = re.compile(r"(Local|Remote) (Raw )?Printer( Class)?")  # of a queue without a driver


def identity(attributes: Attributes, profiles: Profiles, address: str) -> DeviceIdentity:
    """`address` is the device's; of a queue or a device on a cable it is the computer's."""
    said = device_id_in(text_in(attributes, "printer-device-id"))
    named = text_in(attributes, "printer-make-and-model")
    if named and _CUPS_MODEL.fullmatch(named):
        named = None
    maker = clean(said.get("MFG") or said.get("MANUFACTURER") or "")
    model = named or clean(said.get("MDL") or said.get("MODEL") or "")
    make = profiles.make_in(maker) or profiles.make_in(model) or maker
    model = without_make(model, make)
    return DeviceIdentity(
        make=make,
        model=model,
        serial=_serial(attributes, model),
        address=address,
        asset_tag=text_in(attributes, "printer-asset-tag"),
        location=text_in(attributes, "printer-location"),
        firmware=text_in(attributes, "printer-firmware-string-version"),
        description=text_in(attributes, "printer-info"),
    )


def _serial(attributes: Attributes, model: str | None) -> str | None:
    said = device_id_in(text_in(attributes, "printer-device-id"))
    places = (said.get(key) for key in ("SN", "SERN", "SERIALNUMBER"))
    for text in (text_in(attributes, "printer-serial-number"), *places):
        serial = serial_or_none(_plain(text), model, None)
        if serial:
            return serial
    return None


def _plain(text: str | None) -> str | None:
    """Epson's device IDs hold the serial number as its letters' octets in hexadecimal."""
    if text and re.fullmatch(r"((3[0-9]|4[1-9A-F]|5[0-9A])){8,}", text.upper()):
        return clean(bytes.fromhex(text).decode("ascii"))
    return clean(text or "")


def status(attributes: Attributes) -> DeviceStatus:
    code = integer_in(attributes, "printer-state")
    reasons = [text for text in texts_in(attributes, "printer-state-reasons") if text]
    return DeviceStatus(
        printer=None if code is None else _STATES.get(code, f"code {code}"),
        errors=[word for word in dict.fromkeys(map(_reason, reasons)) if word != "none"][:_MOST],
    )


def _reason(keyword: str) -> str:
    plain = re.sub(r"-(error|warning|report)$", "", keyword)
    return _REASONS.get(plain) or words(plain) or plain


def alerts(attributes: Attributes) -> list[Alert]:
    said = texts_in(attributes, "printer-alert")
    described = texts_in(attributes, "printer-alert-description")
    return [
        _alert(place, text, described[place - 1] if place <= len(described) else None)
        for place, text in enumerate(said[:MAX_VALUES], 1)
        if text
    ]


def _alert(place: int, text: str, description: str | None) -> Alert:
    pairs = pairs_in(text)
    return Alert(
        index=clean(pairs.get("index", "")) or str(place),
        severity=words(pairs.get("severity")),
        group=words(pairs.get("group")),
        code=whole_number(pairs.get("code")),
        description=description or words(pairs.get("code")),
    )
