"""The standard objects that are read, and the words for their codes.

Sources: RFC 3805 (Printer MIB v2), RFC 2790 (HOST-RESOURCES), RFC 3418 (SNMPv2-MIB), RFC 2863 (IF).
"""

from __future__ import annotations

SYS_DESCR = "1.3.6.1.2.1.1.1.0"
SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0"
SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
SYS_NAME = "1.3.6.1.2.1.1.5.0"
SYS_LOCATION = "1.3.6.1.2.1.1.6.0"
SYSTEM = (SYS_DESCR, SYS_OBJECT_ID, SYS_UP_TIME, SYS_NAME, SYS_LOCATION)

SYSTEM_COLUMNS = tuple(
    oid.removesuffix(".0") for oid in (SYS_DESCR, SYS_OBJECT_ID, SYS_UP_TIME, SYS_NAME)
)

IF_TYPE = "1.3.6.1.2.1.2.2.1.3"
IF_PHYS_ADDRESS = "1.3.6.1.2.1.2.2.1.6"
ETHERNET, WIRELESS = 6, 71  # IANAifType

HR_DEVICE_TYPE = "1.3.6.1.2.1.25.3.2.1.2"
HR_DEVICE_DESCR = "1.3.6.1.2.1.25.3.2.1.3"
HR_DEVICE_STATUS = "1.3.6.1.2.1.25.3.2.1.5"
HR_PRINTER_STATUS = "1.3.6.1.2.1.25.3.5.1.1"
HR_PRINTER_ERRORS = "1.3.6.1.2.1.25.3.5.1.2"
PRINTER_TYPE = "1.3.6.1.2.1.25.3.1.5"  # hrDevicePrinter

GENERAL_CONFIG_CHANGES = "1.3.6.1.2.1.43.5.1.1.1"
GENERAL_LOCALIZATION = "1.3.6.1.2.1.43.5.1.1.2"
GENERAL_SERIAL = "1.3.6.1.2.1.43.5.1.1.17"
LOCALIZATION_CHARSET = "1.3.6.1.2.1.43.7.1.1.4"
MARKER_UNIT = "1.3.6.1.2.1.43.10.2.1.3"
MARKER_LIFE_COUNT = "1.3.6.1.2.1.43.10.2.1.4"
SUPPLY_COLORANT = "1.3.6.1.2.1.43.11.1.1.3"
SUPPLY_CLASS = "1.3.6.1.2.1.43.11.1.1.4"
SUPPLY_TYPE = "1.3.6.1.2.1.43.11.1.1.5"
SUPPLY_DESCRIPTION = "1.3.6.1.2.1.43.11.1.1.6"
SUPPLY_UNIT = "1.3.6.1.2.1.43.11.1.1.7"
SUPPLY_MAX = "1.3.6.1.2.1.43.11.1.1.8"
SUPPLY_LEVEL = "1.3.6.1.2.1.43.11.1.1.9"
COLORANT_VALUE = "1.3.6.1.2.1.43.12.1.1.4"
CONSOLE_TEXT = "1.3.6.1.2.1.43.16.5.1.2"
ALERT_SEVERITY = "1.3.6.1.2.1.43.18.1.1.2"
ALERT_GROUP = "1.3.6.1.2.1.43.18.1.1.4"
ALERT_CODE = "1.3.6.1.2.1.43.18.1.1.7"
ALERT_DESCRIPTION = "1.3.6.1.2.1.43.18.1.1.8"

GENERAL_COLUMNS = (GENERAL_CONFIG_CHANGES, GENERAL_LOCALIZATION, GENERAL_SERIAL)
MARKER_COLUMNS = (MARKER_UNIT, MARKER_LIFE_COUNT)
SUPPLY_COLUMNS = (
    SUPPLY_COLORANT,
    SUPPLY_CLASS,
    SUPPLY_TYPE,
    SUPPLY_DESCRIPTION,
    SUPPLY_UNIT,
    SUPPLY_MAX,
    SUPPLY_LEVEL,
)
IF_COLUMNS = (IF_TYPE, IF_PHYS_ADDRESS)
HR_COLUMNS = (HR_DEVICE_TYPE, HR_DEVICE_DESCR, HR_DEVICE_STATUS)
HR_PRINTER_COLUMNS = (HR_PRINTER_STATUS, HR_PRINTER_ERRORS)
ALERT_COLUMNS = (ALERT_SEVERITY, ALERT_GROUP, ALERT_CODE, ALERT_DESCRIPTION)
# a row in one of these makes a device a printing one (RFC 3805: only printers hold them)
PRINTER_MIB_COLUMNS = (
    *GENERAL_COLUMNS,
    *MARKER_COLUMNS,
    *SUPPLY_COLUMNS,
    LOCALIZATION_CHARSET,
    COLORANT_VALUE,
)

