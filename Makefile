# What a newcomer needs: `make demo`, `make test`. What a developer needs: `make check`. See README.md.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format screenshots lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Prepare the environment: .venv, locked dependencies, system packages
	@scripts/setup.sh dev

demo: ## Start a small community with simulated devices, and show where to look (Ctrl-C ends it)
	@scripts/setup.sh demo
	@.venv/bin/linli demo $(ARGS)

# Most tests wait for something, so more of them run at once than there are cores. Whole systems run two at a time, and those
# of a gate, whose models take a core each, one after the other.
AT_ONCE := -n 3 --dist loadfile
PAIRS := tests/browser tests/chaos
WHOLE := tests/acceptance

test: setup ## Run all tests, those of the service on PostgreSQL too; with ARGS: pytest with these arguments
ifdef ARGS
	.venv/bin/python -m pytest $(ARGS)
else
	.venv/bin/python -m pytest -q $(AT_ONCE) $(PAIRS:%=--ignore=%) $(WHOLE:%=--ignore=%)
	.venv/bin/python -m pytest -q $(AT_ONCE) tests/cloud --database postgresql
	.venv/bin/python -m pytest -q -n 2 --dist loadfile $(PAIRS)
	.venv/bin/python -m pytest -q $(WHOLE)
endif

check: setup ## Check format, lint, types, import contracts and documentation
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m pytest -q tests/architecture

format: setup ## Format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

screenshots: setup ## Take pictures of every page at 1920, 1280 and 390 px, in Chinese and English, into .linli/screenshots
	.venv/bin/python -m tests.browser.screenshots $(ARGS)

lock: setup ## Lock the dependencies anew
	.venv/bin/uv pip compile -q pyproject.toml --extra build --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/runtime.txt $(ARGS)
	.venv/bin/uv pip compile -q pyproject.toml --extra build --extra dlib --extra dev --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements/dev.txt $(ARGS)

clean: ## Remove caches (not .venv, not the demo's data in .linli)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
