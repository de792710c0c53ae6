# One image a service: docker build --build-arg SERVICE=poller -t pagetally/poller .
# LOCK=spooler makes discovery one that can ask Windows Spoolers.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS libraries
ARG SERVICE
ARG LOCK=${SERVICE}
COPY requirements-${LOCK}.lock /requirements.lock
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r /requirements.lock

FROM ${BASE}
ARG SERVICE
COPY --from=libraries /venv /venv
WORKDIR /app
COPY shared shared
COPY services/__init__.py services/cli.py services/check_command.py services/
COPY services/${SERVICE} services/${SERVICE}
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PAGETALLY_STATE=/state
USER 10001:10001
ENTRYPOINT ["/venv/bin/python", "-P", "-m", "services.cli"]