DEVICE_STATUS = {1: "unknown", 2: "running", 3: "warning", 4: "testing", 5: "down"}
PRINTER_STATUS = {1: "other", 2: "unknown", 3: "idle", 4: "printing", 5: "warming up"}
ERROR_BITS = (  # hrPrinterDetectedErrorState; bit 0 is the first octet's most significant
    "low paper",
    "no paper",
    "low toner",
    "no toner",
    "door open",
    "jammed",
    "offline",
    "service requested",
    "input tray missing",
    "output tray missing",
    "marker supply missing",
    "output near full",
    "output full",
    "input tray empty",
    "overdue preventive maintenance",
)

COUNTER_UNITS = {  # PrtMarkerCounterUnitTC
    1: "other",
    2: "unknown",
    3: "1/10000 inch",
    4: "micrometres",
    5: "characters",
    6: "lines",
    7: "impressions",
    8: "sheets",
    9: "dot rows",
    11: "hours",
    16: "feet",
    17: "metres",
}
SUPPLY_UNITS = {  # PrtMarkerSuppliesSupplyUnitTC
    1: "other",
    2: "unknown",
    3: "1/10000 inch",
    4: "micrometres",
    7: "impressions",
    8: "sheets",
    11: "hours",
    12: "1/1000 ounce",
    13: "1/10 gram",
    14: "1/100 fluid ounce",
    15: "1/10 millilitre",
    16: "feet",
    17: "metres",
    18: "items",
    19: "percent",
}
RECEPTACLE = 4  # PrtMarkerSuppliesClassTC, receptacleThatIsFilled
SUPPLY_TYPES = {  # PrtMarkerSuppliesTypeTC, spelled as there
    1: "other",
    2: "unknown",
    3: "toner",
    4: "wasteToner",
    5: "ink",
    6: "inkCartridge",
    7: "inkRibbon",
    8: "wasteInk",
    9: "opc",
    10: "developer",
    11: "fuserOil",
    12: "solidWax",
    13: "ribbonWax",
    14: "wasteWax",
    15: "fuser",
    16: "coronaWire",
    17: "fuserOilWick",
    18: "cleanerUnit",
    19: "fuserCleaningPad",
    20: "transferUnit",
    21: "tonerCartridge",
    22: "fuserOiler",
    23: "water",
    24: "wasteWater",
    25: "glueWaterAdditive",
    26: "wastePaper",
    27: "bindingSupply",
    28: "bandingSupply",
    29: "stitchingWire",
    30: "shrinkWrap",
    31: "paperWrap",
    32: "staples",
    33: "inserts",
    34: "covers",
    35: "matteToner",
    36: "matteInk",
}
ALERT_SEVERITIES = {1: "other", 3: "critical", 4: "warning", 5: "warning that clears itself"}
ALERT_GROUPS = {  # PrtAlertGroupTC
    1: "other",
    3: "storage",
    4: "device",
    5: "general printer",
    6: "cover",
    7: "localization",
    8: "input",
    9: "output",
    10: "marker",
    11: "marker supplies",
    12: "marker colorant",
    13: "media path",
    14: "channel",
    15: "interpreter",
    16: "console display buffer",
    17: "console lights",
    18: "alert",
    30: "finisher",
    31: "finisher supply",
    32: "finisher supply media input",
    33: "finisher attribute",
}
CHARSETS = {  # IANA MIBenum: Python's codec
    3: "ascii",
    4: "iso8859-1",
    5: "iso8859-2",
    6: "iso8859-3",
    7: "iso8859-4",
    8: "iso8859-5",
    9: "iso8859-6",
    10: "iso8859-7",
    11: "iso8859-8",
    12: "iso8859-9",
    13: "iso8859-10",
    17: "shift_jis",
    18: "euc_jp",
    36: "cp949",
    38: "euc_kr",
    106: "utf-8",
    109: "iso8859-13",
    111: "iso8859-15",
    113: "gbk",
    114: "gb18030",
    1013: "utf-16-be",
    1014: "utf-16-le",
    1015: "utf-16",
    2004: "hp_roman8",
    2009: "cp850",
    2010: "cp852",
    2011: "cp437",
    2024: "cp932",
    2025: "gb2312",
    2026: "big5",
    2084: "koi8_r",
    2086: "cp866",
    2250: "cp1250",
    2251: "cp1251",
    2252: "cp1252",
    2253: "cp1253",
    2254: "cp1254",
    2255: "cp1255",
    2256: "cp1256",
    2257: "cp1257",
}
