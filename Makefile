# Each target says what it does: `make help`.

.DEFAULT_GOAL := help
.PHONY: help build run test test-all lint fuzz bench bench-report bench-check bench-baseline fuel conformance-mcp conformance-python survive public-api deny sbom docker-check book python-wasm python-wasm-train python-wasm-update python-wasm-check

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## The release binary
	cargo build --release --locked

run: ## The service on port 8030
	cargo run --release --locked

test: ## The host's tests
	cargo test --locked

test-all: ## What CI runs: format, guest tests, lints, documentation, tests
	.ci/run

lint: ## Format and lints
	cargo fmt --all --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings

fuzz: ## Attacks by machine, five minutes for each target, two at a time: docs/fuzzing.md
	fuzz/run 300

bench: ## All benches; criterion's own report is target/criterion
	cargo bench --locked

bench-report: ## Figures of this machine: benches/REPORT.md (ten minutes)
	python3 benches/report.py

bench-check: ## Is anything slower, against native Python, than benches/baseline.json?
	python3 benches/check.py

bench-baseline: ## benches/baseline.json anew
	python3 benches/check.py --write

fuel: ## What fixed programs may burn, anew: benches/fuel.json
	WRITE_FUEL=1 cargo test --locked --test all fuel::

conformance-mcp: ## Clients of the Model Context Protocol and its conformance suite, from PyPI and npm (minutes)
	cargo build --locked --bins --example mcp_fixtures
	tests/mcp/run.sh

conformance-python: ## CPython's own tests in the sandbox, against what passes natively: docs/python.md (ten minutes)
	cargo build --locked
	tests/conformance-python/run.py

survive: ## Hostile programs against each set of layers, with figures (some minutes)
	cargo test --locked --test all survive:: -- --nocapture

public-api: ## The public interface as text, anew: docs/public-api/
	tests/public-api.sh --write

deny: ## Licences, sources, duplicates and advisories of all crates (needs cargo-deny)
	cargo deny --locked check

sbom: ## What the service is made of, interpreter included, as CycloneDX: target/sbom.cdx.json
	mkdir -p target && deploy/sbom.py > target/sbom.cdx.json

docker-check: ## The Dockerfile's steps and result, without Docker (Debian with debootstrap, as root; minutes)
	deploy/docker-check.py

book: ## The documentation as a book: target/book (installs mdBook if it is absent)
	docs/book.sh

python-wasm: ## The interpreter from its sources (Debian 12, as root; minutes)
	python-wasm/build.sh

python-wasm-train: ## What the interpreter learns from, counted anew (as python-wasm)
	python-wasm/build.sh --train

python-wasm-update: ## Another release of CPython 3.13: make python-wasm-update VERSION=3.13.16 SHA256=… (as python-wasm)
	python-wasm/build.sh --update "$(VERSION)" "$(SHA256)"

python-wasm-check: ## Proof that rebuilding the interpreter gives the same bytes
	python-wasm/build.sh --check
