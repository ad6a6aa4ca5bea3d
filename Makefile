# The same commands at the desk and in CI. prepare.sh makes what each of them needs.

ARGS ?=
# Tests over real records skip where this names no folder.
FTU_RECORDS ?= $(abspath $(wildcard ../shared/records))
ifneq ($(FTU_RECORDS),)
export FTU_RECORDS
endif

LOCK = build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--only-binary :all: \
	--custom-compile-command "make lock" $(ARGS)

.PHONY: help run test check hil soak bench lock docs clean firmware

help:  ## these lines
	@sed -nE 's/^([a-z]+):  ## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

run:  ## a feeder, its terminal, a broker and a consumer on your screen; ARGS="--seconds 20"
	@./prepare.sh run
	@.venv/bin/ftu-agent demo $(ARGS)

test:  ## every test, with the real servers and tools they need; ARGS="-k journal"
	@./prepare.sh test
	PATH="$$PATH:/usr/sbin" .venv/bin/pytest --numprocesses auto --dist worksteal $(ARGS)

check:  ## format, lint, types
	@./prepare.sh check
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy

hil:  ## the rig's whole catalogue, with its report in build/rig; ARGS="short-circuit*" for a part
	@./prepare.sh hil
	@PATH="$$PATH:/usr/sbin" .venv/bin/ftu-hil run --report build/rig $(ARGS)

soak:  ## the long campaigns, which go on where they were; ARGS="--hours 8 --only kills"
	@./prepare.sh hil
	@PATH="$$PATH:/usr/sbin" .venv/bin/python -m hil.soak $(ARGS)

bench:  ## every figure beside its reference; ARGS="--quick log" for one in seconds
	@./prepare.sh bench
	@.venv/bin/python -m bench $(ARGS)

lock:  ## locks/ anew from pyproject.toml; ARGS="--upgrade" takes newer versions
	@./prepare.sh lock
	$(LOCK) pyproject.toml --group build --extra demo --extra plot -o locks/run.lock
	$(LOCK) pyproject.toml --extra demo --extra plot --extra test -c locks/run.lock -o locks/test.lock
	$(LOCK) --group zcbor -o locks/zcbor.lock
	$(LOCK) --group labgrid -o locks/labgrid.lock
	$(LOCK) --no-binary jsonpath-rw --group gateway -o locks/gateway.lock
	echo "--no-binary jsonpath-rw" >>locks/gateway.lock  # it has no wheel

docs:  ## the pages that are printed from the code
	@./prepare.sh run
	.venv/bin/python -c 'from agent.site_keys import reference; print(reference(), end="")' \
		>docs/site-file.md
	.venv/bin/python -c 'from agent.setting_page import reference; print(reference(), end="")' \
		>docs/settings.md

clean:  ## removes what the other targets made
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find agent bench hil tests -name __pycache__ -prune -exec rm -rf {} +

# Promised by name already; it comes with its part.
firmware:
	@echo "make $@ comes with part G" >&2; exit 2
