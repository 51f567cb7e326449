# The documented targets, each a single `cargo xtask` command. `cargo xtask --help` lists all commands.

# The plug-in: my-plugin or my_plugin.
PLUGIN_NAME ?=
# The tag and the full name of the image, for build-image.
PLUGIN_VERSION ?=
IMG ?=

.DEFAULT_GOAL := help
.PHONY: help build build-image test lint

help: ## Print this help
	@echo "Usage: make <target> PLUGIN_NAME=<plug-in>"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Variables:"
	@echo "  PLUGIN_NAME     the plug-in: my-plugin or my_plugin"
	@echo "  PLUGIN_VERSION  the tag of the image, for build-image; default: the plug-in's version"
	@echo "  IMG             the full name of the image, for build-image; default: <plug-in>:<tag>"
	@echo
	@echo "Examples:"
	@echo "  make build PLUGIN_NAME=request-block"
	@echo "  make build-image PLUGIN_NAME=request-block PLUGIN_VERSION=1.0.0"
	@echo "  PLUGIN_NAME=request_block make test"

build: ## Build a plug-in into dist/<plug-in>/ and plugins/<plug-in>/plugin.wasm; without PLUGIN_NAME, all
	@cargo xtask build --copy-to-source $(or $(PLUGIN_NAME),--all)

build-image: ## Build a plug-in's image for `docker load` into dist/<plug-in>/image.tar, without Docker; without PLUGIN_NAME, all
	@cargo xtask package --shape plain $(or $(PLUGIN_NAME),--all) $(if $(PLUGIN_VERSION),--tag $(PLUGIN_VERSION)) $(if $(IMG),--image $(IMG))

test: ## Run a plug-in's tests natively and in a real Envoy; without PLUGIN_NAME, all tests
	@cargo xtask test $(PLUGIN_NAME)

lint: ## Check formatting, lints, documentation and manifests; without PLUGIN_NAME, everything
	@cargo xtask lint $(PLUGIN_NAME)
