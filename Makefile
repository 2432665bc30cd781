SWIFT ?= swift
PREFIX ?= /usr/local
BUILD = $(SWIFT) build -c release
TEST_BUILD = -c release -Xswiftc -enable-testing --scratch-path .build-test

.PHONY: demo test build install bench interop format lint packages

build: packages
	$(BUILD)
