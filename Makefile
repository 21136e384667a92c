# Everything a person types here; `make` alone lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip --disable-pip-version-check --quiet
unexport PYTHONDONTWRITEBYTECODE  # or each process of a test run compiles all that it imports

# Tests of processes and sockets wait for half of their time, so that twice as many workers as cores keep these busy.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 2 )))
# In the order of the folders: unit tests, which are short, come last and keep all workers busy to the end.
PARALLEL := -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# What `demo` needs, and nothing of development: where that is there already, nothing is installed.
DEMO = $(if $(wildcard $(VENV)/ready),$(VENV)/ready,$(VENV)/demo-ready)

$(VENV)/demo-ready: requirements/demo.txt requirements/server.txt requirements/build.txt pyproject.toml
	@echo "1/3  a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "2/3  $$(grep -hoE '^[a-z0-9.-]+==' requirements/demo.txt requirements/server.txt requirements/build.txt | sort -u | wc -l) pinned packages, by their hashes"
	@$(PIP) install --require-hashes --no-deps -r requirements/demo.txt -r requirements/server.txt -r requirements/build.txt
	@echo "3/3  the connector itself"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo:  ## run the whole job against a simulated VirusTotal, on this machine alone; a page in the end
	@$(MAKE) --no-print-directory $(DEMO)
	@$(BIN)/iocstream demo

unit: $(VENV)/ready  ## the tests that need no server, within a minute
	$(BIN)/pytest $(PARALLEL) tests/contract tests/unit

test: $(VENV)/ready  ## every test; one that lacks its server skips and says so
	$(BIN)/pytest $(PARALLEL)

coverage: $(VENV)/ready  ## every test, and which lines and branches of connector/ none of them reaches
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# make mutants MODULE=connector/sinks/syslog/relp.py TESTS=tests/unit/sinks
#   changes MODULE (a pattern may name several: 'connector/sinks/syslog/*') in one small way after the other, and runs
#   those of TESTS that reach the change. It prints each change that no test noticed, and how many there were of each kind:
#   killed, survived, timeout (a test noticed: it hung), no tests (none of TESTS reaches it).
# It works on a copy in .mutants, so the code may be edited meanwhile. There, when it has ended:
#   ../.venv/bin/mutmut results --all true     every change and what became of it
#   ../.venv/bin/mutmut tests-for-mutant NAME  the tests that reach a change
#   ../.venv/bin/mutmut run NAME               a change once more
COMMA := ,
mutants: $(VENV)/ready  ## changes to MODULE that no test of TESTS notices (how: see the Makefile)
	@rm -rf .mutants && mkdir .mutants
	@git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - --ignore-failed-read | tar --extract -C .mutants
	@sed -i -e 's|^only_mutate = .*|only_mutate = ["$(MODULE)"]|' \
	    -e 's|^pytest_add_cli_args_test_selection = .*|pytest_add_cli_args_test_selection = [$(patsubst %,"%"$(COMMA),$(or $(TESTS),tests/unit tests/contract))]|' .mutants/pyproject.toml
	@cd .mutants && { ../$(BIN)/mutmut run > log 2>&1 || { tr '\r' '\n' < log | tail -50; exit 1; }; }
	@tr '\r' '\n' < .mutants/log | tail -3
	@cd .mutants && ../$(BIN)/mutmut results | awk '/survived/ {sub(":", "", $$1); print $$1}' | xargs -r -n 1 ../$(BIN)/mutmut show

gates: $(VENV)/ready  ## 10,000 simulated notifications before other people's STIX software (GATES=number)
	GATES=$(or $(GATES),10000) $(BIN)/pytest -n auto tests/integration/test_stix_gates.py

lint: $(VENV)/ready  ## style, types, layers, declared dependencies, and whether generated files are fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry connector
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/ready  ## speed and memory, as ratios measured in one run; PART=taxii: one part of it
	$(BIN)/python bench/run.py $(PART)

prove: $(VENV)/ready peers .peers/kafka/ready  ## the proof of docs/reliability.md; QUICK=1: a short form; PART=kills: one part of it
	@$(BIN)/python -m prove $(if $(QUICK),--quick) $(if $(PART),--only $(PART)) $(if $(SEED),--seed $(SEED)) $(if $(INTO),--into $(INTO))

format: $(VENV)/ready  ## put the code into its one layout
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

generate: $(VENV)/ready  ## make the generated files again
	$(BIN)/python docs/generate.py

docs: .peers/docs/ready  ## the documentation as a site in dist/site, to be read without a server; a broken link is an error
	.peers/docs/bin/sphinx-build -q -W --keep-going -d .peers/docs/doctrees docs dist/site
	@echo "dist/site/index.html"

peers: .peers/medallion/ready .peers/opentaxii/ready .peers/opentaxii-0.9/ready .peers/openapi-python-client/ready $(if $(shell command -v mvn),java-peers)  ## what the integration tests talk to (Kafka and OpenSearch where Maven is)

validators: .peers/validators/ready .peers/ocsf/ready .peers/npm/ready .peers/pycti/ready .peers/misp-stix/ready .peers/platforms/ready .peers/splunk-appinspect/ready .peers/kubernetes/ready  ## what judges the output of our mappings, our packages and manifests (needs npm)

# A lock lists everything it needs. validators.txt and platforms.txt list less: of these packages the tests use what needs nothing else.
.peers/%/ready: requirements/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

java-peers: .peers/kafka/ready .peers/opensearch/ready  ## a real Kafka and a real OpenSearch for the tests (needs Maven, and a JDK)

.peers/kafka/ready .peers/opensearch/ready: .peers/%/ready: requirements/%/pom.xml
	@mkdir -p $(@D)
	cp $< $(@D)
	cd $(@D) && mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib
	@touch $@

.peers/npm/ready: requirements/npm/package-lock.json
	@mkdir -p $(@D)
	cp requirements/npm/package.json $< $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# What the commit holds, whatever else lies in the folder, with its date: the same commit makes the same files, byte for byte.
release: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
release: $(VENV)/ready  ## wheel, sdist and bill of materials (CycloneDX) in dist/, the same for the same commit
	@rm -rf dist && mkdir dist
	@from=$$(mktemp -d) && trap 'rm -rf $$from' EXIT && git archive HEAD | tar --extract -C $$from \
	    && cd $$from && $(CURDIR)/$(BIN)/python -m hatchling build -d $(CURDIR)/dist
	@$(BIN)/python docs/sbom.py > $$(ls dist/*.whl | sed 's/-py3-none-any.whl$$/.cdx.json/')

UV   ?= uv
LOCK  = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
       --no-emit-index-url --no-header --no-annotate

EXTRAS = contract demo jwt kafka postgresql regex server

lock:  ## choose versions anew (needs uv)
	$(LOCK) --upgrade pyproject.toml -o requirements/runtime.txt
	$(LOCK) --upgrade pyproject.toml --all-extras --group dev -c requirements/runtime.txt -o requirements/dev.txt
	for extra in $(EXTRAS); do $(LOCK) --upgrade pyproject.toml --extra $$extra -c requirements/dev.txt -o requirements/$$extra.txt; done
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
	$(LOCK) --upgrade requirements/docs.in -o requirements/docs.txt
	$(LOCK) --upgrade requirements/kubernetes.in -o requirements/kubernetes.txt
	cd requirements/npm && npm update --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund
	$(LOCK) --upgrade requirements/openapi-python-client.in -o requirements/openapi-python-client.txt

.PHONY: help release docs demo unit test coverage mutants lint bench prove format generate gates peers java-peers validators lock
