# make demo        sample -> training -> report -> pipeline, in a few minutes on two CPU cores
# make test        every test but the slow ones
# make test-parallel  the same, two at a time
# make test-slow   those that take minutes
# Each sets up what it needs in .venv, one environment for all.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
DEMO   := runs/demo

.PHONY: demo test test-parallel test-slow setup setup-test

setup: $(VENV)/.ready
setup-test: $(VENV)/.ready-test .venv-datasets3/.ready

$(VENV)/.ready: requirements.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready requirements-test.txt
	$(PY) -m pip install --quiet --requirement requirements-test.txt
	touch $@

# the builder also works as a loading script of datasets 3; those tests need that version
.venv-datasets3/.ready: requirements-datasets3.txt
	test -x .venv-datasets3/bin/python || $(PYTHON) -m venv .venv-datasets3
	.venv-datasets3/bin/python -m pip install --quiet --requirement requirements-datasets3.txt
	touch $@

demo: setup
	@$(PY) -m examples.demo --output $(DEMO)

test: setup-test
	$(PY) -m pytest -m "not slow" -rs

# the same with two at a time, in about half the time; the tests of a file stay together, since they share what they made
test-parallel: setup-test
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not slow" -rs -n 2 --dist loadfile --max-worker-restart 0

test-slow: setup-test
	$(PY) -m pytest -m slow -rs
