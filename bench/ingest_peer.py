"""Ingest as one writes it at first: FastAPI body parameter, executemany, on conflict do nothing.

The same contract, the same answers after the commit, a row a read, a meter and a supply; what is
left of a read is one jsonb column. Run as `python -m bench.ingest_peer URL PORT CERTIFICATE`.
"""

import hashlib
import sys
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from shared.messages import MeterRead, usual_unit

TABLES = """
    create table site_key (digest bytea primary key, site_id bigint not null);
    create table read (
        site_id bigint, id uuid, order_id uuid, round_id uuid, taken_at timestamptz, agent text,
        target text, profile text, make text, model text, serial text, mac text, hostname text,
        address text, asset_tag text, location text, firmware text, basis text,
        large_counts smallint, no_meters_because text, rest jsonb,
        primary key (site_id, id)
    );
    create index on read (site_id, taken_at);
    create table meter (
        site_id bigint, read_id uuid, name text, value bigint, unit text,
        primary key (site_id, read_id, name)
    );
    create table supply (
        site_id bigint, read_id uuid, position integer, description text, type text,
        colorant text, level_percent double precision, level bigint, max_capacity bigint,
        unit text, state text,
        primary key (site_id, read_id, position)
    );
"""
_REST = {"varbinds", "sources", "status", "alerts", "notes", "native", "datagrams", "bytes"}


def create_app(pool: ConnectionPool) -> FastAPI:
    app = FastAPI()

    def site_of(authorization: Annotated[str, Header()]) -> int:
        digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).digest()
        with pool.connection() as connection:
            row = connection.execute(
                "select site_id from site_key where digest = %s", (digest,)
            ).fetchone()
        if row is None:
            raise HTTPException(401)
        return int(row[0])

    @app.post("/v1/events")
    def take(reads: list[MeterRead], site: Annotated[int, Depends(site_of)]) -> dict[str, int]:
        with pool.connection() as connection, connection.cursor() as cursor:
            cursor.executemany(_insert("read", 21), [_read(site, read) for read in reads])
            cursor.executemany(
                _insert("meter", 5),
                [
                    (site, read.id, name, value, read.units.get(name) or usual_unit(name))
                    for read in reads
                    for name, value in read.meters.items()
                ],
            )
            cursor.executemany(
                _insert("supply", 11),
                [
                    (
                        *(site, read.id, position, it.description, it.type, it.colorant),
                        *(it.level_percent, it.level, it.max_capacity, it.unit, it.state),
                    )
                    for read in reads
                    for position, it in enumerate(read.supplies)
                ],
            )
        return {"stored": len(reads)}

    return app


def _insert(table: str, columns: int) -> str:
    places = ", ".join(["%s"] * columns)
    return f"insert into {table} values ({places}) on conflict do nothing"


def _read(site: int, read: MeterRead) -> tuple[object, ...]:
    device = read.device
    return (
        *(site, read.id, read.order, read.round, read.taken_at, read.agent, read.target.key),
        *(read.profile, device.make, device.model, device.serial, device.mac, device.hostname),
        *(device.address, device.asset_tag, device.location, device.firmware, read.basis),
        *(read.large_counts, read.no_meters_because),
        Jsonb(read.model_dump(mode="json", include=_REST)),
    )


if __name__ == "__main__":
    url, port, certificate = sys.argv[1:]
    with ConnectionPool(url, min_size=4, max_size=4) as pool:
        uvicorn.run(
            create_app(pool),
            port=int(port),
            ssl_certfile=certificate,
            ssl_keyfile=certificate,
            access_log=False,
            log_level="warning",
        )
