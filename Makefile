# make demo        sample -> training -> report -> pipeline, in a few minutes on two CPU cores
# make test        every test but the slow ones, three rooms of them at a time
# make test-slow   those that take minutes
# Each sets up what it needs in .venv, one environment for all.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
DEMO   := runs/demo

# each room of tests in a process of its own, so that no library of one meets those of another; `tests` is what no other holds.
# In an order in which all lanes end at about the same time
ROOMS := tests/imaginet_tools tests/training tests/imaginet_tools/inference tests/modeling tests tests/imaginet tests/imaginet_core

.PHONY: demo test test-slow setup setup-test $(ROOMS)

setup: $(VENV)/.ready
setup-test: $(VENV)/.ready-test .venv-datasets3/.ready

# --no-compile: what is imported is compiled when it is; compiling all of it takes as long as installing it. Then it is kept, also where
# the caller's environment forbids that, as those of containers often do: else each process of the tests would compile it anew
unexport PYTHONDONTWRITEBYTECODE

$(VENV)/.ready: requirements.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --no-compile --requirement requirements.txt
	touch $@

$(VENV)/.ready-test: requirements.txt requirements-test.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --no-compile --requirement requirements.txt --requirement requirements-test.txt
	touch $(VENV)/.ready $@

# the builder also works as a loading script of datasets 3; those tests need that version
.venv-datasets3/.ready: requirements-datasets3.txt
	test -x .venv-datasets3/bin/python || $(PYTHON) -m venv .venv-datasets3
	.venv-datasets3/bin/python -m pip install --quiet --no-compile --requirement requirements-datasets3.txt
	touch $@

demo: setup
	@$(PY) -m examples.demo --output $(DEMO)

LANES := 3  # some tests wait more than they compute, so a lane more than cores

test:
	$(MAKE) --no-print-directory --jobs 2 setup-test
	$(PY) -m tests.fresh_process serve $(MAKE) --no-print-directory --jobs $(LANES) --keep-going --output-sync=target $(ROOMS)

tests/imaginet: .venv-datasets3/.ready

# in a fork of a server that has imported the large libraries, if there is one (tests/fork_server.py)
$(ROOMS): $(VENV)/.ready-test
	@echo "== $@" && OMP_NUM_THREADS=1 $(PY) $(if $(IMAGINET_TESTS_FORK_SERVER),-m tests.fresh_process run) -m pytest -m "not slow" -rs $@ $(addprefix --ignore=,$(filter $@/%,$(ROOMS)))

test-slow: setup-test
	$(PY) -m pytest -m slow -rs -o faulthandler_timeout=3600

# the page in a browser, which needs Chromium; its Gradio needs an older Pillow, so it has an environment of its own over the other
.PHONY: test-app
.venv-app/.ready: requirements-app.txt $(VENV)/.ready-test
	test -x .venv-app/bin/python || $(PYTHON) -m venv .venv-app
	$(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $$(.venv-app/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/shared.pth
	.venv-app/bin/python -m pip install --quiet --no-compile --requirement requirements-app.txt
	touch $@

test-app: .venv-app/.ready
	OMP_NUM_THREADS=1 .venv-app/bin/python -m pytest -rs tests/imaginet_tools/inference/app
