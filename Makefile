# make run            a cluster on this machine with a real workload; Ctrl-C stops it
# make run ONESHOT=1  the same, ending by itself
# make test           all checks
# make build          target/release/tepui

.PHONY: run test build tools fmt clippy unit pymesos smoke

TEPUI = target/release/tepui
PYMESOS = target/pymesos

build: tools
	cargo build --release --locked -p tepui

run: build
	@scripts/run.sh $(TEPUI) $(if $(ONESHOT),--oneshot)

test: tools fmt clippy unit smoke pymesos
	@echo "all checks passed"

tools:
	@scripts/tools.sh

fmt:
	cargo fmt --all -- --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit:
	cargo test --workspace --locked

# The whole thing from the outside: start, run, look, stop, and nothing is left behind.
smoke: build
	@scripts/smoke.sh $(TEPUI)

pymesos: build
	@tests/pymesos/setup.sh $(PYMESOS)
	@tests/pymesos/run.sh $(TEPUI) $(PYMESOS)
