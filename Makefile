# Everything a person types here; `make` alone lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/ready  ## run the whole job against a simulated VirusTotal, on this machine alone; a page in the end
	@$(BIN)/iocstream demo

test: $(VENV)/ready  ## every test; one that lacks its server skips and says so
	$(BIN)/pytest -n auto --dist loadgroup

gates: $(VENV)/ready  ## 10,000 simulated notifications before other people's STIX software (GATES=number)
	GATES=$(or $(GATES),10000) $(BIN)/pytest -n auto tests/integration/test_stix_gates.py

lint: $(VENV)/ready  ## style, types, layers, and whether generated files are fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/ready  ## speed and memory, as ratios measured in one run; PART=taxii: one part of it
	$(BIN)/python bench/run.py $(PART)

prove: $(VENV)/ready peers  ## the proof of docs/reliability.md, in an hour at most; QUICK=1: in five minutes
	@$(BIN)/python -m prove $(if $(QUICK),--quick) $(if $(PART),--only $(PART)) $(if $(SEED),--seed $(SEED))

format: $(VENV)/ready  ## put the code into its one layout
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

generate: $(VENV)/ready  ## make the generated files again
	$(BIN)/python docs/generate.py
	$(BIN)/python -m connector.mapping.reference docs/mappings.md

peers: .peers/medallion/ready .peers/opentaxii/ready .peers/opentaxii-0.9/ready .peers/openapi-python-client/ready  ## what the integration tests talk to

validators: .peers/validators/ready .peers/ocsf/ready .peers/npm/ready .peers/pycti/ready .peers/misp-stix/ready .peers/platforms/ready .peers/splunk-appinspect/ready  ## what judges the output of our mappings, and our packages (needs npm)

# A lock lists everything it needs. validators.txt and platforms.txt list less: of these packages the tests use what needs nothing else.
.peers/%/ready: requirements/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

.peers/npm/ready: requirements/npm/package-lock.json
	@mkdir -p $(@D)
	cp requirements/npm/package.json $< $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

UV   ?= uv
LOCK  = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
       --no-emit-index-url --no-header --no-annotate

lock:  ## choose versions anew (needs uv)
	$(LOCK) --upgrade pyproject.toml -o requirements/runtime.txt
	$(LOCK) --upgrade pyproject.toml --extra server --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) --upgrade requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) --upgrade --prerelease=allow requirements/medallion.in -o requirements/medallion.txt
	$(LOCK) --upgrade requirements/opentaxii.in -o requirements/opentaxii.txt
	$(LOCK) --upgrade requirements/opentaxii-0.9.in -o requirements/opentaxii-0.9.txt
	$(LOCK) --upgrade requirements/ocsf.in -o requirements/ocsf.txt
	$(LOCK) --upgrade requirements/pycti.in -o requirements/pycti.txt
	$(LOCK) --upgrade requirements/misp-stix.in -o requirements/misp-stix.txt
	$(LOCK) --upgrade --no-deps requirements/validators.in -o requirements/validators.txt
	$(LOCK) --upgrade --no-deps requirements/platforms.in -o requirements/platforms.txt
	$(LOCK) --upgrade requirements/splunk-appinspect.in -o requirements/splunk-appinspect.txt
	cd requirements/npm && npm update --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund
	$(LOCK) --upgrade requirements/openapi-python-client.in -o requirements/openapi-python-client.txt

.PHONY: help demo test lint bench prove format generate gates peers validators lock
