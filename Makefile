SWIFT  ?= swift
PREFIX ?= /usr/local
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
RECAST := .build/release/recast

# The tests run optimised: a debug build of the forward pass takes minutes where this takes seconds.
TEST_BUILD := -c release -Xswiftc -enable-testing --scratch-path .build-test

.PHONY: demo test build packages install bench calibration hostile interop configurations screenshots faults fuzz format lint clean

## What the README promises: everything from nothing, and the main job on the fixture.
demo: build
	@Fixtures/demo.sh $(RECAST)

test: packages
	$(SWIFT) test $(TEST_BUILD)

build: packages
	$(SWIFT) build -c release --product recast

## OpenBLAS, Oniguruma and zstd, where they are missing.
packages:
	@{ pkg-config --exists libzstd oniguruma && ldconfig -p | grep -q libopenblas.so.0; } 2>/dev/null || { \
	    $(SUDO) apt-get update -qq && \
	    $(SUDO) apt-get install -y -qq pkg-config libopenblas0-pthread libonig-dev libzstd-dev; }

install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(RECAST) $(DESTDIR)$(PREFIX)/bin/recast
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(RECAST) --generate-completion-script bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/recast
	install -d $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(RECAST) --generate-completion-script zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_recast

## Speed and memory against cp, llama.cpp and OpenBLAS.
bench: build
	@Benchmarks/run $(RECAST) $(SECTIONS)

## What each way to choose codes costs in each encoding: half an hour.
calibration: build
	@Benchmarks/calibration $(RECAST)

## Time and memory for files that are built to be bad: both grow as the files do.
hostile: build
	@Benchmarks/hostile $(RECAST) $(ROWS)

## Other software reads what Recast writes; slow, and needs Python.
interop: build
	@Tests/Interop/run $(RECAST)

## Every key of every family's configuration in other values, beside transformers: three quarters of an hour. CASES names some.
configurations: build
	@Tests/Interop/configurations $(RECAST) $(CASES)

## Pages of --report, of the small model and of invented numbers, as Chromium lays them out; pictures go to PAGES.
PAGES ?= .build-pages
screenshots: build
	mkdir -p $(PAGES)
	RECAST_REPORT_PAGES=$(abspath $(PAGES)) $(SWIFT) test $(TEST_BUILD) --filter ReportPageTests
	RECAST=$(abspath $(RECAST)) python3 Tests/Interop/check_reports.py $(PAGES) --pictures

## Every system call of whole conversions fails, does half, or is the last; and real kills of a model of 300 MB.
KILLS ?= 204
faults: build
	RECAST_FAULTS=all $(SWIFT) test $(TEST_BUILD) --filter FaultTests
	Tests/Faults/kills $(RECAST) $(KILLS)
	Tests/Faults/calibration-kills $(RECAST)

## Random changes to files of every format until one is read wrongly, for SECONDS each; TARGET=gguf is one of them.
SECONDS ?= 60
fuzz: packages
	@SWIFT="$(SWIFT)" Tests/Fuzzing/run $(SECONDS) $(TARGET)

format:
	$(SWIFT) format -i -r -p Sources Tests Package.swift

lint:
	$(SWIFT) format lint --strict -r -p Sources Tests Package.swift

clean:
	rm -rf .build .build-*
