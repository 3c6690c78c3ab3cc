# Every target sets up what it needs. Nothing outside this folder is written, but for pip's and npm's caches.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
BROWNIE := .venv-brownie
HALMOS := .venv-halmos
# TORCH=cpu takes the torch project's own index of CPU builds: a smaller download, where it can be reached.
TORCH  ?=
CONTRACTS := $(addprefix contracts/,learning/Learning.sol mining/Mining.sol verification/Verification.sol escrow/Escrow.sol randomness/PrevrandaoSeed.sol crypto/PaillierSum.sol)

UV_PIP = $(BIN)/uv pip install --quiet --python $(dir $@)bin/python --compile-bytecode --constraints $(CONSTRAINTS) $(if $(TORCH),--torch-backend $(TORCH))
CONSTRAINTS = constraints.txt

.PHONY: help demo test test-nodes nodes brownie lint contracts invariants halmos soak bench bench-nodes clean
.DEFAULT_GOAL := help

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-11s %s\n", $$1, $$2 }'

demo: $(VENV)/run ## ten devices learn MNIST together, encrypted, on real contracts
	$(BIN)/cairn demo

test: $(VENV)/dev ## the whole suite that needs no foreign program
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not nodes" $(PYTEST)

test-nodes: $(VENV)/dev nodes brownie ## the tests that run geth, anvil, ganache, kubo and what else is foreign, by name
	$(BIN)/python -m pytest -vv -rs -m nodes tests $(PYTEST)

nodes: $(VENV)/run ## anvil, forge, ganache, geth and kubo, for runs on real nodes
	$(BIN)/python scripts/get_nodes.py

# brownie itself keeps its networks and accounts in ~/.brownie.
brownie: $(BROWNIE)/ready ## brownie with Cairn beside it, in an environment of its own
	@echo "now: . $(BROWNIE)/bin/activate && brownie console"

lint: $(VENV)/dev ## ruff, mypy, layers; with Node also solhint, slither and the artifacts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory lint-contracts; \
	elif [ -n "$$CI" ]; then echo "lint: Node is missing, and CI insists on it" >&2; exit 1; \
	else echo "lint: no Node here, so solhint, slither and the check of the artifacts were left out"; fi

.PHONY: lint-contracts
lint-contracts: node_modules/.package-lock.json $(VENV)/dev
	@mkdir -p build
	npx --no-install solhint --max-warnings 0 'contracts/**/*.sol'
	$(BIN)/python scripts/compile_contracts.py --check
	@solc=$$($(BIN)/python -c 'from solcx.install import get_executable; print(get_executable("0.8.37"))') && \
	for contract in $(CONTRACTS); do \
		echo "slither $$contract"; \
		$(BIN)/slither $$contract --solc "$$solc" --config-file slither.config.json >build/slither.log 2>&1 || { cat build/slither.log; exit 1; }; \
	done

invariants: node_modules/.package-lock.json $(VENV)/dev ## forge calls every function in random histories; what was called, and that no law broke
	$(BIN)/python scripts/invariants.py $(INVARIANTS)

halmos: $(HALMOS)/ready node_modules/.package-lock.json $(VENV)/dev ## proofs about Escrow and Sealed, for every amount and argument
	PATH="$(CURDIR)/$(HALMOS)/bin:$$(dirname "$$($(BIN)/python -c 'from dapp.runtime.programs import find; print(find("forge"))')"):$$PATH" \
	FOUNDRY_CONFIG="$(CURDIR)/tests/foundry.toml" FOUNDRY_PROFILE=symbolic \
	FOUNDRY_SOLC="$$($(BIN)/python -c 'from solcx.install import get_executable; print(get_executable("0.8.37"))')" \
	halmos --root . --forge-build-out build/symbolic/out --loop 16 --solver-timeout-assertion 60s

soak: $(VENV)/dev nodes ## a million calls by forge, 5,000 histories beside the model
	$(BIN)/python scripts/invariants.py --histories 5000
	SOAK=1 $(BIN)/python -m pytest -s tests/nodes/test_state_machine.py tests/nodes/test_random_cases.py

contracts: node_modules/.package-lock.json $(VENV)/dev ## compile the contracts and write the artifacts
	$(BIN)/python scripts/compile_contracts.py

bench: $(VENV)/run ## the demo's figures as JSON, with phe beside them
	$(BIN)/cairn bench --json

bench-nodes: $(VENV)/run nodes ## seconds and gas of a round on each chain there is here
	$(BIN)/python scripts/bench_nodes.py $(BENCH_NODES)

clean: ## remove what was installed and built here
	rm -rf $(VENV) $(BROWNIE) $(HALMOS) node_modules build dist

$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cairn needs Python 3.11 or newer; name one with PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/run: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "installing Cairn into $(VENV) (torch is the large part)"
	$(UV_PIP) --editable .
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "installing Cairn and its development tools into $(VENV)"
	$(UV_PIP) --editable '.[dev]'
	@touch $@ $(VENV)/run

# Beside brownie lie the chains that it starts: it looks for them on PATH alone. They are npm's, not its wrappers.
$(BROWNIE)/ready: CONSTRAINTS = constraints-brownie.txt
$(BROWNIE)/ready: pyproject.toml constraints-brownie.txt node_modules/.package-lock.json | $(BIN)/uv
	@echo "installing Cairn and brownie into $(BROWNIE)"
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(BROWNIE)
	$(UV_PIP) --editable '.[brownie]'
	cd $(BROWNIE)/bin && ln -sf ../../node_modules/@foundry-rs/anvil-*/bin/anvil ../../node_modules/.bin/ganache-cli .
	cd scripts && ../$(BROWNIE)/bin/python -c 'import compile_contracts; compile_contracts.compiler()'
	@touch $@

# halmos pins a solver and more of its own.
$(HALMOS)/ready: | $(BIN)/uv
	@echo "installing halmos into $(HALMOS)"
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(HALMOS)
	$(BIN)/uv pip install --quiet --python $(HALMOS)/bin/python halmos==0.3.3
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-fund --no-audit
	@touch $@
