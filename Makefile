# make run            a cluster on this machine with a real workload; Ctrl-C stops it
# make run ONESHOT=1  the same, ending by itself
# make test           all checks
# make soak SEEDS=N   N simulated clusters with faults, on all cores
# make chaos SECONDS=N SEED=N  a real cluster with ZooKeeper, whose processes are killed and frozen; pulls killed at every moment
# make cgroup2        the tests of containers on a machine with cgroup v2, systemd and XFS, in qemu; needs root once
# make properties ROUNDS=N  the property tests, N times with other cases
# make fuzz SECONDS=N  each decoder with random bytes (TARGETS=NAMES chooses some); needs a nightly toolchain and cargo-fuzz
# make coverage       which part of the lines of each crate the tests run
# make bench          the benchmarks of the crates; CRATE=NAME chooses one
# make deny           licences, duplicates, bans, sources and advisories of dependencies
# make build          target/release/tepui

.PHONY: run test build soak chaos cgroup2 properties fuzz bench coverage tools fmt clippy spelling deny doc unit test-build zookeeper pymesos smoke \
	conformance skipped-begin

TEPUI = target/release/tepui
# Tests use the debug build that the unit tests need anyway. It checks arithmetic overflow as well.
TEST_TEPUI = target/debug/tepui
SEEDS = 10000
FROM = 0
SEED = 1
ROUNDS = 20
SECONDS = 60
PROPERTIES = -p agent -p allocator -p docker -p fetcher -p failures -p master -p provisioner -p resources -p validation -p views -p wire
PYMESOS = target/pymesos

build: tools
	@scripts/build-notice.py
	cargo build --release --locked -p tepui

run: build
	@scripts/run.sh $(TEPUI) $(if $(ONESHOT),--oneshot)

# What a test or a script skips is collected in a file, since the harness hides what passing tests print.
test: export TEPUI_SKIPPED_TESTS = $(CURDIR)/target/skipped-tests
test: skipped-begin tools fmt spelling deny clippy doc unit smoke conformance pymesos
	@scripts/skipped.sh report
	@echo "all checks passed"

skipped-begin:
	@mkdir -p target && : >target/skipped-tests

tools:
	@scripts/tools.sh

fmt:
	cargo fmt --all -- --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

spelling: tools
	@scripts/checker.sh typos --format brief

deny: tools
	@scripts/checker.sh cargo-deny deny --locked check --hide-inclusion-graph licenses bans sources
	@scripts/checker.sh advisories

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# For the tests of masters that take over from each other; where it cannot be installed they say so and are skipped.
zookeeper:
	@tests/zookeeper/zookeeper.sh install || [ $$? -eq 77 ]

# Properties draw the same cases each time: a check that fails here fails for what was changed. `make properties` looks further.
unit: export PROPTEST_RNG_SEED = 1
unit: zookeeper
	@scripts/run-tests.py --workspace --locked
	cargo test --workspace --locked --quiet --doc

# With the same features of dependencies as the unit tests, so that nothing is compiled twice.
test-build: tools
	cargo test --workspace --locked --quiet --no-run

# Tests a cluster from the outside: it starts, runs tasks, is read and stopped, and no process, mount or cgroup remains.
smoke: test-build
	@scripts/smoke.sh $(TEST_TEPUI)

# Every behaviour of Mesos that the suite knows, against our own master and agent.
conformance: test-build
	@scripts/conformance.sh $(TEST_TEPUI) target/debug/conformance

pymesos: test-build
	@tests/pymesos/setup.sh $(PYMESOS)
	@tests/pymesos/run.sh $(TEST_TEPUI) $(PYMESOS)
	@tests/pymesos/failover.sh $(TEST_TEPUI) $(PYMESOS)

coverage: tools zookeeper
	@scripts/coverage.sh

# The properties of the pure crates with other cases than those of `make test`.
properties: tools
	@for seed in $$(seq $(FROM) $$(($(FROM) + $(ROUNDS) - 1))); do \
		PROPTEST_RNG_SEED=$$seed cargo test --quiet --locked $(PROPERTIES) >target/properties.log 2>&1 \
			&& echo "seed $$seed: passed" || { cat target/properties.log; echo "again: make properties ROUNDS=1 FROM=$$seed"; exit 1; }; \
	done

# Targets that write files do so in memory, which is many times as fast.
fuzz: tools
	@cargo +nightly fuzz --version >/dev/null || { echo "please install: rustup toolchain install nightly; cargo install cargo-fuzz --locked" >&2; exit 1; }
	@for target in $(or $(TARGETS),$$(cargo +nightly fuzz list)); do \
		mkdir -p fuzz/corpus/$$target; \
		TMPDIR=$$([ -w /dev/shm ] && echo /dev/shm || echo /tmp) \
			cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(SECONDS) -rss_limit_mb=3000 -timeout=20 || exit 1; \
	done

# Some need minutes; what they measure stands at the beginning of each file in the benches folders of the crates.
bench: tools
	cargo bench --locked --bench '*' $(if $(CRATE),-p $(CRATE),--workspace)

soak: tools
	cargo build --release --locked -p simulator
	target/release/simulate --from $(FROM) --seeds $(SEEDS)

# About ten minutes, of which building the image of the machine takes one or two the first time.
cgroup2: tools
	@tests/cgroup2/run.sh target/cgroup2 $(PROGRAMS)

chaos: tools zookeeper
	CHAOS_SECONDS=$(SECONDS) CHAOS_SEED=$(SEED) cargo test --locked -p tepui --test chaos -- --nocapture
	CRASH_ALL=1 cargo test --locked -p provisioner --test images crash -- --nocapture
