# Chores. `./pagetally test` is what CI runs; these are its parts.
PY := .venv/bin/python
SERVICES := discovery poller uploader ingest reporter console
PRODUCT := $(foreach s,$(SERVICES) solo embedded,--extra $(s))
COMPILE := uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 --quiet

.PHONY: test lint types slim bench lock devices faults compiled compiled-test

test:
	./pagetally test

lint:
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && .venv/bin/lint-imports

types:
	$(PY) -m mypy

slim:  ## each service's unit tests in an environment of its own extra
	./pagetally test --slim

faults:
	./pagetally test --faults

compiled:  ## a copy whose reading path is compiled: run it with PYTHONPATH=var/compiled
	$(PY) deploy/compile.py var/compiled

compiled-test:  ## the tests of reading devices on such a copy
	./pagetally test --compiled

bench:
	-$(PY) deploy/compile.py var/compiled
	PYTHONPATH=. $(PY) -P -m bench

lock:
	$(COMPILE) $(PRODUCT) -o requirements.lock
	$(COMPILE) $(PRODUCT) --extra dev -o requirements-dev.lock
	for s in $(SERVICES) slim; do $(COMPILE) --extra $$s -o requirements-$$s.lock; done
	$(COMPILE) --extra discovery --extra spooler -o requirements-spooler.lock
	! grep -nE '://|--index-url|--find-links' requirements*.lock

devices:  ## docs/devices.md, out of the profiles
	PYTHONPATH=. $(PY) -P deploy/devices_page.py
