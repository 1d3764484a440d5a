# The two commands of the README (make demo, make test) do all of their own set-up;
# a second run finds it done and installs nothing.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
MYSQL_TESTS := $(addprefix tests/,binlog core docs/test_production.py load pipeline replicate schema state transfer verify)

PAIR_TESTS := $(addprefix tests/pipeline/test_,pairs.py types.py)

OTHER_DBT := dbt-core==1.12.0 dbt-core-experimental-parser==2.0.0a4 dbt-postgres==1.11.0

.PHONY: demo test test-dbt test-long test-mysql test-faults bench fuzz lint setup clean
.DELETE_ON_ERROR:

demo: setup  ## start private servers, fill a practice, copy it to the warehouse
	$(VENV)/bin/etl demo

# Each of the workers has servers of its own; a test waits for them as often as it computes.
WORKERS := 2
SIDE_BY_SIDE := --numprocesses $(WORKERS) --dist worksteal

# Most tests of the models look at one warehouse in one state after the other: they stay together.
IN_GROUPS := --numprocesses $(WORKERS) --dist loadgroup
test: setup  ## every test, on private servers
	$(VENV)/bin/pytest $(SIDE_BY_SIDE) --ignore tests/transform
	$(VENV)/bin/pytest $(IN_GROUPS) tests/transform

test-long: setup  ## the same, with thousands of random tables instead of hundreds
	$(VENV)/bin/pytest $(SIDE_BY_SIDE) --ignore tests/transform --long --timeout=0
	$(VENV)/bin/pytest $(IN_GROUPS) tests/transform --long --timeout=0

# 1.12.0 installs as it is with this parser; what pip would take else fetches one meanwhile.
test-dbt: setup  ## the models with the other version of dbt that is supported
	$(PYTHON) -m venv $(VENV)-dbt
	$(VENV)-dbt/bin/pip install --quiet --disable-pip-version-check \
	    --editable '.[dev,transform]' $(OTHER_DBT)
	$(VENV)-dbt/bin/pytest tests/transform/test_own_models.py tests/transform/test_command.py

# What needs MariaDB (the demo and its practice) is not in it. The first run takes LOAD DATA away,
# as MySQL does by itself; the second has the screens too, which would say so. The last two have
# MySQL on one side and MariaDB on the other.
test-mysql: setup  ## the tests that talk to MySQL, on Oracle's, which a Debian chroot provides
	scripts/with_mysql.sh -- $(VENV)/bin/pytest $(MYSQL_TESTS)
	scripts/with_mysql.sh --local-infile=ON -- $(VENV)/bin/pytest $(MYSQL_TESTS) tests/cli
	for role in source replication; do scripts/with_mysql.sh --local-infile=ON -- \
	    $(VENV)/bin/pytest $(PAIR_TESTS) --mysql-role $$role || exit; done

# A trial takes some seconds, and there are about seventy kinds. FAULTS_SEED=… tries other instants.
FAULTS_SECONDS := 3600
FAULTS_SEED := 1
test-faults: setup  ## kills, crashes, cut lines, full disks at every instant: docs/how_it_works.md
	@$(VENV)/bin/python -m tests.faults --seconds $(FAULTS_SECONDS) --seed $(FAULTS_SEED) --page docs

ROWS := 1000000
REPEATS := 3
PRACTICE_ROWS := 2000000
PARTS := table,changes,practice,many
bench: setup  ## this project, its peers and the servers alone, side by side: docs/benchmarks.md
	@scripts/install_peers.sh $(PYTHON) $(VENV)-bench
	$(VENV)/bin/python -m benchmarks.speed --rows $(ROWS) --repeats $(REPEATS) \
	    --practice-rows $(PRACTICE_ROWS) --parts $(PARTS) --peers $(VENV)-bench

SECONDS := 30
fuzz: $(READY)  ## damaged packets for the compiled kernel; SECONDS=600 for longer
	@$(VENV)/bin/python -m tests.fuzz.fuzzer --seconds $(SECONDS)

lint: $(READY)  ## style, types, and which package imports which
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)-lint/bin/mypy --python-executable $(VENV)/bin/python
	$(VENV)-lint/bin/lint-imports --no-cache

setup: $(READY)
	@scripts/install_servers.sh

$(READY): pyproject.toml constraints.txt constraints-lint.txt $(wildcard etl_pipeline/transfer/*.c)
	@scripts/install_python.sh $(PYTHON) $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-dbt $(VENV)-lint build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
